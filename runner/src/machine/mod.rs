//! What a machine is, told to people: who it says it is, what its PE can do, which cases it can be asked.

mod part;

use std::collections::BTreeMap;
use std::fmt;

use case::memory::{ArenaKind, MemoryMap};
use device::Identity;
use golden::{Features, Granule, Implementation, Support};
use judge::offer::Offer;
use judge::verdict::Lack;
use link::hello::{Hello, Region};
use serde::Serialize;

use crate::plan::Plan;
pub use part::Part;
use suite::Suite;
use suite::hex::Hex;

/// So many cases of a suite, the first ones, are tried to be drawn.
const CASES: u64 = 256;

/// A machine, as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct MachineDescription {
    target: String,
    emulator: Option<String>,
    model: String,
    firmware: String,
    psci: Option<String>,
    console: Option<String>,
    entry_el: u32,
    entry_hcr_el2: Hex,
    entry_sctlr_el2: Hex,
    image: Hex,
    /// What is wrong with the executor's own map, where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_own_map: Option<String>,
    /// The executor's own first.
    pes: Vec<Hex>,
    free: Vec<Piece>,
    arenas: Vec<Arena>,
    part: String,
    pa_bits: u8,
    granules: BTreeMap<&'static str, Stages>,
    features: Vec<&'static str>,
    ids: BTreeMap<&'static str, Hex>,
    suites: Vec<Askable>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Piece {
    base: Hex,
    size: Hex,
}

#[derive(Clone, Debug, Serialize)]
struct Arena {
    #[serde(flatten)]
    piece: Piece,
    kind: &'static str,
}

/// What each stage can do with a granule.
#[derive(Clone, Copy, Debug, Serialize)]
struct Stages {
    stage1: &'static str,
    stage2: &'static str,
}

/// What of a suite a machine can be asked.
#[derive(Clone, Debug, Serialize)]
struct Askable {
    suite: String,
    tried: u64,
    drawn: u64,
    /// How many of the others can't be drawn or asked, by the reason.
    not_drawn: BTreeMap<&'static str, u64>,
}

impl MachineDescription {
    /// The machine behind `identity` that said `hello` and has the memory `map`, with `suites` to try.
    pub fn new(identity: &Identity, hello: &Hello, map: &MemoryMap, suites: &[Suite]) -> Self {
        let found = &hello.surroundings;
        let implementation = conform::implementation(&hello.ids);
        let has = |(name, feature): &(&'static str, Features)| {
            implementation.has(*feature).then_some(*name)
        };
        let arena = |arena: &case::memory::Arena| Arena {
            piece: Piece { base: Hex(arena.base), size: Hex(arena.size) },
            kind: match arena.kind {
                ArenaKind::Tables => "tables",
                ArenaKind::Void => "void",
                ArenaKind::Scratch => "scratch",
            },
        };
        let named = !found.console.is_empty();
        Self {
            target: identity.name.clone(),
            emulator: identity.emulator.clone(),
            model: found.model.to_string(),
            firmware: found.firmware.to_string(),
            psci: (found.psci != 0)
                .then(|| format!("{}.{}", found.psci >> 16 & 0x7fff, found.psci & 0xffff)),
            console: named.then(|| format!("{} at {:#x}", found.console, found.console_base)),
            entry_el: hello.entry_el,
            entry_hcr_el2: Hex(hello.entry_hcr_el2),
            entry_sctlr_el2: Hex(hello.entry_sctlr_el2),
            image: Hex(hello.image),
            no_own_map: (!hello.own_map.is_on()).then(|| hello.own_map.to_string()),
            pes: found.affinities.iter().take(hello.pes as usize).copied().map(Hex).collect(),
            free: hello.free().iter().map(Piece::from).collect(),
            arenas: map.arenas().iter().map(arena).collect(),
            part: Part::new(hello.ids.midr_el1).to_string(),
            pa_bits: implementation.pa_bits,
            granules: granules(&implementation),
            features: Features::NAMED.iter().filter_map(has).collect(),
            ids: hello.ids.named().into_iter().map(|(name, value)| (name, Hex(value))).collect(),
            suites: suites.iter().map(|suite| Askable::new(suite, hello, map)).collect(),
        }
    }

    /// The same as one line of JSON.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written")
    }
}

impl From<&Region> for Piece {
    fn from(region: &Region) -> Self {
        Self { base: Hex(region.base), size: Hex(region.size) }
    }
}

impl Askable {
    fn new(suite: &Suite, hello: &Hello, map: &MemoryMap) -> Self {
        let abilities = hello.abilities();
        let plan = Plan::new(suite.generators.clone(), abilities, map.clone(), 1);
        let tried = plan.count().min(CASES);
        let offer = Offer::new(hello);
        let mut not_drawn = BTreeMap::new();
        for case in (0..tried).filter_map(|index| plan.case(index)) {
            let why = match case {
                Ok(case) => offer.lacks(case.as_ref()).map(Lack::reason),
                Err(why) => Some(why.reason()),
            };
            if let Some(why) = why {
                *not_drawn.entry(why).or_default() += 1;
            }
        }
        let drawn = tried - not_drawn.values().sum::<u64>();
        Self { suite: suite.name.to_string(), tried, drawn, not_drawn }
    }
}

const GRANULES: [(&str, Granule); 3] =
    [("4K", Granule::K4), ("16K", Granule::K16), ("64K", Granule::K64)];

fn granules(implementation: &Implementation) -> BTreeMap<&'static str, Stages> {
    let told = |support| match support {
        Support::Absent => "no",
        Support::Present => "yes",
        Support::Lpa2 => "LPA2",
    };
    let stages = |(name, granule)| {
        let stage1 = told(implementation.stage1_granules.support(granule));
        let stage2 = told(implementation.stage2_granules.support(granule));
        (name, Stages { stage1, stage2 })
    };
    GRANULES.map(stages).into_iter().collect()
}

impl fmt::Display for MachineDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |text: &str| if text.is_empty() { "not told" } else { text }.to_owned();
        let emulator = self.emulator.as_ref().map(|name| format!(", emulator {name}"));
        writeln!(f, "{}{}\n", self.target, emulator.unwrap_or_default())?;
        writeln!(f, "machine      {}", or_unknown(&self.model))?;
        writeln!(f, "boot loader  {}", or_unknown(&self.firmware))?;
        let psci = self
            .psci
            .as_ref()
            .map_or("no PSCI".to_owned(), |version| format!("PSCI {version}, which starts PEs"));
        writeln!(f, "firmware     {psci}")?;
        let console = self.console.as_deref().unwrap_or_default();
        writeln!(f, "console      {}", or_unknown(console))?;
        let (hcr, sctlr) = (self.entry_hcr_el2, self.entry_sctlr_el2);
        let el = self.entry_el;
        writeln!(f, "entered      at EL{el}, with HCR_EL2 {hcr} and SCTLR_EL2 {sctlr}")?;
        writeln!(f, "image        at {}", self.image)?;
        if let Some(why) = &self.no_own_map {
            writeln!(f, "own map      none: {why}")?;
        }
        let pes: Vec<_> = self.pes.iter().map(Hex::to_string).collect();
        writeln!(f, "PEs          {}", pes.join(", "))?;
        for (at, piece) in self.free.iter().enumerate() {
            let title = if at == 0 { "free RAM" } else { "" };
            writeln!(f, "{title:12} {piece}")?;
        }
        for (at, arena) in self.arenas.iter().enumerate() {
            let title = if at == 0 { "for cases" } else { "" };
            writeln!(f, "{title:12} {}, {}", arena.piece, arena.kind)?;
        }

        writeln!(f, "\n{}, {} bits of physical address\n", self.part, self.pa_bits)?;
        writeln!(f, "granule  stage 1  stage 2")?;
        for (name, _) in GRANULES {
            let Stages { stage1, stage2 } = self.granules[name];
            writeln!(f, "{name:>7}  {stage1:7}  {stage2}")?;
        }
        writeln!(f)?;
        if self.features.is_empty() {
            writeln!(f, "no feature beyond Armv8.0 that translation depends on")?;
        }
        for line in self.features.chunks(7) {
            writeln!(f, "{}", line.join(" "))?;
        }
        writeln!(f)?;
        for (name, Hex(value)) in &self.ids {
            writeln!(f, "{name:17} {value:#018x}")?;
        }
        if !self.suites.is_empty() {
            writeln!(f, "\nwhat can be asked of each suite's first cases")?;
        }
        for askable in &self.suites {
            writeln!(f, "{:>5} of {:>4}  {}", askable.drawn, askable.tried, askable.suite)?;
            for (why, count) in &askable.not_drawn {
                writeln!(f, "               {count} not: {why}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Hex(base), Hex(size)) = (self.base, self.size);
        write!(f, "{base:#x} to {:#x} ({} KB)", base.saturating_add(size), size >> 10)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use case::memory::Arena;
    use link::hello::{IdRegisters, OwnMap};
    use link::surroundings::{Surroundings, Text};

    use super::*;

    fn description(ids: IdRegisters, surroundings: Surroundings) -> MachineDescription {
        let mut free = [Region::default(); link::hello::MAX_REGIONS];
        free[0] = Region { base: 0x4020_0000, size: 0x1fe0_0000 };
        let hello = Hello {
            version: link::VERSION,
            entry_el: 2,
            image: 0x4008_0000,
            entry_hcr_el2: 1 << 31,
            own_map: OwnMap::ON,
            entry_sctlr_el2: 0x30c5_0830,
            ids,
            pes: 2,
            surroundings,
            free_count: 1,
            free,
        };
        let mut map = MemoryMap::new();
        let arena = Arena { base: 0x5000_0000, size: 8 << 20, kind: ArenaKind::Tables };
        map.push(arena).expect("there is room");
        let text = "name: both\ngenerators:\n  - random: { cases: 8, space: { granules: { 4k: 1 } } }\n  \
                    - random: { cases: 4, space: { granules: { 16k: 1 } } }\n";
        let suite = Suite::from_text(text, Path::new("both.yaml")).expect("it is whole");
        let identity = Identity {
            name: "board".to_owned(),
            emulator: None,
            command: String::new(),
            shape: String::new(),
        };
        MachineDescription::new(&identity, &hello, &map, &[suite])
    }

    /// Of a Cortex-A53: 40 bits, no 16K granule.
    fn ids() -> IdRegisters {
        let (midr_el1, id_aa64mmfr0_el1) = (0x410f_d034, 0x1122);
        IdRegisters { midr_el1, id_aa64mmfr0_el1, ..IdRegisters::default() }
    }

    #[test]
    fn a_machine_is_told_with_what_it_can_be_asked() {
        let surroundings = Surroundings {
            model: Text::new(b"A board"),
            console: Text::new(b"pl011"),
            console_base: 0x900_0000,
            psci: 0x1_0001,
            affinities: [0x100, 0, 0, 0],
            ..Surroundings::default()
        };
        let told = description(ids(), surroundings).to_string();
        for line in [
            "board\n",
            "machine      A board\n",
            "boot loader  not told\n",
            "firmware     PSCI 1.1, which starts PEs\n",
            "console      pl011 at 0x9000000\n",
            "entered      at EL2, with HCR_EL2 0x80000000 and SCTLR_EL2 0x30c50830\n",
            "PEs          0x100, 0x0\n",
            "free RAM     0x40200000 to 0x60000000 (522240 KB)\n",
            "for cases    0x50000000 to 0x50800000 (8192 KB), tables\n",
            "Arm Cortex-A53 r0p4, 40 bits of physical address\n",
            "     4K  yes      yes\n    16K  no       no\n    64K  yes      yes\n",
            "\nno feature beyond Armv8.0",
            "ID_AA64MMFR0_EL1  0x0000000000001122\n",
            "    8 of   12  both\n",
            "               4 not: the PE has no stage 2 of this granule and size\n",
        ] {
            assert!(told.contains(line), "{line:?} in\n{told}");
        }
    }

    #[test]
    fn what_is_not_found_is_not_made_up() {
        let told = description(ids(), Surroundings::default()).to_string();
        let lines = ["machine      not told", "firmware     no PSCI", "console      not told"];
        assert!(lines.iter().all(|line| told.contains(line)), "{told}");
    }

    #[test]
    fn json_holds_the_same() {
        let line = description(ids(), Surroundings::default()).json_line();
        let json: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(json["granules"]["4K"]["stage2"], "yes");
        assert_eq!(json["ids"]["MIDR_EL1"], "0x410fd034");
        assert_eq!(json["suites"][0]["drawn"], 8);
    }
}

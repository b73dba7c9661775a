//! The guests that are drawn can live, reach nothing that they must not, and are of every kind.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use case::abilities::Abilities;
use case::draw::NotDrawn;
use case::draw::el10::GuestSpace;
use case::edit::Change;
use case::format::Granule;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{El, Operation, Probe};
use case::source::Source;
use case::tree::Role;
use case::{Case, Flags, guest, scratch};
use golden::{Access, Alignment, Machine as Pe, MemoryType, Translation, Va, access, allowed};
use link::hello::IdRegisters;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};

use crate::common::machines::{self, DIMMS};

/// QEMU's max, with LPA2 and without; a Cortex-A53, a Cortex-A57, a Neoverse N1.
fn machines() -> [(IdRegisters, &'static [u64]); 5] {
    let ids = |mmfr0, mmfr1, mmfr2, isar0, isar1| IdRegisters {
        id_aa64mmfr0_el1: mmfr0,
        id_aa64mmfr1_el1: mmfr1,
        id_aa64mmfr2_el1: mmfr2,
        id_aa64isar0_el1: isar0,
        id_aa64isar1_el1: isar1,
        ..IdRegisters::default()
    };
    let max = |mmfr0| {
        let (mmfr1, mmfr2) = (0x1031_2122, 0x1221_0111_1021_1011);
        ids(mmfr0, mmfr1, mmfr2, 0x0210_0000_0020_0000, 0x0110_0111_1121_1052)
    };
    [
        (max(0x2100_0323_1020_1126), &DIMMS),
        (max(0x2100_0000_0010_1126), &DIMMS),
        (ids(0x1122, 0, 0, 0, 0), &DIMMS[..2]),
        (ids(0x1124, 0, 0, 0, 0), &DIMMS[..3]),
        (ids(0x10_1125, 0x1021_2122, 0x1011, 0x0020_0000, 0x10_0001), &DIMMS[..6]),
    ]
}

struct Machine {
    abilities: Abilities,
    map: MemoryMap,
    twin: Twin,
    learned: Learned,
}

impl Machine {
    fn new((ids, bases): &(IdRegisters, &[u64])) -> Self {
        let mut map = machines::with_scratch(bases);
        map.push(Arena { base: 0x0b00_0000, size: 1 << 20, kind: ArenaKind::Void }).unwrap();
        let (pe, abilities) = (conform::implementation(ids), ids.abilities());
        let twin = Twin::new(pe, Simulation::new(&map));
        Self { abilities, map, twin, learned: Learned::new([]).unwrap() }
    }

    fn all() -> Vec<Self> {
        machines().iter().map(Self::new).collect()
    }

    /// Holds a case against all that it promises, and counts what is in it.
    fn check(&mut self, case: &Case, what: &str, seen: &mut Seen) {
        let Self { map, twin, learned, .. } = self;
        let checked = twin.with_tables(case, map, |tables| {
            lives(case, map, tables, learned, what);
            let mut shared = BTreeMap::new();
            for probe in case.as_ref().probes {
                let ends = ends(tables, learned, probe, what);
                reaches_what_it_may(map, probe, &ends, what);
                seen.probe(probe, &ends);
                is_shared_by_all(tables, map, probe, &mut shared, what);
            }
        });
        checked.unwrap_or_else(|error| panic!("{what}: {error}\n{case:#x?}"));
        is_quiet(case, map, what);
        seen.case(case);
    }
}

/// Where an access may end: at a physical address, or with a fault.
type Ends = Vec<Result<u64, String>>;

/// Where `asked` at `va` may end.
fn ends_of(tables: &Tables<'_>, learned: &Learned, asked: Access, va: u64, what: &str) -> Ends {
    let (ends, strays_to) = ends_or_strays(tables, learned, asked, va);
    assert_eq!(strays_to, None, "{what}: a walk for {va:#x} strays");
    ends
}

/// Where `asked` at `va` may end, and what its walk reads that does not belong to the case.
fn ends_or_strays(
    tables: &Tables<'_>,
    learned: &Learned,
    asked: Access,
    va: u64,
) -> (Ends, Option<u64>) {
    let mut ends = Ends::new();
    tables.memory.take_strayed();
    let pe = tables.pe();
    let machine = Pe { implementation: pe, registers: &tables.registers, memory: &*tables.memory };
    let explored = allowed(
        learned.profile(),
        |choices| access(machine, asked, Va(va), choices, &mut ()).unwrap(),
        |outcome, _| {
            let end = match outcome.result {
                Ok(translation) => Ok(translation.pa.0),
                Err(abort) => Err(told(&abort.fault)),
            };
            if !ends.contains(&end) {
                ends.push(end);
            }
            ControlFlow::Continue(())
        },
    );
    assert!(explored.complete, "too many outcomes for {va:#x}");
    (ends, tables.memory.take_strayed())
}

/// A fault without its address.
fn told(fault: &golden::Fault) -> String {
    let walk = if fault.s1_walk { " on a stage 1 walk" } else { "" };
    format!("{} {}, level {}{walk}", fault.stage, fault.kind, fault.level)
}

/// The accesses of a probe by a guest: each with where it begins. `None` for AT and steps.
fn accesses(probe: &Probe) -> Option<[(Access, u64); 2]> {
    let el = match probe.el()? {
        El::El1 => golden::El::El1,
        El::El0 => golden::El::El0,
        El::El2 => return None,
    };
    let operation = probe.operation()?;
    if operation.is_at() || operation.is_step() {
        return None;
    }
    let bytes = match operation {
        Operation::LoadPair | Operation::StorePair => 16,
        Operation::Fetch => 4,
        _ => u64::from(probe.bytes()),
    };
    let what = match operation {
        Operation::Fetch => golden::Operation::Fetch,
        Operation::Swap | Operation::Add | Operation::CompareAndSwap => golden::Operation::Atomic,
        other if other.is_store() => golden::Operation::Store,
        _ => golden::Operation::Load,
    };
    let element = if bytes == 16 { 8 } else { bytes };
    let alignment = Alignment::of(Va(probe.address), element);
    let access = Access::new(what, el).with_alignment(alignment);
    let mut access = access.with_pan(probe.has(Probe::PAN));
    access.unprivileged =
        matches!(operation, Operation::LoadUnprivileged | Operation::StoreUnprivileged);
    Some([(access, probe.address), (access, probe.address + (bytes - 1))])
}

/// Where the first and the last byte of a probe may end; nowhere for one that is no access.
fn ends(tables: &Tables<'_>, learned: &Learned, probe: &Probe, what: &str) -> [Ends; 2] {
    let accesses = accesses(probe);
    let end = |(access, va)| ends_of(tables, learned, access, va, what);
    accesses.map_or_else(Default::default, |both| both.map(end))
}

/// The same; `None` where a walk would read what does not belong to the case.
fn strays_or_ends(tables: &Tables<'_>, learned: &Learned, probe: &Probe) -> Option<[Ends; 2]> {
    let Some(accesses) = accesses(probe) else { return Some(Default::default()) };
    let [first, last] = accesses.map(|(access, va)| {
        let (ends, strays_to) = ends_or_strays(tables, learned, access, va);
        strays_to.is_none().then_some(ends)
    });
    Some([first?, last?])
}

/// What does not fault reaches tags, or slots where it is a fetch.
fn reaches_what_it_may(map: &MemoryMap, probe: &Probe, ends: &[Ends; 2], what: &str) {
    let is_fetch = probe.operation() == Some(Operation::Fetch);
    let offset = if is_fetch { scratch::SLOTS } else { scratch::TAGS };
    let is_there = |pa: u64| {
        let mut arenas = map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Scratch);
        arenas.any(|arena| (arena.base + offset..arena.base + offset + 0x1_0000).contains(&pa))
    };
    for end in ends.iter().flatten().flatten() {
        assert!(is_there(*end), "{what}: {probe:x?} reaches {end:#x}");
        assert!(!is_fetch || end % scratch::SLOT_BYTES < 4, "{what}: {probe:x?} enters {end:#x}");
    }
}

/// All who load and store in one stage do so through caches, or all without.
fn is_shared_by_all(
    tables: &Tables<'_>,
    map: &MemoryMap,
    probe: &Probe,
    shared: &mut BTreeMap<u8, bool>,
    what: &str,
) {
    use golden::Cacheability::{NonCacheable, WriteBack};
    let operation = probe.operation().unwrap();
    let is_maintenance =
        (Operation::DcCvac as u8..=Operation::IcIvau as u8).contains(&(operation as u8));
    if operation == Operation::Fetch || is_maintenance && operation != Operation::DcZva {
        return;
    }
    let Some([(asked, va), _]) = accesses(probe) else { return };
    let Some(translation) = translated(tables, asked, va) else { return };
    let is_cached = match translation.attributes.memory {
        MemoryType::Device(_) => false,
        MemoryType::Normal { inner: NonCacheable, outer: NonCacheable } => false,
        MemoryType::Normal { inner: WriteBack(_), outer: WriteBack(_) } => true,
        other => panic!("{what}: {probe:x?} reaches {other:?}"),
    };
    let first = Operation::LoadExclusive as u8;
    let is_atomic = (first..=Operation::CompareAndSwap as u8).contains(&(operation as u8));
    assert!(is_cached || !is_atomic, "{what}: {probe:x?} of {:?}", translation.attributes);
    let arena = map.arena_of(translation.pa.0).unwrap();
    let others = *shared.entry(arena).or_insert(is_cached);
    assert_eq!(is_cached, others, "{what}: {probe:x?} of {:?}", translation.attributes);
}

/// The guest's code is executed by EL1 and EL0, every piece of it and the vectors, and nowhere else.
fn lives(case: &Case, map: &MemoryMap, tables: &Tables<'_>, learned: &Learned, what: &str) {
    let guest = case.as_ref().header.guest;
    assert!(case.as_ref().flags().has(Flags::GUEST));
    assert_eq!(guest.code_va % scratch::GUEST_BYTES, 0);
    let code = map.resolve(guest.code).unwrap() + scratch::GUEST;
    for el in [golden::El::El1, golden::El::El0] {
        for offset in (0..scratch::GUEST_BYTES).step_by(guest::PIECE_BYTES as usize) {
            let fetch = Access::new(golden::Operation::Fetch, el);
            let ends = ends_of(tables, learned, fetch, guest.code_va + offset, what);
            assert_eq!(ends, [Ok(code + offset)], "{what}: code at {el:?}\n{case:#x?}");
        }
    }
}

/// What a PE that reads ahead can reach belongs to the case, or is Device memory that nobody executes, or has no
/// access flag: of stage 2 where it is on, else of stage 1.
fn is_quiet(case: &Case, map: &MemoryMap, what: &str) {
    let case = case.as_ref();
    let registers = &case.header.registers;
    let is_on = case.tree(Role::Stage2).is_some();
    let flag = if is_on { registers.vtcr_el2 >> 21 } else { registers.tcr_el1 >> 39 } & 1 == 1;
    let fwb = registers.hcr_el2 >> 46 & 1 == 1;
    for mapping in case.mappings {
        let tree = &case.trees[usize::from(mapping.tree)];
        if is_on != (tree.role() == Some(Role::Stage2)) {
            continue;
        }
        let granule = tree.format().unwrap().granule;
        let bytes = u64::from(mapping.entries) << granule.entry_bits(mapping.level);
        let first = map.resolve(mapping.output).unwrap();
        let mut arenas = map.arenas().iter();
        if arenas.any(|arena| arena.kind != ArenaKind::Void && arena.contains(first, bytes)) {
            continue;
        }
        let attributes = &mapping.attributes;
        let byte = registers.mair_el1 >> (8 * (attributes.mem_attr & 7)) & 0xff;
        let is_quiet = match (is_on, fwb) {
            (true, false) => attributes.mem_attr & 0xc == 0 && attributes.xn == 2,
            (true, true) => attributes.mem_attr & 0x4 == 0 && attributes.xn == 2,
            (false, _) => byte >> 4 == 0 && attributes.xn == 3,
        };
        assert!(is_quiet || attributes.af == 0 && !flag, "{what}: {mapping:x?}");
    }
}

/// The same of every edit of the stage that has the last word. What leads into arenas still does, or to tables of
/// the case, or to an address that is too large; what leads elsewhere becomes invalid, or leads to one too large.
fn is_quiet_when_edited(case: &Case, map: &MemoryMap, tables: &Tables<'_>, what: &str) {
    const VALID: u64 = 1;
    const PAGE: u64 = 1 << 1;
    const SH: u64 = 3 << 8;
    // AP, AF, nG or FnXS, DBM, PXN and UXN or XN, and what software has for itself.
    const PERMISSIONS: u64 = 3 << 6 | 3 << 10 | 1 << 51 | 3 << 53 | 0xf << 55;
    // PXNTable, UXNTable, APTable.
    const LIMITS: u64 = 0xf << 59;
    let case = case.as_ref();
    let is_on = case.tree(Role::Stage2).is_some();
    let registers = &tables.registers;
    let (ps, has_ds) = match is_on {
        true => (registers.vtcr_el2 >> 16 & 7, registers.vtcr_el2 >> 32 & 1 == 1),
        false => (registers.tcr_el1 >> 32 & 7, registers.tcr_el1 >> 59 & 1 == 1),
    };
    let oa_bits = [32, 36, 40, 42, 44, 48, 52, 52][ps as usize].min(tables.pe().pa_bits);
    for edit in case.edits {
        let tree = &case.trees[usize::from(edit.tree)];
        if is_on != (tree.role() == Some(Role::Stage2)) {
            continue;
        }
        let granule = tree.format().unwrap().granule;
        let mapping = case.mappings.iter().find(|mapping| {
            let bits = granule.entry_bits(mapping.level);
            let offset = edit.input.wrapping_sub(mapping.input);
            mapping.tree == edit.tree && offset >> bits < u64::from(mapping.entries)
        });
        let mapping = mapping.unwrap();
        let is_table = edit.level < mapping.level;
        let flip = match edit.change().unwrap() {
            Change::Flip(flip) => flip,
            Change::Table { place, .. } if is_table => {
                let arena = map.arena_of(map.resolve(place).unwrap()).unwrap();
                assert_eq!(map.arenas()[usize::from(arena)].kind, ArenaKind::Void, "{what}");
                continue;
            }
            other => panic!("{what}: {other:?}"),
        };
        let moved = flip & ((1 << 48) - (1 << granule.bits()));
        let is_too_large = moved >> oa_bits.min(47) != 0;
        let first = map.resolve(mapping.output).unwrap();
        let bytes = u64::from(mapping.entries) << granule.entry_bits(mapping.level);
        let arena = map.arena_of(first).map(|number| map.arenas()[usize::from(number)]);
        let arena = arena.filter(|arena| arena.contains(first, bytes));
        let in_tables = |pa: u64| {
            let arena = map.arena_of(pa).map(|number| map.arenas()[usize::from(number)]);
            arena.is_some_and(|arena| arena.kind == ArenaKind::Tables && arena.contains(pa, bytes))
        };
        let is_permitted = match (is_table, arena) {
            (true, _) => flip == VALID || !is_on && flip & !LIMITS == 0,
            (false, None) => flip & !(VALID | PAGE | moved) == 0 && (moved == 0 || is_too_large),
            (false, Some(arena)) => {
                let sh = if has_ds && granule != Granule::K64 { 0 } else { SH };
                let led = moved != 0 && arena.kind == ArenaKind::Tables && in_tables(first ^ moved);
                // Tables may be said to lie in Device memory.
                let types = if arena.kind == ArenaKind::Tables { 0xf << 2 } else { 0 };
                let known = VALID | PAGE | PERMISSIONS | sh | types | moved;
                flip & !known == 0 && (moved == 0 || led || is_too_large)
            }
        };
        assert!(is_permitted, "{what}: {edit:x?} of {mapping:x?}");
    }
}

/// How often something was drawn.
#[derive(Default)]
struct Seen {
    counts: BTreeMap<String, usize>,
    cases: usize,
    accesses: usize,
}

impl Seen {
    fn note(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or(0)
    }

    fn probe(&mut self, probe: &Probe, ends: &[Ends; 2]) {
        let (operation, el) = (probe.operation().unwrap(), probe.el().unwrap());
        self.note(format!("op {}", operation.name()));
        self.note(format!("el {}", el.level()));
        if probe.has(Probe::PAN) {
            self.note("pan");
        }
        let [first, last] = ends;
        let (Some(first), Some(last)) = (first.first(), last.first()) else { return };
        self.accesses += 1;
        match first {
            Ok(pa) => {
                self.note("succeeds");
                self.note(format!("succeeds {}", operation.name()));
                if !pa.is_multiple_of(u64::from(probe.bytes())) && operation != Operation::Fetch {
                    self.note("unaligned");
                }
                if last.as_ref().is_ok_and(|last| pa >> 12 != last >> 12) {
                    self.note("crosses");
                }
            }
            Err(fault) => self.note(format!("fault: {}", fault)),
        }
    }

    fn step(&mut self, probe: &Probe) {
        let operation = probe.operation().unwrap();
        self.note(format!("op {}", operation.name()));
        for (name, flag) in [
            ("inner", Probe::INNER_SHAREABLE),
            ("outer", Probe::OUTER_SHAREABLE),
            ("nxs", Probe::NXS),
            ("together", Probe::TOGETHER),
        ] {
            if probe.has(flag) {
                self.note(name);
            }
        }
        let has_ttl = matches!(operation, Operation::TlbiVae1 | Operation::TlbiIpas2e1);
        if has_ttl && probe.address >> 44 & 0xf != 0 {
            self.note("ttl");
        }
        if probe.pe > 0 {
            self.note("another PE");
        }
    }

    fn rivals(&mut self, case: &Case) {
        let case = case.as_ref();
        if case.header.registers.vttbr_el2 & 1 == 1 {
            self.note("CnP");
        }
        for (number, tree) in case.trees.iter().enumerate() {
            let role = tree.role().unwrap();
            if case.trees[..number].iter().any(|other| other.role() == Some(role)) {
                self.note(format!("rival {}", role.name()));
            }
        }
        for edit in case.edits {
            assert!(edit.is_late());
            let tree = usize::from(edit.tree);
            let role = |tree: usize| case.trees[tree].role();
            let granule = case.trees[tree].format().unwrap().granule;
            let is_leaf = case.mappings.iter().any(|mapping| {
                let bits = granule.entry_bits(mapping.level);
                let inside = edit.input.wrapping_sub(mapping.input) >> bits;
                usize::from(mapping.tree) == tree
                    && mapping.level == edit.level
                    && inside < u64::from(mapping.entries)
            });
            let kind = match (is_leaf, edit.change()) {
                (true, _) => "leaf",
                (false, Some(Change::Replace(_))) => "table into block",
                (false, _) => "table",
            };
            let mut slots = case.trees.iter().flat_map(|tree| tree.ipas().iter().copied());
            if role(tree) == Some(Role::Stage2) && slots.any(|ipa| ipa >> 12 == edit.input >> 12) {
                self.note("change tables");
            }
            self.note(format!("change {} {kind}", case.trees[tree].role().unwrap().name()));
        }
    }

    fn case(&mut self, case: &Case) {
        self.cases += 1;
        let case = case.as_ref();
        let registers = &case.header.registers;
        for (name, value, at) in [
            ("DC", registers.hcr_el2, 12),
            ("PTW", registers.hcr_el2, 2),
            ("CD", registers.hcr_el2, 32),
            ("FWB", registers.hcr_el2, 46),
            ("VTCR.HA", registers.vtcr_el2, 21),
            ("VTCR.HD", registers.vtcr_el2, 22),
            ("VTCR.VS", registers.vtcr_el2, 19),
            ("M", registers.sctlr_el1, 0),
            ("A", registers.sctlr_el1, 1),
            ("C", registers.sctlr_el1, 2),
            ("WXN", registers.sctlr_el1, 19),
            ("EPAN", registers.sctlr_el1, 57),
            ("EPD0", registers.tcr_el1, 7),
            ("EPD1", registers.tcr_el1, 23),
            ("A1", registers.tcr_el1, 22),
            ("AS", registers.tcr_el1, 36),
            ("TBI0", registers.tcr_el1, 37),
            ("TBI1", registers.tcr_el1, 38),
            ("TCR.HA", registers.tcr_el1, 39),
            ("TCR.HD", registers.tcr_el1, 40),
            ("HPD0", registers.tcr_el1, 41),
            ("E0PD0", registers.tcr_el1, 55),
            ("E0PD1", registers.tcr_el1, 56),
            ("TCR.DS", registers.tcr_el1, 59),
        ] {
            if value >> at & 1 == 1 {
                self.note(name);
            }
        }
        for tree in case.trees {
            let format = tree.format().unwrap();
            self.note(format!("tree {} {:?}", tree.role().unwrap().name(), format.granule));
            let ia_bits = format.ia_bits / 8 * 8;
            self.note(format!("tree {} from {ia_bits} bits", tree.role().unwrap().name()));
        }
        for mapping in case.mappings {
            let role = case.trees[usize::from(mapping.tree)].role().unwrap();
            self.note(format!("leaf {} level {}", role.name(), mapping.level));
            if mapping.attributes.has(case::mapping::Attributes::CONTIGUOUS) {
                self.note(format!("group {}", role.name()));
            }
        }
    }
}

/// Cases of each machine.
const CASES: u64 = 400;

#[test]
fn guests_can_live_and_reach_nothing_else() {
    for (number, mut machine) in Machine::all().into_iter().enumerate() {
        let mut seen = Seen::default();
        for index in 0..CASES {
            let what = format!("machine {number}, case {index}");
            let case =
                Source::Guest(GuestSpace::BENIGN).draw(&machine.abilities, &machine.map, 3, index);
            let case = case.unwrap_or_else(|why| panic!("{what}: {why:?}"));
            machine.check(&case, &what, &mut seen);
        }
        let is_s1ptw = |(what, _): &(&String, &usize)| what.ends_with("on a stage 1 walk");
        assert_eq!(seen.counts.iter().find(is_s1ptw), None, "machine {number}: nothing is spoiled");
        // Neither all faults nor none.
        let succeeded = seen.count("succeeds");
        let (few, many) = (seen.accesses / 3, seen.accesses * 2 / 3);
        assert!((few..many).contains(&succeeded), "{succeeded} of {}", seen.accesses);
    }
}

/// What a PE that has everything is asked, and how often at least in a thousand cases of 32 probes.
const KINDS: [(&str, usize); 72] = [
    ("DC", 20),
    ("PTW", 200),
    ("CD", 15),
    ("FWB", 250),
    ("VTCR.HA", 50),
    ("VTCR.HD", 30),
    ("VTCR.VS", 300),
    ("M", 800),
    ("A", 150),
    ("C", 800),
    ("WXN", 150),
    ("EPAN", 300),
    ("EPD0", 60),
    ("EPD1", 60),
    ("A1", 200),
    ("AS", 300),
    ("TBI0", 200),
    ("TBI1", 200),
    ("TCR.HA", 50),
    ("TCR.HD", 30),
    ("HPD0", 200),
    ("E0PD0", 50),
    ("E0PD1", 50),
    ("TCR.DS", 250),
    ("tree stage2 K4", 200),
    ("tree stage2 K16", 200),
    ("tree stage2 K64", 200),
    ("tree ttbr0_el1 K4", 200),
    ("tree ttbr0_el1 K16", 200),
    ("tree ttbr0_el1 K64", 200),
    ("tree ttbr1_el1 K4", 200),
    ("tree ttbr1_el1 K16", 200),
    ("tree ttbr1_el1 K64", 200),
    ("tree stage2 from 16 bits", 40),
    ("tree stage2 from 24 bits", 80),
    ("tree stage2 from 32 bits", 80),
    ("tree stage2 from 40 bits", 80),
    ("tree stage2 from 48 bits", 40),
    ("leaf stage2 level 0", 5),
    ("leaf stage2 level 1", 50),
    ("leaf stage2 level 2", 400),
    ("leaf ttbr0_el1 level 0", 2),
    ("leaf ttbr0_el1 level 1", 50),
    ("leaf ttbr0_el1 level 2", 200),
    ("group stage2", 400),
    ("group ttbr0_el1", 150),
    ("group ttbr1_el1", 150),
    ("pan", 2000),
    ("el 0", 5000),
    ("el 1", 10_000),
    ("el 2", 2000),
    ("unaligned", 150),
    ("crosses", 40),
    ("succeeds load_pair", 100),
    ("succeeds store_pair", 100),
    ("succeeds store_exclusive", 100),
    ("succeeds swap", 100),
    ("succeeds load_acquire", 100),
    ("succeeds store_unprivileged", 80),
    ("succeeds dc_zva", 60),
    ("succeeds ic_ivau", 100),
    ("succeeds fetch", 1500),
    ("op at_s1e1rp", 300),
    ("op at_s12e0w", 300),
    ("fault: stage 1 Access flag fault, level 3", 300),
    ("fault: stage 1 Address size fault, level 3", 5),
    ("fault: stage 1 Alignment fault, level 3", 60),
    ("fault: stage 1 Permission fault, level 3", 2000),
    ("fault: stage 1 Translation fault, level 0", 600),
    ("fault: stage 2 Access flag fault, level 3", 200),
    ("fault: stage 2 Permission fault, level 3", 800),
    ("fault: stage 2 Translation fault, level 3", 150),
];

#[test]
fn guests_are_of_every_kind() {
    let mut machine = Machine::new(&machines()[0]);
    let mut seen = Seen::default();
    for index in 0..1000 {
        let case = Source::Guest(GuestSpace::BENIGN)
            .draw(&machine.abilities, &machine.map, 9, index)
            .unwrap();
        machine.check(&case, &format!("case {index}"), &mut seen);
    }
    for (what, least) in KINDS {
        let count = seen.count(what);
        assert!(count >= least, "{what}: {count}, not {least}\n{:#?}", seen.counts);
    }
    assert!(Operation::ALL.iter().filter(|operation| !operation.is_step()).all(|operation| {
        let is_of_others = operation.is_self_test()
            || matches!(operation, Operation::AtS1e2r | Operation::AtS1e2w | Operation::RoundTrip);
        is_of_others || seen.count(&format!("op {}", operation.name())) > 0
    }));
}

#[test]
fn what_a_pe_lacks_is_not_drawn() {
    let machine = Machine::new(&machines()[2]);
    let space = GuestSpace { hardware_updates: 1000, ..GuestSpace::BENIGN };
    for index in 0..300 {
        let case = Source::Guest(space).draw(&machine.abilities, &machine.map, 4, index).unwrap();
        let case = case.as_ref();
        let registers = &case.header.registers;
        assert!(!case.flags().has(Flags::UPDATES));
        assert_eq!(registers.hcr_el2 >> 46 & 1, 0, "FWB");
        assert_eq!(registers.vtcr_el2 >> 19 & 0xf, 0, "VS, HA, HD");
        assert_eq!(registers.tcr_el1 >> 39, 0, "HA, HD, HPD, E0PD, DS");
        assert_eq!(registers.sctlr_el1 >> 32, 0, "EPAN");
        assert_eq!(registers.sctlr_el1 >> 23 & 1, 1, "SPAN is RES1");
        for probe in case.probes {
            let operation = probe.operation().unwrap();
            assert!(!probe.has(Probe::PAN) && operation != Operation::AtS1e1rp);
            assert!(!matches!(operation, Operation::Swap | Operation::Add));
        }
    }
    let only_16k = GuestSpace { granules: [0, 1, 0], ..GuestSpace::BENIGN };
    let drawn = |stage2| {
        let space = GuestSpace { stage1: 1000, stage2, ..only_16k };
        Source::Guest(space).draw(&machine.abilities, &machine.map, 4, 0).map(|_| ())
    };
    assert_eq!(drawn(1000), Err(NotDrawn::NoSuchShape));
    assert_eq!(drawn(0), Err(NotDrawn::NoSuchStage1Shape));
}

#[test]
fn guests_with_hardware_updates_are_asked_again_and_again() {
    let mut machine = Machine::new(&machines()[0]);
    let space = GuestSpace { hardware_updates: 1000, probes: 64, ..GuestSpace::BENIGN };
    let (mut seen, mut again, mut both) = (Seen::default(), 0, 0);
    for index in 0..300 {
        let case = Source::Guest(space).draw(&machine.abilities, &machine.map, 5, index).unwrap();
        if !case.as_ref().flags().has(Flags::UPDATES) {
            let registers = &case.as_ref().header.registers;
            assert_eq!(registers.sctlr_el1 & 1 | registers.hcr_el2 & 1, 0, "no stage is on");
            continue;
        }
        machine.check(&case, &format!("case {index}"), &mut seen);
        let case = case.as_ref();
        let registers = &case.header.registers;
        both += usize::from(registers.vtcr_el2 >> 21 & registers.tcr_el1 >> 39 & 1 == 1);
        let mut pages = BTreeMap::<u64, usize>::new();
        for probe in case.probes {
            *pages.entry(probe.address << 8 >> 20).or_default() += 1;
        }
        again += usize::from(pages.values().any(|count| *count >= 6));
    }
    assert!(
        again > 240 && both > 80,
        "{again} cases with a page that is asked often, {both} with both"
    );
    assert_eq!(seen.count("crosses"), 0);
}

#[test]
fn what_is_spoiled_is_not_what_a_guest_needs() {
    let mut seen = Seen::default();
    for (number, mut machine) in Machine::all().into_iter().enumerate() {
        let space = GuestSpace { spoiled: 1000, hardware_updates: 200, ..GuestSpace::BENIGN };
        let (mut edits, mut strays) = (0, 0);
        for index in 0..CASES {
            let what = format!("machine {number}, case {index}");
            let Machine { abilities, map, twin, learned } = &mut machine;
            let case = Source::Guest(space).draw(abilities, map, 6, index).unwrap();
            assert!(!case.as_ref().flags().has(Flags::INTENT), "{what}");
            edits += case.as_ref().edits.len();
            is_quiet(&case, map, &what);
            let asked = twin.with_tables(&case, map, |tables| {
                lives(&case, map, tables, learned, &what);
                is_quiet_when_edited(&case, map, tables, &what);
                for probe in case.as_ref().probes {
                    match strays_or_ends(tables, learned, probe) {
                        Some(ends) => seen.probe(probe, &ends),
                        None => strays += 1,
                    }
                }
            });
            asked.unwrap_or_else(|error| panic!("{what}: {error}\n{case:#x?}"));
            seen.case(&case);
        }
        assert!(edits > 1000, "machine {number}: {edits} edits");
        assert!(strays < 400, "machine {number}: {strays} walks stray");
    }
    println!("{} accesses: {:#?}", seen.accesses, seen.counts);
    for (what, least) in SPOILED {
        let count = seen.count(what);
        assert!(count >= least, "{what}: {count}, not {least}\n{:#?}", seen.counts);
    }
}

/// What spoiled cases are for, and how often at least.
const SPOILED: [(&str, usize); 8] = [
    ("fault: stage 2 Translation fault, level 3 on a stage 1 walk", 100),
    ("fault: stage 2 Translation fault, level 2 on a stage 1 walk", 20),
    ("fault: stage 2 Translation fault, level 1 on a stage 1 walk", 5),
    ("fault: stage 2 Access flag fault, level 3 on a stage 1 walk", 100),
    ("fault: stage 2 Permission fault, level 3 on a stage 1 walk", 100),
    ("fault: stage 2 Permission fault, level 2 on a stage 1 walk", 5),
    ("fault: stage 2 Address size fault, level 3 on a stage 1 walk", 20),
    ("fault: stage 1 Address size fault, level 3", 20),
];

/// The same sequences of steps and probes, with what is spelled out about them counted.
#[test]
fn a_guest_lives_through_every_step_of_a_sequence() {
    let mut seen = Seen::default();
    for (number, mut machine) in Machine::all().into_iter().enumerate() {
        let space = GuestSpace { mappings: [4, 10], probes: 96, ..GuestSpace::BENIGN };
        let mut succeeded = 0;
        for index in 0..200 {
            let what = format!("machine {number}, case {index}");
            let Machine { abilities, map, twin, learned } = &mut machine;
            let case = Source::Tlbi(space).draw(abilities, map, 8, index).unwrap();
            assert!(!case.as_ref().flags().has(Flags::INTENT), "{what}");
            is_quiet(&case, map, &what);
            let lived = twin.with_tables(&case, map, |tables| {
                let mut succeeded = 0;
                let mut shared = BTreeMap::new();
                for probe in case.as_ref().probes {
                    seen.step(probe);
                    if tables.step(probe).unwrap() {
                        lives_in_short(&case, map, tables, learned, &what);
                        continue;
                    }
                    let Some([(access, va), _]) = accesses(probe) else { continue };
                    let found = translated(tables, access, va);
                    let told: Ends = found.into_iter().map(|found| Ok(found.pa.0)).collect();
                    succeeded += told.len();
                    reaches_what_it_may(map, probe, &[told, Ends::new()], &what);
                    is_shared_by_all(tables, map, probe, &mut shared, &what);
                }
                succeeded
            });
            succeeded += lived.unwrap_or_else(|error| panic!("{what}: {error}\n{case:#x?}"));
            seen.case(&case);
            seen.rivals(&case);
        }
        assert!(succeeded > 2000, "machine {number}: {succeeded}");
    }
    for (what, least) in SEQUENCES {
        let count = seen.count(what);
        assert!(count >= least, "{what}: {count}, not {least}\n{:#?}", seen.counts);
    }
}

/// What sequences are made of, and how often at least.
const SEQUENCES: [(&str, usize); 37] = [
    ("CnP", 150),
    ("op change", 10_000),
    ("op use_tree", 1000),
    ("op load", 10_000),
    ("op fetch", 4000),
    ("op tlbi_vmalle1", 500),
    ("op tlbi_vmalls12e1", 500),
    ("op tlbi_vae1", 500),
    ("op tlbi_vaae1", 300),
    ("op tlbi_vale1", 300),
    ("op tlbi_vaale1", 300),
    ("op tlbi_aside1", 300),
    ("op tlbi_ipas2e1", 300),
    ("op tlbi_ipas2le1", 300),
    ("op tlbi_alle1", 200),
    ("op tlbi_rvae1", 60),
    ("op tlbi_rvaae1", 60),
    ("op tlbi_rvale1", 60),
    ("op tlbi_rvaale1", 60),
    ("op tlbi_ripas2e1", 60),
    ("op tlbi_ripas2le1", 60),
    ("inner", 1000),
    ("outer", 100),
    ("nxs", 100),
    ("ttl", 60),
    ("rival stage2", 250),
    ("rival ttbr0_el1", 60),
    ("rival ttbr1_el1", 60),
    ("change stage2 leaf", 400),
    ("change ttbr0_el1 leaf", 400),
    ("change ttbr1_el1 leaf", 400),
    ("change stage2 table", 20),
    ("change ttbr0_el1 table", 20),
    ("change ttbr1_el1 table", 20),
    ("change ttbr0_el1 table into block", 20),
    ("change ttbr1_el1 table into block", 20),
    ("change tables", 100),
];

/// The translation of an access that finds nothing but the tables as they are, and does not fault.
fn translated(tables: &Tables<'_>, asked: Access, va: u64) -> Option<Translation> {
    let pe = tables.pe();
    let machine = Pe { implementation: pe, registers: &tables.registers, memory: &*tables.memory };
    let outcome = access(machine, asked, Va(va), &mut golden::Profile::open(), &mut ()).unwrap();
    outcome.result.ok()
}

/// The ends of the guest's code are executed by EL1 and EL0.
fn lives_in_short(
    case: &Case,
    map: &MemoryMap,
    tables: &Tables<'_>,
    learned: &Learned,
    what: &str,
) {
    let guest = case.as_ref().header.guest;
    let code = map.resolve(guest.code).unwrap() + scratch::GUEST;
    for el in [golden::El::El1, golden::El::El0] {
        for offset in [0, scratch::GUEST_BYTES - 4] {
            let fetch = Access::new(golden::Operation::Fetch, el);
            let ends = ends_of(tables, learned, fetch, guest.code_va + offset, what);
            assert_eq!(ends, [Ok(code + offset)], "{what}: code at {el:?}\n{case:#x?}");
        }
    }
}

#[test]
fn pes_share_the_work() {
    let mut machine = Machine::new(&machines()[0]);
    let space = GuestSpace { pes: 3, hardware_updates: 1000, ..GuestSpace::BENIGN };
    let mut seen = Seen::default();
    for index in 0..200 {
        let what = format!("case {index}");
        let case = Source::Guest(space).draw(&machine.abilities, &machine.map, 2, index).unwrap();
        machine.check(&case, &what, &mut seen);
        let mut probes = case.as_ref().probes.iter().peekable();
        while let Some(probe) = probes.next() {
            seen.step(probe);
            assert!(u64::from(probe.pe) < space.pes, "{what}");
            assert!(probe.el() != Some(El::El2) || probe.pe == 0, "{what}: {probe:x?}");
            if probe.has(Probe::TOGETHER) {
                let other = probes.peek().unwrap();
                assert!(other.pe != probe.pe && other.el() != Some(El::El2), "{what}: {other:x?}");
                let lines = [probe, other].map(|probe| probe.address / 64);
                let pages = [probe, other].map(|probe| probe.address / 0x1000);
                assert!(lines[0] != lines[1] && pages[0] == pages[1], "{what}: {probe:x?}");
            }
        }
        let case = Source::Tlbi(space).draw(&machine.abilities, &machine.map, 2, index).unwrap();
        let registers = &case.as_ref().header.registers;
        assert_eq!((registers.vttbr_el2 | registers.ttbr0_el1) & 1, 0, "{what}: CnP");
        for step in case.as_ref().probes {
            seen.step(step);
            let operation = step.operation().unwrap();
            assert_ne!(operation, Operation::UseTree, "{what}: of which PE?");
            let is_own = step.el() == Some(El::El2) && !operation.is_step();
            assert!(!is_own || step.pe == 0, "{what}: {step:x?}");
        }
    }
    for (what, least) in [("together", 500), ("another PE", 5000), ("inner", 200), ("outer", 100)] {
        assert!(seen.count(what) >= least, "{what}: {}", seen.count(what));
    }
}

#[test]
fn the_cases_are_pinned() {
    // If this fails, every recorded seed of guests has lost its meaning: raise `case::draw::VERSION`.
    let machine = Machine::new(&machines()[0]);
    let mut words = vec![0; 1 << 16];
    let mut digest_of = |draws: &dyn Fn(u64) -> Case| {
        let mut digest = 0xcbf2_9ce4_8422_2325u64;
        for index in 0..100 {
            let bytes = draws(index).as_ref().write_to(&mut words).unwrap();
            for byte in &words[..bytes] {
                digest = (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        digest
    };
    let Machine { abilities, map, .. } = &machine;
    let spoiled = GuestSpace { spoiled: 1000, ..GuestSpace::BENIGN };
    let digests = [
        digest_of(&|index| {
            Source::Guest(GuestSpace::BENIGN).draw(abilities, map, 1, index).unwrap()
        }),
        digest_of(&|index| Source::Guest(spoiled).draw(abilities, map, 1, index).unwrap()),
        digest_of(&|index| {
            Source::Tlbi(GuestSpace::BENIGN).draw(abilities, map, 1, index).unwrap()
        }),
    ];
    let pinned = [0x3234_7f86_27d2_f591, 0x0867_1f50_ea56_8d81, 0xf6b7_1c62_cd06_3518];
    assert_eq!(digests, pinned, "{digests:#x?}");
}

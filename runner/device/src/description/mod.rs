//! What a target is, as its YAML file says it.
//!
//! ```text
//!   name, description
//!   start ── qemu: machine, cpu, memory, options, dimms, load address     how it starts
//!            gdb: address, command, reset, load address, registers
//!            serial: port, boot recipe
//!   transport ── mailbox: address | uart                                  how it talks
//!   board ── console, ram, reserved, psci, gic                            what no device tree tells
//!   arenas, carve, void, scratch                                          what cases may use
//!   monitor                                                               whether EL3 is ours
//!   limits                                                                when it counts as hung
//!   choices                                                               what it is pinned to
//! ```

mod address;
mod affinity;
mod board;
mod gdb;
mod limits;
mod line;
mod qemu;
mod range;
mod recipe;
mod serial;
mod size;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use case::scratch;
use link::config::Config;
use link::hello::MAX_PES;
use schemars::JsonSchema;
use serde::Deserialize;

use suite::yaml::{self, YamlError};

pub use self::address::Address;
pub use self::affinity::Affinity;
pub use self::board::Board;
pub use self::gdb::Gdb;
pub use self::limits::Limits;
pub use self::line::Line;
pub use self::qemu::{Dimm, Qemu};
pub use self::range::Range;
pub use self::recipe::{Action, Form, Pattern, Step, filled, unescaped};
pub use self::serial::{Emulator, Port, Serial, Tty};
pub use self::size::Size;

/// A machine that answers cases: how it starts, how it talks, what it is.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk target")]
pub struct Description {
    /// What records and reports call it; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it is, in a line.
    #[serde(default)]
    pub description: String,
    /// How it is started.
    pub start: Start,
    /// How host and executor talk.
    pub transport: Transport,
    /// What the executor is to know of the board, where nothing else tells it.
    #[serde(default)]
    pub board: Board,
    /// Memory for tables, at addresses of your choice. Each must lie in a DIMM, or in RAM that the
    /// target reports as free.
    #[serde(default)]
    pub arenas: Vec<Range>,
    /// Memory for tables, cut from the RAM that the target reports as free.
    #[serde(default)]
    pub carve: Option<Carve>,
    /// Addresses where nothing answers: a walk that reaches them takes an external abort.
    #[serde(default)]
    pub void: Vec<Range>,
    /// Where the executor may live while it is in a set-up of EL2, and where such a case's loads,
    /// stores and fetches may go: 256 KB from each of these addresses, which are multiples of 64 KB. Each
    /// must lie in a DIMM, or in RAM that the target reports as free.
    #[serde(default)]
    pub scratch: Vec<Address>,
    /// Whether the executor is entered at EL3: a monitor that it leaves there asks about set-ups that
    /// EL2 could not live in.
    #[serde(default)]
    pub monitor: bool,
    /// The PE that runs cases, by the affinity that its MPIDR_EL1 has: the PE that is booted hands over to it
    /// by PSCI. Default: the one that is booted.
    #[serde(default)]
    pub pe: Option<Affinity>,
    /// When it counts as hung.
    #[serde(default)]
    pub limits: Limits,
    /// IMPLEMENTATION DEFINED choices that it is pinned to: another behaviour is then a mismatch.
    #[serde(default)]
    pub choices: BTreeMap<String, String>,
}

/// How a target is started.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Start {
    /// By QEMU, as a process on this host.
    Qemu(Qemu),
    /// By a debugger, which loads and runs it.
    Gdb(Gdb),
    /// By a recipe, as a board on a serial line.
    Serial(Serial),
}

/// How host and executor talk.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transport {
    /// Through memory that both see.
    Mailbox {
        /// Physical address of the mailbox, a multiple of 4 KB, in RAM: 2 MB and 4 KB from there are the
        /// mailbox's.
        address: Address,
    },
    /// In messages over the console.
    Uart,
}

/// Arenas cut from the RAM that the target reports as free.
///
/// They are taken from the top of the free regions downwards, so that their addresses do not depend
/// on the size of the executor's image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Carve {
    /// How many.
    pub count: usize,
    /// Size of each, and what its address is a multiple of; a power of two.
    pub size: Size,
}

/// A target file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file can't be read.
    #[error("{}: the target file can't be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, or says something that a target file has no place for.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The parts of the file do not fit together.
    #[error("{}: {what}", file.display())]
    Impossible {
        /// The file.
        file: PathBuf,
        /// What does not fit, and what would.
        what: String,
    },
}

impl Description {
    /// Reads and checks a target file.
    pub fn read(file: &Path) -> Result<Self, DescriptionError> {
        Self::from_text(&Self::text(file)?, file)
    }

    /// The text of a target file.
    pub fn text(file: &Path) -> Result<String, DescriptionError> {
        std::fs::read_to_string(file)
            .map_err(|source| DescriptionError::Unreadable { file: file.to_owned(), source })
    }

    /// Reads and checks the text of a target file; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, DescriptionError> {
        let description: Self = yaml::from_str(text, file)?;
        description
            .check()
            .map_err(|what| DescriptionError::Impossible { file: file.to_owned(), what })?;
        Ok(description)
    }

    /// What is written into the executor's image.
    pub fn config(&self) -> Config {
        let mailbox = match self.transport {
            Transport::Mailbox { address } => address.0,
            Transport::Uart => 0,
        };
        let pe = self.pe.map_or(Config::ANY_PE, Affinity::number);
        let is_behind_caches = matches!(&self.start, Start::Gdb(gdb) if gdb.behind_caches);
        let mailbox_flags = if is_behind_caches { Config::BEHIND_CACHES } else { 0 };
        Config { mailbox, mailbox_flags, pe, board: self.board.said(), ..Config::new() }
    }

    /// How many PEs take part in cases.
    pub const fn pes(&self) -> u8 {
        match &self.start {
            Start::Qemu(qemu) => qemu.cpus,
            Start::Gdb(_) => 1,
            Start::Serial(serial) => serial.cpus,
        }
    }

    /// The machine that QEMU emulates, where it is one.
    pub const fn qemu(&self) -> Option<&Qemu> {
        match &self.start {
            Start::Qemu(qemu) => Some(qemu),
            Start::Gdb(_) | Start::Serial(_) => None,
        }
    }

    /// The board on a serial line, where it is one.
    pub const fn serial(&self) -> Option<&Serial> {
        match &self.start {
            Start::Serial(serial) => Some(serial),
            Start::Qemu(_) | Start::Gdb(_) => None,
        }
    }

    /// RAM that is plugged at addresses of its own.
    pub fn dimms(&self) -> &[Dimm] {
        self.qemu().map_or(&[], |qemu| &qemu.dimms)
    }

    fn check(&self) -> Result<(), String> {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(good) {
            return Err(format!("name: {:?} must be of letters, digits, '-', '_', '.'", self.name));
        }
        self.board.check()?;
        if !(1..=MAX_PES).contains(&usize::from(self.pes())) {
            return Err(format!("cpus: {} is not one of 1 to {MAX_PES}", self.pes()));
        }
        // Where the main RAM is, as far as the file says it.
        let ram = match &self.start {
            Start::Qemu(qemu) => Some(Range { address: qemu.ram, size: qemu.memory }),
            Start::Gdb(gdb) => {
                gdb.check()?;
                None
            }
            Start::Serial(serial) => {
                serial.check()?;
                None
            }
        };
        let mut taken: Vec<_> = ram.iter().map(|ram| ("the main RAM".to_owned(), *ram)).collect();
        for dimm in self.dimms() {
            let range = Range { address: dimm.address, size: dimm.size };
            let name = format!("the DIMM at {}", dimm.address);
            if !dimm.address.0.is_multiple_of(DIMM_ALIGNMENT) {
                return Err(format!("{name} must be at a multiple of 2 MB: QEMU refuses others"));
            }
            if dimm.arena > dimm.size {
                return Err(format!("{name} is smaller than its arena of {}", dimm.arena));
            }
            taken.push((name, range));
        }
        for void in &self.void {
            taken.push((format!("the void range at {}", void.address), *void));
        }
        for (at, (name, range)) in taken.iter().enumerate() {
            range.check(name)?;
            for (other, earlier) in &taken[..at] {
                if range.overlaps(earlier) {
                    return Err(format!("{name} overlaps {other}"));
                }
            }
        }
        let dimm_arenas = self.dimms().iter().map(|dimm| ("DIMM's arena", dimm.arena()));
        let arenas = self.arenas.iter().map(|arena| ("arena", *arena));
        let scratch = self.scratch().map(|arena| ("scratch arena", arena));
        let lent: Vec<_> = dimm_arenas.chain(arenas).chain(scratch).collect();
        for (at, (what, range)) in lent.iter().enumerate().skip(self.dimms().len()) {
            let name = format!("the {what} at {}", range.address);
            range.check(&name)?;
            if lent[..at].iter().any(|(_, earlier)| range.overlaps(earlier)) {
                return Err(format!("{name} overlaps another arena"));
            }
        }
        if let Some(carve) = self.carve
            && !carve.size.0.is_power_of_two()
        {
            return Err(format!("carve: the size {} must be a power of two", carve.size));
        }
        let line = self.qemu().and_then(|qemu| qemu.line.as_ref());
        if line.is_some() && self.transport != Transport::Uart {
            return Err("line: there is one only with `transport: uart`".to_owned());
        }
        if let Transport::Mailbox { address } = self.transport {
            let mailbox = Range { address, size: Size(link::mailbox::BYTES as u64) };
            if !address.0.is_multiple_of(0x1000) {
                return Err(format!("the mailbox address {address} must be a multiple of 4 KB"));
            }
            if self.serial().is_some() {
                return Err("transport: nobody shares memory with a board on a serial line: it \
                            talks over its `uart`"
                    .to_owned());
            }
            if let Some(ram) = ram
                && !ram.contains(&mailbox)
            {
                return Err(format!(
                    "the mailbox at {address} does not lie in the main RAM, {ram} (it takes {:#x})",
                    mailbox.size.0
                ));
            }
            if let Some((what, range)) = lent.iter().find(|(_, range)| range.overlaps(&mailbox)) {
                return Err(format!("the mailbox overlaps the {what} at {}", range.address));
            }
        } else if let Start::Gdb(_) = self.start {
            return Err("a debugger reaches no console: transport must be a mailbox".to_owned());
        }
        Ok(())
    }

    /// The scratch arenas as ranges.
    pub fn scratch(&self) -> impl Iterator<Item = Range> {
        let range = |&address: &Address| Range { address, size: Size(scratch::BYTES) };
        self.scratch.iter().map(range)
    }
}

/// What QEMU wants the address of a DIMM to be a multiple of.
const DIMM_ALIGNMENT: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "\
name: small
start:
  qemu:
    machine: virt
    cpu: max
    memory: 512M
transport: uart
";

    fn parse(text: &str) -> Result<Description, DescriptionError> {
        Description::from_text(text, Path::new("small.yaml"))
    }

    fn refusal(text: &str) -> String {
        parse(text).expect_err("it makes no sense").to_string()
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let description = parse(MINIMAL).expect("it is whole");
        let qemu = description.qemu().expect("a machine of QEMU");
        assert_eq!((qemu.memory, qemu.load_address), (Size(512 << 20), Address(0x4020_0000)));
        assert_eq!(description.limits, Limits::default());
    }

    #[test]
    fn typing_errors_are_told_with_their_place() {
        let message = refusal(&MINIMAL.replace("memory", "memroy"));
        assert!(message.contains("small.yaml"), "{message}");
        assert!(message.contains("memroy") && message.contains("yaml:6:"), "{message}");
    }

    #[test]
    fn parts_that_do_not_fit_are_told_apart() {
        let dimm = |text: &str| format!("dimms: [{{ address: {text}, size: 16M, arena: 4M }}]\n");
        let with_dimm = |text: &str| {
            MINIMAL.replace("    memory: 512M\n", &format!("    memory: 512M\n    {}", dimm(text)))
        };
        assert!(parse(&with_dimm("0x1_0000_0000")).is_ok());
        let refused = [
            (with_dimm("0x1_0010_0000"), "2 MB"),
            (with_dimm("0x5000_0000"), "overlaps the main RAM"),
            (with_dimm("0xff_ffff_ffe0_0000"), "2^56"),
            (with_dimm("0x1_0000_0000").replace("arena: 4M", "arena: 1G"), "smaller"),
            (MINIMAL.replace("small", "../small"), "letters"),
            (MINIMAL.replace("uart", "{ mailbox: { address: 0x1000 } }"), "main RAM"),
            (MINIMAL.replace("uart", "{ mailbox: { address: 0x40000010 } }"), "4 KB"),
            (format!("{MINIMAL}void: [{{ address: 0x40000000, size: 1M }}]"), "overlaps"),
            (format!("{MINIMAL}arenas: [{{ address: 0x40000000, size: 0 }}]"), "a size"),
            (format!("{MINIMAL}arenas: [{{ address: 0x40001000, size: 1M }}]"), "64 KB"),
            (format!("{MINIMAL}carve: {{ count: 1, size: 3M }}"), "power of two"),
            (format!("{MINIMAL}scratch: [0x40001000]"), "64 KB"),
            (format!("{MINIMAL}scratch: [0x40000000, 0x40030000]"), "overlaps another"),
            (format!("{}scratch: [0x100300000]", with_dimm("0x1_0000_0000")), "overlaps another"),
        ];
        for (text, reason) in refused {
            let message = refusal(&text);
            assert!(message.contains(reason), "{message}\n{text}");
        }
    }

    #[test]
    fn choices_are_strings_whatever_they_look_like() {
        let text = format!("{MINIMAL}choices: {{ a: 'yes', b: '1', c: some-behaviour }}");
        let choices = parse(&text).expect("it is whole").choices;
        assert_eq!(choices.into_values().collect::<Vec<_>>(), ["yes", "1", "some-behaviour"]);
    }

    #[test]
    fn the_schema_names_every_field_with_a_description() {
        let schema = schemars::schema_for!(Description);
        let properties = schema.get("properties").and_then(|value| value.as_object());
        let properties = properties.expect("a description has fields");
        let names = [
            "name",
            "start",
            "transport",
            "board",
            "arenas",
            "carve",
            "void",
            "scratch",
            "monitor",
            "limits",
            "choices",
        ];
        for name in names {
            let described = properties[name].get("description").is_some();
            assert!(described, "{name}: {:?}", properties[name]);
        }
        assert_eq!(schema.get("additionalProperties"), Some(&false.into()));
    }

    #[test]
    fn addresses_beyond_56_bits_are_refused_where_they_stand() {
        let text = format!("{MINIMAL}void: [{{ address: 0x1_0000_0000_0000_00, size: 1M }}]");
        let message = refusal(&text);
        assert!(message.contains("56 bits") && message.contains("yaml:8:"), "{message}");
    }
}

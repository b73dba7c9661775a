//! The target description: what a target is, as its YAML file says it.
//!
//! ```text
//!   name, description
//!   start ── one of the kinds of device ([`crate::kind`])                 how it starts
//!   transport ── mailbox: address | uart                                  how it talks
//!   board ── console, ram, reserved, psci, gic                            what no device tree tells
//!   arenas, carve, void, scratch                                          what cases may use
//!   monitor, pe                                                           whether EL3 is ours; which PE runs cases
//!   limits                                                                when it counts as hung
//!   choices                                                               what it is pinned to
//! ```

mod address;
mod affinity;
mod board;
mod carve;
mod check;
mod dimm;
mod error;
mod limits;
mod range;
mod size;
mod transport;

use std::collections::BTreeMap;
use std::path::Path;

use case::scratch;
use link::config::Config;
use schemars::JsonSchema;
use serde::Deserialize;
use suite::yaml;

use crate::kind::Start;

pub use self::address::Address;
pub use self::affinity::Affinity;
pub use self::board::Board;
pub use self::carve::Carve;
pub use self::dimm::Dimm;
pub use self::error::DescriptionError;
pub use self::limits::Limits;
pub use self::range::Range;
pub use self::size::Size;
pub use self::transport::Transport;

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

impl Description {
    /// Reads and checks a target file.
    ///
    /// # Errors
    /// It can't be read, is no YAML of a target, or its parts do not fit together.
    pub fn read(file: &Path) -> Result<Self, DescriptionError> {
        Self::from_text(&Self::text(file)?, file)
    }

    /// The text of a target file.
    ///
    /// # Errors
    /// It can't be read.
    pub fn text(file: &Path) -> Result<String, DescriptionError> {
        std::fs::read_to_string(file)
            .map_err(|source| DescriptionError::Unreadable { file: file.to_owned(), source })
    }

    /// Reads and checks the text of a target file; `file` is for messages.
    ///
    /// # Errors
    /// It is no YAML of a target, or its parts do not fit together.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, DescriptionError> {
        let description: Self = yaml::from_str(text, file)?;
        description
            .check()
            .map_err(|what| DescriptionError::Impossible { file: file.to_owned(), what })?;
        Ok(description)
    }

    /// The configuration that is written into the executor's image.
    pub fn config(&self) -> Config {
        let mailbox = match self.transport {
            Transport::Mailbox { address } => address.0,
            Transport::Uart => 0,
        };
        let pe = self.pe.map_or(Config::ANY_PE, Affinity::number);
        let is_behind_caches = self.start.kind().is_behind_caches();
        let mailbox_flags = if is_behind_caches { Config::BEHIND_CACHES } else { 0 };
        Config { mailbox, mailbox_flags, pe, board: self.board.said(), ..Config::new() }
    }

    /// How many PEs take part in cases.
    pub fn pes(&self) -> u8 {
        self.start.kind().pes()
    }

    /// RAM that is plugged at addresses of its own.
    pub fn dimms(&self) -> &[Dimm] {
        self.start.kind().dimms()
    }

    /// The scratch arenas as ranges.
    pub fn scratch(&self) -> impl Iterator<Item = Range> {
        let range = |&address: &Address| Range { address, size: Size(scratch::BYTES) };
        self.scratch.iter().map(range)
    }
}

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
        let Start::Qemu(qemu) = &description.start else { panic!("a machine of QEMU") };
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

//! A case as a YAML file: what a reproducer is, and what a suite spells out.
//!
//! ```yaml
//! version: 1
//! origin:               # where it came from; left out in a case written by hand
//!   suite: stage2-random
//!   index: 17
//! machine:              # what it was drawn for
//!   target: qemu-max
//! case:
//!   registers: { HCR_EL2: 0x80000001, VTCR_EL2: 0x80023559 }
//!   tables: { granule: 4k, start_level: 1, ia_bits: 39, slots: [{ arena: 0, offset: 0 }] }
//!   probes:
//!     - { operation: at_s12e1r, address: 0x1000 }
//! ```

mod fields;
mod leaf;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use case::Case;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use self::fields::CaseFields;
pub use self::fields::ProbeFlag;
use super::hex::Hex;
use super::machine::{ArenaFields, Machine};
use super::yaml::{self, YamlError};

/// The version of the format.
pub const VERSION: u64 = 1;

/// ID registers on one line.
const IDS_A_LINE: usize = 3;
/// Remarks that are written.
const REMARKS: usize = 8;

/// What is said of a case in the comments above it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// What it is about, on a line of its own.
    pub title: String,
    /// What is said of that, line by line, each behind a label.
    pub lines: Vec<(&'static str, String)>,
}

/// A case with what is known of its origin.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hypwalk case")]
pub struct CaseFile {
    /// The version of the format.
    version: Version,
    /// Where the case came from.
    pub origin: Option<Origin>,
    /// The machine that it was drawn for.
    pub machine: Option<Machine>,
    /// The case.
    pub case: CaseText,
    /// What is said of it, written as comments and not read.
    #[serde(skip)]
    remarks: Vec<Remark>,
}

/// The version of a file, which is [`VERSION`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "u64")]
struct Version;

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, Self::Error> {
        match version {
            VERSION => Ok(Self),
            other => Err(format!("case files of version {other} are not known: {VERSION} is")),
        }
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": VERSION })
    }
}

/// Where a case came from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The version of Hypwalk.
    pub hypwalk: String,
    /// The run's id.
    pub run: String,
    /// The suite's name.
    pub suite: String,
    /// The seed of the campaign.
    pub seed: Hex,
    /// Number of the case in the campaign.
    pub index: u64,
    /// The version of the generators, `case::draw::VERSION`.
    pub generators: u32,
}

/// A case that is read from YAML, and written as YAML by its `Display`, whose width is the
/// indentation.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "CaseFields")]
#[schemars(
    with = "CaseFields",
    rename = "Case",
    description = "One set-up of translation registers and tables, with its probes."
)]
pub struct CaseText(pub Box<Case>);

/// A case file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseFileError {
    /// The file can't be read.
    #[error("the case file {} can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, or says something that a case file has no place for.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl CaseFile {
    /// A reproducer: `case` with its origin, and what is to be said of it.
    pub fn new(origin: Origin, machine: Machine, case: Case, remarks: Vec<Remark>) -> Self {
        let case = CaseText(Box::new(case));
        Self { version: Version, origin: Some(origin), machine: Some(machine), case, remarks }
    }

    /// A case that was not drawn, but made of one that was.
    pub fn made(machine: Machine, case: Case, remarks: Vec<Remark>) -> Self {
        let (machine, case) = (Some(machine), CaseText(Box::new(case)));
        Self { version: Version, origin: None, machine, case, remarks }
    }

    /// Reads a case file.
    pub fn read(file: &Path) -> Result<Self, CaseFileError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| CaseFileError::Unreadable { file: file.to_owned(), source })?;
        Ok(Self::from_text(&text, file)?)
    }

    /// Reads the text of a case file; `file` is for messages.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, YamlError> {
        yaml::from_str(text, file)
    }
}

impl TryFrom<CaseFields> for CaseText {
    type Error = String;

    fn try_from(fields: CaseFields) -> Result<Self, Self::Error> {
        Case::try_from(fields).map(|case| Self(Box::new(case)))
    }
}

impl fmt::Display for CaseText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(f, self.0.as_ref().as_ref(), f.width().unwrap_or(0))
    }
}

impl fmt::Display for CaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# hypwalk replay THIS_FILE")?;
        for remark in self.remarks.iter().take(REMARKS) {
            writeln!(f, "#\n# {}", one_line(&remark.title))?;
            for (label, text) in &remark.lines {
                writeln!(f, "#   {:<9} {}", format!("{label}:"), one_line(text))?;
            }
        }
        if let Some(more) = self.remarks.len().checked_sub(REMARKS).filter(|more| *more > 0) {
            writeln!(f, "#\n# and {more} more")?;
        }
        writeln!(f, "version: {VERSION}")?;
        self.origin.as_ref().map_or(Ok(()), |origin| write_origin(f, origin))?;
        if let Some(machine) = &self.machine {
            writeln!(f, "machine:")?;
            writeln!(f, "  target: {}", quoted(&machine.target))?;
            if let Some(emulator) = &machine.emulator {
                writeln!(f, "  emulator: {}", quoted(emulator))?;
            }
            write_ids(f, machine)?;
            write_memory(f, machine)?;
        }
        writeln!(f, "case:")?;
        write!(f, "{:2}", self.case)
    }
}

fn write_origin(f: &mut fmt::Formatter<'_>, origin: &Origin) -> fmt::Result {
    writeln!(f, "origin:")?;
    writeln!(f, "  hypwalk: {}", quoted(&origin.hypwalk))?;
    writeln!(f, "  run: {}", quoted(&origin.run))?;
    writeln!(f, "  suite: {}", quoted(&origin.suite))?;
    writeln!(f, "  seed: {}", origin.seed)?;
    writeln!(f, "  index: {}", origin.index)?;
    writeln!(f, "  generators: {}", origin.generators)
}

fn write_ids(f: &mut fmt::Formatter<'_>, machine: &Machine) -> fmt::Result {
    if machine.ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> =
        machine.ids.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let lines: Vec<String> = ids.chunks(IDS_A_LINE).map(|ids| ids.join(", ")).collect();
    writeln!(f, "  ids: {{ {} }}", lines.join(",\n         "))
}

fn write_memory(f: &mut fmt::Formatter<'_>, machine: &Machine) -> fmt::Result {
    if machine.memory.is_empty() {
        return Ok(());
    }
    writeln!(f, "  memory:")?;
    machine.memory.iter().try_for_each(|ArenaFields { arena, base, size, kind }| {
        let number = arena.map_or(String::new(), |number| format!("arena: {number}, "));
        writeln!(f, "    - {{ {number}base: {base}, size: {size}, kind: {} }}", kind.name())
    })
}

/// Text for a comment: nothing in it ends the comment.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ")
}

/// A YAML string: as JSON's, with more escaped.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escaped = |c: char| match is_plain(c) {
        true => c.to_string(),
        false => format!("\\u{:04x}", u32::from(c)),
    };
    json.chars().map(escaped).collect()
}

/// Whether YAML takes `c` for text, and not for a line break or a control character.
fn is_plain(c: char) -> bool {
    !c.is_control() && !['\u{2028}', '\u{2029}', '\u{feff}'].contains(&c)
}

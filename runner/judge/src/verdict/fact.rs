//! Facts about a case as a whole: words of memory, registers, digests and counts, as they should be and as
//! they are.

use std::fmt;

use serde::{Deserialize, Serialize};
use suite::hex::Hex;

/// One thing that should be so, or is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Digest(Hex),
    /// The digest of a case that the host has asked in full.
    DigestInFull(Hex),
    /// So many answers.
    Answers(u64),
    /// Registers, and digests, by name.
    Values {
        /// Where they were read, if that is worth saying.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        /// Name and value of each.
        values: Vec<(String, Hex)>,
    },
    /// A word of memory.
    Word(Word),
    /// A word of memory of which some bytes may hold several values.
    Bytes {
        pa: Hex,
        /// The values of each byte, the last byte first.
        values: Vec<Vec<u8>>,
    },
    /// What a store left at one of these physical addresses.
    Store {
        value: Hex,
        places: Vec<Hex>,
    },
    /// There is no such word.
    NoWord,
    /// There is no word behind those that are as they should be.
    NoFurtherWord,
    /// The tables are built.
    Built,
    /// Executing the trampoline takes no exception.
    NoArrival,
    /// What is not data yet.
    Told(String),
}

/// A word of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    pub pa: Hex,
    pub value: Hex,
}

impl Word {
    /// The word at `pa` that holds `value`.
    pub const fn new(pa: u64, value: u64) -> Self {
        Self { pa: Hex(pa), value: Hex(value) }
    }
}

impl Fact {
    /// Registers by name, of the point `of` of a case where that is worth saying.
    pub fn values<'a>(of: Option<&str>, values: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), Hex(value)));
        Self::Values { of: of.map(str::to_owned), values: values.collect() }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::DigestInFull(digest) => write!(f, "digest {digest}, as asked in full"),
            Self::Answers(count) => write!(f, "{count} answers"),
            Self::Values { of, values } => {
                if let Some(of) = of {
                    write!(f, "{of}: ")?;
                }
                for (number, (name, value)) in values.iter().enumerate() {
                    write!(f, "{}{name} {value}", if number == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Word(Word { pa, value }) => write!(f, "[{pa}] = {:#018x}", value.0),
            Self::Bytes { pa, values } => {
                write!(f, "[{pa}] =")?;
                for byte in values {
                    let byte: Vec<String> = byte.iter().map(|byte| format!("{byte:02x}")).collect();
                    write!(f, " {}", byte.join("|"))?;
                }
                Ok(())
            }
            Self::Store { value, places } => {
                let places: Vec<String> = places.iter().map(Hex::to_string).collect();
                write!(f, "{:#018x} at {}", value.0, places.join(" or "))
            }
            Self::NoWord => f.write_str("no such word"),
            Self::NoFurtherWord => f.write_str("no further word"),
            Self::Built => f.write_str("tables"),
            Self::NoArrival => f.write_str("no exception on the way"),
            Self::Told(words) => f.write_str(words),
        }
    }
}

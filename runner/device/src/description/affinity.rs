//! The affinity of a PE, as a target file and the command line have it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// The affinity fields of a PE's `MPIDR_EL1`, where they are there (DDI 0487, D23.2).
///
/// ```text
///   39  32 31     24 23  16 15   8 7    0
///  | Aff3 | 0 .. 0  | Aff2 | Aff1 | Aff0 |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Affinity(u64);

impl Affinity {
    const FIELDS: u64 = 0xff_00ff_ffff;

    /// The affinity that `number` is; `None` where it has bits beside the affinity fields.
    pub fn new(number: u64) -> Option<Self> {
        (number & !Self::FIELDS == 0).then_some(Self(number))
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

fn checked(number: u64) -> Result<Affinity, String> {
    Affinity::new(number).ok_or_else(|| {
        format!("{number:#x} is no affinity of MPIDR_EL1: it has bits beside 39:32 and 23:0")
    })
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl FromStr for Affinity {
    type Err = String;

    /// A decimal number, or a hexadecimal one that begins with `0x`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        let number = number.map_err(|_| format!("{text:?} is no number such as 1 or 0x100"))?;
        checked(number)
    }
}

impl<'de> Deserialize<'de> for Affinity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked(u64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Affinity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl JsonSchema for Affinity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Affinity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Affinity::FIELDS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities_are_numbers_of_their_fields() {
        assert_eq!("0x100".parse(), Ok(Affinity(0x100)));
        assert_eq!("3".parse(), Ok(Affinity(3)));
        assert_eq!("0xff00ffffff".parse(), Ok(Affinity(0xff_00ff_ffff)));
        for text in ["0x80000000", "0x10000000000", "first", "", "-1", "0x"] {
            assert!(text.parse::<Affinity>().is_err(), "{text}");
        }
    }
}

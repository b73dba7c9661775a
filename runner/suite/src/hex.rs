//! Numbers that people read in hexadecimal.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A 64-bit number that is written in hexadecimal: `0x1f` in YAML, `"0x1f"` in JSON, whose numbers
/// are too short for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HexVisitor;

        impl Visitor<'_> for HexVisitor {
            type Value = Hex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 64-bit number such as 0x1f")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Hex, E> {
                Ok(Hex(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Hex, E> {
                let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
                let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                number
                    .map(Hex)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(HexVisitor)
    }
}

impl JsonSchema for Hex {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml;

    #[test]
    fn yaml_and_json_are_read_back() {
        for number in [0, 0x1f, u64::MAX] {
            let hex = Hex(number);
            let read = yaml::from_str::<Hex>(&hex.to_string(), Path::new("x"));
            assert_eq!(read, Ok(hex));
            let json = serde_json::to_string(&hex).unwrap();
            assert_eq!(serde_json::from_str::<Hex>(&json).unwrap(), hex);
        }
    }

    #[test]
    fn underscores_and_decimals_are_understood_and_words_are_not() {
        let read = |text| yaml::from_str::<Hex>(text, Path::new("x")).ok();
        assert_eq!(read("0x1_0000"), Some(Hex(0x1_0000)));
        assert_eq!(read("17"), Some(Hex(17)));
        for text in ["-1", "0x1_0000_0000_0000_0000", "0xg", "zero", "1.5", "\"0x+1\""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

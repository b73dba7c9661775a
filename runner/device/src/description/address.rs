//! Physical addresses, as a target file has them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A physical address: a number, best written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let address = u64::deserialize(deserializer)?;
        if address >> 56 != 0 {
            let message = format!("{address:#x} is no physical address: it has more than 56 bits");
            return Err(de::Error::custom(message));
        }
        Ok(Self(address))
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A physical address, best written in hexadecimal.",
            "type": "integer", "minimum": 0, "maximum": (1u64 << 56) - 1,
        })
    }
}

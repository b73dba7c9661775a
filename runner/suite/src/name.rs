//! Names that can stand in a file name.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A name of letters, digits, `-`, `_` and `.`, at most 64 of them, not beginning with `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(good) {
            let name = name.escape_debug();
            return Err(format!("`{name}` is no name: letters, digits, `-`, `_` and `.` make one"));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", "maxLength": 64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_can_stand_in_a_file_name() {
        for name in ["smoke", "stage2-random", "A_1.2"] {
            assert_eq!(Name::try_from(name.to_owned()).unwrap().as_str(), name);
        }
        for name in ["", "..", "a/b", "a b", "ü", "a\n", &"a".repeat(65)] {
            assert!(Name::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }
}

//! Where a campaign's random numbers begin.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Where a campaign's random numbers begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seed {
    /// Always there.
    Fixed(u64),
    /// Anew every day: 20261121 on 21 November 2026, UTC.
    Date,
}

impl Seed {
    /// The number; `today` is the date in UTC.
    pub fn number(self, today: jiff::civil::Date) -> u64 {
        match self {
            Self::Fixed(seed) => seed,
            Self::Date => {
                let [month, day] = [today.month(), today.day()].map(i64::from);
                let year = i64::from(today.year());
                u64::try_from(year * 10_000 + month * 100 + day).unwrap_or(0)
            }
        }
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::Fixed(1)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SeedVisitor;

        impl Visitor<'_> for SeedVisitor {
            type Value = Seed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a seed: a whole number, or `date`")
            }

            fn visit_u64<E: Error>(self, seed: u64) -> Result<Seed, E> {
                Ok(Seed::Fixed(seed))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Seed, E> {
                match text {
                    "date" => Ok(Seed::Date),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(SeedVisitor)
    }
}

impl JsonSchema for Seed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "date" }] })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml;

    #[test]
    fn a_seed_is_a_number_or_the_date() {
        let today = jiff::civil::date(2026, 11, 21);
        let seed = |text| yaml::from_str::<Seed>(text, Path::new("x")).map(|s| s.number(today));
        assert_eq!(seed("7"), Ok(7));
        assert_eq!(seed("0xffff_ffff_ffff_ffff"), Ok(u64::MAX));
        assert_eq!(seed("date"), Ok(20_261_121));
        assert!(seed("today").unwrap_err().problem.contains("or `date`"));
        assert!(seed("-1").is_err());
    }
}

//! Whole numbers and ranges of them, with limits that are checked while they are read.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A whole number from `LOW` to `HIGH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounded<const LOW: u64, const HIGH: u64>(u64);

impl<const LOW: u64, const HIGH: u64> Bounded<LOW, HIGH> {
    /// The number; `None` where it is out of range.
    pub const fn new(number: u64) -> Option<Self> {
        if LOW <= number && number <= HIGH { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    fn checked<E: Error>(number: u64) -> Result<Self, E> {
        Self::new(number).ok_or_else(|| {
            E::custom(format_args!("{number} is out of range: it must be from {LOW} to {HIGH}"))
        })
    }
}

impl<const LOW: u64, const HIGH: u64> From<Bounded<LOW, HIGH>> for u64 {
    fn from(number: Bounded<LOW, HIGH>) -> Self {
        number.0
    }
}

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Bounded<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(u64::deserialize(deserializer)?)
    }
}

impl<const LOW: u64, const HIGH: u64> Serialize for Bounded<LOW, HIGH> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<const LOW: u64, const HIGH: u64> JsonSchema for Bounded<LOW, HIGH> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("From{LOW}To{HIGH}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LOW, "maximum": HIGH })
    }
}

/// The numbers from `low` to `high`, written `3`, or `3..=7` with both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range<const LOW: u64, const HIGH: u64> {
    /// The smallest, at least `LOW`.
    pub low: u64,
    /// The largest, at most `HIGH`.
    pub high: u64,
}

impl<const LOW: u64, const HIGH: u64> Range<LOW, HIGH> {
    fn new<E: Error>(low: u64, high: u64) -> Result<Self, E> {
        if low > high {
            return Err(E::custom(format_args!(
                "the range {low}..={high} is empty: its first number is its smallest"
            )));
        }
        let [low, high] = [Bounded::<LOW, HIGH>::checked(low)?, Bounded::checked(high)?];
        Ok(Self { low: low.get(), high: high.get() })
    }

    fn parse<E: Error>(text: &str) -> Result<Self, E> {
        let ends = text
            .split_once("..=")
            .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
        let (low, high) = ends.ok_or_else(|| {
            E::custom(format_args!(
                "`{}` is not a range: write {LOW}..={HIGH}, with both ends included",
                text.escape_debug()
            ))
        })?;
        Self::new(low, high)
    }
}

impl<const LOW: u64, const HIGH: u64> From<Range<LOW, HIGH>> for [u64; 2] {
    fn from(range: Range<LOW, HIGH>) -> Self {
        [range.low, range.high]
    }
}

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Range<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RangeVisitor<const LOW: u64, const HIGH: u64>;

        impl<const LOW: u64, const HIGH: u64> Visitor<'_> for RangeVisitor<LOW, HIGH> {
            type Value = Range<LOW, HIGH>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from {LOW} to {HIGH}, or a range such as {LOW}..={HIGH}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Range::new(number, number)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Range::parse(text)
            }
        }

        deserializer.deserialize_any(RangeVisitor)
    }
}

impl<const LOW: u64, const HIGH: u64> JsonSchema for Range<LOW, HIGH> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("RangeFrom{LOW}To{HIGH}").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                Bounded::<LOW, HIGH>::json_schema(generator),
                { "type": "string", "pattern": "^[0-9]+\\.\\.=[0-9]+$" },
            ],
        })
    }
}

/// A set of numbers below 64: a number, a range, or a list of numbers and ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set<const LOW: u64, const HIGH: u64>(u64);

impl<const LOW: u64, const HIGH: u64> From<Set<LOW, HIGH>> for u64 {
    /// Bit n for number n.
    fn from(set: Set<LOW, HIGH>) -> Self {
        set.0
    }
}

impl<const LOW: u64, const HIGH: u64> From<Range<LOW, HIGH>> for Set<LOW, HIGH> {
    fn from(range: Range<LOW, HIGH>) -> Self {
        const { assert!(HIGH < 64) };
        Self((range.low..=range.high).fold(0, |bits, number| bits | 1 << number))
    }
}

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Set<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SetVisitor<const LOW: u64, const HIGH: u64>;

        impl<'de, const LOW: u64, const HIGH: u64> Visitor<'de> for SetVisitor<LOW, HIGH> {
            type Value = Set<LOW, HIGH>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from {LOW} to {HIGH}, a range such as {LOW}..={HIGH}, ")?;
                f.write_str("or a list of those")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Range::new(number, number).map(Set::from)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Range::parse(text).map(Set::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut set = Set(0);
                while let Some(range) = list.next_element::<Range<LOW, HIGH>>()? {
                    set.0 |= Set::from(range).0;
                }
                if set.0 == 0 {
                    return Err(A::Error::custom("the list is empty: nothing could be drawn"));
                }
                Ok(set)
            }
        }

        deserializer.deserialize_any(SetVisitor)
    }
}

impl<const LOW: u64, const HIGH: u64> JsonSchema for Set<LOW, HIGH> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("SetFrom{LOW}To{HIGH}").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = Range::<LOW, HIGH>::json_schema(generator);
        json_schema!({ "anyOf": [range, { "type": "array", "items": range, "minItems": 1 }] })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml;

    fn set(text: &str) -> Result<u64, String> {
        let set = yaml::from_str::<Set<16, 52>>(text, Path::new("x"));
        set.map(u64::from).map_err(|error| error.problem)
    }

    #[test]
    fn sets_are_numbers_ranges_and_lists_of_both() {
        assert_eq!(set("40"), Ok(1 << 40));
        assert_eq!(set("32..=52"), Ok((1 << 53) - (1 << 32)));
        assert_eq!(set("[16, 50..=52]"), Ok(1 << 16 | 7 << 50));
    }

    #[test]
    fn what_is_out_of_range_is_told_with_the_range() {
        let range = "is out of range: it must be from 16 to 52";
        assert_eq!(set("60"), Err(format!("60 {range}")));
        assert_eq!(set("32..=60"), Err(format!("60 {range}")));
        assert_eq!(set("[32, 15]"), Err(format!("15 {range}")));
        assert!(set("99999999999999999999..=3").is_err());
    }

    #[test]
    fn what_is_no_set_is_told_how_to_write_one() {
        let how = "is not a range: write 16..=52, with both ends included";
        for text in ["32..52", "32-52", "..=", "all"] {
            assert_eq!(set(text), Err(format!("`{text}` {how}")));
        }
        assert!(set("52..=32").unwrap_err().contains("empty"));
        assert!(set("[]").unwrap_err().contains("empty"));
        assert!(set("-1").is_err() && set("{}").is_err() && set("4.5").is_err());
    }
}

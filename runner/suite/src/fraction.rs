//! A fraction of the cases.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

/// A fraction of the cases, written 0 to 1, kept in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fraction(u64);

impl From<Fraction> for u64 {
    /// How many cases out of a thousand.
    fn from(fraction: Fraction) -> Self {
        fraction.0
    }
}

impl From<Fraction> for [u64; 2] {
    /// Weights of "no" and "yes".
    fn from(fraction: Fraction) -> Self {
        [1000 - fraction.0, fraction.0]
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fraction = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&fraction) {
            let message = format!("{fraction} is out of range: a fraction is from 0 to 1");
            return Err(D::Error::custom(message));
        }
        let permille = (fraction * 1000.0).round();
        if permille == 0.0 && fraction > 0.0 {
            let message = format!("{fraction} is too small: fractions are kept in thousandths");
            return Err(D::Error::custom(message));
        }
        Ok(Self(permille as u64))
    }
}

impl JsonSchema for Fraction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml;

    fn permille(text: &str) -> Option<u64> {
        yaml::from_str::<Fraction>(text, Path::new("x")).ok().map(u64::from)
    }

    #[test]
    fn fractions_are_kept_in_thousandths() {
        assert_eq!(permille("0"), Some(0));
        assert_eq!(permille("1"), Some(1000));
        assert_eq!(permille("0.25"), Some(250));
        assert_eq!(permille("0.0016"), Some(2));
    }

    #[test]
    fn what_is_no_fraction_is_refused() {
        for text in ["1.01", "-0.5", "50", ".nan", ".inf", "half", "0.0001"] {
            assert_eq!(permille(text), None, "{text}");
        }
    }
}

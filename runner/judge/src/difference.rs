//! How an answer differs from one that is allowed.
//!
//! ```text
//!   allowed   PA 0x40000000, ATTR 0xff, SH 0b11     success, with another ATTR,
//!   observed  PA 0x40000000, ATTR 0x44, SH 0b11  -> with descriptors changed as they may not be
//!             and a descriptor changed
//! ```
//!
//! Of an answer of another kind than the one that is allowed its kind is told; of one of the same kind its fields,
//! and what became of descriptors.

use std::fmt;
use std::ops::BitOr;

use conform::has_syndrome;
use link::observations::Exception;
use oracle::answer::{Answer, Taken};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::conformity::{admits, has_return_state};
use crate::kind::AnswerKind;
use crate::observation::Observation;

/// Fields of an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Fields(u16);

impl Fields {
    const ADDRESS: Self = Self(1);
    const ATTR: Self = Self(1 << 1);
    const SH: Self = Self(1 << 2);
    const PTW: Self = Self(1 << 3);
    const RESERVED: Self = Self(1 << 4);
    const SYNDROME: Self = Self(1 << 5);
    const TARGET: Self = Self(1 << 6);
    const RETURN: Self = Self(1 << 7);
    const XS: Self = Self(1 << 8);

    const NAMED: [(Self, &'static str); 9] = [
        (Self::ADDRESS, "PA"),
        (Self::ATTR, "ATTR"),
        (Self::SH, "SH"),
        (Self::PTW, "PTW"),
        (Self::RESERVED, "reserved field"),
        (Self::SYNDROME, "syndrome"),
        (Self::TARGET, "target EL"),
        (Self::RETURN, "return state"),
        (Self::XS, "XS"),
    ];

    /// The fields of a `PAR_EL1` like `value` in which the bits of `differing` lie.
    fn of_par(value: u64, differing: u64) -> Self {
        let fields: &[(u64, Self)] = match value & 1 {
            0 => &[
                (0x000f_ffff_ffff_f000, Self::ADDRESS),
                (0xff << 56, Self::ATTR),
                (3 << 7, Self::SH),
                (0x00f0_0000_0000_0c7e, Self::RESERVED),
            ],
            _ => &[(1 << 8, Self::PTW), (!0x37f, Self::RESERVED)],
        };
        let [found, wanted] = [value, value ^ differing].map(|par| (par >> 56) as u8);
        let is_xs = differ_in_xs(found, wanted);
        let named = |field| if field == Self::ATTR && is_xs { Self::XS } else { field };
        let differ = fields.iter().filter(|(mask, _)| differing & mask != 0);
        differ.fold(Self::default(), |fields, (_, field)| fields | named(*field))
    }

    /// The fields in which an exception differs.
    fn of_exception(wanted: &Taken, found: &Exception) -> Self {
        let differing = [
            (has_syndrome(&wanted.abort.exception, found), Self::SYNDROME),
            (wanted.target == found.target as u8, Self::TARGET),
            (has_return_state(wanted, found), Self::RETURN),
        ];
        let differing = differing.into_iter().filter(|(same, _)| !same);
        differing.fold(Self::default(), |fields, (_, field)| fields | field)
    }

    /// The fields with these names, joined as they are written.
    fn named(names: &str) -> Option<Self> {
        let field =
            |name| Self::NAMED.iter().find(|(_, named)| *named == name).map(|(field, _)| *field);
        let fields: Option<Vec<Self>> = names.split(" and ").map(field).collect();
        let fields = fields?.into_iter().fold(Self::default(), Self::bitor);
        (fields.to_string() == names).then_some(fields)
    }

    /// The names of the fields.
    fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(field, _)| self.0 & field.0 != 0).map(|(_, name)| *name)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    const fn is_none(&self) -> bool {
        self.0 == 0
    }

    const fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.write_str(&names.join(" and "))
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let field = |name: &String| {
            let named = Self::NAMED.iter().find(|(_, named)| named == name);
            named.map(|(field, _)| *field).ok_or_else(|| {
                serde::de::Error::custom(format_args!("an answer has no field {name:?}"))
            })
        };
        names.iter().try_fold(Self::default(), |fields, name| Ok(fields | field(name)?))
    }
}

/// Whether two values of `PAR_EL1.ATTR` tell of the same memory, with XS = 0 and with XS = 1. That of Write-Through
/// with XS = 0 does not tell what it allocates, nor whether it is transient.
///
/// Source: DDI 0487, `PAR_EL1.ATTR`; `EncodePARAttrs`.
const fn differ_in_xs(one: u8, other: u8) -> bool {
    const fn is_write_through(nibble: u8) -> bool {
        nibble & 0b1100 == 0b1000 || matches!(nibble, 1..=3)
    }
    const fn is_without(attr: u8, with: u8) -> bool {
        match attr {
            0x40 => with == 0x44,
            0xa0 => is_write_through(with >> 4) && is_write_through(with & 0xf),
            device => device & 0xf3 == 0x01 && with == device & 0xfe,
        }
    }
    is_without(one, other) || is_without(other, one)
}

const FIELDS: &str = ", with another ";
const INSTEAD: &str = " instead of ";
const SETTLED: &str = ", which a choice that is settled rules out";
const DESCRIPTORS: &str = ", with descriptors changed as they may not be";

/// How an answer differs from one that is allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    wanted: AnswerKind,
    found: AnswerKind,
    #[serde(default, skip_serializing_if = "Fields::is_none")]
    fields: Fields,
    /// Whether descriptors were changed as they must be, and no others.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    updated: bool,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_yes(is: &bool) -> bool {
    *is
}

impl Difference {
    /// How `observation` differs from `expected`; `updated` tells whether descriptors were changed as it
    /// wants.
    pub fn new(expected: &Answer, observation: &Observation<'_>, updated: bool) -> Self {
        let (wanted, found) =
            (AnswerKind::of_answer(expected), AnswerKind::of_observation(observation));
        let fields = match (expected, observation) {
            _ if wanted != found => Fields::default(),
            (Answer::Par { par, .. }, Observation::Par(value)) => {
                Fields::of_par(*value, (par.value ^ value) & par.mask)
            }
            (Answer::Exception(taken), Observation::Exception(found)) => {
                Fields::of_exception(taken, found)
            }
            _ if admits(expected, observation) => Fields::default(),
            _ => Fields::ADDRESS,
        };
        Self { wanted, found, fields, updated }
    }

    /// How far the two are apart: for choosing the outcome that is most likely meant.
    pub fn size(&self) -> (bool, u32) {
        (self.wanted != self.found, self.fields.count() + u32::from(!self.updated))
    }
}

impl Difference {
    /// The same, as it reads: of an answer of another kind nothing is said of descriptors.
    #[must_use]
    pub fn in_short(self) -> Self {
        Self { updated: self.updated || self.wanted != self.found, ..self }
    }

    /// The difference that reads so.
    pub fn named(words: &str) -> Option<Self> {
        let kind = |name: &str| AnswerKind::all().find(|kind| kind.to_string() == name);
        if let Some((found, wanted)) = words.split_once(INSTEAD) {
            let (wanted, found) = (kind(wanted)?, kind(found)?);
            return Some(Self { wanted, found, fields: Fields::default(), updated: true });
        }
        let words = words.strip_suffix(SETTLED).unwrap_or(words);
        let (words, updated) = match words.strip_suffix(DESCRIPTORS) {
            Some(words) => (words, false),
            None => (words, true),
        };
        let (found, fields) = match words.split_once(FIELDS) {
            Some((found, fields)) => (found, Fields::named(fields)?),
            None => (words, Fields::default()),
        };
        let found = kind(found)?;
        Some(Self { wanted: found, found, fields, updated })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, found, fields, updated } = self;
        write!(f, "{found}")?;
        if wanted != found {
            return write!(f, "{INSTEAD}{wanted}");
        }
        if *fields != Fields::default() {
            write!(f, "{FIELDS}{fields}")?;
        }
        if !updated {
            f.write_str(DESCRIPTORS)?;
        }
        if *fields == Fields::default() && *updated {
            f.write_str(SETTLED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use golden::Masked;

    use super::*;

    fn difference(wanted: u64, found: u64, updated: bool) -> Difference {
        let expected = Answer::Par { par: Masked::exact(wanted), fault: None };
        Difference::new(&expected, &Observation::Par(found), updated)
    }

    #[test]
    fn a_difference_names_what_differs() {
        let words = |wanted, found, updated| difference(wanted, found, updated).to_string();
        assert_eq!(
            words(0xff00_0004_5678_9980, 0x4400_0004_5678_8980, true),
            "success, with another PA and ATTR"
        );
        for (one, other) in [(0x40_u64, 0x44_u64), (0xa3, 0xa0), (0x0d, 0x0c), (0x00, 0x01)] {
            assert_eq!(
                words(one << 56 | 0x980, other << 56 | 0x980, true),
                "success, with another XS"
            );
        }
        for (one, other) in
            [(0x40_u64, 0x4a_u64), (0xab, 0xaa), (0xa0, 0xaf), (0x0d, 0x08), (0x00, 0x02)]
        {
            assert_eq!(
                words(one << 56 | 0x980, other << 56 | 0x980, true),
                "success, with another ATTR"
            );
        }
        assert_eq!(
            words(0xa1b, 0x980, true),
            "success instead of stage 2 Permission fault, level 1"
        );
        assert_eq!(
            words(0xa1b, 0xa1b, false),
            "stage 2 Permission fault, level 1, with descriptors changed as they may not be"
        );
        assert_eq!(
            words(0xff00_0004_5678_9980, 0x4400_0004_5678_9980, false),
            "success, with another ATTR, with descriptors changed as they may not be"
        );
        let settled = words(0x980, 0x980, true);
        assert_eq!(settled, "success, which a choice that is settled rules out");
    }

    #[test]
    fn a_difference_is_read_back_from_json_and_from_its_words() {
        for (wanted, found, updated) in [
            (0xff00_0004_5678_9980, 0x4400_0004_5678_8980, true),
            (0xff00_0004_5678_9980, 0x4400_0004_5678_9980, false),
            (0xa1b, 0xa1b, false),
            (0xa1b, 0x980, false),
            (0x980, 0x980, true),
        ] {
            let difference = difference(wanted, found, updated).in_short();
            assert_eq!(Difference::named(&difference.to_string()), Some(difference));
            let json = serde_json::to_string(&difference).unwrap();
            assert_eq!(serde_json::from_str::<Difference>(&json).unwrap(), difference, "{json}");
        }
        assert_eq!(Difference::named("success instead of nothing"), None);
    }
}

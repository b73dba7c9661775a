//! Reasons why a probe, or a whole case, is not asked or gets no verdict.

use std::collections::BTreeMap;
use std::fmt;

use case::draw::NotDrawn;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::signature::ProbeKind;
use super::{Defect, Lack};

/// Why a probe, or a whole case, was not asked or got no verdict.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The walk would read what does not belong to the case.
    Strays,
    /// The walk of the target would, by its known errata.
    StraysByErrata,
    /// The guest's code is elsewhere, and what it would do nobody can say.
    GuestCode,
    /// The probe says nothing without another that is done at the same time and is not asked.
    Alone,
    /// A TLB may hold translations of another tree: nothing but a walk of both trees at once would tell
    /// what comes of it.
    ForeignTranslations,
    /// Probes of this kind killed the target, and nobody knows why.
    Quarantined(ProbeKind),
    /// It would kill the target by the known erratum of this name; absent where only the target knows it.
    HeldBack(Option<String>),
    /// It would be done where nothing tells of it, or does harm.
    UntoldMemory,
    /// Another PE would do the same thing otherwise, and be right.
    NoAtomics,
    /// Caches may hold something else than memory.
    MismatchedAttributes,
    /// The architecture traps it, or has no such instruction there.
    NotExecuted,
    /// What a `DC ZVA` does, and what no guest does.
    NotModelled,
    /// DC IVAC without stage 2 throws away what caches hold.
    Harmful,
    /// There are more outcomes than are followed, and one of those that are not may be the answer.
    MoreOutcomes,
    /// The target has no such case.
    NotDrawn(#[serde(with = "not_drawn")] NotDrawn),
    /// The target or the executor can't do what the case asks.
    Lack(Lack),
    /// The host's builder refuses the case, for this reason.
    BuildError(String),
    /// The case as a whole is defective.
    Defect(Defect),
    /// The executor itself took an exception, and not in a probe.
    ExecutorException,
    /// The target's EL2 does not translate by the executor's own map, and the case needs one.
    NoOwnMap,
    /// The observations are incomplete.
    Truncated,
    /// The target died, and not in a probe.
    DiedBuilding,
    /// A target that runs without a host left the case to the host.
    NoHost,
    /// The log of such a target had no room for it.
    LogFull,
    /// Such a target ended before.
    NotReached,
    /// What such a target logged does not fit the case.
    Misfit,
    /// The words of a record whose format has nothing but words.
    Told(String),
}

impl Reason {
    /// What it is about beside the reason itself, where there are many of its kind.
    pub const fn kind(&self) -> Option<&ProbeKind> {
        match self {
            Self::Quarantined(kind) => Some(kind),
            _ => None,
        }
    }

    /// The reason without [its kind](Self::kind), in words.
    pub fn general(&self) -> String {
        match self {
            Self::Quarantined(_) => QUARANTINED.to_owned(),
            reason => reason.to_string(),
        }
    }
}

const QUARANTINED: &str = "held back: probes of its kind killed the target";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strays => "its walk would leave the memory that belongs to the case",
            Self::StraysByErrata => {
                "its walk would leave the memory that belongs to the case by known errata"
            }
            Self::GuestCode => "the guest's code is not mapped as it must be",
            Self::Alone => "another probe is not asked that is done at the same time",
            Self::ForeignTranslations => {
                "a TLB may hold translations of another tree by the same VMID and ASID"
            }
            Self::Quarantined(kind) => return write!(f, "{QUARANTINED} ({kind})"),
            Self::HeldBack(erratum) => {
                let erratum = erratum.as_deref().unwrap_or("something that it was not told");
                return write!(f, "held back: it would kill the target by {erratum}");
            }
            Self::UntoldMemory => "it would reach memory that tells nothing",
            Self::NoAtomics => {
                "it would be an exclusive or atomic access to memory that need not have them"
            }
            Self::MismatchedAttributes => "it would reach memory by mismatched attributes",
            Self::NotExecuted => "the instruction is UNDEFINED or trapped there",
            Self::NotModelled => "what it does to memory is not modelled",
            Self::Harmful => "it would throw away what caches hold",
            Self::MoreOutcomes => "the architecture allows more outcomes than are followed",
            Self::NotDrawn(why) => why.reason(),
            Self::Lack(lack) => lack.reason(),
            Self::BuildError(error) => return write!(f, "the case can't be built here: {error}"),
            Self::Defect(defect) => return defect.fmt(f),
            Self::ExecutorException => {
                "the executor took an exception while it built or undid the tables"
            }
            Self::NoOwnMap => {
                "the executor has no map of its own on this target, whose MMU is off at EL2"
            }
            Self::Truncated => "the target saw more than it could report",
            Self::DiedBuilding => "the target died while it built or undid the case's tables",
            Self::NoHost => "the target could not judge it by itself, and had no host",
            Self::LogFull => "the log in the target's memory was full",
            Self::NotReached => "the target did not come to it",
            Self::Misfit => "what the target told of it does not fit the case",
            Self::Told(words) => words,
        })
    }
}

/// How many probes or cases were not asked, by reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotAsked(BTreeMap<Reason, u64>);

/// One reason in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<R> {
    reason: R,
    count: u64,
}

impl NotAsked {
    /// Counts `count` probes or cases. Counts come from disk, too: the sum ends at the largest number.
    pub fn add(&mut self, reason: Reason, count: u64) {
        let sum = self.0.entry(reason).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (reason, count) in other.iter() {
            self.add(reason.clone(), count);
        }
    }

    /// Whether everything was asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was not asked for this reason.
    pub fn has(&self, reason: &Reason) -> bool {
        self.0.contains_key(reason)
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&Reason, u64)> {
        self.0.iter().map(|(reason, count)| (reason, *count))
    }

    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Each reason in words with its count, in the order of the words.
    pub fn in_words(&self) -> BTreeMap<String, u64> {
        self.iter().map(|(reason, count)| (reason.to_string(), count)).collect()
    }
}

impl FromIterator<(Reason, u64)> for NotAsked {
    fn from_iter<I: IntoIterator<Item = (Reason, u64)>>(counts: I) -> Self {
        let mut not_asked = Self::default();
        counts.into_iter().for_each(|(reason, count)| not_asked.add(reason, count));
        not_asked
    }
}

impl<const N: usize> From<[(Reason, u64); N]> for NotAsked {
    fn from(counts: [(Reason, u64); N]) -> Self {
        counts.into_iter().collect()
    }
}

impl Serialize for NotAsked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(reason, count)| Entry { reason, count }))
    }
}

impl<'de> Deserialize<'de> for NotAsked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<Entry<Reason>>::deserialize(deserializer)?;
        Ok(entries.into_iter().map(|Entry { reason, count }| (reason, count)).collect())
    }
}

/// Why a case can't be drawn, in JSON: by a tag.
mod not_drawn {
    use case::draw::NotDrawn;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    const fn tag(why: NotDrawn) -> &'static str {
        match why {
            NotDrawn::NoSuchShape => "stage2_shape",
            NotDrawn::NoSuchHypShape => "el2_shape",
            NotDrawn::NoSuchStage1Shape => "el1_shape",
            NotDrawn::NoPlacement => "placement",
            NotDrawn::NoHost => "e2h",
            NotDrawn::NoMonitor => "monitor",
            NotDrawn::NoRoom => "room",
            NotDrawn::NoArena => "arena",
        }
    }

    pub fn serialize<S: Serializer>(why: &NotDrawn, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(tag(*why))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NotDrawn, D::Error> {
        let name = String::deserialize(deserializer)?;
        let why = NotDrawn::ALL.into_iter().find(|why| tag(*why) == name);
        why.ok_or_else(|| D::Error::custom(format_args!("no case lacks {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use case::probe::Operation;

    use super::*;
    use crate::kind::{AnswerKind, Class};

    #[test]
    fn reasons_are_read_back_from_their_tags() {
        let class = Class::of(AnswerKind::of_par(0xa1b));
        let kind = ProbeKind { operation: Operation::AtS12e1r, expected: vec![class] };
        let mut not_asked = NotAsked::from([
            (Reason::Strays, 3),
            (Reason::StraysByErrata, 1),
            (Reason::Quarantined(kind), 1),
            (Reason::HeldBack(Some("an-issue".to_owned())), 2),
            (Reason::HeldBack(None), 2),
        ]);
        for why in NotDrawn::ALL {
            not_asked.add(Reason::NotDrawn(why), 1);
        }
        for defect in Defect::ALL {
            not_asked.add(Reason::Defect(defect), 1);
        }
        for lack in Lack::ALL {
            not_asked.add(Reason::Lack(lack), 1);
        }
        let json = serde_json::to_string(&not_asked).unwrap();
        assert!(json.starts_with(r#"[{"reason":"strays","count":3},"#), "{json}");
        assert_eq!(serde_json::from_str::<NotAsked>(&json).unwrap(), not_asked);
    }

    #[test]
    fn those_of_many_kinds_have_one_general_reason() {
        let class = Class::of(AnswerKind::of_par(0xa1b));
        let kind = ProbeKind { operation: Operation::AtS12e1r, expected: vec![class] };
        let reason = Reason::Quarantined(kind.clone());
        assert_eq!(reason.to_string(), format!("{} ({kind})", reason.general()));
        assert_eq!(kind.to_string(), "at_s12e1r: stage 2 Permission fault");
        assert_eq!(
            (Reason::Strays.kind(), Reason::Strays.general()),
            (None, Reason::Strays.to_string())
        );
    }

    #[test]
    fn counts_end_at_the_largest_number() {
        let mut not_asked = NotAsked::from([(Reason::Strays, u64::MAX)]);
        not_asked.merge(&not_asked.clone());
        not_asked.add(Reason::Alone, 1);
        assert_eq!(not_asked.total(), u64::MAX);
    }
}

//! Signatures: what findings of the same kind have in common.

use std::fmt;

use case::probe::{Operation, Probe};
use oracle::expectation::Expectation;
use serde::{Deserialize, Serialize};

use super::{Defect, operation};
use crate::difference::Difference;
use crate::kind::{AnswerKind, Class};

/// What findings of the same kind have in common: operation, expectation and observation without addresses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// An answer that the architecture does not allow.
    Answer {
        #[serde(with = "operation")]
        operation: Operation,
        /// How it differs from the nearest outcome that is allowed; absent where none is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        difference: Option<Difference>,
    },
    Died {
        /// Of a probe of this kind; absent where it built or undid tables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<ProbeKind>,
        /// It stopped answering, and did not go away.
        hung: bool,
    },
    /// The executor's own code took an exception.
    ExecutorException {
        /// In a probe; absent where it built or undid tables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<ProbeKind>,
    },
    /// Known errata, by name.
    Known(Vec<String>),
    /// The reference walker does not find what the case's own mappings ask for.
    Mappings,
    /// The case as a whole is defective.
    Defect(Defect),
    /// The target makes this choice in two ways.
    Choice(String),
    /// The words of a record whose format has nothing but words.
    Told(String),
}

impl Signature {
    /// An answer to `operation` that differs so from the nearest that is allowed.
    pub fn of_answer(operation: Operation, difference: Option<Difference>) -> Self {
        Self::Answer { operation, difference: difference.map(Difference::in_short) }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { operation, difference } => {
                write!(f, "{}: ", operation.name())?;
                difference.map_or(Ok(()), |difference| difference.fmt(f))
            }
            Self::Died { kind, hung } => {
                let end = if *hung { "the target hung" } else { "the target died" };
                match kind {
                    Some(kind) => write!(f, "{kind}: {end}"),
                    None => write!(f, "building: {end}"),
                }
            }
            Self::ExecutorException { kind } => {
                match kind {
                    Some(kind) => kind.fmt(f)?,
                    None => f.write_str("a case")?,
                }
                f.write_str(": the executor took an exception")
            }
            Self::Known(names) => f.write_str(&names.join(" and ")),
            Self::Mappings => f.write_str("the tables are not what the mappings ask for"),
            Self::Defect(defect) => defect.fmt(f),
            Self::Choice(choice) => write!(f, "the target makes a choice in two ways: {choice}"),
            Self::Told(words) => f.write_str(words),
        }
    }
}

/// A kind of probe: what it asks, and what may be answered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeKind {
    #[serde(with = "operation")]
    pub operation: Operation,
    /// The classes of answer that are allowed, each once, the pseudocode's own first; none where it asks the
    /// MMU nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Class>,
}

impl ProbeKind {
    /// The kind of `probe`, of which so much is expected; `None` for words from outside that are no operation.
    pub fn of(probe: &Probe, expectation: Option<&Expectation>) -> Option<Self> {
        let operation = probe.operation()?;
        let mut expected = Vec::new();
        for allowed in expectation.iter().flat_map(|expectation| &expectation.outcomes) {
            let class = Class::of(AnswerKind::of_answer(&allowed.answer));
            if !expected.contains(&class) {
                expected.push(class);
            }
        }
        Some(Self { operation, expected })
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        for (number, class) in self.expected.iter().enumerate() {
            write!(f, "{} {class}", if number == 0 { ":" } else { " or" })?;
        }
        Ok(())
    }
}

//! Expectations in records: what should have been observed.

use oracle::expectation::Expectation;
use serde::{Deserialize, Serialize};

use super::{Fact, Outcome};

/// What should have been observed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// One of these outcomes, the pseudocode's own first.
    Outcomes(Vec<Outcome>),
    Fact(Fact),
    Answer,
    /// An exception of the instruction that asks, if any.
    NoException,
    /// What the case's own mappings ask for.
    Mappings,
    /// What an earlier case told of a choice.
    Choice {
        /// The answers that are possible.
        answers: Vec<String>,
        case: u64,
    },
    /// The lines of a record whose format has nothing but words.
    Told(Vec<String>),
}

impl Wanted {
    /// The outcomes of `expectation`.
    pub fn of(expectation: &Expectation) -> Self {
        Self::Outcomes(Outcome::all(expectation))
    }

    /// One line an outcome.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Outcomes(outcomes) => outcomes.iter().map(Outcome::to_string).collect(),
            Self::Fact(fact) => vec![fact.to_string()],
            Self::Answer => vec!["an answer".to_owned()],
            Self::NoException => vec!["no exception outside the instruction that asks".to_owned()],
            Self::Mappings => vec!["what the case's own mappings say".to_owned()],
            Self::Choice { answers, case } => {
                vec![format!("{}, as in case {case}", answers.join(" or "))]
            }
            Self::Told(lines) => lines.clone(),
        }
    }
}

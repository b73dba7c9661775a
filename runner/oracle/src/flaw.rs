//! Errata that a target is known to have, and what is predicted for them.
//!
//! ```text
//!   Flaw: an erratum, and when it shows         registers of the case, operation of the probe
//!        |                                                |
//!        +------------------------> those that show here <+
//!                                           |
//!                     golden, with all of them together --> Prediction, where it is not what is allowed
//! ```

use case::operation::Operation;
use golden::errata::Erratum;
use golden::{FieldName, Registers};
use smallvec::SmallVec;

use crate::expectation::Expectation;

/// An erratum that a target is known to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flaw {
    /// What is wrong.
    pub erratum: &'static Erratum,
    /// When it shows.
    pub when: Condition,
}

/// When an erratum shows: all of this holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// The probe asks by one of these operations; none: by any.
    pub operations: Vec<Operation>,
    /// Each field has one of these values.
    pub fields: Vec<(FieldName, Vec<u64>)>,
}

impl Condition {
    /// Whether it may hold under these registers.
    pub fn fits(&self, registers: &Registers) -> bool {
        let has = |(field, values): &(FieldName, Vec<u64>)| {
            field.value(registers).is_some_and(|value| values.contains(&value))
        };
        self.fields.iter().all(has)
    }

    /// Whether it may hold where a probe asks by `operation`.
    pub fn includes(&self, operation: Option<Operation>) -> bool {
        let asked = |operation| self.operations.contains(&operation);
        self.operations.is_empty() || operation.is_some_and(asked)
    }
}

/// The number of a [`Flaw`] among those that a target is known to have.
pub type FlawId = usize;

/// What a target with flaws answers to a probe, where that is not what is allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// The flaws without any one of which it would be another.
    pub flaws: SmallVec<[FlawId; 2]>,
    /// The outcomes.
    pub expectation: Expectation,
}

impl Prediction {
    /// Whether the target may die or hang instead of answering.
    pub fn may_kill(&self) -> bool {
        self.expectation.outcomes.iter().any(|outcome| outcome.kills)
    }
}

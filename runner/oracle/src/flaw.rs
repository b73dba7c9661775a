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
use case::probe::Probe;
use golden::errata::Erratum;
use golden::tlbi::Tlbi;
use golden::{FieldName, Registers};
use smallvec::SmallVec;

use crate::expectation::Expectation;
use crate::tlb::{Tag, Tlb};

/// An erratum that a target is known to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flaw {
    /// What is wrong.
    pub erratum: &'static Erratum,
    /// When it shows.
    pub when: Condition,
    /// It shows now and then: what is answered with it is predicted, and what is answered without.
    pub sometimes: bool,
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

/// What the TLBs of a target may hold since it made something else of TLB maintenance by its flaws.
#[derive(Debug)]
pub(crate) struct StaleTlb {
    pub(crate) tlb: Tlb,
    /// The flaws by which it did so far.
    pub(crate) flaws: SmallVec<[FlawId; 2]>,
}

impl StaleTlb {
    /// Carries out `step`, a TLBI that is about `tlbi`, in `stale`; `sound` is what TLBs may hold before it. The
    /// first step of which a flaw makes something else parts the two.
    pub(crate) fn maintain(
        stale: &mut Option<Self>,
        sound: &Tlb,
        flaws: &[(FlawId, &Flaw)],
        (step, tlbi): (&Probe, Tlbi),
        now: Tag,
        loaded: &[u8],
    ) {
        let mut done = tlbi;
        for (id, flaw) in flaws.iter().filter(|(_, flaw)| flaw.when.includes(step.operation())) {
            let before = done;
            done = flaw.erratum.of_tlbi(done);
            if done != before {
                let new = || Self { tlb: sound.clone(), flaws: SmallVec::new() };
                let known = &mut stale.get_or_insert_with(new).flaws;
                if !known.contains(id) {
                    known.push(*id);
                }
            }
        }
        if let Some(stale) = stale {
            stale.tlb.invalidate(&done, step.pe, now, loaded);
        }
    }
}

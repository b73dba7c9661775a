//! TLB maintenance that does nothing on a target, and the stale outcomes that are tolerated for it.
//!
//! ```text
//!   change a word, TLBI        sound target         the old translation is gone
//!                              ineffective TLBI     it may still be held: what it leads to is a stale outcome
//! ```

use case::operation::Operation;
use case::probe::Probe;
use golden::tlbi::Tlbi;

use crate::expectation::Expectation;
use crate::tlb::{Tag, Tlb};

/// TLB maintenance instructions that do nothing on a target, by one known issue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IneffectiveTlbi {
    /// The name of the issue.
    pub issue: String,
    pub operations: Vec<Operation>,
    /// The flags of [`Probe`] with which they do nothing; 0 for any form.
    pub flags: u8,
}

impl IneffectiveTlbi {
    /// Whether `step` is such maintenance.
    pub fn includes(&self, step: &Probe) -> bool {
        step.operation().is_some_and(|operation| self.operations.contains(&operation))
            && step.has(self.flags)
    }
}

/// What a target may answer to a probe since TLB maintenance before it did nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaleOutcome {
    /// The issues by which that maintenance did nothing.
    pub issues: Vec<String>,
    /// What is allowed had it not been executed.
    pub expectation: Expectation,
}

/// What TLBs may hold had ineffective maintenance not been executed.
#[derive(Debug)]
pub(crate) struct Unmaintained {
    pub(crate) tlb: Tlb,
    /// The issues by which maintenance did nothing so far.
    pub(crate) issues: Vec<String>,
}

impl Unmaintained {
    /// Carries out `step` in `unmaintained`, if it is effective; `sound` is what TLBs may hold before it. The
    /// first ineffective step makes TLBs that have not seen it.
    pub(crate) fn maintain(
        unmaintained: &mut Option<Self>,
        sound: &Tlb,
        ineffective: &[IneffectiveTlbi],
        (step, tlbi): (&Probe, &Tlbi),
        now: Tag,
        loaded: &[u8],
    ) {
        let issue = ineffective.iter().find(|tlbi| tlbi.includes(step)).map(|tlbi| &tlbi.issue);
        match (issue, unmaintained) {
            (Some(issue), none @ None) => {
                *none = Some(Self { tlb: sound.clone(), issues: vec![issue.clone()] });
            }
            (Some(issue), Some(known)) if !known.issues.contains(issue) => {
                known.issues.push(issue.clone());
            }
            (Some(_), Some(_)) | (None, None) => {}
            (None, Some(known)) => known.tlb.invalidate(tlbi, step.pe, now, loaded),
        }
    }
}

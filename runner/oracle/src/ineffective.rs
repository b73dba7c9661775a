//! TLB maintenance that does nothing on a target, and what its TLBs may hold then.
//!
//! ```text
//!   change a word, TLBI        sound target         the old translation is gone
//!                              ineffective TLBI     it may still be held: what it leads to is a stale outcome
//! ```

use case::operation::Operation;
use case::probe::Probe;
use golden::Registers;
use smallvec::{SmallVec, smallvec};

use crate::flaw::FlawId;
use crate::tlb::Tlb;

/// TLB maintenance instructions that do nothing on a target, by one flaw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IneffectiveTlbi {
    /// The flaw.
    pub flaw: FlawId,
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

/// What TLBs may hold had ineffective maintenance not been executed.
#[derive(Debug)]
pub(crate) struct Unmaintained {
    pub(crate) tlb: Tlb,
    /// The flaws by which maintenance did nothing so far.
    pub(crate) flaws: SmallVec<[FlawId; 2]>,
}

impl Unmaintained {
    /// Carries out `step` in `unmaintained`, if it is effective; `sound` is what TLBs may hold before it. The
    /// first ineffective step makes TLBs that have not seen it.
    pub(crate) fn maintain(
        unmaintained: &mut Option<Self>,
        sound: &Tlb,
        ineffective: &[IneffectiveTlbi],
        step: &Probe,
        registers: &Registers,
        loaded: &[u8],
    ) {
        let flaw = ineffective.iter().find(|tlbi| tlbi.includes(step)).map(|tlbi| tlbi.flaw);
        match (flaw, unmaintained) {
            (Some(flaw), none @ None) => {
                *none = Some(Self { tlb: sound.clone(), flaws: smallvec![flaw] });
            }
            (Some(flaw), Some(known)) if !known.flaws.contains(&flaw) => known.flaws.push(flaw),
            (Some(_), Some(_)) | (None, None) => {}
            (None, Some(known)) => known.tlb.invalidate(step, registers, loaded),
        }
    }
}

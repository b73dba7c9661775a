//! Answers that the architecture allows.

use golden::{Abort, AccessOutcome, AtResult, Fault, Masked};

/// What may be observed of a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// An AT instruction writes `PAR_EL1`.
    Par {
        /// Its value.
        par: Masked,
        /// The fault that it reports, if it does.
        fault: Option<Fault>,
    },
    /// A load, store or fetch is done at this physical address.
    Reached(u64),
    /// The instruction takes an exception.
    Exception(Abort),
}

impl From<AtResult> for Answer {
    fn from(result: AtResult) -> Self {
        match result {
            AtResult::Par { par, fault } => Self::Par { par, fault },
            AtResult::Exception(abort) => Self::Exception(abort),
        }
    }
}

impl From<&AccessOutcome> for Answer {
    fn from(outcome: &AccessOutcome) -> Self {
        match &outcome.result {
            Ok(translation) => Self::Reached(translation.pa.0),
            Err(abort) => Self::Exception(*abort),
        }
    }
}

//! Kinds of answer: what it is, without addresses.
//!
//! Findings are grouped by them.

use std::fmt;

use golden::FaultKind;
use oracle::answer::Answer;
use serde::{Deserialize, Serialize};

use crate::observation::Observation;

/// The kind of an answer: success, or a fault with its status code, told in `PAR_EL1` or by an exception.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// The translation succeeded, or the access was done.
    Success,
    /// `PAR_EL1` tells of a fault.
    Fault {
        /// The stage that it is of, 1 or 2.
        stage: u8,
        /// The fault status code, 6 bits.
        status: u8,
    },
    /// The instruction took an exception.
    Exception {
        /// The fault status code, 6 bits.
        status: u8,
    },
    /// It took an exception that is no abort.
    Trap {
        /// The exception class, 6 bits.
        class: u8,
    },
    /// The guest did not come back.
    Runaway,
}

/// Fault status codes that there are, and exception classes.
const CODES: usize = 64;

impl AnswerKind {
    /// The kind of an outcome that the architecture allows.
    pub fn of_answer(answer: &Answer) -> Self {
        match answer {
            Answer::Par { par, .. } => Self::of_par(par.value),
            Answer::Reached(_) | Answer::Maintained(_) => Self::Success,
            Answer::Exception(taken) => Self::of_syndrome(taken.abort.exception.esr.value),
        }
    }

    /// The kind of an observation.
    pub fn of_observation(observation: &Observation<'_>) -> Self {
        match observation {
            Observation::Par(value) => Self::of_par(*value),
            Observation::Reached { .. } => Self::Success,
            Observation::Exception(exception) => Self::of_syndrome(exception.esr),
            Observation::Runaway(_) => Self::Runaway,
        }
    }

    /// The kind of answer that this `PAR_EL1` tells of.
    pub const fn of_par(par: u64) -> Self {
        if par & 1 == 0 {
            return Self::Success;
        }
        Self::Fault { stage: 1 + (par >> 9 & 1) as u8, status: (par >> 1 & 0x3f) as u8 }
    }

    /// The kind of exception that this `ESR_ELx` tells of.
    pub const fn of_syndrome(esr: u64) -> Self {
        let class = (esr >> 26 & 0x3f) as u8;
        match class {
            // Instruction and Data Aborts, from below and from the same EL.
            0x20 | 0x21 | 0x24 | 0x25 => Self::Exception { status: (esr & 0x3f) as u8 },
            _ => Self::Trap { class },
        }
    }

    pub fn all() -> impl Iterator<Item = Self> {
        let codes = || 0..CODES as u8;
        let faults = |stage| codes().map(move |status| Self::Fault { stage, status });
        let exceptions = codes().map(|status| Self::Exception { status });
        let all = std::iter::once(Self::Success).chain(faults(1)).chain(faults(2));
        let traps = codes().map(|class| Self::Trap { class });
        all.chain(exceptions).chain([Self::Runaway]).chain(traps)
    }
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Success => f.write_str("success"),
            Self::Fault { stage, status } => write!(f, "stage {stage} {}", fault_name(status)),
            Self::Exception { status } => write!(f, "exception {}", fault_name(status)),
            Self::Trap { class } => write!(f, "exception of class {class:#04x}, no abort"),
            Self::Runaway => f.write_str("a guest that does not come back"),
        }
    }
}

/// The kinds that differ in the level alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(from = "AnswerKind", into = "AnswerKind")]
pub struct Class(AnswerKind);

impl Class {
    /// The class of `kind`.
    pub const fn of(kind: AnswerKind) -> Self {
        Self(match kind {
            AnswerKind::Fault { stage, status } => {
                AnswerKind::Fault { stage, status: at_level_0(status) }
            }
            AnswerKind::Exception { status } => {
                AnswerKind::Exception { status: at_level_0(status) }
            }
            AnswerKind::Success | AnswerKind::Trap { .. } | AnswerKind::Runaway => kind,
        })
    }
}

/// The fault status code of the same fault at level 0, where it has a level.
const fn at_level_0(status: u8) -> u8 {
    match status {
        0b10_1001 => 0b00_0000,
        0b10_1011 => 0b00_0100,
        0b01_0011 => 0b01_0100,
        _ => match status >> 2 {
            0b0000 | 0b0001 | 0b0010 | 0b0011 | 0b0101 => status & !3,
            _ => status,
        },
    }
}

impl From<AnswerKind> for Class {
    fn from(kind: AnswerKind) -> Self {
        Self::of(kind)
    }
}

impl From<Class> for AnswerKind {
    /// Its kind at level 0.
    fn from(Class(kind): Class) -> Self {
        kind
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.to_string();
        f.write_str(name.strip_suffix(", level 0").unwrap_or(&name))
    }
}

/// The name of a fault status code of the long-descriptor format (DDI 0487, `ESR_ELx.DFSC`).
pub fn fault_name(status: u8) -> String {
    let level = status & 3;
    match status {
        0b10_1001 => format!("{}, level -1", FaultKind::AddressSize),
        0b10_1011 => format!("{}, level -1", FaultKind::Translation),
        0b01_0011 => format!("{}, level -1", FaultKind::ExternalAbortOnWalk),
        0b11_0000 => FaultKind::TlbConflict.to_string(),
        0b11_0001 => FaultKind::UnsupportedUpdate.to_string(),
        0b11_0101 => FaultKind::UnsupportedAtomic.to_string(),
        0b10_0001 => FaultKind::Alignment.to_string(),
        0b01_0000 => "External abort, not on a walk".into(),
        _ => match status >> 2 {
            0b0000 => format!("{}, level {level}", FaultKind::AddressSize),
            0b0001 => format!("{}, level {level}", FaultKind::Translation),
            0b0010 => format!("{}, level {level}", FaultKind::AccessFlag),
            0b0011 => format!("{}, level {level}", FaultKind::Permission),
            0b0101 => format!("{}, level {level}", FaultKind::ExternalAbortOnWalk),
            _ => format!("fault status {status:#08b}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<String> = AnswerKind::all().map(|kind| kind.to_string()).collect();
        assert_eq!(names.len(), AnswerKind::all().count());
    }

    #[test]
    fn a_class_is_named_like_its_kinds_without_their_level() {
        for kind in AnswerKind::all() {
            let name = kind.to_string();
            let class = name.split(", level").next().unwrap();
            assert_eq!(Class::of(kind).to_string(), class);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<AnswerKind>(&json).unwrap(), kind);
            assert_eq!(serde_json::from_str::<Class>(&json).unwrap(), Class::of(kind));
        }
    }
}

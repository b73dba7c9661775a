//! Endings of a walk or an access that the architecture allows: `PAR_EL1`, a place, or an exception.

use std::fmt;

use golden::Masked;
use oracle::answer::{self, Answer};
use serde::{Deserialize, Serialize};
use suite::hex::Hex;

use super::{Place, is_false};
use crate::kind::{AnswerKind, fault_name};

/// How a walk or an access may end.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An AT instruction writes `PAR_EL1`.
    Par(Bits),
    /// An access is done there.
    Reached(Place),
    /// Cache maintenance is done.
    Maintained,
    /// The instruction takes an exception.
    Exception(Box<Taken>),
}

/// A value, and which of its bits the architecture determines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bits {
    /// The value; 0 where it is not determined.
    pub value: Hex,
    /// The bits that are determined.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub mask: Hex,
}

const fn all() -> Hex {
    Hex(u64::MAX)
}

fn is_all(mask: &Hex) -> bool {
    *mask == all()
}

/// An exception that an instruction may take.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// The stage that faults, 1 or 2.
    pub stage: u8,
    /// The fault status code.
    pub status: u8,
    /// A fault of stage 2 on the access to a descriptor of stage 1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub s1_walk: bool,
    /// The IPA that could not be translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipa: Option<Hex>,
    /// The exception level that the fault is reported to.
    pub target: u8,
    /// `ESR_ELx`.
    pub esr: Bits,
    /// `FAR_ELx`.
    pub far: Hex,
    /// `HPFAR_EL2`, where it is determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpfar: Option<Hex>,
    /// The exception level that takes it in the place of `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u8>,
    /// `ELR_ELx` and `SPSR_ELx`, where it is known which instruction it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<(Hex, Bits)>,
}

impl Ending {
    /// The ending that `answer` is.
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Par { par, .. } => Self::Par((*par).into()),
            Answer::Reached(reach) => Self::Reached((*reach).into()),
            Answer::Maintained(_) => Self::Maintained,
            Answer::Exception(taken) => Self::Exception(Box::new(taken.into())),
        }
    }
}

impl From<Masked> for Bits {
    fn from(Masked { value, mask }: Masked) -> Self {
        Self { value: Hex(value), mask: Hex(mask) }
    }
}

impl From<&answer::Taken> for Taken {
    fn from(taken: &answer::Taken) -> Self {
        let golden::Abort { fault, exception } = taken.abort;
        let target = exception.target.get();
        Self {
            stage: if fault.stage == golden::Stage::One { 1 } else { 2 },
            status: fault.status_code() as u8,
            s1_walk: fault.s1_walk,
            ipa: fault.ipa.map(|ipa| Hex(ipa.0)),
            target,
            esr: exception.esr.into(),
            far: Hex(exception.far.0),
            hpfar: exception.hpfar.map(Hex),
            by: Some(taken.target).filter(|by| *by != target),
            returns: taken.elr.map(|elr| (Hex(elr), taken.spsr.into())),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Par(bits) => write!(f, "PAR_EL1 {bits}: {}", Par(bits.value.0)),
            Self::Reached(place) => write!(f, "{place} is reached"),
            Self::Maintained => f.write_str("it is done"),
            Self::Exception(taken) => taken.fmt(f),
        }
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Masked { value: self.value.0, mask: self.mask.0 }.fmt(f)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, status, s1_walk, ipa, target, esr, far, hpfar, by, returns } = self;
        write!(f, "an exception: stage {stage} {}", fault_name(*status))?;
        if *s1_walk {
            f.write_str(", on a stage 1 walk")?;
        }
        if let Some(ipa) = ipa {
            write!(f, ", IPA {ipa}")?;
        }
        write!(f, ", taken to EL{target}: ESR_EL{target} = {esr}, FAR_EL{target} = {far}")?;
        if let Some(hpfar) = hpfar {
            write!(f, ", HPFAR_EL2 = {hpfar}")?;
        }
        let by = match by {
            Some(by) => {
                write!(f, ", by EL{by} in its place")?;
                by
            }
            None => target,
        };
        match returns {
            Some((elr, spsr)) => write!(f, ", ELR_EL{by} = {elr}, SPSR_EL{by} = {spsr}"),
            None => Ok(()),
        }
    }
}

/// What a value of `PAR_EL1` tells, in words.
pub(super) struct Par(pub u64);

impl fmt::Display for Par {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value & 1 == 0 {
            let (pa, attr, sh) = (value & 0x000f_ffff_ffff_f000, value >> 56, value >> 7 & 3);
            return write!(f, "PA {pa:#x}, ATTR {attr:#04x}, SH {sh:#04b}");
        }
        let on_walk = if value >> 8 & 1 == 1 { " on a stage 1 walk" } else { "" };
        write!(f, "{}{on_walk}", AnswerKind::of_par(value))
    }
}

#[cfg(test)]
mod tests {
    use golden::{Abort, El, Exception, Fault, FaultKind, Level, Stage, Va};

    use super::*;

    #[test]
    fn an_exception_reads_as_the_reference_walker_has_it() {
        for (kind, level) in [
            (FaultKind::Translation, Level::L3),
            (FaultKind::Permission, Level::L1),
            (FaultKind::ExternalAbortOnWalk, Level::L0),
            (FaultKind::TlbConflict, Level::L3),
            (FaultKind::UnsupportedUpdate, Level::L3),
            (FaultKind::UnsupportedAtomic, Level::L3),
            (FaultKind::Alignment, Level::L3),
        ] {
            let fault = Fault {
                kind,
                level,
                stage: Stage::Two,
                s1_walk: true,
                ipa: Some(golden::Ipa(0x4000)),
                write: true,
                dirty_bit: false,
            };
            let esr = Masked { value: 0x9200_0047, mask: 0xffff_ffff };
            let exception = Exception { target: El::El2, esr, far: Va(0x4000), hpfar: Some(0x40) };
            let taken = answer::Taken::new(Abort { fault, exception });
            let told = Taken::from(&taken).to_string();
            assert_eq!(told, format!("an exception: {}", taken.abort));
            let guest = answer::Taken { target: 1, elr: Some(0x8020), spsr: esr, ..taken };
            let wanted = format!(
                "an exception: {}, by EL1 in its place, ELR_EL1 = 0x8020, SPSR_EL1 = {esr}",
                taken.abort
            );
            assert_eq!(Taken::from(&guest).to_string(), wanted);
        }
    }
}

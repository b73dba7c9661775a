//! Address translation instructions and `PAR_EL1`.

use core::fmt;

use crate::access::{Alignment, Kind, StageAccess};
use crate::address::Va;
use crate::choices::{Choice, Choices, HostStage2, ParAttributes, ParXs, ask};
use crate::el::{El, Regime};
use crate::errata::{Errata, Instruction, Subject};
use crate::exception::{Cause, Exception};
use crate::fault::Fault;
use crate::implementation::{Features, Implementation};
use crate::masked::Masked;
use crate::memory::PhysicalMemory;
use crate::observer::Observer;
use crate::par;
use crate::registers::Registers;
use crate::stage1::Stage1Output;
use crate::translate::{Abort, Machine};
use crate::updates::Updates;
use crate::walker::{Noted, Seen, Walker};

/// An address translation instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// AT S1E0R: stage 1, as EL0, read.
    S1E0R,
    /// AT S1E0W: stage 1, as EL0, write.
    S1E0W,
    /// AT S1E1R: stage 1, as EL1, read.
    S1E1R,
    /// AT S1E1W: stage 1, as EL1, write.
    S1E1W,
    /// AT S1E1RP: stage 1, as EL1, read, with PSTATE.PAN.
    S1E1RP,
    /// AT S1E1WP: stage 1, as EL1, write, with PSTATE.PAN.
    S1E1WP,
    /// AT S1E2R: stage 1, as EL2, read.
    S1E2R,
    /// AT S1E2W: stage 1, as EL2, write.
    S1E2W,
    /// AT S12E0R: both stages, as EL0, read.
    S12E0R,
    /// AT S12E0W: both stages, as EL0, write.
    S12E0W,
    /// AT S12E1R: both stages, as EL1, read.
    S12E1R,
    /// AT S12E1W: both stages, as EL1, write.
    S12E1W,
}

impl At {
    /// Every instruction.
    pub const ALL: [Self; 12] = [
        Self::S1E0R,
        Self::S1E0W,
        Self::S1E1R,
        Self::S1E1W,
        Self::S1E1RP,
        Self::S1E1WP,
        Self::S1E2R,
        Self::S1E2W,
        Self::S12E0R,
        Self::S12E0W,
        Self::S12E1R,
        Self::S12E1W,
    ];

    /// Does it ask about a write?
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(
            self,
            Self::S1E0W | Self::S1E1W | Self::S1E1WP | Self::S1E2W | Self::S12E0W | Self::S12E1W
        )
    }

    /// Does it ask about both stages?
    #[must_use]
    pub const fn is_both_stages(self) -> bool {
        matches!(self, Self::S12E0R | Self::S12E0W | Self::S12E1R | Self::S12E1W)
    }

    /// Does PSTATE.PAN count?
    #[must_use]
    pub const fn obeys_pan(self) -> bool {
        matches!(self, Self::S1E1RP | Self::S1E1WP)
    }

    /// The exception level as which it asks, by its name.
    #[must_use]
    pub const fn el(self) -> El {
        match self {
            Self::S1E0R | Self::S1E0W | Self::S12E0R | Self::S12E0W => El::El0,
            Self::S1E2R | Self::S1E2W => El::El2,
            _ => El::El1,
        }
    }

    /// The instruction of that name, such as `S12E1R`, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|at| at.name().eq_ignore_ascii_case(name))
    }

    /// Its name, without AT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S1E0R => "S1E0R",
            Self::S1E0W => "S1E0W",
            Self::S1E1R => "S1E1R",
            Self::S1E1W => "S1E1W",
            Self::S1E1RP => "S1E1RP",
            Self::S1E1WP => "S1E1WP",
            Self::S1E2R => "S1E2R",
            Self::S1E2W => "S1E2W",
            Self::S12E0R => "S12E0R",
            Self::S12E0W => "S12E0W",
            Self::S12E1R => "S12E1R",
            Self::S12E1W => "S12E1W",
        }
    }

    /// Can it be executed here?
    fn executable(
        self,
        el: El,
        pe: &Implementation,
        registers: &Registers,
    ) -> Result<(), NotExecuted> {
        if self.obeys_pan() && !pe.has(Features::FEAT_PAN2) {
            return Err(NotExecuted::Undefined);
        }
        let hcr = registers.hcr_el2();
        let nv = pe.has(Features::FEAT_NV);
        match el {
            El::El2 => Ok(()),
            El::El1 if self.el() == El::El2 || self.is_both_stages() => {
                Err(if nv && hcr.nv() { NotExecuted::Trapped } else { NotExecuted::Undefined })
            }
            El::El1 if nv && hcr.at() => Err(NotExecuted::Trapped),
            El::El1 => Ok(()),
            El::El0 => Err(NotExecuted::Undefined),
            El::El3 => Err(NotExecuted::OutOfScope),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AT {}", self.name())
    }
}

/// Why an AT instruction was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotExecuted {
    /// It is UNDEFINED at this exception level, or belongs to a feature that is absent.
    Undefined,
    /// It is trapped to EL2 by `HCR_EL2.AT` or `HCR_EL2.NV`.
    Trapped,
    /// EL3 is out of scope.
    OutOfScope,
}

impl fmt::Display for NotExecuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undefined => "the instruction is UNDEFINED here",
            Self::Trapped => "the instruction is trapped to EL2",
            Self::OutOfScope => "EL3 is out of scope",
        })
    }
}

impl core::error::Error for NotExecuted {}

/// What an AT instruction answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtResult {
    /// `PAR_EL1` is written; a fault is reported in it.
    Par {
        /// Its value.
        par: Masked,
        /// The fault, if it reports one.
        fault: Option<Fault>,
    },
    /// The instruction took an exception, for a walk that met an External abort, or, executed at EL1, for
    /// a stage 1 walk that stage 2 faulted. `PAR_EL1` is UNKNOWN after it.
    Exception(Abort),
}

/// What became of an AT instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOutcome {
    /// What it answered.
    pub result: AtResult,
    /// The descriptors that the hardware changed.
    pub updates: Updates,
}

/// An AT instruction, and how it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtQuestion {
    /// The instruction.
    pub at: At,
    /// Where it is executed: EL1 or EL2.
    pub executed_at: El,
    /// PSTATE.PAN.
    pub pan: bool,
    /// The address that it asks about.
    pub va: Va,
}

/// Executes an AT instruction at EL1 or EL2, with this PSTATE.PAN.
///
/// Source: `AArch64.AT`, `AArch64.EncodePAR`.
///
/// # Errors
/// [`NotExecuted`] where the instruction is UNDEFINED or trapped, or EL3 executes it.
pub fn at<M, C, O>(
    machine: Machine<'_, M>,
    at: At,
    executed_at: El,
    pan: bool,
    va: Va,
    choices: &mut C,
    observer: &mut O,
) -> Result<AtOutcome, NotExecuted>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    let question = AtQuestion { at, executed_at, pan, va };
    let mut updates = Updates::new();
    let result = at_noting(machine, question, choices, observer, &mut updates)?;
    Ok(AtOutcome { result, updates })
}

/// As [`at()`]; the descriptors that the hardware changes replace those in `updates`. A list of them is
/// large, and making one takes longer than a walk: whoever walks often keeps one.
///
/// # Errors
/// As for [`at()`].
pub fn at_noting<M, C, O>(
    machine: Machine<'_, M>,
    question: AtQuestion,
    choices: &mut C,
    observer: &mut O,
    updates: &mut Updates,
) -> Result<AtResult, NotExecuted>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    let AtQuestion { at, executed_at, pan, va } = question;
    updates.clear();
    let mut flawed = None;
    let machine = machine.as_seen(choices, &mut flawed);
    let Machine { implementation, registers, .. } = machine;
    at.executable(executed_at, implementation, registers)?;

    let hcr = registers.hcr_el2();
    let host = implementation.has(Features::FEAT_VHE) && hcr.e2h() && hcr.tge();
    // In a host, EL1 means the host's kernel.
    let el = match at.el() {
        El::El1 if host && !at.is_both_stages() => El::El2,
        el => el,
    };
    let regime = if at.is_both_stages() {
        Regime::El10
    } else {
        Regime::of(el, implementation, registers).ok_or(NotExecuted::OutOfScope)?
    };

    let mut without_stage2;
    let mut registers = registers;
    if host
        && at.is_both_stages()
        && (hcr.vm() || hcr.dc())
        && ask::<HostStage2, _>(&mut Noted::new(choices, observer), Choice::HostStage2)
            == HostStage2::Off
    {
        without_stage2 = *registers;
        without_stage2.hcr_el2 &= !(HCR_VM | HCR_DC);
        registers = &without_stage2;
    }

    let access = StageAccess {
        kind: Kind::At,
        el,
        reads: !at.is_write(),
        writes: at.is_write(),
        alignment: Alignment::Aligned,
        pan: pan && at.obeys_pan() && implementation.has(Features::FEAT_PAN),
    };
    let machine = Machine { registers, ..machine };
    let subject = Subject { instruction: Instruction::At(at), el, pan, cause: Cause::At };
    let mut walker = Walker::new(machine, choices, observer, updates, subject);
    let result = walker.at_translate(at, va, regime, &access);
    updates.settle(result.as_ref().err());
    Ok(match result {
        Ok(Reached { address, seen, sh }) => {
            let mut noted = Noted::new(choices, observer);
            let attributes = match ask(&mut noted, Choice::ParAttributes) {
                ParAttributes::Translated => Some(seen.translated),
                ParAttributes::Descriptors => Some(seen.described),
                ParAttributes::Implemented => None,
            };
            let shows_xs = attributes.is_some_and(|attributes| attributes.shows_xs());
            let feat_xs = implementation.has(Features::FEAT_XS)
                && (!shows_xs || ask::<ParXs, _>(&mut noted, Choice::ParXs) == ParXs::Reported);
            let feat_rme = implementation.has(Features::FEAT_RME);
            let par = par::success(address, attributes, feat_xs, feat_rme);
            AtResult::Par { par: choices.par(&subject, sh, par), fault: None }
        }
        Err(fault) => {
            let fault = choices.fault(&subject, fault);
            observer.fault(&fault);
            if fault.kind.is_external_abort() || executed_at == El::El1 && fault.s1_walk {
                let exception =
                    Exception::new(&fault, Cause::At, executed_at, va, implementation, registers);
                let exception = choices.exception(&subject, &fault, exception);
                AtResult::Exception(Abort { fault, exception })
            } else {
                let par = choices.par(&subject, None, par::fault(&fault));
                AtResult::Par { par, fault: Some(fault) }
            }
        }
    })
}

/// What an AT instruction has found.
struct Reached {
    address: u64,
    seen: Seen,
    /// SH as it is written, where stage 1 was on and alone.
    sh: Option<u64>,
}

const HCR_VM: u64 = 1 << 0;
const HCR_DC: u64 = 1 << 12;

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    fn at_translate(
        &mut self,
        at: At,
        va: Va,
        regime: Regime,
        access: &StageAccess,
    ) -> Result<Reached, Fault> {
        self.stage1(va, regime, access)
            .and_then(|stage1| {
                if at.is_both_stages() {
                    let stage2 = self.stage2_of(&stage1, access)?;
                    let sh = stage1.sh.filter(|_| stage2.level.is_none());
                    Ok(Reached { address: stage2.pa.0, seen: stage2.attributes, sh })
                } else {
                    let Stage1Output { ipa, attributes, sh, .. } = stage1;
                    Ok(Reached { address: ipa.0, seen: attributes, sh })
                }
            })
            .map_err(|fault| self.reported(regime, fault))
    }
}

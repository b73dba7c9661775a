//! A question to golden, and the answer.

use std::fmt;

use golden::{
    Abort, Access, Alignment, Answer as Chosen, At, AtResult, Cause, Choice, Choices, El,
    Exception, Fault, Features, Implementation, InstructionSyndrome, Ipa, Machine, Masked,
    MemoryAttributes, NotExecuted, Observer, Operation, PhysicalMemory, Shareability, Stage2Access,
    Stage2Operation, Translation, Updates, Va,
};

use crate::schema::{Hex, Query, Refused};

/// A question: an access by an instruction, an address translation instruction, or stage 2 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// An access by an instruction.
    Access {
        /// What is done.
        access: Access,
        /// Where.
        va: Va,
    },
    /// An address translation instruction.
    At {
        /// The instruction.
        at: At,
        /// The exception level that executes it.
        executed_at: El,
        /// PSTATE.PAN.
        pan: bool,
        /// What it asks about.
        va: Va,
    },
    /// Stage 2 alone.
    Stage2 {
        /// What is done, and the memory attributes that stage 1 gave, less their shareability.
        access: Stage2Access,
        /// The shareability that stage 1 gave, as in a descriptor's SH: 0b01 is reserved.
        sh: u8,
        /// Where.
        ipa: Ipa,
    },
}

/// What golden says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ends.
    pub outcome: Outcome,
    /// The descriptors that the hardware changes.
    pub updates: Updates,
}

/// How a translation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an output address.
    Output(Translation),
    /// With an exception.
    Abort(Abort),
    /// An address translation instruction answered in `PAR_EL1`.
    Par {
        /// Its value.
        par: Masked,
        /// The fault that it reports, if it does.
        fault: Option<Fault>,
    },
    /// The instruction does not come to translate.
    NotExecuted(NotExecuted),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(translation) => write!(f, "{translation}"),
            Self::Abort(abort) => write!(f, "{abort}"),
            Self::Par { par, fault: None } => write!(f, "PAR_EL1 = {par}"),
            Self::Par { par, fault: Some(fault) } => write!(f, "PAR_EL1 = {par}: {fault}"),
            Self::NotExecuted(reason) => write!(f, "{reason}"),
        }
    }
}

impl Question {
    /// Stage 2 alone, behind a stage 1 that gave this MAIR byte and this SH. `None` if the byte is reserved.
    #[must_use]
    pub fn stage2(
        operation: Stage2Operation,
        el: El,
        aligned: bool,
        (mair_byte, sh): (u8, u8),
        ipa: Ipa,
        implementation: &Implementation,
    ) -> Option<Self> {
        let feat_xs = implementation.has(Features::FEAT_XS);
        let stage1_attributes = MemoryAttributes::from_mair(mair_byte, Shareability::Non, feat_xs)?;
        let access = Stage2Access { operation, el, aligned, stage1_attributes };
        Some(Self::Stage2 { access, sh, ipa })
    }

    /// A query of a vector.
    pub(crate) fn new(
        kind: &str,
        implementation: &Implementation,
        query: &Query<'_>,
    ) -> Result<Self, Refused> {
        let unknown = |what: String| Refused::Unknown(what);
        let Hex(address) = query.address;
        if let Some(name) = query.op.strip_prefix("at_") {
            let at = At::named(name).ok_or_else(|| unknown(format!("unknown op {}", query.op)))?;
            let executed_at = query.executed_at_el.and_then(El::new);
            let executed_at =
                executed_at.ok_or_else(|| unknown("AT without executed_at_el".into()))?;
            let pan = query.pan;
            return match kind {
                "at" => Ok(Self::At { at, executed_at, pan, va: Va(address) }),
                _ => Err(unknown(format!("AT in setup {kind}"))),
            };
        }
        let el = query.el.and_then(El::new).ok_or_else(|| unknown("access without el".into()))?;
        let operation = match query.op.as_str() {
            "load" => Stage2Operation::Access(Operation::Load),
            "store" => Stage2Operation::Access(Operation::Store),
            "fetch" => Stage2Operation::Access(Operation::Fetch),
            "rmw" => Stage2Operation::Access(Operation::Atomic),
            "s1_walk_read" => Stage2Operation::Stage1WalkRead,
            "s1_walk_update" => Stage2Operation::Stage1WalkUpdate,
            op => return Err(unknown(format!("unknown op {op}"))),
        };
        match (kind, operation) {
            ("stage2", operation) => {
                let stage1 = query
                    .stage1_attributes
                    .as_ref()
                    .ok_or_else(|| unknown("stage2 without stage1_attributes".into()))?;
                let stage1 = (stage1.mair_byte.0 as u8, stage1.sh);
                let (aligned, ipa) = (query.aligned, Ipa(address));
                Self::stage2(operation, el, aligned, stage1, ipa, implementation)
                    .ok_or_else(|| unknown("reserved stage1_attributes.mair_byte".into()))
            }
            ("el1&0" | "el2" | "el2&0", Stage2Operation::Access(operation)) => {
                // The vectors begin where an access is translated: what is unaligned may be so.
                let alignment =
                    if query.aligned { Alignment::Aligned } else { Alignment::Within16 };
                let access =
                    Access::new(operation, el).with_pan(query.pan).with_alignment(alignment);
                Ok(Self::Access { access, va: Va(address) })
            }
            (kind, _) => Err(unknown(format!("op {} in setup {kind}", query.op))),
        }
    }

    /// Puts the question.
    pub fn ask<M, C, O>(&self, machine: Machine<'_, M>, choices: &mut C, observer: &mut O) -> Answer
    where
        M: PhysicalMemory + ?Sized,
        C: Choices + ?Sized,
        O: Observer + ?Sized,
    {
        let not_executed = |reason| (Outcome::NotExecuted(reason), Updates::new());
        let (outcome, updates) = match *self {
            Self::Access { access, va } => {
                match golden::access(machine, access, va, choices, observer) {
                    Ok(done) => {
                        (done.result.map_or_else(Outcome::Abort, Outcome::Output), done.updates)
                    }
                    Err(golden::OutOfScope) => not_executed(NotExecuted::OutOfScope),
                }
            }
            Self::At { at, executed_at, pan, va } => {
                match golden::at(machine, at, executed_at, pan, va, choices, observer) {
                    Ok(done) => match done.result {
                        AtResult::Par { par, fault } => (Outcome::Par { par, fault }, done.updates),
                        AtResult::Exception(abort) => (Outcome::Abort(abort), done.updates),
                    },
                    Err(reason) => not_executed(reason),
                }
            }
            Self::Stage2 { access, sh, ipa } => {
                let shareability = shareability(sh, choices);
                let stage1_attributes =
                    MemoryAttributes { shareability, ..access.stage1_attributes };
                let access = Stage2Access { stage1_attributes, ..access };
                let done = golden::stage2_translate(machine, access, ipa, choices, observer);
                let outcome = done.result.map_or_else(
                    |fault| {
                        let exception = stage2_exception(&access, &fault, ipa, machine);
                        Outcome::Abort(Abort { fault, exception })
                    },
                    Outcome::Output,
                );
                (outcome, done.updates)
            }
        };
        Answer { outcome, updates }
    }
}

/// How a fault of stage 2 alone is reported. The virtual address is taken to be the IPA.
fn stage2_exception<M: ?Sized>(
    access: &Stage2Access,
    fault: &Fault,
    ipa: Ipa,
    machine: Machine<'_, M>,
) -> Exception {
    let cause = match access.operation {
        Stage2Operation::Access(Operation::Fetch) => Cause::Fetch,
        Stage2Operation::Access(Operation::Atomic) => Cause::Atomic,
        _ => Cause::Data(InstructionSyndrome::NotTold),
    };
    let Machine { implementation, registers, .. } = machine;
    Exception::new(fault, cause, access.el, Va(ipa.0), implementation, registers)
}

fn shareability(sh: u8, choices: &mut (impl Choices + ?Sized)) -> Shareability {
    Shareability::from_bits(sh.into()).unwrap_or_else(|| {
        match choices.choose(Choice::ReservedShareability, 3) {
            Chosen(1) => Shareability::Inner,
            Chosen(2) => Shareability::Non,
            Chosen(_) => Shareability::Outer,
        }
    })
}

//! A whole translation, for an access by an instruction: both stages, and the exception that a fault
//! becomes.

use core::fmt;

use crate::access::{Access, Alignment, Kind, Operation, StageAccess};
use crate::address::{Ipa, Pa, Va};
use crate::attributes::MemoryAttributes;
use crate::choices::{Atomics, Choice, Choices, ask};
use crate::el::{El, Regime};
use crate::errata::{Errata, Halves, Instruction, Subject};
use crate::exception::{Cause, Exception};
use crate::fault::{Fault, FaultKind, Stage};
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::memory::PhysicalMemory;
use crate::observer::Observer;
use crate::registers::Registers;
use crate::rule::Rule;
use crate::stage1::Stage1Output;
use crate::stage2::Stage2Output;
use crate::syndrome::InstructionSyndrome;
use crate::updates::Updates;
use crate::walker::{Blame, Seen, Walker};

/// A PE and the memory that it walks: what a translation depends on, apart from what is asked.
#[derive(Debug)]
pub struct Machine<'a, M: ?Sized> {
    /// What the PE implements.
    pub implementation: &'a Implementation,
    /// Its system registers.
    pub registers: &'a Registers,
    /// Physical memory.
    pub memory: &'a M,
}

impl<M: ?Sized> Clone for Machine<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: ?Sized> Copy for Machine<'_, M> {}

impl<'a, M: ?Sized> Machine<'a, M> {
    /// The same as the device takes it: with the features and register fields that its errata leave it.
    #[inline]
    pub(crate) fn as_seen<E: Errata + ?Sized>(
        self,
        errata: &E,
        flawed: &'a mut Option<(Implementation, Registers)>,
    ) -> Self {
        *flawed = errata.machine(self.implementation, self.registers);
        match flawed {
            Some((implementation, registers)) => Self { implementation, registers, ..self },
            None => self,
        }
    }
}

/// A translation that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address of the access.
    pub pa: Pa,
    /// The output of stage 1, in the regime that has a stage 2.
    pub ipa: Option<Ipa>,
    /// The memory attributes, those of all stages together.
    pub attributes: MemoryAttributes,
    /// The level of stage 1's leaf; `None` if stage 1 is off.
    pub stage1_level: Option<Level>,
    /// The level of stage 2's leaf; `None` if stage 2 is off, or the regime has none.
    pub stage2_level: Option<Level>,
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PA {}, {}", self.pa, self.attributes)
    }
}

/// A fault of an access, and the exception that reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// What went wrong.
    pub fault: Fault,
    /// How it is reported.
    pub exception: Exception,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.fault, self.exception)
    }
}

/// What became of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessOutcome {
    /// Where it went, or how it failed.
    pub result: Result<Translation, Abort>,
    /// The descriptors that the hardware changed.
    pub updates: Updates,
}

/// Translates an access by an instruction at EL0, EL1 or EL2.
///
/// Source: `AArch64.TranslateAddress`, `AArch64.FullTranslate`, `AArch64.Abort`.
///
/// # Errors
/// [`OutOfScope`] for an access by EL3.
pub fn access<M, C, O>(
    machine: Machine<'_, M>,
    access: Access,
    va: Va,
    choices: &mut C,
    observer: &mut O,
) -> Result<AccessOutcome, OutOfScope>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    let mut flawed = None;
    let machine = machine.as_seen(choices, &mut flawed);
    let Machine { implementation, registers, .. } = machine;
    let el = permissions_el(&access, implementation, registers);
    let regime = Regime::of(el, implementation, registers).ok_or(OutOfScope)?;
    let stage_access = StageAccess {
        kind: access.operation.kind(),
        el,
        reads: access.operation.reads(),
        writes: access.operation.writes(),
        alignment: access.alignment,
        // PAN is for data: a fetch does not see it, not even where WXN asks what could be written.
        pan: access.pan
            && access.operation != Operation::Fetch
            && implementation.has(Features::FEAT_PAN),
    };
    let mut updates = Updates::new();
    let (instruction, pan) = (Instruction::Access(access.operation), access.pan);
    let cause = match access.operation {
        Operation::Fetch => Cause::Fetch,
        Operation::Atomic => Cause::Atomic,
        Operation::Load | Operation::Store if access.is_atomic() => {
            Cause::Data(InstructionSyndrome::Invalid)
        }
        Operation::Load | Operation::Store => Cause::Data(access.instruction),
        Operation::Zero => Cause::Data(InstructionSyndrome::Invalid),
    };
    let subject = Subject { instruction, el, pan, cause };
    let mut walker = Walker::new(machine, choices, observer, &mut updates, subject);
    let result = walker
        .check_alignment_alone(regime, &access, &stage_access)
        .and_then(|()| walker.translate_halves(va, regime, &stage_access))
        .and_then(|stages| {
            walker.check_atomicity(&access, &stages, &stage_access).map(|()| stages)
        });
    updates.settle(result.as_ref().err());
    let result = result.map(|stages| stages.translation()).map_err(|fault| {
        let fault = choices.fault(&subject, fault);
        observer.fault(&fault);
        let exception = Exception::new(&fault, cause, access.el, va, implementation, registers);
        let exception = choices.exception(&subject, &fault, exception);
        Abort { fault, exception }
    });
    Ok(AccessOutcome { result, updates })
}

/// The exception level whose permissions an access is made with: EL0's, for an unprivileged load or store
/// where it has its effect.
///
/// Source: `AArch64.IsUnprivAccessPriv`.
fn permissions_el(access: &Access, pe: &Implementation, registers: &Registers) -> El {
    if !access.unprivileged || matches!(access.operation, Operation::Fetch | Operation::Zero) {
        return access.el;
    }
    let hcr = registers.hcr_el2();
    let overridden = access.uao && pe.has(Features::FEAT_UAO);
    let unprivileged = match access.el {
        El::El0 => true,
        El::El1 => !(pe.has(Features::FEAT_NV) && hcr.nv() && hcr.nv1()),
        El::El2 => pe.has(Features::FEAT_VHE) && hcr.e2h() && hcr.tge(),
        El::El3 => false,
    };
    if unprivileged && !overridden { El::El0 } else { access.el }
}

/// The access is out of scope: EL3's translation regime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfScope;

impl fmt::Display for OutOfScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the translation regime of EL3 is out of scope")
    }
}

impl core::error::Error for OutOfScope {}

/// What stage 2 is asked on its own: an access after stage 1, or one of stage 1 to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage2Operation {
    /// An access by an instruction.
    Access(Operation),
    /// The read of a stage 1 descriptor.
    Stage1WalkRead,
    /// The hardware update of a stage 1 descriptor.
    Stage1WalkUpdate,
}

/// What stage 2 is asked on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage2Access {
    /// What is done.
    pub operation: Stage2Operation,
    /// The exception level, 0 or 1.
    pub el: El,
    /// Is the access aligned to its size?
    pub aligned: bool,
    /// The memory attributes that stage 1 gave.
    pub stage1_attributes: MemoryAttributes,
}

/// What became of stage 2 on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2Outcome {
    /// Where it went, or how it failed.
    pub result: Result<Translation, Fault>,
    /// The descriptors that the hardware changed.
    pub updates: Updates,
}

/// Translates an IPA by stage 2 alone, given what stage 1 made of the access. To report a fault, see
/// [`Exception::new`].
///
/// Source: `AArch64.S2Translate`.
pub fn stage2_translate<M, C, O>(
    machine: Machine<'_, M>,
    access: Stage2Access,
    ipa: Ipa,
    choices: &mut C,
    observer: &mut O,
) -> Stage2Outcome
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    let (kind, reads, writes) = match access.operation {
        Stage2Operation::Access(operation) => {
            (operation.kind(), operation.reads(), operation.writes())
        }
        Stage2Operation::Stage1WalkRead => (Kind::Walk, true, false),
        Stage2Operation::Stage1WalkUpdate => (Kind::Walk, true, true),
    };
    let is_aligned = access.aligned || kind == Kind::Walk;
    let alignment = if is_aligned { Alignment::Aligned } else { Alignment::Across16 };
    let stage_access = StageAccess { kind, el: access.el, reads, writes, alignment, pan: false };
    let blame = Blame::of_stage2(stage_access.reported_as_write());
    let mut updates = Updates::new();
    let instruction = Instruction::Stage2(access.operation);
    // No exception is made of its fault.
    let cause = Cause::Data(InstructionSyndrome::NotTold);
    let subject = Subject { instruction, el: access.el, pan: false, cause };
    let mut flawed = None;
    let machine = machine.as_seen(choices, &mut flawed);
    let mut walker = Walker::new(machine, choices, observer, &mut updates, subject);
    let stage1 = Seen::both(access.stage1_attributes);
    let result = walker.stage2(ipa, stage1, &stage_access, blame);
    updates.settle(result.as_ref().err());
    let result = result.map_err(|fault| choices.fault(&subject, fault));
    let result = result.inspect_err(|fault| observer.fault(fault)).map(|output| Translation {
        pa: output.pa,
        ipa: Some(ipa),
        attributes: output.attributes.translated,
        stage1_level: None,
        stage2_level: output.level,
    });
    Stage2Outcome { result, updates }
}

/// The outputs of both stages, or of the one that the regime has.
pub(crate) struct Stages {
    stage1: Stage1Output,
    stage2: Option<Stage2Output>,
}

impl Stages {
    /// The memory attributes, those of all stages together.
    fn attributes(&self) -> MemoryAttributes {
        let seen = match self.stage2 {
            Some(stage2) => stage2.attributes,
            None => self.stage1.attributes,
        };
        seen.translated
    }

    pub fn translation(&self) -> Translation {
        let Self { stage1, stage2 } = *self;
        Translation {
            pa: stage2.map_or(Pa(stage1.ipa.0), |stage2| stage2.pa),
            ipa: stage2.map(|_| stage1.ipa),
            attributes: self.attributes(),
            stage1_level: stage1.level,
            stage2_level: stage2.and_then(|stage2| stage2.level),
        }
    }
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// The translation of an access: the whole of it at once, unless an erratum divides it.
    fn translate_halves(
        &mut self,
        va: Va,
        regime: Regime,
        access: &StageAccess,
    ) -> Result<Stages, Fault> {
        let load = StageAccess { writes: false, ..*access };
        let store = StageAccess { reads: false, ..*access };
        let [first, second] = match self.choices.halves(&self.subject) {
            Halves::Together => return self.full_translate(va, regime, access),
            Halves::LoadFirst => [load, store],
            Halves::StoreFirst => [store, load],
        };
        self.full_translate(va, regime, &first)?;
        self.full_translate(va, regime, &second)
    }

    /// Both stages, or the one that the regime has. Whatever stage 1 finds wrong, permissions and alignment
    /// too, comes before stage 2 is asked.
    ///
    /// Source: `AArch64.FullTranslate`, R_XCHFJ.
    pub fn full_translate(
        &mut self,
        va: Va,
        regime: Regime,
        access: &StageAccess,
    ) -> Result<Stages, Fault> {
        self.stage1(va, regime, access)
            .and_then(|stage1| {
                let stage2 = match regime {
                    Regime::El10 => Some(self.stage2_of(&stage1, access)?),
                    Regime::El2 | Regime::El20 => None,
                };
                Ok(Stages { stage1, stage2 })
            })
            .map_err(|fault| self.reported(regime, fault))
    }

    /// Stage 2 of an access that stage 1 let through.
    pub fn stage2_of(
        &mut self,
        stage1: &Stage1Output,
        access: &StageAccess,
    ) -> Result<Stage2Output, Fault> {
        let blame = Blame::of_stage2(access.reported_as_write());
        self.stage2(stage1.ipa, stage1.attributes, access, blame)
    }

    /// The check of alignment that comes before all translation, whatever memory is there.
    ///
    /// Source: `AArch64.UnalignedAccessFaults`.
    fn check_alignment_alone(
        &mut self,
        regime: Regime,
        access: &Access,
        stage_access: &StageAccess,
    ) -> Result<(), Fault> {
        let asked_before = matches!(access.alignment, Alignment::Aligned | Alignment::Rest);
        if stage_access.kind != Kind::Data || asked_before {
            return Ok(());
        }
        let sctlr = self.sctlr(regime);
        let lse2 = self.pe.has(Features::FEAT_LSE2);
        let is_whole = lse2 && access.alignment == Alignment::Within16;
        let wants_whole = access.is_atomic() || access.is_ordered() && !(lse2 && sctlr.naa());
        let blame = Blame::of_stage1(stage_access.reported_as_write());
        let rule = if sctlr.a() {
            Rule::AlignmentCheck
        } else if wants_whole && !is_whole {
            Rule::UnalignedAtomic
        } else {
            return Ok(());
        };
        if !self.applies(blame, Level::L0, rule) {
            return Ok(());
        }
        Err(self.fails(blame, FaultKind::Alignment, Level::L0, rule))
    }

    /// Does memory support what the access promises? The choices are asked only where the architecture does
    /// not make it.
    ///
    /// Source: `AArch64.MemSingle`; DDI 0487, "Atomic instructions", on FSC 110101: the fault is one of the
    /// stage whose memory type is at fault.
    fn check_atomicity(
        &mut self,
        access: &Access,
        stages: &Stages,
        stage_access: &StageAccess,
    ) -> Result<(), Fault> {
        if !access.is_atomic() && !access.is_ordered() {
            return Ok(());
        }
        let Stages { stage1, stage2 } = stages;
        let of_stage1 = stage1.attributes.translated;
        let attributes = stages.attributes();
        let blame = Blame::of_stage1(stage_access.reported_as_write());
        if !access.alignment.is_aligned()
            && !attributes.memory.is_write_back()
            && ask::<Atomics, _>(&mut self.noted(), Choice::UnalignedNotWriteBack) == Atomics::Fault
        {
            let rule = Rule::UnalignedNotWriteBack;
            return Err(self.fails(blame, FaultKind::Alignment, Level::L0, rule));
        }
        if access.is_atomic()
            && !attributes.supports_atomics()
            && ask::<Atomics, _>(&mut self.noted(), Choice::UnsupportedAtomic) == Atomics::Fault
        {
            let by_stage2 =
                of_stage1.supports_atomics() && stage2.is_some_and(|stage2| stage2.level.is_some());
            let blame = if by_stage2 {
                Blame { stage: Stage::Two, ipa: Some(stage1.ipa), ..blame }
            } else {
                blame
            };
            let (kind, rule) = (FaultKind::UnsupportedAtomic, Rule::AtomicUnsupported);
            return Err(self.fails(blame, kind, Level::L0, rule));
        }
        Ok(())
    }
}

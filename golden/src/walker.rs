//! One translation under way: what both stages of a walk share in reading and updating descriptors.

use crate::address::{Ipa, Pa};
use crate::attributes::{MemoryAttributes, Shareability};
use crate::choices::{Answer, Choice, Choices, ConflictStage, MisalignedBase, ask};
use crate::descriptor::{AF, AP_READ_ONLY, Format};
use crate::el::Regime;
use crate::errata::{Errata, Site, Subject, TableBase, forward_errata};
use crate::fault::{Fault, FaultKind, Stage};
use crate::implementation::Implementation;
use crate::level::Level;
use crate::memory::{PhysicalMemory, Refusal};
use crate::observer::{Observer, Read};
use crate::params::Stage2Params;
use crate::registers::Registers;
use crate::rule::Rule;
use crate::translate::Machine;
use crate::updates::Updates;

/// One translation under way.
pub(crate) struct Walker<'a, M: ?Sized, C: ?Sized, O: ?Sized> {
    pub pe: &'a Implementation,
    pub registers: &'a Registers,
    pub memory: &'a M,
    pub choices: &'a mut C,
    pub observer: &'a mut O,
    pub updates: &'a mut Updates,
    /// What the instruction asks, in whose name all stages walk.
    pub subject: Subject,
    /// Resolved at the first use of stage 2.
    pub stage2_params: Option<Result<Stage2Params, Rule>>,
}

/// How often a walk is begun again because the descriptor that it wants to update is not what it read:
/// it read a stale value. Then the update is left out.
pub(crate) const MAX_RETRIES: u32 = 3;

/// What every fault of a stage has in common, and what it takes over from the access (the pseudocode's
/// `FaultRecord`, as it is passed along).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blame {
    pub stage: Stage,
    pub s1_walk: bool,
    pub ipa: Option<Ipa>,
    pub write: bool,
    pub dirty_bit: bool,
}

impl Blame {
    /// A stage 1 that translates an access, a write or not.
    pub const fn of_stage1(write: bool) -> Self {
        Self { stage: Stage::One, s1_walk: false, ipa: None, write, dirty_bit: false }
    }

    /// A stage 2 that translates what stage 1 let through.
    pub const fn of_stage2(write: bool) -> Self {
        Self { stage: Stage::Two, ..Self::of_stage1(write) }
    }

    pub const fn fault(self, kind: FaultKind, level: Level) -> Fault {
        let Self { stage, s1_walk, ipa, write, dirty_bit } = self;
        Fault { kind, level, stage, s1_walk, ipa, write, dirty_bit }
    }
}

/// The entry that a walk ends in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub level: Level,
    pub pa: Pa,
    pub descriptor: u64,
    /// Does the contiguous bit take effect?
    pub contiguous: bool,
}

/// Attributes of a location, by two readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// With the cacheability controls applied: what the access uses.
    pub translated: MemoryAttributes,
    /// Without: what the descriptors say. Told apart for address translation instructions only.
    pub described: MemoryAttributes,
}

impl Seen {
    pub const fn both(attributes: MemoryAttributes) -> Self {
        Self { translated: attributes, described: attributes }
    }
}

/// Choices that an observer hears of.
pub(crate) struct Noted<'a, C: ?Sized, O: ?Sized> {
    choices: &'a mut C,
    observer: &'a mut O,
}

impl<'a, C: ?Sized, O: ?Sized> Noted<'a, C, O> {
    pub const fn new(choices: &'a mut C, observer: &'a mut O) -> Self {
        Self { choices, observer }
    }
}

impl<C: Choices + ?Sized, O: Observer + ?Sized> Errata for Noted<'_, C, O> {
    forward_errata!(self => self.choices);
}

impl<C: Choices + ?Sized, O: Observer + ?Sized> Choices for Noted<'_, C, O> {
    fn choose(&mut self, choice: Choice, count: u16) -> Answer {
        let answer = self.choices.choose(choice, count);
        self.observer.asked(choice, answer);
        answer
    }
}

impl<'a, M, C, O> Walker<'a, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    pub fn new(
        machine: Machine<'a, M>,
        choices: &'a mut C,
        observer: &'a mut O,
        updates: &'a mut Updates,
        subject: Subject,
    ) -> Self {
        let Machine { implementation: pe, registers, memory } = machine;
        Self { pe, registers, memory, choices, observer, updates, subject, stage2_params: None }
    }

    pub fn noted(&mut self) -> Noted<'_, C, O> {
        Noted::new(self.choices, self.observer)
    }

    /// Where the walk stands.
    pub fn site(&self, blame: Blame, level: Level) -> Site {
        Site { subject: self.subject, stage: blame.stage, s1_walk: blame.s1_walk, level }
    }

    /// Does the device apply the rule here? All do that have no erratum.
    pub fn applies(&self, blame: Blame, level: Level, rule: Rule) -> bool {
        !self.choices.lifts(&self.site(blame, level), rule)
    }

    /// Notes the rule that decides, and makes its fault.
    pub fn fails(&mut self, blame: Blame, kind: FaultKind, level: Level, rule: Rule) -> Fault {
        self.observer.rule(blame.stage, rule);
        blame.fault(kind, level)
    }

    pub fn refused(&mut self, blame: Blame, level: Level, refusal: Refusal) -> Fault {
        let (kind, rule) = match refusal {
            Refusal::ExternalAbort => (FaultKind::ExternalAbortOnWalk, Rule::NoMemory),
            Refusal::UnsupportedUpdate => (FaultKind::UnsupportedUpdate, Rule::UpdateUnsupported),
            Refusal::TlbConflict => (FaultKind::TlbConflict, Rule::TlbConflict),
        };
        self.fails(blame, kind, level, rule)
    }

    /// The fault of a translation by this regime, as the stage that reports it has it.
    pub fn reported(&mut self, regime: Regime, fault: Fault) -> Fault {
        let both = regime == Regime::El10 && self.stage1_enabled(regime) && self.stage2_enabled();
        if fault.kind != FaultKind::TlbConflict
            || !both
            || ask::<ConflictStage, _>(&mut self.noted(), Choice::TlbConflictStage)
                == ConflictStage::AsFound
        {
            return fault;
        }
        let stage = match fault.stage {
            Stage::One => Stage::Two,
            Stage::Two => Stage::One,
        };
        Fault { stage, s1_walk: false, ipa: None, ..fault }
    }

    /// The word as this translation has left it, byte-reversed if tables are big-endian.
    pub fn word(&self, pa: Pa, ee: bool) -> Result<u64, Refusal> {
        let word = match self.updates.value(pa) {
            Some(word) => word,
            None => self.memory.read(pa)?,
        };
        Ok(ordered(word, ee))
    }

    /// The address of the first entry of a walk of either stage.
    ///
    /// Source: `AArch64.S1InitialTTWState`, `AArch64.S2InitialTTWState`.
    pub fn first_entry(
        &mut self,
        blame: Blame,
        format: &Format,
        (ttbr, ps): (u64, u64),
        ia: u64,
    ) -> u64 {
        let base = TableBase { format, ttbr, ps };
        let site = self.site(blame, format.start);
        let (base, below_alignment) = self.choices.base(&site, &base, format.base(ttbr, ps));
        let entry = base | format.first_offset(ia);
        if below_alignment == 0 {
            return entry;
        }
        match ask(&mut self.noted(), Choice::MisalignedBase) {
            MisalignedBase::TreatedAsZero => entry,
            MisalignedBase::Ored => entry | below_alignment,
            MisalignedBase::Inverting => entry ^ below_alignment,
        }
    }

    /// Reads a descriptor.
    ///
    /// Source: `FetchDescriptor`.
    pub fn fetch(
        &mut self,
        blame: Blame,
        format: &Format,
        level: Level,
        pa: Pa,
        ee: bool,
    ) -> Result<u64, Fault> {
        let mut descriptor =
            self.word(pa, ee).map_err(|refusal| self.refused(blame, level, refusal))?;
        if let Some(stale) = self.memory.stale(pa) {
            descriptor = self.stale_descriptor(blame, (format, level), ee, descriptor, &stale)?;
        }
        self.observer.read(Read { stage: blame.stage, level, pa, descriptor });
        Ok(self.choices.descriptor(&self.site(blame, level), descriptor))
    }

    /// Updates a descriptor, if it still has its old value; says whether it had.
    ///
    /// Source: `AArch64.MemSwapTableDesc`.
    pub fn swap(
        &mut self,
        blame: Blame,
        level: Level,
        pa: Pa,
        ee: bool,
        (old, new): (u64, u64),
    ) -> Result<bool, Fault> {
        let current = self.word(pa, ee).map_err(|refusal| self.refused(blame, level, refusal))?;
        if self.choices.descriptor(&self.site(blame, level), current) != old {
            return Ok(false);
        }
        // An erratum may have the device take bits for others: those that it changes come out as it wants them.
        let changed = old ^ new;
        let (old, new) = (current, current & !changed | new & changed);
        if new == old {
            return Ok(true);
        }
        self.memory.update(pa).map_err(|refusal| self.refused(blame, level, refusal))?;
        if let Some(update) = self.updates.push(blame.stage, pa, ordered(old, ee), ordered(new, ee))
        {
            for (bit, rule) in [(AF, Rule::AccessFlagUpdate), (AP_READ_ONLY, Rule::DirtyUpdate)] {
                if (old ^ new) & bit != 0 {
                    self.observer.rule(blame.stage, rule);
                }
            }
            self.observer.update(blame.stage, &update);
        }
        Ok(true)
    }

    /// What SH means: for the reserved value, what the implementation says.
    pub fn shareability(&mut self, sh: u64) -> Shareability {
        match Shareability::from_bits(sh) {
            Some(shareability) => shareability,
            None => ask(&mut self.noted(), Choice::ReservedShareability),
        }
    }
}

pub(crate) const fn ordered(word: u64, ee: bool) -> u64 {
    if ee { word.swap_bytes() } else { word }
}

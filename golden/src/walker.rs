//! What both stages of a walk share: reading and updating descriptors, and the checks of a leaf.

use crate::access::{Kind, StageAccess};
use crate::address::{Ipa, Pa};
use crate::attributes::{MemoryAttributes, Shareability};
use crate::choices::{
    Answer, Choice, Choices, ContiguousUse, Faults, GroupInspection, MisalignedBase, Stale, ask,
};
use crate::descriptor::{AF, AP_READ_ONLY, DBM, Descriptor, Format, NT, ones};
use crate::fault::{Fault, FaultKind, Stage};
use crate::granule::DESCRIPTOR_LOG2;
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::memory::{PhysicalMemory, Refusal};
use crate::observer::{Observer, Read};
use crate::params::Stage2Params;
use crate::permissions::Permissions;
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
    ) -> Self {
        let Machine { implementation: pe, registers, memory } = machine;
        Self { pe, registers, memory, choices, observer, updates, stage2_params: None }
    }

    pub fn noted(&mut self) -> Noted<'_, C, O> {
        Noted::new(self.choices, self.observer)
    }

    /// Notes the rule that decides, and makes its fault.
    pub fn fails(&mut self, blame: Blame, kind: FaultKind, level: Level, rule: Rule) -> Fault {
        self.observer.rule(blame.stage, rule);
        blame.fault(kind, level)
    }

    fn refused(&mut self, blame: Blame, level: Level, refusal: Refusal) -> Fault {
        let (kind, rule) = match refusal {
            Refusal::ExternalAbort => (FaultKind::ExternalAbortOnWalk, Rule::NoMemory),
            Refusal::UnsupportedUpdate => (FaultKind::UnsupportedUpdate, Rule::UpdateUnsupported),
            Refusal::TlbConflict => (FaultKind::TlbConflict, Rule::TlbConflict),
        };
        self.fails(blame, kind, level, rule)
    }

    /// The word as this translation has left it, byte-reversed if tables are big-endian.
    fn word(&self, pa: Pa, ee: bool) -> Result<u64, Refusal> {
        let word = match self.updates.value(pa) {
            Some(word) => word,
            None => self.memory.read(pa)?,
        };
        Ok(ordered(word, ee))
    }

    /// The address of the first entry of a walk of either stage.
    ///
    /// Source: `AArch64.S1InitialTTWState`, `AArch64.S2InitialTTWState`.
    pub fn first_entry(&mut self, format: &Format, ttbr: u64, ps: u64, ia: u64) -> u64 {
        let (base, below_alignment) = format.base(ttbr, ps);
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
    pub fn fetch(&mut self, blame: Blame, level: Level, pa: Pa, ee: bool) -> Result<u64, Fault> {
        let mut descriptor =
            self.word(pa, ee).map_err(|refusal| self.refused(blame, level, refusal))?;
        if let Some(old) = self.memory.stale(pa) {
            match ask(&mut self.noted(), Choice::StaleDescriptor) {
                Stale::New => {}
                Stale::Old => descriptor = ordered(old, ee),
                Stale::TlbConflict => return Err(self.refused(blame, level, Refusal::TlbConflict)),
            }
        }
        self.observer.read(Read { stage: blame.stage, level, pa, descriptor });
        Ok(descriptor)
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
        if current != old {
            return Ok(false);
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

    /// The entry that a lookup uses: the one found, unless it belongs to a contiguous group whose members
    /// disagree. Then it may be any member's.
    pub fn select(
        &mut self,
        format: &Format,
        found: Entry,
        ee: bool,
        ha: bool,
    ) -> Result<Entry, Refusal> {
        let own = is_contiguous_leaf(format, found.descriptor, found.level);
        let found = Entry { contiguous: own, ..found };
        let inspect = match self.choices.group_inspection() {
            GroupInspection::Never => false,
            GroupInspection::WhenContiguous => own,
            GroupInspection::Always => format.granule.contiguous_log2(found.level) > 0,
        };
        if !inspect || format.range_bits(found.level, true) > format.ia_bits {
            return Ok(found);
        }
        let group = Group::around(format, found);
        if group.agrees(|pa| self.word(pa, ee).ok()) {
            return Ok(found);
        }
        let count = ContiguousUse::FIXED + group.members as u16;
        match self.noted().choose(Choice::ContiguousGroup, count).into() {
            ContiguousUse::OwnGroup => Ok(found),
            ContiguousUse::OwnAlone => Ok(Entry { contiguous: false, ..found }),
            ContiguousUse::TlbConflict => Err(Refusal::TlbConflict),
            ContiguousUse::Member(member) => {
                let pa = group.member(member.into());
                match self.word(pa, ee) {
                    // What a TLB can't hold, it can't give.
                    Ok(descriptor)
                        if is_contiguous_leaf(format, descriptor, found.level)
                            && (ha || descriptor & AF != 0) =>
                    {
                        Ok(Entry { pa, descriptor, contiguous: true, ..found })
                    }
                    _ => Ok(found),
                }
            }
        }
    }

    /// The checks of a leaf that need no permissions, in architectural order, and its output address.
    ///
    /// Source: the end of `AArch64.S1Walk` and of `AArch64.S2Walk`.
    pub fn check_leaf(
        &mut self,
        blame: Blame,
        format: &Format,
        entry: &Entry,
        ia: u64,
        ha: bool,
    ) -> Result<u64, Fault> {
        let Entry { level, descriptor, contiguous, .. } = *entry;
        if contiguous
            && format.range_bits(level, true) > format.ia_bits
            && ask::<Faults, _>(&mut self.noted(), Choice::ContiguousMisprogrammed) == Faults::Fault
        {
            return Err(self.fails(blame, FaultKind::Translation, level, Rule::ContiguousTooLarge));
        }
        if level != Level::FINAL
            && descriptor & NT != 0
            && self.pe.has(Features::FEAT_BBM)
            && matches!(self.pe.bbm_level, 1 | 2)
            && ask::<Faults, _>(&mut self.noted(), Choice::NtBitOnBlock) == Faults::Fault
        {
            return Err(self.fails(blame, FaultKind::Translation, level, Rule::BlockNt));
        }
        let output = format.output(descriptor, level, contiguous, ia);
        if format.out_of_range(output) {
            return Err(self.fails(blame, FaultKind::AddressSize, level, Rule::OutputOutOfRange));
        }
        if descriptor & AF == 0 && !ha {
            return Err(self.fails(blame, FaultKind::AccessFlag, level, Rule::AccessFlag));
        }
        Ok(output)
    }

    /// Does an access that is not aligned meet Device memory?
    ///
    /// Source: `AArch64.S1HasAlignmentFault`, `AArch64.S2HasAlignmentFault`.
    pub fn check_alignment(
        &mut self,
        blame: Blame,
        access: &StageAccess,
        attributes: &MemoryAttributes,
        level: Level,
    ) -> Result<(), Fault> {
        if access.kind != Kind::Fetch && !access.aligned && attributes.memory.is_device() {
            return Err(self.fails(blame, FaultKind::Alignment, level, Rule::DeviceAlignment));
        }
        Ok(())
    }

    /// Do the permissions allow the access?
    ///
    /// Source: `AArch64.S1CheckPermissions`, `AArch64.S2CheckPermissions`.
    pub fn check_permissions(
        &mut self,
        blame: Blame,
        access: &StageAccess,
        permissions: Permissions,
        device: bool,
        dirty_managed: bool,
        level: Level,
    ) -> Result<(), Fault> {
        use crate::choices::DeviceFetch;

        let denied = |walker: &mut Self, write, dirty_bit, rule| {
            // A descriptor access fails as what the access was that brought it about.
            let write = if access.kind == Kind::Walk { blame.write } else { write };
            let dirty_bit = dirty_bit || blame.dirty_bit;
            Err(walker.fails(
                Blame { write, dirty_bit, ..blame },
                FaultKind::Permission,
                level,
                rule,
            ))
        };
        if access.kind == Kind::Fetch {
            if !permissions.execute {
                denied(self, blame.write, false, Rule::NoExecute)
            } else if device
                && ask::<DeviceFetch, _>(&mut self.noted(), Choice::FetchFromDevice)
                    == DeviceFetch::PermissionFault
            {
                denied(self, blame.write, false, Rule::DeviceFetch)
            } else {
                Ok(())
            }
        } else if access.reads && !permissions.read {
            denied(self, false, false, Rule::NoRead)
        } else if access.writes && !permissions.write {
            denied(self, true, false, Rule::NoWrite)
        } else if access.writes && permissions.clean && !dirty_managed {
            denied(self, true, true, Rule::NotDirty)
        } else {
            Ok(())
        }
    }

    /// The value that hardware management of the access flag and of dirty state gives a leaf, after an
    /// access with this result. `written` is the leaf with dirty state set.
    ///
    /// Source: `AArch64.SettingAccessFlagPermitted`, `AArch64.SettingDirtyStatePermitted`.
    pub fn updated(
        &mut self,
        descriptor: u64,
        written: u64,
        ha: bool,
        dirty_managed: bool,
        access: &StageAccess,
        result: Result<(), Fault>,
    ) -> u64 {
        let mut new = descriptor;
        let is_at = access.kind == Kind::At;
        let failed = result.err().map(|fault| fault.kind);
        if ha
            && descriptor & AF == 0
            && (failed.is_none() || ask(&mut self.noted(), Choice::AfUpdateOnFault))
            && !(is_at && ask(&mut self.noted(), Choice::AtLeavesAccessFlag))
        {
            new |= AF;
        }
        let dirty_permitted = match failed {
            None => true,
            Some(kind) => kind == FaultKind::Alignment,
        };
        if dirty_managed
            && access.writes
            && !is_at
            && written != descriptor
            && dirty_permitted
            && (failed.is_none() || ask(&mut self.noted(), Choice::DirtyUpdateOnAlignmentFault))
        {
            new = new & !AP_READ_ONLY | written & AP_READ_ONLY;
        }
        new
    }

    /// What SH means: for the reserved value, what the implementation says.
    pub fn shareability(&mut self, sh: u64) -> Shareability {
        match Shareability::from_bits(sh) {
            Some(shareability) => shareability,
            None => ask(&mut self.noted(), Choice::ReservedShareability),
        }
    }
}

const fn ordered(word: u64, ee: bool) -> u64 {
    if ee { word.swap_bytes() } else { word }
}

fn is_contiguous_leaf(format: &Format, descriptor: u64, level: Level) -> bool {
    format.is_contiguous(descriptor, level) && format.decode(descriptor, level) == Descriptor::Leaf
}

/// The entries that the contiguous bit joins with one entry.
struct Group<'a> {
    format: &'a Format,
    own: Entry,
    first: u64,
    members: u64,
}

impl<'a> Group<'a> {
    fn around(format: &'a Format, own: Entry) -> Self {
        let members = 1 << format.granule.contiguous_log2(own.level);
        Self { format, own, first: own.pa.0 & !(members * 8 - 1), members }
    }

    fn member(&self, n: u64) -> Pa {
        Pa(self.first + ((n & (self.members - 1)) << DESCRIPTOR_LOG2))
    }

    /// Are the members all the same but for their place in the range, or none a contiguous leaf?
    fn agrees(&self, word: impl Fn(Pa) -> Option<u64>) -> bool {
        let shift = self.format.granule.leaf_bits(self.own.level);
        let place_mask = (self.members - 1) << shift;
        // Hardware may have set the access flag and dirty state of some members only, and software may
        // use bits 58:55 as it likes.
        let own_business =
            AF | if self.own.descriptor & DBM != 0 { AP_READ_ONLY } else { 0 } | ones(4) << 55;
        let common = |descriptor: u64| descriptor & !(place_mask | own_business);
        (0..self.members).all(|n| {
            let pa = self.member(n);
            let descriptor = if pa == self.own.pa { Some(self.own.descriptor) } else { word(pa) };
            match descriptor {
                Some(descriptor) if self.own.contiguous => {
                    common(descriptor) == common(self.own.descriptor)
                        && (descriptor & place_mask) >> shift == n
                }
                Some(descriptor) => !is_contiguous_leaf(self.format, descriptor, self.own.level),
                None => !self.own.contiguous,
            }
        })
    }
}

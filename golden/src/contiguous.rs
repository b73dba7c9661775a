//! Contiguous groups: entries that a TLB may hold as one, and what follows for lookups of the others.
//!
//! ```text
//!   members of a group                             a lookup of one of them may give
//!   all valid, with the bit, and alike             its own entry
//!   .., some without access flag, or clean         its own entry, or one whose access flag is set, or that is dirty
//!   some invalid, the others with the bit          its own entry, or any that a TLB can hold
//!   some valid without the bit, others with it     the same, a TLB conflict abort, and below block translation change
//!                                                  level 1 anything
//! ```
//!
//! Source: DDI 0487, "The Contiguous bit" (R_SKQHL), "Misprogramming the Contiguous bit" (R_QTRPM, R_NGLXZ, R_JQQTC,
//! I_PGVGZ), "Use of the Contiguous bit with hardware updates to the translation tables" (R_XDPXQ, R_GPHKF, R_JKCXG,
//! I_QDCMP).

use crate::access::{Kind, StageAccess};
use crate::address::Pa;
use crate::choices::{
    Answer, Choice, Choices, Conflict, ContiguousUse, Faults, GroupInspection, ask,
};
use crate::descriptor::{AF, AP_READ_ONLY, CONTIGUOUS, DBM, Descriptor, Format, S2AP_WRITE, ones};
use crate::errata::Errata;
use crate::granule::DESCRIPTOR_LOG2;
use crate::level::Level;
use crate::memory::{PhysicalMemory, Refusal};
use crate::observer::Observer;
use crate::params::{Stage1Params, Stage2Params};
use crate::walker::{Blame, Entry, Walker, ordered};

/// What hardware updates in the leaves of a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Managed {
    access_flag: bool,
    dirty_state: bool,
    /// Leaves have dirty state with DBM or without.
    indirect: bool,
    /// The dirty bit of a clean leaf.
    clean: u64,
    /// The access makes leaves dirty.
    is_write: bool,
}

impl Managed {
    /// By stage 1.
    pub const fn by_stage1(params: &Stage1Params, access: &StageAccess) -> Self {
        Self {
            access_flag: params.ha,
            dirty_state: params.ha && params.hd,
            indirect: params.pie,
            clean: AP_READ_ONLY,
            is_write: writes(access),
        }
    }

    /// By stage 2.
    pub const fn by_stage2(params: &Stage2Params, access: &StageAccess) -> Self {
        Self {
            access_flag: params.ha,
            dirty_state: params.ha && params.hd,
            indirect: params.s2pie,
            clean: 0,
            is_write: writes(access),
        }
    }

    /// The bit that hardware changes in a leaf to make it dirty; 0 where it has no dirty state.
    const fn dirty_bit(&self, descriptor: u64) -> u64 {
        if self.dirty_state && (self.indirect || descriptor & DBM != 0) { DIRTY } else { 0 }
    }

    /// Does the access have hardware change this leaf, if it may be made?
    const fn changes(&self, descriptor: u64) -> bool {
        let is_clean = self.dirty_bit(descriptor) != 0 && descriptor & DIRTY == self.clean;
        self.access_flag && descriptor & AF == 0 || self.is_write && is_clean
    }
}

/// AP[2] or nDirty of stage 1, S2AP[1] or Dirty of stage 2: they are the same bit.
const DIRTY: u64 = AP_READ_ONLY | S2AP_WRITE;

/// Does an access make leaves dirty?
const fn writes(access: &StageAccess) -> bool {
    access.writes && !matches!(access.kind, Kind::At)
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// The entry that a lookup uses: the one found, or that of another member of its group which a TLB may hold for
    /// all of it.
    pub fn select(
        &mut self,
        blame: Blame,
        format: &Format,
        found: Entry,
        ee: bool,
        managed: Managed,
    ) -> Result<Entry, Refusal> {
        let own = is_contiguous_leaf(format, found.descriptor, found.level);
        let found = Entry { contiguous: own, ..found };
        let Some(group) = Group::around(format, found) else { return Ok(found) };
        let may_have_the_bit = || {
            let bits = self.memory.set_bits(group.member(0), group.members);
            ordered(bits, ee) & CONTIGUOUS != 0
        };
        if self.choices.group_inspection() == GroupInspection::Never || !own && !may_have_the_bit()
        {
            return Ok(found);
        }
        let others = self.others(blame, &group, ee, managed);
        let is_out_of_place = own && group.place(found.descriptor) != group.number(found.pa);
        if others.len == 0 && !others.are_mixed && !is_out_of_place {
            return Ok(found);
        }
        // A range larger than the input address size may be a Translation fault, which comes first.
        if format.range_bits(found.level, true) > format.ia_bits
            && ask::<Faults, _>(&mut self.noted(), Choice::ContiguousMisprogrammed) == Faults::Fault
        {
            return Ok(found);
        }
        if others.are_mixed {
            if !matches!(self.pe.bbm_level, 1 | 2) {
                self.choices.anything();
            }
            if ask::<Conflict, _>(&mut self.noted(), Choice::ContiguousConflict)
                == Conflict::TlbConflict
            {
                return Err(Refusal::TlbConflict);
            }
        }
        if others.len > 0 {
            let count = 1 + others.len as u16;
            let Answer(n) = self.noted().choose(Choice::ContiguousGroup, count);
            if let Some(number) = n.checked_sub(1).and_then(|n| others.get(n)) {
                let pa = group.member(number);
                let descriptor =
                    self.member(blame, found.level, pa, ee).unwrap_or(found.descriptor);
                return Ok(Entry { pa, descriptor, contiguous: true, ..found });
            }
        }
        let as_range = !is_out_of_place
            || ask::<ContiguousUse, _>(&mut self.noted(), Choice::ContiguousOutOfPlace)
                == ContiguousUse::AsRange;
        Ok(Entry { contiguous: own && as_range, ..found })
    }

    /// A member as the device takes it.
    fn member(&self, blame: Blame, level: Level, pa: Pa, ee: bool) -> Option<u64> {
        let word = self.word(pa, ee).ok()?;
        Some(self.choices.descriptor(&self.site(blame, level), word))
    }

    /// The members whose entries a lookup may use in place of the one found, with another outcome: one for each
    /// translation, and each that hardware changes.
    fn others(&self, blame: Blame, group: &Group<'_>, ee: bool, managed: Managed) -> Others {
        let Group { own, format, .. } = *group;
        let word = |number| self.member(blame, own.level, group.member(number), ee);
        let is_same = |one: u64, other: u64| group.translation(one) == group.translation(other);
        // Members may differ in what hardware updates.
        let business = managed.dirty_bit(own.descriptor);
        let mut others = Others::NONE;
        let (mut has_the_bit, mut lacks_the_bit) = (false, false);
        for number in 0..group.members {
            let is_own = group.member(number) == own.pa;
            let found = if is_own { Some(own.descriptor) } else { word(number) };
            let is_valid = |descriptor: &u64| {
                !matches!(format.decode(*descriptor, own.level), Descriptor::Invalid(_))
            };
            let Some(descriptor) = found.filter(is_valid) else { continue };
            if !is_contiguous_leaf(format, descriptor, own.level) {
                lacks_the_bit = true;
                continue;
            }
            has_the_bit = true;
            let is_as_own = own.contiguous && is_same(descriptor, own.descriptor);
            if is_own || is_as_own && own.descriptor & AF != 0 && !managed.changes(descriptor) {
                continue;
            }
            // What a TLB can't hold, it can't give.
            let is_alike =
                own.contiguous && is_same(descriptor | business, own.descriptor | business);
            let is_held = descriptor & AF != 0 || managed.access_flag && !is_alike;
            let is_known = |known: u64| {
                word(known)
                    .is_some_and(|known| is_same(known, descriptor) && !managed.changes(known))
            };
            if is_held && (managed.changes(descriptor) || !others.iter().any(is_known)) {
                others.push(number);
            }
        }
        others.are_mixed = has_the_bit && lacks_the_bit;
        others
    }
}

fn is_contiguous_leaf(format: &Format, descriptor: u64, level: Level) -> bool {
    format.is_contiguous(descriptor, level) && format.decode(descriptor, level) == Descriptor::Leaf
}

/// The most entries that the contiguous bit joins.
const MOST_MEMBERS: usize = 128;

/// Members of a group, by their numbers.
struct Others {
    numbers: [u8; MOST_MEMBERS],
    len: usize,
    /// Of the valid members some have the bit, and some do not.
    are_mixed: bool,
}

impl Others {
    const NONE: Self = Self { numbers: [0; MOST_MEMBERS], len: 0, are_mixed: false };

    fn push(&mut self, number: u64) {
        if let Some(slot) = self.numbers.get_mut(self.len) {
            *slot = number as u8;
            self.len += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.numbers.iter().take(self.len).map(|&number| number.into())
    }

    fn get(&self, n: u16) -> Option<u64> {
        self.iter().nth(n.into())
    }
}

/// The entries that the contiguous bit joins with one entry.
struct Group<'a> {
    format: &'a Format,
    own: Entry,
    first: u64,
    members: u64,
}

impl<'a> Group<'a> {
    /// The whole group; of one that is larger than the input address size, the members that the input
    /// addresses reach: they fill the table. `None` at a level without groups.
    fn around(format: &'a Format, own: Entry) -> Option<Self> {
        let reached = format.ia_bits.saturating_sub(format.granule.leaf_bits(own.level));
        let members = match format.granule.contiguous_log2(own.level) {
            0 => return None,
            log2 => 1 << log2.min(reached),
        };
        Some(Self { format, own, first: own.pa.0 & !(members * 8 - 1), members })
    }

    fn member(&self, n: u64) -> Pa {
        Pa(self.first + ((n & (self.members - 1)) << DESCRIPTOR_LOG2))
    }

    /// The number of the member at `pa`.
    const fn number(&self, pa: Pa) -> u64 {
        pa.0.wrapping_sub(self.first) >> DESCRIPTOR_LOG2
    }

    fn place_mask(&self) -> u64 {
        let shift = self.format.granule.leaf_bits(self.own.level);
        ones(self.format.granule.contiguous_log2(self.own.level)) << shift
    }

    /// The place in the range that the address in a leaf has.
    fn place(&self, descriptor: u64) -> u64 {
        (descriptor & self.place_mask()) >> self.format.granule.leaf_bits(self.own.level)
    }

    /// All of a leaf that tells how the range is translated: not its place, the access flag, and bits 58:55, which
    /// software may use as it likes.
    fn translation(&self, descriptor: u64) -> u64 {
        descriptor & !(self.place_mask() | AF | ones(4) << 55)
    }
}

//! Contiguous groups: entries that a TLB may hold as one, and what follows if they do not agree.

use crate::address::Pa;
use crate::choices::{Choice, Choices, ContiguousUse, Faults, GroupInspection, ask};
use crate::descriptor::{AF, AP_READ_ONLY, DBM, Descriptor, Format, ones};
use crate::errata::Errata;
use crate::granule::DESCRIPTOR_LOG2;
use crate::level::Level;
use crate::memory::{PhysicalMemory, Refusal};
use crate::observer::Observer;
use crate::walker::{Blame, Entry, Walker};

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// The entry that a lookup uses: the one found, unless it belongs to a contiguous group whose members
    /// disagree. Then it may be any member's.
    pub fn select(
        &mut self,
        blame: Blame,
        format: &Format,
        found: Entry,
        ee: bool,
        ha: bool,
    ) -> Result<Entry, Refusal> {
        let site = self.site(blame, found.level);
        let own = is_contiguous_leaf(format, found.descriptor, found.level);
        let found = Entry { contiguous: own, ..found };
        let inspect = match self.choices.group_inspection() {
            GroupInspection::Never => false,
            GroupInspection::WhenContiguous => own,
            GroupInspection::Always => format.granule.contiguous_log2(found.level) > 0,
        };
        // A range larger than the input address size may be a Translation fault, which comes first.
        let too_large = format.range_bits(found.level, true) > format.ia_bits;
        if !inspect
            || too_large
                && (!own
                    || ask::<Faults, _>(&mut self.noted(), Choice::ContiguousMisprogrammed)
                        == Faults::Fault)
        {
            return Ok(found);
        }
        let group = Group::around(format, found);
        let taken = |walker: &Self, pa| {
            let word = walker.word(pa, ee)?;
            Ok::<u64, Refusal>(walker.choices.descriptor(&site, word))
        };
        if group.agrees(|pa| taken(self, pa).ok()) {
            return Ok(found);
        }
        let count = ContiguousUse::FIXED + group.members as u16;
        match self.noted().choose(Choice::ContiguousGroup, count).into() {
            ContiguousUse::OwnGroup => Ok(found),
            ContiguousUse::OwnAlone => Ok(Entry { contiguous: false, ..found }),
            ContiguousUse::TlbConflict => Err(Refusal::TlbConflict),
            ContiguousUse::Member(member) => {
                let pa = group.member(member.into());
                match taken(self, pa) {
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
    /// The whole group; of one that is larger than the input address size, the members that the input
    /// addresses reach: they fill the table.
    fn around(format: &'a Format, own: Entry) -> Self {
        let reached = format.ia_bits.saturating_sub(format.granule.leaf_bits(own.level));
        let members = 1 << format.granule.contiguous_log2(own.level).min(reached);
        Self { format, own, first: own.pa.0 & !(members * 8 - 1), members }
    }

    fn member(&self, n: u64) -> Pa {
        Pa(self.first + ((n & (self.members - 1)) << DESCRIPTOR_LOG2))
    }

    /// Are the members all the same but for their place in the range, or none a contiguous leaf?
    fn agrees(&self, word: impl Fn(Pa) -> Option<u64>) -> bool {
        let shift = self.format.granule.leaf_bits(self.own.level);
        let place_mask = ones(self.format.granule.contiguous_log2(self.own.level)) << shift;
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

//! Where tables are put.

use arrayvec::ArrayVec;
use case::memory::{ArenaKind, MemoryMap, Place};
use case::tree::{Role, Tree};
use case::{MAX_SLOTS, MAX_TREES};

use crate::build::BuildError;

/// Hands out table memory: table number n of a tree comes from its slot n modulo the number of its
/// slots, each slot filling upwards until the next slot of its arena, whichever tree's, or the
/// arena's end.
pub(crate) struct Allocator {
    slots: ArrayVec<Slot, { MAX_SLOTS * MAX_TREES }>,
    trees: ArrayVec<Share, MAX_TREES>,
}

struct Slot {
    start: u64,
    at: u64,
    end: u64,
    /// What added to a physical address gives the one by which the walker finds it.
    seen: u64,
}

/// The slots of one tree.
struct Share {
    first: usize,
    count: usize,
    /// Tables handed out so far.
    tables: usize,
}

impl Allocator {
    pub(crate) fn new(trees: &[Tree], map: &MemoryMap) -> Result<Self, BuildError> {
        let mut this = Self { slots: ArrayVec::new(), trees: ArrayVec::new() };
        for tree in trees.iter().take(MAX_TREES) {
            let (first, count) = (this.slots.len(), tree.slots().len());
            let in_ipa_space = tree.role().is_some_and(Role::is_in_ipa_space);
            for (&place, &ipa) in tree.slots().iter().zip(tree.ipas()) {
                let mut slot = slot(place, map)?;
                if in_ipa_space {
                    slot.seen = ipa.wrapping_sub(slot.at);
                }
                this.slots.push(slot);
            }
            this.trees.push(Share { first, count, tables: 0 });
        }
        let starts: ArrayVec<u64, { MAX_SLOTS * MAX_TREES }> =
            this.slots.iter().map(|slot| slot.at).collect();
        for (number, slot) in this.slots.iter_mut().enumerate() {
            for (other, &start) in starts.iter().enumerate() {
                if other != number && start >= slot.at {
                    slot.end = slot.end.min(start);
                }
            }
        }
        Ok(this)
    }

    /// `bytes` fresh bytes for tree number `tree`; `bytes` and `alignment` are powers of two.
    pub(crate) fn allocate(
        &mut self,
        tree: usize,
        bytes: u64,
        alignment: u64,
    ) -> Result<Table, BuildError> {
        let share = self.trees.get_mut(tree).filter(|share| share.count > 0);
        let share = share.ok_or(BuildError::NoSlot { tree })?;
        let number = share.tables % share.count;
        let slot = &mut self.slots[share.first + number];
        let start = slot.at.checked_next_multiple_of(alignment);
        let end = start.and_then(|start| start.checked_add(bytes));
        match (start, end) {
            (Some(start), Some(end)) if end <= slot.end => {
                slot.at = end;
                share.tables += 1;
                Ok(Table { pa: start, seen: start.wrapping_add(slot.seen) })
            }
            _ => Err(BuildError::OutOfMemory { tree, slot: number }),
        }
    }

    /// The physical address of what the walker finds at `seen`, which is in a table of tree number `tree`: in
    /// the slot that begins nearest below it, for slots are as near to one another as their tables allow. What
    /// is in no slot of it is left as it is.
    pub(crate) fn physical(&self, tree: usize, seen: u64) -> u64 {
        let Some(share) = self.trees.get(tree) else { return seen };
        let slots = &self.slots[share.first..share.first + share.count];
        let within = slots.iter().filter_map(|slot| {
            let pa = seen.wrapping_sub(slot.seen);
            (slot.start..slot.end).contains(&pa).then(|| (pa - slot.start, pa))
        });
        within.min().map_or(seen, |(_, pa)| pa)
    }
}

/// A table: where it is, and by which address the walker finds it.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    /// Its physical address.
    pub pa: u64,
    /// The same, or its IPA.
    pub seen: u64,
}

/// The address by which the walker of `tree` finds what is at `place`: of a tree in IPA space by the slot of
/// the same arena that begins at or below it. An absolute place is that address itself.
pub(crate) fn seen(tree: &Tree, place: Place, map: &MemoryMap) -> Option<u64> {
    let in_ipa_space = tree.role().is_some_and(Role::is_in_ipa_space);
    if !in_ipa_space || place.arena() == Place::ABSOLUTE {
        return map.resolve(place);
    }
    let slots = tree.slots().iter().zip(tree.ipas());
    let below = slots.filter_map(|(slot, ipa)| {
        let offset = place.offset().checked_sub(slot.offset())?;
        (slot.arena() == place.arena()).then_some((offset, ipa))
    });
    below.min_by_key(|(offset, _)| *offset).map(|(offset, ipa)| ipa.wrapping_add(offset))
}

fn slot(place: Place, map: &MemoryMap) -> Result<Slot, BuildError> {
    let arena = map.arenas().get(usize::from(place.arena()));
    let arena = arena.filter(|arena| arena.kind == ArenaKind::Tables);
    let (Some(arena), Some(at)) = (arena, map.resolve(place)) else {
        return Err(BuildError::NoSuchPlace { place });
    };
    Ok(Slot { start: at, at, end: arena.base + arena.size, seen: 0 })
}

#[cfg(test)]
mod tests {
    use case::format::{AddressFormat, Format, Granule};
    use case::memory::Arena;

    use super::*;

    #[test]
    fn a_table_is_found_in_the_slot_that_begins_nearest_below_it() {
        let mut map = MemoryMap::new();
        for base in [0x5000_0000, 0x6000_0000] {
            map.push(Arena { base, size: 1 << 20, kind: ArenaKind::Tables }).unwrap();
        }
        let (granule, address) = (Granule::K4, AddressFormat::Bits48);
        let format = Format { granule, start_level: 1, ia_bits: 39, address };
        let mut tree = Tree::in_ipa_space(Role::Ttbr0El1, format);
        // As far as their arenas go, either could hold the other.
        tree.push_slot_at(Place::new(0, 0), 0x1_0000).unwrap();
        tree.push_slot_at(Place::new(1, 0), 0x2_0000).unwrap();
        let allocator = Allocator::new(&[tree], &map).unwrap();
        assert_eq!(allocator.physical(0, 0x1_f000), 0x5000_f000);
        assert_eq!(allocator.physical(0, 0x2_1000), 0x6000_1000);
        assert_eq!(allocator.physical(0, 0xf000), 0xf000, "below all");
    }
}

//! Where tables are put.

use arrayvec::ArrayVec;
use case::memory::{ArenaKind, MemoryMap, Place};
use case::tree::Tree;
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
    at: u64,
    end: u64,
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
            for &place in tree.slots() {
                this.slots.push(slot(place, map)?);
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

    /// The physical address of `bytes` fresh bytes for tree number `tree`; `bytes` and `alignment` are
    /// powers of two.
    pub(crate) fn allocate(
        &mut self,
        tree: usize,
        bytes: u64,
        alignment: u64,
    ) -> Result<u64, BuildError> {
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
                Ok(start)
            }
            _ => Err(BuildError::OutOfMemory { tree, slot: number }),
        }
    }
}

fn slot(place: Place, map: &MemoryMap) -> Result<Slot, BuildError> {
    let arena = map.arenas().get(usize::from(place.arena()));
    let arena = arena.filter(|arena| arena.kind == ArenaKind::Tables);
    let (Some(arena), Some(at)) = (arena, map.resolve(place)) else {
        return Err(BuildError::NoSuchPlace { place });
    };
    Ok(Slot { at, end: arena.base + arena.size })
}

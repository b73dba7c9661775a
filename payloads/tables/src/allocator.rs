//! Where tables are put.

use arrayvec::ArrayVec;
use case::MAX_SLOTS;
use case::memory::{ArenaKind, MemoryMap, Place};

use crate::build::BuildError;

/// Hands out table memory: table number n comes from slot n modulo the number of slots, each slot
/// filling upwards until the next slot of its arena or the arena's end.
pub(crate) struct Allocator {
    slots: ArrayVec<Slot, MAX_SLOTS>,
    next: usize,
}

struct Slot {
    at: u64,
    end: u64,
}

impl Allocator {
    pub(crate) fn new(slots: &[Place], map: &MemoryMap) -> Result<Self, BuildError> {
        let mut resolved = ArrayVec::new();
        for &place in slots.iter().take(MAX_SLOTS) {
            let arena = map.arenas().get(place.arena() as usize);
            let arena = arena.filter(|arena| arena.kind == ArenaKind::Tables);
            let (Some(arena), Some(at)) = (arena, map.resolve(place)) else {
                return Err(BuildError::NoSuchPlace { place });
            };
            resolved.push(Slot { at, end: arena.base + arena.size });
        }
        let starts: ArrayVec<u64, MAX_SLOTS> = resolved.iter().map(|slot| slot.at).collect();
        for (number, slot) in resolved.iter_mut().enumerate() {
            for (other, &start) in starts.iter().enumerate() {
                if other != number && start >= slot.at {
                    slot.end = slot.end.min(start);
                }
            }
        }
        Ok(Self { slots: resolved, next: 0 })
    }

    /// The physical address of `bytes` fresh bytes; `bytes` and `alignment` are powers of two.
    pub(crate) fn allocate(&mut self, bytes: u64, alignment: u64) -> Result<u64, BuildError> {
        let count = self.slots.len().max(1);
        let number = self.next % count;
        let slot = self.slots.get_mut(number).ok_or(BuildError::NoSlot)?;
        let start = slot.at.checked_next_multiple_of(alignment);
        let end = start.and_then(|start| start.checked_add(bytes));
        match (start, end) {
            (Some(start), Some(end)) if end <= slot.end => {
                slot.at = end;
                self.next += 1;
                Ok(start)
            }
            _ => Err(BuildError::OutOfMemory { slot: number }),
        }
    }
}

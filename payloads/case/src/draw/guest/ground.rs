//! Table arenas, and who has which piece of them.

use arrayvec::ArrayVec;

use super::super::Rng;
use crate::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap, Place};

/// Size and alignment of a piece: a page of any granule.
pub(super) const PIECE: u64 = 0x1_0000;
/// log2 of it.
pub(super) const PIECE_BITS: u32 = 16;
/// The most pieces of a case.
const MOST: usize = 96;
/// How often a place is drawn before the first that is free is looked for.
const TRIES: usize = 8;

/// The table arenas of a target, and what of them is taken.
#[derive(Clone, Debug)]
pub(super) struct Ground<'a> {
    map: &'a MemoryMap,
    /// First and last address.
    taken: ArrayVec<(u64, u64), MOST>,
}

impl<'a> Ground<'a> {
    /// All of it free.
    pub fn new(map: &'a MemoryMap) -> Self {
        Self { map, taken: ArrayVec::new() }
    }

    /// Takes `bytes` bytes, a multiple of a piece, at a multiple of `alignment`, at least a piece, whose
    /// addresses are below 2^`bits`.
    pub fn take(&mut self, rng: &mut Rng, bytes: u64, alignment: u64, bits: u8) -> Option<Place> {
        let first = |arena: &Arena| arena.base.next_multiple_of(alignment);
        let last =
            |arena: &Arena| arena.last().checked_sub(bytes - 1).filter(|_| arena.size >= bytes);
        let fits = |arena: &Arena| {
            arena.kind == ArenaKind::Tables
                && arena.last() >> bits == 0
                && last(arena).is_some_and(|last| first(arena) <= last)
        };
        let numbered = (0..).zip(self.map.arenas());
        let arenas: ArrayVec<(u8, &Arena), MAX_ARENAS> =
            numbered.filter(|(_, arena)| fits(arena)).collect();
        let choices = |arena: &Arena| (last(arena).unwrap_or(0) - first(arena)) / alignment + 1;
        let place = |number: u8, arena: &Arena, pa: u64| {
            let is_free =
                self.taken.iter().all(|(start, end)| pa > *end || pa + (bytes - 1) < *start);
            is_free.then_some((Place::new(number, pa - arena.base), pa))
        };
        let drawn = (0..TRIES).find_map(|_| {
            let (number, arena) = rng.pick(&arenas)?;
            place(number, arena, first(arena) + rng.below(choices(arena)) * alignment)
        });
        let in_order = || {
            arenas.iter().find_map(|(number, arena)| {
                let mut all = (0..choices(arena)).map(|n| first(arena) + n * alignment);
                all.find_map(|pa| place(*number, arena, pa))
            })
        };
        let (place, pa) = drawn.or_else(in_order)?;
        self.taken.try_push((pa, pa + (bytes - 1))).ok()?;
        Some(place)
    }
}

//! The arena allocator: which pieces of a target's table arenas a case has taken.
//!
//! Trees whose tables are found by physical address get their slots here, spread over 1 to 4 pieces, which
//! may lie in different arenas: a walk goes from one DIMM to another then. No two pieces overlap.

use arrayvec::ArrayVec;

use super::tree::{TreeBuilder, TreeKind};
use super::{Request, Rng};
use crate::format::{AddressFormat, Format, Granule};
use crate::memory::{Arena, ArenaKind, MAX_ARENAS, Place};
use crate::tree::Tree;

/// Size and alignment of a page of any granule, in bytes.
pub(super) const PIECE: u64 = 0x1_0000;
/// log2 of [`PIECE`].
pub(super) const PIECE_BITS: u32 = 16;
/// The most pieces of a case.
const MOST: usize = 96;
/// How often a place is drawn before the first that is free is looked for.
const TRIES: usize = 8;

/// The table arenas of a target, and what of them is taken.
#[derive(Clone, Debug)]
pub(super) struct Pool<'a> {
    request: Request<'a>,
    /// First and last address.
    taken: ArrayVec<(u64, u64), MOST>,
}

impl<'a> Pool<'a> {
    /// All of it free.
    pub fn new(request: Request<'a>) -> Self {
        Self { request, taken: ArrayVec::new() }
    }

    /// Takes `bytes` bytes at a multiple of `alignment`, whose addresses are below 2^`bits`.
    pub fn take(&mut self, rng: &mut Rng, bytes: u64, alignment: u64, bits: u8) -> Option<Place> {
        let first = |arena: &Arena| arena.base.next_multiple_of(alignment);
        let last =
            |arena: &Arena| arena.last().checked_sub(bytes - 1).filter(|_| arena.size >= bytes);
        let fits = |arena: &Arena| {
            holds_tables(arena, bits) && last(arena).is_some_and(|last| first(arena) <= last)
        };
        let numbered = (0..).zip(self.request.map.arenas());
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

    /// Tree number `number` of a case with nothing in it, whose tables are found by their physical addresses: below
    /// 2^`oa_bits` all of them, and below 2^`root_bits` its root. Its slots are multiples of `unit`, at least a page,
    /// and smaller where arenas are small.
    pub fn tree(
        &mut self,
        rng: &mut Rng,
        number: u8,
        kind: TreeKind,
        [root_bits, oa_bits]: [u8; 2],
        unit: u64,
    ) -> Option<TreeBuilder> {
        let format = kind.format;
        let (most, count) = match format.granule {
            Granule::K4 => (64, rng.between(1, 4)),
            Granule::K16 => (48, rng.between(1, 4)),
            Granule::K64 => (28, rng.between(1, 3)),
        };
        let (root, alignment) = (format.root_bytes(), format.root_alignment());
        let (share, bytes, first) = [1, 2, 4].into_iter().find_map(|less| {
            let share = most / count / less;
            let bytes = (share * format.granule.bytes()).next_multiple_of(unit);
            let root_piece = root.max(unit).next_multiple_of(unit) + bytes;
            let first = self.take(rng, root_piece, alignment.max(unit), root_bits)?;
            Some((share, bytes, first))
        })?;
        let offset = rng.between(0, (unit.max(root) - root) / alignment) * alignment;
        let root = Place::new(first.arena(), first.offset() + offset);
        let mut tree = Tree::new(kind.role, format, root);
        for _ in 1..count {
            let Some(place) = self.take(rng, bytes, unit, oa_bits) else { break };
            // A tree has room for all of them.
            let _ = tree.push_slot(place);
        }
        let room = tree.slots().len() as u64 * share;
        Some(TreeBuilder::new(number, kind, oa_bits, tree, room))
    }
}

/// Whether tables can lie in all of `arena` when addresses have `bits` bits.
pub(super) fn holds_tables(arena: &Arena, bits: u8) -> bool {
    arena.kind == ArenaKind::Tables && arena.last() >> bits == 0
}

/// A part of a piece that is mapped by pages of `page` bytes, as offset and size in bytes: all of it, or some pages.
pub(super) fn part(rng: &mut Rng, page: u64) -> (u64, u64) {
    let pages = PIECE / page;
    if rng.chance(600) {
        return (0, PIECE);
    }
    let first = rng.below(pages);
    (first * page, rng.between(1, pages - first) * page)
}

/// How many bits the address of a root may have where the code that asks depends on its tree. QEMU looks for a root
/// of fewer than 64 bytes above 2^48 elsewhere, a known erratum, and a guest that begins so ends at once.
pub(super) fn root_bits(format: &Format, bits: u8) -> u8 {
    let is_small = format.root_bytes() < 64 && format.address != AddressFormat::Bits48;
    if is_small { bits.min(48) } else { bits }
}

//! Hostile descriptors in a set-up that the executor lives in: beside what it needs.
//!
//! ```text
//!   root --+-- table --+-- leaf: trampoline, code, data       the spine: not touched,
//!          |           +-- leaf: tags            <-- edit     nor any table on the way to it
//!          +-- table   <-- edit
//!                +-- leaf: slots
//! ```
//!
//! **Speculation.** A PE may walk whatever is valid, and reads what is mapped as Normal memory. So an edit
//! never makes an address of its own, but that of nothing; and what leads out of scratch arenas is made
//! invalid, and nothing else.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::setup::Setup;
use crate::edit::{Change, Edit};
use crate::mapping::{Attributes, Mapping};
use crate::memory::{ArenaKind, MAX_ARENAS, MemoryMap, Place};
use crate::{Case, MAX_MAPPINGS, scratch};

/// The most edits of a case.
const MOST: u64 = 4;

const VALID: u64 = 1;
/// At level 3: the encoding that is reserved.
const PAGE: u64 = 1 << 1;
/// Bits of a leaf that say who may read and write: AP, AF, nG, DBM.
const ACCESS: [u64; 5] = [1 << 6, 1 << 7, 1 << 10, 1 << 11, 1 << 51];
/// Bits of a leaf that say who may execute: PXN, UXN. Slots alone are code that comes back.
const EXECUTION: [u64; 2] = [1 << 53, 1 << 54];
/// Bits of a table descriptor that limit all below: PXNTable, UXNTable, APTable.
const LIMITS: [u64; 4] = [1 << 59, 1 << 60, 1 << 61, 1 << 62];

/// Edits descriptors of `case` that none of its first `spine` mappings needs.
pub(super) fn spoil(rng: &mut Rng, map: &MemoryMap, setup: &Setup, case: &mut Case, spine: usize) {
    let all: ArrayVec<Mapping, MAX_MAPPINGS> = case.as_ref().mappings.iter().copied().collect();
    let (spine, others) = all.split_at(spine.min(all.len()));
    for _ in 0..rng.between(1, MOST) {
        let Some(mapping) = rng.pick(others) else { return };
        if let Some(edit) = edit(rng, map, setup, spine, &mapping) {
            // A case has room for all of them.
            let _ = case.push_edit(edit);
        }
    }
}

fn edit(
    rng: &mut Rng,
    map: &MemoryMap,
    setup: &Setup,
    spine: &[Mapping],
    mapping: &Mapping,
) -> Option<Edit> {
    // What a group means of which one entry differs is another question.
    if mapping.attributes.flags & Attributes::CONTIGUOUS != 0 {
        return None;
    }
    let plot = setup.plots.get(usize::from(mapping.tree))?;
    let format = &plot.format;
    let entry = rng.below(mapping.entries.into());
    let input = mapping.input + (entry << format.granule.entry_bits(mapping.level));
    let above = rng.below((mapping.level - format.start_level) as u64 + 1) as i8;
    let level = mapping.level - above;
    let needed = |other: &Mapping| {
        let bits = format.granule.entry_bits(level);
        let last = u64::from(other.entries) << format.granule.entry_bits(other.level);
        let last = other.input + (last - 1);
        other.tree == mapping.tree
            && (other.input >> bits..=last >> bits).contains(&(input >> bits))
    };
    if spine.iter().any(needed) {
        return None;
    }
    let stays_in_stage = mapping.output.arena() != Place::ABSOLUTE;
    let is_code = stays_in_stage && mapping.output.offset() >= scratch::SLOTS;
    let change = if above > 0 {
        match rng.below(4) {
            0 => Change::Flip(VALID),
            1 => Change::Table { place: nothing(rng, map, setup)?, flip: 0 },
            _ => Change::Flip(rng.pick(&LIMITS)?),
        }
    } else {
        match rng.below(4) {
            0 => Change::Flip(VALID),
            1 if level == 3 => Change::Flip(PAGE),
            2 if is_code => Change::Flip(rng.pick(&EXECUTION)?),
            _ if stays_in_stage => Change::Flip(rng.pick(&ACCESS)?),
            _ => Change::Flip(VALID),
        }
    };
    Some(Edit::new(mapping.tree, input, level, change))
}

/// A place where nothing answers, and that a table could be at.
fn nothing(rng: &mut Rng, map: &MemoryMap, setup: &Setup) -> Option<Place> {
    let numbered = (0..).zip(map.arenas());
    let fits = numbered.filter(|(_, arena)| {
        arena.kind == ArenaKind::Void && arena.last() >> setup.oa_bits.min(48) == 0
    });
    let numbers: ArrayVec<u8, MAX_ARENAS> = fits.map(|(number, _)| number).collect();
    Some(Place::new(rng.pick(&numbers)?, 0))
}

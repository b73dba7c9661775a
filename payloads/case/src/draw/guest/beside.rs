//! Hostile descriptors beside what the guest needs, at either stage.
//!
//! ```text
//!   stage 1    root --+-- table --+-- leaf: code              the spine: not touched, nor what stage 2
//!                     |           +-- leaf    <-- edit        says of the tables on it, and of the code
//!                     +-- table   <-- edit
//!   stage 2    .. leaf: tables of stage 1 beside the spine    <-- edit: faults on walks of stage 1
//!              .. leaf: tags, slots                           <-- edit
//! ```
//!
//! **Speculation.** A PE may walk whatever is valid, and read what is mapped as Normal memory. Under stage 2 a
//! descriptor of stage 1 may say anything, for it leads to IPAs. What has the last word never gets an address but
//! that of tables of the case, of nothing, or one that is too large; and what leads out of arenas is made
//! invalid, and nothing else. It can't be read from the start, in such a case: a walk of stage 1 that went
//! astray would read it.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::ground::PIECE;
use super::memory::{Memory, Stage2Memory};
use super::trunk::{Leaf, Trunk};
use super::world::{Content, MOST_WINDOWS, Window, World};
use crate::Case;
use crate::edit::{Change, Edit};
use crate::format::AddressFormat;
use crate::mapping::Attributes;
use crate::memory::{ArenaKind, MAX_ARENAS, Place};
use crate::tree::Role;

/// How often an edit of a case is tried at most.
const MOST: u64 = 10;

const VALID: u64 = 1;
/// At level 3: the encoding that is reserved.
const PAGE: u64 = 1 << 1;
const AF: u64 = 1 << 10;
const DBM: u64 = 1 << 51;
/// AP\[2:1\], or S2AP.
const ACCESS: [u64; 2] = [1 << 6, 1 << 7];
/// PXN and UXN, or XN\[1:0\].
const EXECUTION: [u64; 2] = [1 << 53, 1 << 54];
/// Bits of a table descriptor of stage 1 that limit all below: PXNTable, UXNTable, APTable.
const LIMITS: [u64; 4] = [1 << 59, 1 << 60, 1 << 61, 1 << 62];

/// Edits descriptors of `case`, which maps what `world` says, that the guest does not need.
pub(super) fn spoil(rng: &mut Rng, world: &World<'_>, case: &mut Case) {
    for _ in 0..rng.between(3, MOST) {
        let edit = match rng.weighted([(5, 0), (3, 1), (4, 2)]) {
            0 => tables(rng, world),
            1 => world.stage2.as_ref().and_then(|trunk| in_tree(rng, world, trunk)),
            _ => rng.pick(&[0, 1]).and_then(|number: usize| {
                world.ranges.get(number).and_then(|trunk| in_tree(rng, world, trunk))
            }),
        };
        if let Some(edit) = edit {
            // A case has room for all of them.
            let _ = case.push_edit(edit);
        }
    }
}

/// Whether the guest needs what the entry that covers 2^`bits` bytes at `input` of `trunk` says.
pub(super) fn is_needed(world: &World<'_>, trunk: &Trunk, input: u64, bits: u32) -> bool {
    let covers = |other: u64| other >> bits == input >> bits;
    if trunk.role != Role::Stage2 {
        let is_home = world.ranges.first().is_some_and(|home| home.role == trunk.role);
        return is_home && trunk.leaves.first().is_some_and(|leaf| covers(leaf.first));
    }
    let is_spine = |window: &Window| {
        let spine = Content::Tables { spine: true };
        window.content == Content::Code || window.content == spine
    };
    // The tables of a window lie anywhere in it.
    let reaches = |window: &Window| {
        covers(window.ipa) || covers(window.ipa | (PIECE - 1)) || {
            bits < PIECE.trailing_zeros() && window.ipa / PIECE == input / PIECE
        }
    };
    world.windows.iter().any(|window| is_spine(window) && reaches(window))
}

/// What stage 2 says of tables of stage 1: walks of stage 1 fault there.
fn tables(rng: &mut Rng, world: &World<'_>) -> Option<Edit> {
    let trunk = world.stage2.as_ref()?;
    let beside = |window: &&Window| window.content == Content::Tables { spine: false };
    let windows: ArrayVec<Window, MOST_WINDOWS> =
        world.windows.iter().filter(beside).copied().collect();
    let window = rng.pick(&windows)?;
    // Mostly the page in which the first of its tables is.
    let page = trunk.format.granule.bytes();
    let within = if rng.chance(700) { 0 } else { rng.below(PIECE / page) * page };
    let input = window.ipa / PIECE * PIECE + within;
    let leaf = trunk.at(input)?;
    let bits = trunk.format.granule.entry_bits(leaf.level);
    if leaf.attributes.has(Attributes::CONTIGUOUS) || is_needed(world, trunk, input, bits) {
        return None;
    }
    let device = u64::from(leaf.attributes.mem_attr & 0b1100) << 2;
    let change = match rng.weighted([(4, 0), (3, 1), (3, 2), (3, 3), (2, 4), (2, 5), (2, 6)]) {
        0 => VALID,
        1 => AF,
        2 => ACCESS[0],
        3 => ACCESS[1] | if rng.chance(300) { DBM } else { 0 },
        // A fault with HCR_EL2.PTW = 1. With it, or with updates in Device memory, nothing is left open.
        4 if !world.setup.stage1_updates.access && !world.setup.fwb => device,
        5 => too_large(rng, trunk)?,
        _ => elsewhere(rng, world, leaf)?,
    };
    Some(Edit::new(trunk.number, input, leaf.level, Change::Flip(change)))
}

/// A bit that makes an output address too large.
fn too_large(rng: &mut Rng, trunk: &Trunk) -> Option<u64> {
    let first = u64::from(trunk.oa_bits);
    (first < 48).then(|| 1 << rng.between(first, 47))
}

/// What makes `leaf`, which holds tables of stage 1, lead to other tables of the case.
fn elsewhere(rng: &mut Rng, world: &World<'_>, leaf: &Leaf) -> Option<u64> {
    let trunk = world.stage2.as_ref()?;
    let bits = trunk.format.granule.entry_bits(leaf.level);
    let is_tables = |other: &&Leaf| {
        let mut windows = world.windows.iter();
        let in_leaf = |window: &Window| trunk.at(window.ipa) == Some(*other);
        other.level == leaf.level
            && windows
                .any(|window| matches!(window.content, Content::Tables { .. }) && in_leaf(window))
    };
    let others: ArrayVec<u64, MOST_WINDOWS> = trunk
        .leaves
        .iter()
        .filter(is_tables)
        .take(MOST_WINDOWS)
        .map(|other| other.output)
        .collect();
    let other = rng.pick(&others)?;
    let flipped = (leaf.output ^ other) >> bits << bits;
    // Higher bits are elsewhere in a descriptor.
    (flipped >> 48 == 0).then_some(flipped)
}

/// Any descriptor of `trunk` but those that the guest needs.
fn in_tree(rng: &mut Rng, world: &World<'_>, trunk: &Trunk) -> Option<Edit> {
    let leaf = rng.pick(&trunk.leaves)?;
    // What a group means of which one entry differs is another question.
    if leaf.attributes.has(Attributes::CONTIGUOUS) {
        return None;
    }
    let granule = trunk.format.granule;
    let entry = rng.below(leaf.entries);
    let input = leaf.first + (entry << granule.entry_bits(leaf.level));
    let above = rng.below((leaf.level - trunk.format.start_level) as u64 + 1) as i8;
    let above = if rng.chance(600) { 0 } else { above };
    let level = leaf.level - above;
    if is_needed(world, trunk, input, granule.entry_bits(level)) {
        return None;
    }
    let is_free = trunk.role != Role::Stage2 && world.stage2.is_some();
    let change = match (above > 0, is_free) {
        (true, true) => free_table(rng, world)?,
        (true, false) => bound_table(rng, world, trunk)?,
        (false, true) => free_leaf(rng, trunk, &leaf)?,
        (false, false) => bound_leaf(rng, world, trunk, &leaf)?,
    };
    Some(Edit::new(trunk.number, input, level, change))
}

/// A change to a table descriptor of stage 1 under stage 2.
fn free_table(rng: &mut Rng, world: &World<'_>) -> Option<Change> {
    Some(match rng.weighted([(2, 0), (1, 1), (4, 2), (2, 3), (3, 4)]) {
        0 => Change::Flip(VALID),
        1 => Change::Flip(PAGE),
        2 => {
            Change::Flip(rng.pick(&LIMITS)? | if rng.chance(300) { rng.pick(&LIMITS)? } else { 0 })
        }
        3 => Change::Flip(1 << rng.between(12, 47)),
        // A table where nothing is mapped, mostly.
        _ => {
            let ipa = rng.bits() & ((1 << world.setup.ipa_bits) - 1);
            Change::Table { place: Place::absolute(ipa / PIECE * PIECE), flip: 0 }
        }
    })
}

/// A change to a leaf of stage 1 under stage 2.
fn free_leaf(rng: &mut Rng, trunk: &Trunk, leaf: &Leaf) -> Option<Change> {
    Some(Change::Flip(
        match rng.weighted([(2, 0), (2, 1), (2, 2), (4, 3), (2, 4), (2, 5), (2, 6)]) {
            0 => VALID,
            // A block becomes a table, and a page what is reserved.
            1 => PAGE,
            2 => AF,
            3 => rng.pick(&ACCESS)? | if rng.chance(500) { rng.pick(&EXECUTION)? } else { 0 },
            4 => too_large(rng, trunk)?,
            5 => 1 << rng.between(trunk.format.granule.entry_bits(leaf.level).min(47).into(), 47),
            _ if rng.chance(500) => DBM,
            _ => harmless(rng, trunk),
        },
    ))
}

/// A bit of a leaf that changes no answer but the attributes in it. With DS = 1 there is no SH.
fn harmless(rng: &mut Rng, trunk: &Trunk) -> u64 {
    const SH: [u64; 2] = [1 << 8, 1 << 9];
    // nG or FnXS, and what software has for itself.
    const OTHERS: [u64; 3] = [1 << 11, 1 << 55, 1 << 58];
    let has_sh = trunk.format.address != AddressFormat::Ds;
    let bits = if has_sh && rng.chance(400) { &SH[..] } else { &OTHERS[..] };
    rng.pick(bits).unwrap_or(OTHERS[0])
}

/// A change to a table descriptor of the stage that has the last word.
fn bound_table(rng: &mut Rng, world: &World<'_>, trunk: &Trunk) -> Option<Change> {
    let is_stage1 = trunk.role != Role::Stage2;
    Some(match rng.below(4) {
        0 => Change::Table { place: nothing(rng, world, trunk)?, flip: 0 },
        1 if is_stage1 => Change::Flip(rng.pick(&LIMITS)?),
        _ => Change::Flip(VALID),
    })
}

/// A change to a leaf of the stage that has the last word.
fn bound_leaf(rng: &mut Rng, world: &World<'_>, trunk: &Trunk, leaf: &Leaf) -> Option<Change> {
    let is_normal = leaf.memory != Stage2Memory::Combined(Memory::Device);
    let stays = stays_in_arena(world, trunk, leaf);
    let flip = match rng.weighted([(2, 0), (1, 1), (2, 2), (3, 3), (2, 4), (1, 5), (1, 6)]) {
        1 if leaf.level == 3 => PAGE,
        2 if stays => AF,
        3 if stays => rng.pick(&ACCESS)?,
        4 if stays && is_normal => rng.pick(&EXECUTION)?,
        5 if stays => harmless(rng, trunk),
        6 => too_large(rng, trunk)?,
        _ => VALID,
    };
    Some(Change::Flip(flip))
}

/// Whether all that `leaf` leads to is in an arena.
fn stays_in_arena(world: &World<'_>, trunk: &Trunk, leaf: &Leaf) -> bool {
    if trunk.role == Role::Stage2 {
        return leaf.place.arena() != Place::ABSOLUTE;
    }
    let last = leaf.output + (trunk.bytes(leaf) - 1);
    let mut windows = world.windows.iter().filter(|window| window.content != Content::Quiet);
    windows.any(|window| leaf.output >= window.ipa && last - window.ipa < PIECE)
}

/// A place where nothing answers, and that a table could be at.
fn nothing(rng: &mut Rng, world: &World<'_>, trunk: &Trunk) -> Option<Place> {
    let bits = match trunk.format.address {
        AddressFormat::Bits48 => trunk.oa_bits.min(48),
        AddressFormat::Lpa | AddressFormat::Ds => trunk.oa_bits,
    };
    let numbered = (0..).zip(world.map.arenas());
    let fits =
        numbered.filter(|(_, arena)| arena.kind == ArenaKind::Void && arena.last() >> bits == 0);
    let numbers: ArrayVec<u8, MAX_ARENAS> = fits.map(|(number, _)| number).collect();
    let arena = world.map.arenas().get(usize::from(rng.pick(&numbers)?))?;
    Some(Place::absolute(arena.base.next_multiple_of(PIECE)))
}

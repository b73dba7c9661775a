//! Edits of a guest's descriptors, at either stage: beside what the guest needs.
//!
//! ```text
//!   stage 1    root --+-- table --+-- leaf: code              the spine: not touched, nor what stage 2
//!                     |           +-- leaf    <-- edit        says of the tables on it, and of the code
//!                     +-- table   <-- edit
//!   stage 2    .. leaf: tables of stage 1 beside the spine    <-- edit: faults on walks of stage 1
//!              .. leaf: tags, slots                           <-- edit
//! ```
//!
//! **Speculation.** Under stage 2 a descriptor of stage 1 may say anything, for it leads to IPAs. What stage 2 says of
//! tables is made to lead to other tables of the case at most. What leads out of arenas can't be read from the start, in
//! such a case: a walk of stage 1 that went astray would read it.

use super::super::Rng;
use super::super::edits::{
    ACCESS, AF, Bounds, DBM, EXECUTION, LIMITS, TABLE, VALID, beside, bound_leaf, bound_table,
    harmless, too_large,
};
use super::super::leaf::Purpose;
use super::super::memory_type::{MemoryType, Stage2Memory};
use super::super::pool::PIECE;
use super::super::tree::{Leaf, TreeBuilder};
use super::world::{Window, World};
use crate::Case;
use crate::edit::{Change, Edit};
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::tree::Role;

/// How often an edit of a case is tried at most.
const MOST: u64 = 10;

/// Edits descriptors of `case`, which maps what `world` says, that the guest does not need.
pub(super) fn corrupt(rng: &mut Rng, world: &World<'_>, case: &mut Case) {
    for _ in 0..rng.between(3, MOST) {
        let edit = match rng.weighted([(5, 0), (3, 1), (4, 2)]) {
            0 => tables(rng, world),
            1 => world.stage2.as_ref().and_then(|tree| in_tree(rng, world, tree)),
            _ => {
                let number = rng.one_of(&[0, 1]);
                world.ranges.get(number).and_then(|tree| in_tree(rng, world, tree))
            }
        };
        if let Some(edit) = edit {
            // A case has room for all of them.
            let _ = case.push_edit(edit);
        }
    }
}

/// Whether the guest needs what the entry that covers 2^`bits` bytes at `input` of `tree` says.
pub(super) fn is_needed(world: &World<'_>, tree: &TreeBuilder, input: u64, bits: u32) -> bool {
    let covers = |other: u64| other >> bits == input >> bits;
    if tree.role != Role::Stage2 {
        let is_home = world.ranges.first().is_some_and(|home| home.role == tree.role);
        return is_home && tree.leaves.first().is_some_and(|leaf| covers(leaf.first));
    }
    let is_spine = |window: &Window| {
        let spine = Purpose::Tables { spine: true };
        window.purpose == Purpose::Code || window.purpose == spine
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
    let tree = world.stage2.as_ref()?;
    let beside = |window: &&Window| window.purpose == Purpose::Tables { spine: false };
    let window = rng.choose(world.windows.iter().filter(beside))?;
    // Mostly the page in which the first of its tables is.
    let page = tree.format.granule.bytes();
    let within = if rng.chance(700) { 0 } else { rng.below(PIECE / page) * page };
    let input = window.ipa / PIECE * PIECE + within;
    let leaf = tree.at(input)?;
    let bits = tree.format.granule.entry_bits(leaf.level);
    if leaf.attributes.has(Attributes::CONTIGUOUS) || is_needed(world, tree, input, bits) {
        return None;
    }
    let device = u64::from(leaf.attributes.mem_attr & 0b1100) << 2;
    let change = match rng.weighted([(4, 0), (3, 1), (3, 2), (3, 3), (2, 4), (2, 5), (2, 6)]) {
        0 => VALID,
        1 => AF,
        2 => ACCESS[0],
        3 => ACCESS[1] | if rng.chance(300) { DBM } else { 0 },
        // A fault with HCR_EL2.PTW = 1. With it, or with updates in Device memory, nothing is left open.
        4 if !world.setup.stage1.updates && !world.setup.stage2.fwb => device,
        5 => too_large(rng, tree)?,
        _ => elsewhere(rng, world, leaf)?,
    };
    Some(Edit::new(tree.number, input, leaf.level, Change::Flip(change)))
}

/// What makes `leaf`, which holds tables of stage 1, lead to other tables of the case.
fn elsewhere(rng: &mut Rng, world: &World<'_>, leaf: &Leaf) -> Option<u64> {
    let tree = world.stage2.as_ref()?;
    let bits = tree.format.granule.entry_bits(leaf.level);
    let is_tables = |other: &&Leaf| {
        let mut windows = world.windows.iter();
        let in_leaf = |window: &Window| tree.at(window.ipa) == Some(*other);
        other.level == leaf.level
            && windows
                .any(|window| matches!(window.purpose, Purpose::Tables { .. }) && in_leaf(window))
    };
    let other = rng.choose(tree.leaves.iter().filter(is_tables))?;
    let flipped = (leaf.output ^ other.output) >> bits << bits;
    // Higher bits are elsewhere in a descriptor.
    (flipped >> 48 == 0).then_some(flipped)
}

/// Any descriptor of `tree` but those that the guest needs.
fn in_tree(rng: &mut Rng, world: &World<'_>, tree: &TreeBuilder) -> Option<Edit> {
    let leaf = rng.pick(&tree.leaves)?;
    let is_free = tree.role != Role::Stage2 && world.stage2.is_some();
    let is_needed = |input, bits| is_needed(world, tree, input, bits);
    beside(rng, tree, &leaf, is_needed, |rng, is_table| match (is_table, is_free) {
        (true, true) => free_table(rng, world),
        (true, false) => bound_table(rng, world.request.map, tree),
        (false, true) => free_leaf(rng, tree, &leaf),
        (false, false) => {
            let is_normal = leaf.memory != Stage2Memory::Combined(MemoryType::Device);
            let stays = stays_in_arena(world, tree, &leaf);
            let bounds = Bounds { stays, may_execute: is_normal, may_overflow: true };
            bound_leaf(rng, tree, &leaf, bounds)
        }
    })
}

/// A change to a table descriptor of stage 1 under stage 2.
fn free_table(rng: &mut Rng, world: &World<'_>) -> Option<Change> {
    Some(match rng.weighted([(2, 0), (1, 1), (4, 2), (2, 3), (3, 4)]) {
        0 => Change::Flip(VALID),
        1 => Change::Flip(TABLE),
        2 => Change::Flip(
            rng.one_of(&LIMITS) | if rng.chance(300) { rng.one_of(&LIMITS) } else { 0 },
        ),
        3 => Change::Flip(1 << rng.between(12, 47)),
        // A table where nothing is mapped, mostly.
        _ => {
            let ipa = rng.bits() & ((1 << world.setup.ipa_bits) - 1);
            Change::Table { place: Place::absolute(ipa / PIECE * PIECE), flip: 0 }
        }
    })
}

/// A change to a leaf of stage 1 under stage 2.
fn free_leaf(rng: &mut Rng, tree: &TreeBuilder, leaf: &Leaf) -> Option<Change> {
    Some(Change::Flip(
        match rng.weighted([(2, 0), (2, 1), (2, 2), (4, 3), (2, 4), (2, 5), (2, 6)]) {
            0 => VALID,
            // A block becomes a table, and a page what is reserved.
            1 => TABLE,
            2 => AF,
            3 => rng.one_of(&ACCESS) | if rng.chance(500) { rng.one_of(&EXECUTION) } else { 0 },
            4 => too_large(rng, tree)?,
            5 => 1 << rng.between(tree.format.granule.entry_bits(leaf.level).min(47).into(), 47),
            _ if rng.chance(500) => DBM,
            _ => harmless(rng, tree),
        },
    ))
}

/// Whether all that `leaf` leads to is in an arena.
fn stays_in_arena(world: &World<'_>, tree: &TreeBuilder, leaf: &Leaf) -> bool {
    if tree.role == Role::Stage2 {
        return leaf.place.arena() != Place::ABSOLUTE;
    }
    let last = leaf.output + (tree.bytes(leaf) - 1);
    let mut windows = world.windows.iter().filter(|window| window.purpose != Purpose::Quiet);
    windows.any(|window| leaf.output >= window.ipa && last - window.ipa < PIECE)
}

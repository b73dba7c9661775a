//! A random case.

use super::mappings::mappings;
use super::probes::probe;
use super::setup::{Setup, setup, shape};
use super::{NotDrawn, Rng, Space, hostile};
use crate::abilities::Abilities;
use crate::memory::MemoryMap;
use crate::tree::{Role, Tree};
use crate::view::Flags;
use crate::{Case, MAX_PROBES};

pub use super::setup::Shape;

/// Draws case number `index` of `seed`.
pub fn draw(
    space: &Space,
    abilities: &Abilities,
    map: &MemoryMap,
    seed: u64,
    index: u64,
) -> Result<Case, NotDrawn> {
    let mut rng = Rng::new(seed, index);
    let shape = shape(&mut rng, space, abilities)?;
    draw_shape(&mut rng, space, abilities, map, shape, seed, index)
}

/// Draws case number `index` of `seed` with the shape given.
pub(super) fn draw_shape(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
    map: &MemoryMap,
    shape: Shape,
    seed: u64,
    index: u64,
) -> Result<Case, NotDrawn> {
    let setup = setup(rng, space, abilities, map, shape, seed, index)?;
    let mappings = mappings(rng, space, abilities, &setup);
    let mut case = bare(&setup);
    // The lists are no longer than a case has room for, here and below.
    for &mapping in &mappings {
        let _ = case.push_mapping(mapping);
    }
    let count = space.probes.min(MAX_PROBES as u64);
    if rng.chance(space.hostile) {
        hostile::spoil(rng, abilities, map, &setup, &mappings, &mut case, count);
    } else {
        let flags = case.as_ref().flags().0 | Flags::INTENT;
        case.set_flags(Flags(flags));
        for _ in 0..count {
            let _ = case.push_probe(probe(rng, &setup, &mappings));
        }
    }
    Ok(case)
}

/// The case of `setup` with nothing mapped and nothing asked.
pub(super) fn bare(setup: &Setup) -> Case {
    let root = setup.slots.first().copied().unwrap_or_default();
    let mut tree = Tree::new(Role::Stage2, setup.format, root);
    for &slot in setup.slots.iter().skip(1) {
        // A tree has room for all of them.
        let _ = tree.push_slot(slot);
    }
    let mut case = Case::with_tree(setup.registers, tree);
    if setup.updates {
        case.set_flags(Flags(Flags::UPDATES));
    }
    case
}

//! Set-ups of EL2's own stage 1: those that the executor lives in, and hostile ones that a monitor asks.
//!
//! ```text
//!   HypSpace, Abilities, MemoryMap, seed, index
//!        |
//!   shape     granule, DS, address sizes, E2H, where the trampoline lies
//!        |
//!   setup     registers, stages for trampoline, exit, code and data, and where tables lie
//!        |
//!   forest    what a stay needs is mapped, then tags, slots, blocks, and what nobody reaches
//!        |
//!   probes    AT, loads, stores, fetches: inside, beside, beyond, forbidden
//!        |
//!   beside    (some cases) hostile descriptors beside what a life needs
//!   hostile   (some cases) as no hypervisor would write it, for the monitor
//! ```
//!
//! **Speculation.** A PE may read, or fetch, whatever is mapped as Normal memory. In a set-up that the
//! executor lives in, all that leads out of scratch arenas is Device memory that is never executed, or has
//! no access flag that hardware would set.

mod area;
mod attributes;
mod beside;
mod forest;
mod hostile;
mod probes;
mod setup;
mod shape;
mod space;

use super::{NotDrawn, Rng};
use crate::abilities::Abilities;
use crate::memory::MemoryMap;
use crate::view::Flags;
use crate::{Case, MAX_PROBES};

pub use shape::Shape;
pub use space::HypSpace;

/// Draws case number `index` of `seed`.
pub fn draw(
    space: &HypSpace,
    abilities: &Abilities,
    map: &MemoryMap,
    seed: u64,
    index: u64,
) -> Result<Case, NotDrawn> {
    let mut rng = Rng::new(seed, index);
    let shape = shape::draw(&mut rng, space, abilities, map)?;
    draw_shape(&mut rng, space, abilities, map, &shape)
}

/// Every shape of a set-up with one range that the PE has: granule and DS, address size within `space`, and
/// each placement of the trampoline. Shape number `index` modulo the number of shapes.
pub fn placement(
    space: &HypSpace,
    abilities: &Abilities,
    map: &MemoryMap,
    seed: u64,
    index: u64,
) -> Result<Case, NotDrawn> {
    let count = placement_count(space, abilities);
    let number = index.checked_rem(count).ok_or(NotDrawn::NoSuchHypShape)?;
    let shape = shape::all(space, abilities).nth(number as usize);
    let shape = shape.ok_or(NotDrawn::NoSuchHypShape)?;
    draw_shape(&mut Rng::new(seed, index), space, abilities, map, &shape)
}

/// How many shapes [`placement`] goes through.
pub fn placement_count(space: &HypSpace, abilities: &Abilities) -> u64 {
    shape::all(space, abilities).count() as u64
}

fn draw_shape(
    rng: &mut Rng,
    space: &HypSpace,
    abilities: &Abilities,
    map: &MemoryMap,
    shape: &Shape,
) -> Result<Case, NotDrawn> {
    let is_hostile = rng.chance(space.hostile);
    if is_hostile && !abilities.monitor {
        return Err(NotDrawn::NoMonitor);
    }
    let setup = setup::setup(rng, space, abilities, map, shape)?;
    let mut forest = forest::Forest::new(&setup, map);
    forest.settle(rng)?;
    let spine = forest.mapped();
    let mappings = rng.between(space.mappings[0], space.mappings[1]);
    for _ in 0..mappings {
        forest.map_something(rng, abilities);
    }
    let mut case = forest.case();
    let count = space.probes.min(MAX_PROBES as u64);
    if is_hostile {
        hostile::spoil(rng, abilities, map, &setup, &mut case, count);
        return Ok(case);
    }
    let updates = if setup.updates { Flags::UPDATES } else { 0 };
    // Nothing is drawn where nothing is wanted: suites without it keep their cases.
    let is_spoiled = space.spoiled > 0 && rng.chance(space.spoiled);
    if is_spoiled {
        beside::spoil(rng, map, &setup, &mut case, spine);
    }
    let intent = if is_spoiled { 0 } else { Flags::INTENT };
    case.set_flags(Flags(Flags::STAY | intent | updates));
    let areas = forest.areas();
    for _ in 0..count {
        // A case has room for all of them.
        let _ = case.push_probe(probes::probe(rng, &setup, &areas));
    }
    Ok(case)
}

//! Stage 1 of EL2 and of EL2&0: set-ups that the executor switches to, and hostile ones that a monitor asks.
//!
//! ```text
//!   shape     granule, DS, address sizes, E2H, where the trampoline lies
//!   setup     registers, scratch arenas for trampoline, exit, code and data
//!   world     what the world switch needs is mapped, then tags, slots, blocks, and what nobody reaches
//!   corrupt   (some cases) hostile descriptors beside what the world switch needs
//!   hostile   (some cases) as no hypervisor would write it, for the monitor
//!   probes    AT, loads, stores, fetches: inside, beside, beyond, forbidden
//! ```
//!
//! **Speculation.** A PE may read, or fetch, whatever is mapped as Normal memory. In a set-up that the
//! executor switches to, all that leads out of scratch arenas is Device memory that is never executed, or has
//! no access flag that hardware would set.

mod hostile;
mod probes;
mod setup;
mod shape;
mod space;
mod world;

use super::{NotDrawn, Request, Rng, edits, tree};
use crate::abilities::Abilities;
use crate::memory::Place;
use crate::view::Flags;
use crate::{Case, MAX_PROBES, scratch};

use probes::Asker;
use tree::a_leaf;
use world::World;

pub use shape::Shape;
pub use space::HypSpace;

/// How often an edit of a case is tried at least, and at most.
const EDITS: [u64; 2] = [3, 10];

/// Draws a random set-up.
pub(crate) fn draw(space: &HypSpace, request: Request<'_>) -> Result<Case, NotDrawn> {
    let mut rng = request.rng();
    let shape = shape::draw(&mut rng, space, request)?;
    draw_shape(&mut rng, space, request, &shape)
}

/// Every shape of a set-up with one range that the PE has: granule and DS, address size within `space`, and
/// each placement of the trampoline. Each case has the one of its number modulo the number of shapes.
pub(crate) fn placement(space: &HypSpace, request: Request<'_>) -> Result<Case, NotDrawn> {
    let count = placement_count(space, request.abilities);
    let number = request.index.checked_rem(count).ok_or(NotDrawn::NoSuchHypShape)?;
    let shape = shape::all(space, request.abilities).nth(number as usize);
    draw_shape(&mut request.rng(), space, request, &shape.ok_or(NotDrawn::NoSuchHypShape)?)
}

/// How many shapes [`placement`] goes through.
pub(crate) fn placement_count(space: &HypSpace, abilities: &Abilities) -> u64 {
    shape::all(space, abilities).count() as u64
}

fn draw_shape(
    rng: &mut Rng,
    space: &HypSpace,
    request: Request<'_>,
    shape: &Shape,
) -> Result<Case, NotDrawn> {
    let is_hostile = rng.chance(space.hostile);
    if is_hostile && !request.abilities.monitor {
        return Err(NotDrawn::NoMonitor);
    }
    let setup = setup::setup(rng, space, request, shape)?;
    let mut world = World::new(rng, &setup, request)?;
    for _ in 0..rng.between(space.mappings[0], space.mappings[1]) {
        // Those that find no room are left out.
        let _ = world.map_something(rng);
    }
    let mut case = world.case();
    let count = space.probes.min(MAX_PROBES as u64);
    if is_hostile {
        hostile::corrupt(rng, &world, &mut case, count);
        return Ok(case);
    }
    let is_corrupted = rng.chance(space.spoiled);
    if is_corrupted {
        corrupt(rng, &world, &mut case);
    }
    let intent = if is_corrupted { 0 } else { Flags::INTENT };
    let updates = if setup.leaves.updates { Flags::UPDATES } else { 0 };
    case.set_flags(Flags(Flags::WORLD_SWITCH | intent | updates));
    let asker = Asker::new(&world);
    for _ in 0..count {
        // A case has room for all of them.
        let _ = case.push_probe(asker.probe(rng));
    }
    Ok(case)
}

/// Edits descriptors of `case` beside those that the world switch needs.
///
/// ```text
///   root --+-- table --+-- leaf: trampoline, code, data       the spine: not touched,
///          |           +-- leaf: tags            <-- edit     nor any table on the way to it
///          +-- table   <-- edit
///                +-- leaf: slots
/// ```
fn corrupt(rng: &mut Rng, world: &World<'_>, case: &mut Case) {
    for _ in 0..rng.between(EDITS[0], EDITS[1]) {
        let Some((tree, leaf)) = a_leaf(rng, &world.trees, world.spine) else { return };
        let spine = &tree.leaves[..world.spine[usize::from(tree.number)]];
        let is_needed = |input: u64, bits: u32| {
            let covers = |leaf: &tree::Leaf| {
                let last = leaf.first + (tree.bytes(leaf) - 1);
                (leaf.first >> bits..=last >> bits).contains(&(input >> bits))
            };
            spine.iter().any(covers)
        };
        let stays = leaf.place.arena() != Place::ABSOLUTE;
        // Slots alone are code that comes back.
        let may_execute = stays && leaf.place.offset() >= scratch::SLOTS;
        let bounds = edits::Bounds { stays, may_execute, may_overflow: false };
        let edit = edits::beside(rng, tree, leaf, is_needed, |rng, is_table| match is_table {
            true => edits::bound_table(rng, world.request.map, tree),
            false => edits::bound_leaf(rng, tree, leaf, bounds),
        });
        if let Some(edit) = edit {
            // A case has room for all of them.
            let _ = case.push_edit(edit);
        }
    }
}

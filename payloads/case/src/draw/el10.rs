//! The EL1&0 regime: guests at EL1 and EL0, under stage 1 and stage 2 together.
//!
//! ```text
//!   shape     which stages are on, granule, DS and address sizes of each
//!   world     windows in IPA space: tables of stage 1, code, tags, slots; and leaves of either stage
//!   probes    accesses of all kinds and sizes, fetches, maintenance, AT: inside, beside, beyond, forbidden
//!        |
//!   sequence  (in place of those) changes of tables, other trees, TLB maintenance, and what is left then
//!   edits     (some cases) hostile descriptors at either stage beside what the guest needs
//! ```
//!
//! **Speculation.** A PE may read, or fetch, whatever is mapped as Normal memory. Stage 2, where it is on,
//! decides over that alone: its leaves lead into arenas, or are Device memory that is never executed, or have no
//! access flag that hardware would set. So leaves of stage 1 may lead anywhere. Without stage 2 the same holds for
//! stage 1; without both, every address is Device memory to data, and nothing but the guest's code and slots is
//! executed.

mod alternate;
mod edits;
mod maintenance;
mod probes;
mod sequence;
mod setup;
mod shape;
mod space;
mod trees;
mod world;

use super::{NotDrawn, Request, Rng};
use crate::control::hcr;
use crate::view::Flags;
use crate::{Case, MAX_PROBES};

use probes::Asker;
use world::World;

pub use space::GuestSpace;

/// How often a case is drawn that finds no room.
const TRIES: u32 = 8;

/// Draws a guest.
pub(crate) fn draw(space: &GuestSpace, request: Request<'_>) -> Result<Case, NotDrawn> {
    with_room(space, request, |rng, world, case, updates, count| {
        let is_corrupted = world.setup.stage2.is_corrupted;
        if is_corrupted {
            edits::corrupt(rng, world, case);
        }
        let is_nested = is_nested(rng, space, world);
        if is_nested {
            case.registers_mut().hcr_el2 |= hcr::NESTED;
        }
        // What a mapping asks for is said in the layout of EL1.
        let intent = if is_corrupted || is_nested { 0 } else { Flags::INTENT };
        case.set_flags(Flags(Flags::GUEST | intent | updates));
        Asker::new(rng, world, case).ask(rng, case, count, space.pes);
    })
}

/// Draws a guest whose tables are changed, and TLBs maintained, between probes.
pub(crate) fn sequence(space: &GuestSpace, request: Request<'_>) -> Result<Case, NotDrawn> {
    with_room(space, request, |rng, world, case, updates, count| {
        if space.pes == 1 && rng.chance(500) {
            // One that has no room is left out.
            let _ = world.add_alternate_range(rng);
        }
        if space.pes == 1 && rng.chance(500) {
            let _ = world.add_alternate_stage2(rng);
        }
        *case = world.case();
        // Shared by several PEs, an entry that one of them gave up might come back from another.
        if request.abilities.cnp && space.pes == 1 && rng.chance(400) {
            const CNP: u64 = 1;
            let registers = case.registers_mut();
            registers.vttbr_el2 |= CNP;
            registers.ttbr0_el1 |= CNP;
            registers.ttbr1_el1 |= CNP;
        }
        case.set_flags(Flags(Flags::GUEST | updates));
        sequence::fill(rng, world, case, count, space.pes);
    })
}

/// Draws a set-up and what it maps, and lets `fill` ask, which is told the flag of hardware updates
/// and how many probes are wanted; again, where there is no room: a small IPA space may be
/// too small for trees that turned out large.
fn with_room(
    space: &GuestSpace,
    request: Request<'_>,
    fill: impl Fn(&mut Rng, &mut World<'_>, &mut Case, u64, u64),
) -> Result<Case, NotDrawn> {
    let rng = &mut request.rng();
    for _ in 0..TRIES {
        let shape = shape::draw(rng, space, request.abilities)?;
        let setup = setup::setup(rng, space, request, shape)?;
        let mut world = match World::new(rng, &setup, request) {
            Err(NotDrawn::NoRoom) => continue,
            world => world?,
        };
        for _ in 0..rng.between(space.mappings[0], space.mappings[1]) {
            world.map_something(rng);
        }
        let mut case = world.case();
        let updates = if setup.has_updates() { Flags::UPDATES } else { 0 };
        fill(rng, &mut world, &mut case, updates, space.probes.min(MAX_PROBES as u64));
        return Ok(case);
    }
    Err(NotDrawn::NoRoom)
}

/// Whether the guest is a hypervisor: only where stage 2 says what EL0 executes.
fn is_nested(rng: &mut Rng, space: &GuestSpace, world: &World<'_>) -> bool {
    let shape = &world.setup.shape;
    let has_both = shape.stage1.is_some() && shape.stage2.is_some();
    let is_wanted = space.nv1 > 0 && rng.chance(space.nv1);
    is_wanted && has_both && world.request.abilities.nv && !world.setup.stage2.is_corrupted
}

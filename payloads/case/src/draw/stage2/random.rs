//! Random cases of stage 2: disjoint mappings at legal levels, and probes that have something to do with them.

use super::super::pool::Pool;
use super::super::tree::{Run, TreeBuilder, TreeKind, any_output, case};
use super::super::{NotDrawn, Request, Rng, Space};
use super::hostile;
use super::setup::{Setup, Shape, setup, shape};
use crate::probe::{Operation, Probe};
use crate::tree::Role;
use crate::view::Flags;
use crate::{Case, MAX_MAPPINGS, MAX_PROBES};

/// Draws a random case.
pub(crate) fn draw(space: &Space, request: Request<'_>) -> Result<Case, NotDrawn> {
    let mut rng = request.rng();
    let shape = shape(&mut rng, space, request.abilities)?;
    draw_shape(&mut rng, space, request, shape)
}

/// Draws a case with the shape given.
pub(super) fn draw_shape(
    rng: &mut Rng,
    space: &Space,
    request: Request<'_>,
    shape: Shape,
) -> Result<Case, NotDrawn> {
    let setup = setup(rng, space, request, shape)?;
    let mut tree = tree(rng, request, &setup)?;
    let mappings = rng.between(space.mappings[0], space.mappings[1]).min(MAX_MAPPINGS as u64);
    for _ in 0..mappings {
        // Those that find no room are left out.
        let _ = map_something(rng, space, request, &setup, &mut tree);
    }
    let mut case = case(setup.registers, [&tree]);
    case.set_flags(Flags(setup.updates.flag()));
    let count = space.probes.min(MAX_PROBES as u64);
    if rng.chance(space.hostile) {
        hostile::corrupt(rng, request, &setup, &tree, &mut case, count);
    } else {
        case.set_flags(Flags(setup.updates.flag() | Flags::INTENT));
        for _ in 0..count {
            // A case has room for all of them.
            let _ = case.push_probe(probe(rng, &tree));
        }
    }
    Ok(case)
}

/// The tree of `setup` with nothing in it.
pub(super) fn tree(
    rng: &mut Rng,
    request: Request<'_>,
    setup: &Setup,
) -> Result<TreeBuilder, NotDrawn> {
    let Shape { variant, ia_bits, start_level } = setup.shape;
    let format = variant.format(request.abilities, ia_bits, start_level);
    let (kind, bits) = (TreeKind { role: Role::Stage2, variant, format }, [setup.oa_bits; 2]);
    let tree = Pool::new(request).tree(rng, 0, kind, bits, format.granule.bytes());
    tree.ok_or(NotDrawn::NoArena)
}

/// Maps a few leaves, or a contiguous group of them, to anywhere.
fn map_something(
    rng: &mut Rng,
    space: &Space,
    request: Request<'_>,
    setup: &Setup,
    tree: &mut TreeBuilder,
) -> Option<u64> {
    // Neither input nor output is larger than the sizes allow.
    let most_bits = u32::from(setup.shape.ia_bits.min(setup.oa_bits));
    let levels = tree.leaf_levels(request.abilities, most_bits);
    let level = if rng.chance(350) { 3 } else { rng.pick(&levels)? };
    let run = tree.leaf_or_group(rng, level, most_bits);
    let few = rng.weighted([(6, 1), (2, 2), (1, 3), (1, 7)]).min(1 << (most_bits - run.unit_bits));
    let run = if run.is_group { run } else { Run { entries: few, ..run } };
    // The last address at which so many bytes fit, aligned as all are.
    let bytes = run.entries << tree.format.granule.entry_bits(level);
    let last = (1u64 << setup.oa_bits) - bytes;
    let is_low = rng.chance(110);
    let output = any_output(rng, setup.oa_bits) & if is_low { 0xffff_ffff } else { u64::MAX };
    let output = output.min(last) >> run.unit_bits << run.unit_bits;
    tree.add(rng, run.to(output), 0..u64::MAX, |rng| setup.leaves.any_leaf(rng, space))
}

/// A probe that has something to do with what is mapped.
fn probe(rng: &mut Rng, tree: &TreeBuilder) -> Probe {
    let anywhere = rng.bits() & ((1 << tree.format.ia_bits) - 1);
    let address = match rng.pick(&tree.leaves) {
        Some(leaf) => tree.near(rng, leaf.first, tree.bytes(&leaf), [42, 13, 10, 12, 14, 9]),
        None => anywhere,
    };
    Probe::new(operation(rng), address)
}

/// An operation: each question as often as the others.
pub(super) fn operation(rng: &mut Rng) -> Operation {
    rng.one_of(&Operation::STAGE2)
}

//! Probes: inside mappings, at their edges, beside them, and beyond the input size.

use super::Rng;
use super::mappings::{Mappings, range};
use super::setup::Setup;
use crate::probe::{Operation, Probe};

/// An operation: each question as often as the others.
pub(super) fn operation(rng: &mut Rng) -> Operation {
    rng.pick(&Operation::STAGE2).unwrap_or(Operation::AtS12e1r)
}

/// A probe that has something to do with the mappings.
pub(super) fn probe(rng: &mut Rng, setup: &Setup, mappings: &Mappings) -> Probe {
    Probe::new(operation(rng), address(rng, setup, mappings))
}

fn address(rng: &mut Rng, setup: &Setup, mappings: &Mappings) -> u64 {
    let ia_bits = u32::from(setup.shape.ia_bits);
    let in_range = rng.bits() & ((1 << ia_bits) - 1);
    let Some(mapping) = rng.pick(mappings) else { return in_range };
    let (first, last) = range(setup, &mapping);
    let bytes = last - first + 1;
    let page = setup.format.granule.bytes();
    let stride = setup.format.granule.stride();
    match rng.weighted([(48, 0), (14, 1), (8, 2), (12, 3), (12, 4), (6, 5)]) {
        0 => first + rng.below(bytes),
        // The ends.
        1 => *[first, last, last - 7].get(rng.below(3) as usize).unwrap_or(&first),
        // Just outside.
        2 if rng.chance(500) => first.wrapping_sub(1 + rng.below(page)),
        2 => last + 1 + rng.below(page),
        // The same address with an index of some level changed: a neighbour in the tables.
        3 => {
            let level = rng.between(0, u64::from(setup.format.levels_below())) as u32;
            let at = setup.format.granule.bits() + stride * level;
            (first ^ (1 + rng.below((1 << stride) - 1)) << at) & ((1 << ia_bits) - 1)
        }
        4 => in_range,
        // One bit above the input size set, or many.
        _ if rng.chance(600) => (first + rng.below(bytes)) | 1 << rng.between(ia_bits.into(), 63),
        _ => rng.bits(),
    }
}

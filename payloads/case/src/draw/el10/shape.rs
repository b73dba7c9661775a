//! Which stages are on, and granules and address sizes of each.

use super::super::space::{variant, wants};
use super::super::stage2::{self, Shape as Stage2Shape};
use super::super::{NotDrawn, Rng};
use super::space::GuestSpace;
use crate::abilities::Abilities;
use crate::format::Granule;
use crate::layout::Variant;

/// The smallest range of virtual addresses: it holds a few pages of any granule.
const LEAST_VA_BITS: u8 = 18;

/// One range of stage 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RangeShape {
    pub variant: Variant,
    pub va_bits: u8,
    /// EPDn is 0: it has tables.
    pub has_walks: bool,
}

/// The shape of a set-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Stage 2, if it is on.
    pub stage2: Option<Stage2Shape>,
    /// The lower and the upper range of stage 1, if it is on. At least one has tables.
    pub stage1: Option<[RangeShape; 2]>,
}

impl Shape {
    /// The DS of stage 1: both ranges share it.
    pub fn stage1_ds(&self) -> bool {
        self.stage1.is_some_and(|ranges| ranges.iter().any(|range| range.variant.ds))
    }
}

/// Draws a shape that `space` wants and the PE has.
pub(super) fn draw(
    rng: &mut Rng,
    space: &GuestSpace,
    abilities: &Abilities,
) -> Result<Shape, NotDrawn> {
    let stage2 = match rng.chance(space.stage2) {
        true => Some(stage2::shape(rng, &space.of_stage2(), abilities)?),
        false => None,
    };
    let stage1 = match rng.chance(space.stage1) {
        true => Some(ranges(rng, space, abilities)?),
        false => None,
    };
    Ok(Shape { stage2, stage1 })
}

fn ranges(
    rng: &mut Rng,
    space: &GuestSpace,
    abilities: &Abilities,
) -> Result<[RangeShape; 2], NotDrawn> {
    let sizes = |variant: Variant| {
        let least = variant.least_ia_bits(abilities).max(LEAST_VA_BITS);
        let all = least..=variant.most_va_bits(abilities);
        all.filter(|bits| wants(space.va_bits, *bits))
    };
    let has = |variant: Variant| {
        abilities.stage1_has(variant.granule, variant.ds) && sizes(variant).next().is_some()
    };
    let weights = (&space.granules, &space.ds);
    let first = variant(rng, weights, has).ok_or(NotDrawn::NoSuchStage1Shape)?;
    // The 64K granule goes with either DS.
    let suits = |other: Variant| {
        other.ds == first.ds || other.granule == Granule::K64 || first.granule == Granule::K64
    };
    let second = variant(rng, weights, |other| suits(other) && has(other)).unwrap_or(first);
    let mut range = |variant: Variant, has_walks| RangeShape {
        variant,
        va_bits: rng.choose(sizes(variant)).unwrap_or(LEAST_VA_BITS),
        has_walks,
    };
    let (first, second) = (range(first, true), range(second, true));
    let second = RangeShape { has_walks: rng.chance(750), ..second };
    Ok(if rng.chance(500) { [first, second] } else { [second, first] })
}

//! Granules, address sizes, and where the trampoline lies.

use core::ops::RangeInclusive;

use arrayvec::ArrayVec;

use super::super::space::{variant, variants, wants};
use super::super::{NotDrawn, Request, Rng};
use super::space::HypSpace;
use crate::abilities::Abilities;
use crate::format::Granule;
use crate::layout::Variant;
use crate::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap};
use crate::placement::Placement;

/// The smallest upper range: it holds code and data of the runtime, at any granule.
const LEAST_UPPER_BITS: u8 = 18;

/// A shape of EL2's stage 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Granule and DS: of the lower range, if there are two.
    pub variant: Variant,
    /// Its address size in bits.
    pub va_bits: u8,
    /// Where the trampoline lies.
    pub placement: Placement,
    /// The upper range: its granule, with the same DS, and its address size. E2H is 1 then.
    pub upper: Option<(Variant, u8)>,
}

/// Address sizes of `variant` on the PE, smallest first.
fn sizes(variant: Variant, abilities: &Abilities) -> RangeInclusive<u8> {
    variant.least_ia_bits(abilities)..=variant.most_va_bits(abilities)
}

/// All shapes with one range that the PE has within `space`, those of each granule from the largest size on.
pub(super) fn all<'a>(
    space: &'a HypSpace,
    abilities: &'a Abilities,
) -> impl Iterator<Item = Shape> + 'a {
    let has = |variant: Variant| abilities.stage1_has(variant.granule, variant.ds);
    variants((&space.granules, &space.ds), has).flat_map(move |variant| {
        // The largest first: in the smallest there is no room for the world switch.
        let wanted = sizes(variant, abilities).rev();
        let wanted = wanted.filter(move |bits| wants(space.va_bits, *bits));
        wanted.flat_map(move |va_bits| {
            let placements = Placement::ALL.into_iter();
            let wanted = placements.filter(move |at| space.placements[*at as usize] > 0);
            wanted.map(move |placement| Shape { variant, va_bits, placement, upper: None })
        })
    })
}

/// Draws a shape that has room for a world switch on a target with the memory of `map`.
pub(super) fn draw(
    rng: &mut Rng,
    space: &HypSpace,
    Request { abilities, map, .. }: Request<'_>,
) -> Result<Shape, NotDrawn> {
    let is_host = rng.chance(space.vhe);
    if is_host && !abilities.vhe {
        return Err(NotDrawn::NoHost);
    }
    let weights = (&space.granules, &space.ds);
    let has = |variant: Variant| abilities.stage1_has(variant.granule, variant.ds);
    let variant = variant(rng, weights, has).ok_or(NotDrawn::NoSuchHypShape)?;
    let same_ds = |other: &Variant| other.ds == variant.ds || other.granule == Granule::K64;
    let uppers: ArrayVec<Variant, 5> = variants(weights, has).filter(same_ds).collect();
    let upper = if is_host { rng.pick(&uppers) } else { None };
    // What both ranges reach, and what can be mapped to itself.
    let reached = upper.map_or(u8::MAX, |upper| upper.address_bits(abilities));
    let reached = reached.min(variant.address_bits(abilities)).min(variant.most_va_bits(abilities));
    let weights = |va_bits: u8| {
        Placement::ALL.map(|at| {
            let wanted = match (is_host, at) {
                (false, _) => space.placements[at as usize],
                (true, Placement::Outside) => 0,
                (true, _) => 1,
            };
            // There must be an exit, too.
            let has = |wanted: &dyn Fn(Placement) -> bool| {
                !placed(map, reached, va_bits, wanted).is_empty()
            };
            let exists = has(&|other| other == at) && has(&|other| other != Placement::Outside);
            (if exists { wanted } else { 0 }, at)
        })
    };
    let livable = |va_bits: &u8| {
        wants(space.va_bits, *va_bits) && weights(*va_bits).iter().any(|(weight, _)| *weight > 0)
    };
    let possible = sizes(variant, abilities).filter(livable);
    let va_bits = rng.choose(possible).ok_or(NotDrawn::NoSuchHypShape)?;
    let placement = rng.weighted(weights(va_bits));
    let upper = upper.map(|upper| {
        let least = upper.least_ia_bits(abilities).max(LEAST_UPPER_BITS);
        let bits = rng.between(least.into(), upper.most_va_bits(abilities).into());
        (upper, bits as u8)
    });
    Ok(Shape { variant, va_bits, placement, upper })
}

/// The scratch arenas below 2^`bits`, by number, that lie where `wanted` says in addresses of `va_bits` bits.
pub(super) fn placed(
    map: &MemoryMap,
    bits: u8,
    va_bits: u8,
    wanted: impl Fn(Placement) -> bool,
) -> ArrayVec<u8, MAX_ARENAS> {
    let suits = |arena: &Arena| {
        arena.kind == ArenaKind::Scratch
            && arena.last() >> bits == 0
            && wanted(Placement::of_address(arena.base, va_bits))
    };
    let numbered = (0..).zip(map.arenas());
    numbered.filter(|(_, arena)| suits(arena)).map(|(number, _)| number).collect()
}

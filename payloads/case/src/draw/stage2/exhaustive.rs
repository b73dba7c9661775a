//! Exhaustive cases of stage 2: generators that go through all points of a small space.

use arrayvec::ArrayVec;

use super::super::memory_type::{MemoryType, Stage2Memory};
use super::super::space::{variants, wants};
use super::super::tree::{Leaf, case};
use super::super::{NotDrawn, Request, Space};
use super::random::{draw_shape, tree};
use super::setup::{Shape, setup};
use crate::Case;
use crate::abilities::Abilities;
use crate::format::Granule;
use crate::layout::Variant;
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::probe::{Operation, Probe};
use crate::view::Flags;
use crate::vtcr::Vtcr;

/// Every legal shape of the PE: granule, DS, input size within `space`, start level. Each case
/// has the one of its number modulo the number of shapes, with mappings and probes drawn as for a random case, so that
/// a longer run goes round again with others.
pub(crate) fn shape(space: &Space, request: Request<'_>) -> Result<Case, NotDrawn> {
    let count = shape_count(space, request.abilities);
    let number = request.index.checked_rem(count).ok_or(NotDrawn::NoSuchShape)?;
    let shape = shapes(space, request.abilities).nth(number as usize);
    draw_shape(&mut request.rng(), space, request, shape.ok_or(NotDrawn::NoSuchShape)?)
}

/// How many legal shapes the PE has within `space`.
pub(crate) fn shape_count(space: &Space, abilities: &Abilities) -> u64 {
    shapes(space, abilities).count() as u64
}

fn shapes<'a>(space: &'a Space, abilities: &'a Abilities) -> impl Iterator<Item = Shape> + 'a {
    let has = |variant: Variant| abilities.has(variant.granule, variant.ds);
    variants((&space.granules, &space.ds), has).flat_map(move |variant| {
        let sizes = (0..64).filter(move |bits| wants(space.ipa_bits, *bits));
        sizes.flat_map(move |ia_bits| {
            let levels = variant.start_levels(abilities, ia_bits);
            levels.into_iter().map(move |start_level| Shape { variant, ia_bits, start_level })
        })
    })
}

/// A point of `VTCR_EL2`, legal or not: granule, DS, T0SZ, SL2 and SL0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LegalityPoint {
    /// Page size.
    pub granule: Granule,
    /// VTCR_EL2.DS.
    pub ds: bool,
    /// VTCR_EL2.T0SZ, 0 to 63.
    pub t0sz: u8,
    /// VTCR_EL2.SL2.
    pub sl2: u8,
    /// VTCR_EL2.SL0.
    pub sl0: u8,
}

impl LegalityPoint {
    /// How many points there are: for three granules, 2 of DS, 64 of T0SZ, and 8 of SL2:SL0.
    pub const COUNT: u64 = 3 * 2 * 64 * 8;

    /// Point number `number` modulo [`Self::COUNT`].
    pub const fn new(number: u64) -> Self {
        let granule = Granule::ALL[(number / (2 * 64 * 8) % 3) as usize];
        Self {
            granule,
            ds: number / (64 * 8) % 2 == 1,
            t0sz: (number / 8 % 64) as u8,
            sl2: (number / 4 % 2) as u8,
            sl0: (number % 4) as u8,
        }
    }
}

/// The case for the point of its number: a walk that a device would get through if it took the point
/// for legal when it is not, and one that it must get through when it is.
pub(crate) fn legality(space: &Space, request: Request<'_>) -> Result<Case, NotDrawn> {
    let (point, abilities) = (LegalityPoint::new(request.index), request.abilities);
    let rng = &mut request.rng();
    if !abilities.has(point.granule, false) {
        return Err(NotDrawn::NoSuchShape);
    }
    // DS = 1 means nothing to a PE that lacks it for the granule.
    let variant =
        Variant { granule: point.granule, ds: point.ds && abilities.has(point.granule, true) };
    let shape = nearest(abilities, variant, point);
    let shape = shape.ok_or(NotDrawn::NoSuchShape)?;
    let setup = setup(rng, space, request, shape)?;
    let mut tree = tree(rng, request, &setup)?;

    // The first and the last page, and two between, with distinct outputs.
    let page = point.granule.bytes();
    let top = (1u64 << shape.ia_bits) - page;
    let mut inputs: ArrayVec<u64, 4> = ArrayVec::new();
    for input in [0, top, rng.bits() & top & !(page - 1), rng.bits() & top & !(page - 1)] {
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    // Normal Write-Back, as it is written without FWB and with it.
    let mem_attr = if setup.leaves.fwb { 0b0110 } else { 0b1111 };
    let attributes = Attributes { mem_attr, ap: 3, sh: 3, af: 1, ..Default::default() };
    let memory = Stage2Memory::Combined(MemoryType::WriteBack);
    for &first in &inputs {
        let output = rng.bits() & ((1 << setup.oa_bits) - 1) & !(page - 1);
        let place = Place::absolute(output);
        // Four leaves, and a few probes for each, below: a tree and a case have room for them.
        let _ = tree.push(Leaf { first, level: 3, entries: 1, place, output, attributes, memory });
    }
    let mut case = case(setup.registers, [&tree]);
    case.set_flags(Flags(setup.updates.flag()));
    let vtcr = Vtcr(setup.registers.vtcr_el2);
    case.registers_mut().vtcr_el2 =
        vtcr.t0sz(point.t0sz.into()).sl0(point.sl0.into()).sl2(point.sl2.into()).ds(point.ds).0;
    for input in inputs {
        for address in [input, input + page - 1, input | 1 << shape.ia_bits] {
            let _ = case.push_probe(Probe::new(Operation::AtS12e1r, address));
        }
        let _ = case.push_probe(Probe::new(Operation::AtS12e0r, input));
    }
    // Around what this T0SZ makes the end of the range.
    let end = 1u64.checked_shl(64 - u32::from(point.t0sz)).unwrap_or(0);
    for address in [end.wrapping_sub(1), end, end | 0x1000] {
        let _ = case.push_probe(Probe::new(Operation::AtS12e1r, address));
    }
    Ok(case)
}

/// The shape whose tables a device would walk if it allowed the point: the point's own size and start
/// level where they make one, otherwise the size brought into what the start level can resolve.
fn nearest(abilities: &Abilities, variant: Variant, point: LegalityPoint) -> Option<Shape> {
    let level: i8 = match (variant.granule, point.sl2, point.sl0) {
        (Granule::K4, 1, _) if variant.ds => -1,
        (Granule::K4, _, 3) => 3,
        (Granule::K4, _, sl0) => 2 - sl0 as i8,
        (Granule::K16 | Granule::K64, _, sl0) => 3 - sl0 as i8,
    };
    // 64K has no level 0, and 4K and 16K no more address bits than 48 without DS.
    let start_level = if variant.granule == Granule::K64 { level.max(1) } else { level };
    let entry = variant.granule.entry_bits(start_level);
    let most = (entry + variant.granule.stride() + 4).min(variant.address_bits(abilities).into());
    let wanted = 64 - u32::from(point.t0sz);
    let ia_bits = wanted.clamp((entry + 1).min(most), most) as u8;
    Some(Shape { variant, ia_bits, start_level })
}

//! The shape of the tree and the register fields of stage 2.

use super::super::leaf::Stage2;
use super::super::pool::holds_tables;
use super::super::registers::{Updates, Walks, output_size, vtcr_el2};
use super::super::space::{variant, wants};
use super::super::{NotDrawn, Request, Rng, Space};
use crate::abilities::Abilities;
use crate::control::hcr;
use crate::layout::Variant;
use crate::registers::Registers;
use crate::vtcr::ps_bits;

/// So many cases that follow one another, the first at a multiple of it, share `HCR_EL2` and the VMID,
/// which are slow to change on emulators. Whoever shares cases out keeps them together.
pub const EPOCH: u64 = 16;
/// The stream of an epoch: far from those of the cases, which count up from 0.
const EPOCH_STREAM: u64 = 1 << 63;

/// A shape of stage 2 that the PE has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Granule and DS.
    pub variant: Variant,
    /// Input address size in bits.
    pub ia_bits: u8,
    /// Level of the root.
    pub start_level: i8,
}

/// Everything of a case but its tree, edits and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub registers: Registers,
    /// Output address size in bits, as the architecture limits it.
    pub oa_bits: u8,
    /// What leaves depend on.
    pub leaves: Stage2,
    /// Which updates of descriptors hardware makes.
    pub updates: Updates,
}

/// Draws a shape out of those that `space` wants and the PE has.
pub(in crate::draw) fn shape(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
) -> Result<Shape, NotDrawn> {
    let fits = |variant: Variant, bits: u8| {
        wants(space.ipa_bits, bits)
            && abilities.has(variant.granule, variant.ds)
            && variant.has_start_level(abilities, bits)
    };
    let has = |variant| (0..64).any(|bits| fits(variant, bits));
    let variant = variant(rng, (&space.granules, &space.ds), has).ok_or(NotDrawn::NoSuchShape)?;
    let sizes = (0..64).filter(|bits| fits(variant, *bits));
    let ia_bits = rng.choose(sizes).ok_or(NotDrawn::NoSuchShape)?;
    let start_level = rng.pick(&variant.start_levels(abilities, ia_bits));
    Ok(Shape { variant, ia_bits, start_level: start_level.ok_or(NotDrawn::NoSuchShape)? })
}

/// Draws the registers for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &Space,
    Request { abilities, map, seed, index }: Request<'_>,
    shape: Shape,
) -> Result<Setup, NotDrawn> {
    let oa_bits = |ps| ps_bits(ps).min(shape.variant.address_bits(abilities));
    // Tables must be somewhere: not every target has memory at low addresses.
    let suits = |ps| map.arenas().iter().any(|arena| holds_tables(arena, oa_bits(ps)));
    let ps = output_size(rng, abilities, suits).ok_or(NotDrawn::NoArena)?;
    let wanted = abilities.access_flag && rng.chance(space.hardware_updates);
    let updates = Updates::draw(rng, abilities, wanted);
    let (walks, vs) = (Walks::draw(rng), abilities.vmid16 && rng.chance(500));
    let epoch = &mut Rng::new(seed, EPOCH_STREAM | (index / EPOCH));
    let registers = Registers {
        hcr_el2: hcr_el2(epoch, space, abilities),
        vtcr_el2: vtcr_el2(&shape, ps, vs, walks, updates),
        vttbr_el2: epoch.below(0x100) << 48,
        ..Registers::default()
    };
    let leaves = Stage2::new(abilities, &registers, updates.access);
    Ok(Setup { shape, registers, oa_bits: oa_bits(ps), leaves, updates })
}

fn hcr_el2(rng: &mut Rng, space: &Space, abilities: &Abilities) -> u64 {
    let [no_dc, dc] = space.dc;
    let [no_fwb, fwb] = space.fwb;
    let dc = rng.weighted([(no_dc, 0), (dc, hcr::DC)]);
    let fwb = rng.weighted([(no_fwb, 0), (fwb, hcr::FWB)]);
    // DC alone turns stage 2 on.
    let vm = if dc != 0 && rng.chance(100) { 0 } else { hcr::VM };
    let ptw = if rng.chance(250) { hcr::PTW } else { 0 };
    let cd = if rng.chance(60) { hcr::CD } else { 0 };
    hcr::RW | vm | dc | ptw | cd | if abilities.fwb { fwb } else { 0 }
}

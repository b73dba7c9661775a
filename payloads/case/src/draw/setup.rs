//! The shape of the tree, the register fields, and where the tables lie.

use arrayvec::ArrayVec;

use super::{NotDrawn, Rng, Space};
use crate::abilities::Abilities;
use crate::format::Format;
use crate::layout::Variant;
use crate::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap, Place};
use crate::registers::Registers;
use crate::vtcr::{Vtcr, hcr, ps, ps_bits, start_level_fields, tg0};

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

/// Everything of a case but its mappings, edits and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub format: Format,
    pub registers: Registers,
    /// Output address size in bits, as the architecture limits it.
    pub oa_bits: u8,
    pub slots: ArrayVec<Place, 4>,
    /// The most tables that the slots have room for.
    pub tables: u64,
    /// Whether hardware may update descriptors.
    pub updates: bool,
}

/// Draws a shape out of those that `space` wants and the PE has.
pub(super) fn shape(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
) -> Result<Shape, NotDrawn> {
    let fits = |variant: Variant, bits: u8| {
        space.wants_ipa_bits(bits)
            && abilities.has(variant.granule, variant.ds)
            && variant.has_start_level(abilities, bits)
    };
    let weights = Variant::ALL.map(|variant| {
        let fits_any = (0..64).any(|bits| fits(variant, bits));
        (if fits_any { space.weight(variant) } else { 0 }, variant)
    });
    let variant = rng.weighted(weights);
    let sizes: ArrayVec<u8, 64> = (0..64).filter(|bits| fits(variant, *bits)).collect();
    let ia_bits = rng.pick(&sizes).filter(|_| space.weight(variant) > 0);
    let ia_bits = ia_bits.ok_or(NotDrawn::NoSuchShape)?;
    let start_level = rng.pick(&variant.start_levels(abilities, ia_bits));
    Ok(Shape { variant, ia_bits, start_level: start_level.ok_or(NotDrawn::NoSuchShape)? })
}

/// Draws the registers and the places for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &Space,
    abilities: &Abilities,
    map: &MemoryMap,
    shape: Shape,
    seed: u64,
    index: u64,
) -> Result<Setup, NotDrawn> {
    let Shape { variant, ia_bits, start_level } = shape;
    let format = variant.format(abilities, ia_bits, start_level);
    let own = ps(abilities.pa_bits);
    let any = rng.below(7);
    let oa_bits = |ps| ps_bits(ps).min(variant.address_bits(abilities));
    // Tables must be somewhere: not every target has memory at low addresses.
    let ps = rng.weighted([(6, own), (4, any)]);
    let ps = if map.arenas().iter().any(|arena| within(arena, oa_bits(ps))) { ps } else { own };
    let oa_bits = oa_bits(ps);
    let (sl0, sl2) = start_level_fields(variant.granule, start_level);
    let updates = abilities.access_flag && rng.chance(space.hardware_updates);
    // Write-Back walks mostly; others are legal and must not change an answer.
    let cacheability = [(7, 1), (1, 0), (1, 2), (1, 3)];
    let vtcr = Vtcr::RES1
        .t0sz(64 - u64::from(ia_bits))
        .sl0(sl0)
        .sl2(sl2)
        .irgn0(rng.weighted(cacheability))
        .orgn0(rng.weighted(cacheability))
        .sh0(rng.weighted([(6, 3), (2, 2), (2, 0)]))
        .tg0(tg0(variant.granule))
        .ps(ps)
        .vs(abilities.vmid16 && rng.chance(500))
        .ds(variant.ds)
        .ha(updates)
        .hd(updates && abilities.dirty_state && rng.chance(600));
    let epoch = &mut Rng::new(seed, EPOCH_STREAM | (index / EPOCH));
    let registers = Registers {
        hcr_el2: hcr_el2(epoch, space, abilities),
        vtcr_el2: vtcr.0,
        vttbr_el2: epoch.below(0x100) << 48,
        ..Registers::default()
    };
    let (slots, tables) = slots(rng, map, &format, oa_bits)?;
    Ok(Setup { shape, format, registers, oa_bits, slots, tables, updates })
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

/// Whether tables can lie in all of `arena` when output addresses have `oa_bits` bits.
fn within(arena: &Arena, oa_bits: u8) -> bool {
    arena.kind == ArenaKind::Tables && arena.last() >> oa_bits == 0
}

/// One slot an arena, in 1 to 4 arenas that the output size reaches, each with room for its share of
/// at least 6 tables beside the root.
fn slots(
    rng: &mut Rng,
    map: &MemoryMap,
    format: &Format,
    oa_bits: u8,
) -> Result<(ArrayVec<Place, 4>, u64), NotDrawn> {
    const LEAST_TABLES: u64 = 6;
    const MOST_TABLES: u64 = 40;
    let page = format.granule.bytes();
    let root = 2 * format.root_bytes().max(format.root_alignment()) + page;
    let mut usable: ArrayVec<u8, MAX_ARENAS> = ArrayVec::new();
    for (number, arena) in map.arenas().iter().enumerate() {
        if within(arena, oa_bits) && arena.size >= root + LEAST_TABLES * page {
            usable.push(number as u8);
        }
    }
    let wanted = rng.weighted([(4, 1), (3, 2), (2, 3), (1, 4)]).min(usable.len());
    let mut slots = ArrayVec::new();
    let mut tables = MOST_TABLES;
    for slot in 0..wanted {
        let arena = usable.swap_remove(rng.below(usable.len() as u64) as usize);
        let size = map.arenas()[arena as usize].size;
        let fixed = if slot == 0 { root } else { page };
        let share = ((size - fixed) / page).min(MOST_TABLES / wanted as u64);
        tables = tables.min(share * wanted as u64);
        // The root may lie anywhere that its alignment allows; other tables are granule aligned.
        let step = if slot == 0 { format.root_alignment() } else { page };
        let offset = rng.between(0, (size - fixed - share * page) / step) * step;
        slots.push(Place::new(arena, offset));
    }
    if slots.is_empty() { Err(NotDrawn::NoArena) } else { Ok((slots, tables)) }
}

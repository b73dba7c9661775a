//! Hostile cases: descriptors and registers that no hypervisor would write.
//!
//! A walk may go astray only to arenas and to void addresses: a word that could be taken for a table
//! descriptor keeps an address that the builder gave it, or gets one from the memory map. What a
//! spoiled register makes of the tables can't be foreseen here; the host asks the reference walker
//! where such a case would lead before it sends it.

use arrayvec::ArrayVec;

use super::Rng;
use super::mappings::{Mappings, range};
use super::probes::{operation, probe};
use super::setup::Setup;
use crate::Case;
use crate::abilities::Abilities;
use crate::edit::{Change, Edit};
use crate::format::AddressFormat;
use crate::mapping::Mapping;
use crate::memory::{ArenaKind, MAX_ARENAS, MemoryMap, Place};
use crate::probe::Probe;
use crate::view::Flags;
use crate::vtcr::{Vtcr, hcr};

const VALID: u64 = 1;
const TABLE: u64 = 1 << 1;
const CONTIGUOUS: u64 = 1 << 52;

/// Adds edits, spoils registers, and fills the case with `count` probes that will meet the damage.
pub(super) fn spoil(
    rng: &mut Rng,
    abilities: &Abilities,
    map: &MemoryMap,
    setup: &Setup,
    mappings: &Mappings,
    case: &mut Case,
    count: u64,
) {
    let spoil_registers = mappings.is_empty() || rng.chance(350);
    if spoil_registers {
        registers(rng, setup, case);
    }
    let edits = rng.between(u64::from(!spoil_registers), 4);
    for _ in 0..edits {
        let Some(mapping) = rng.pick(mappings) else { break };
        // A case has room for all of them.
        let _ = case.push_edit(edit(rng, abilities, map, setup, &mapping));
    }
    let header = case.as_ref().header;
    if header.registers.vtcr_el2 & Vtcr(0).ha(true).0 != 0 && abilities.access_flag {
        case.set_flags(Flags(Flags::UPDATES));
    }
    for _ in 0..count {
        let aimed = rng.chance(600).then(|| case.as_ref().edits).and_then(|edits| rng.pick(edits));
        let probe = match aimed {
            Some(edit) => Probe::new(operation(rng), near(rng, setup, edit.input)),
            None => probe(rng, setup, mappings),
        };
        let _ = case.push_probe(probe);
    }
}

/// An address whose walk passes, or nearly passes, the descriptor of an edit.
fn near(rng: &mut Rng, setup: &Setup, input: u64) -> u64 {
    let level = rng.between(0, u64::from(setup.format.levels_below())) as u32;
    let below = setup.format.granule.bits() + setup.format.granule.stride() * level;
    let below = below.min(setup.shape.ia_bits.into());
    input ^ rng.bits() & ((1 << below) - 1)
}

pub(super) fn edit(
    rng: &mut Rng,
    abilities: &Abilities,
    map: &MemoryMap,
    setup: &Setup,
    mapping: &Mapping,
) -> Edit {
    let (first, last) = range(setup, mapping);
    let input = rng.between(first, last);
    let start = setup.shape.start_level;
    let above = rng.below((mapping.level - start) as u64) as i8;
    let table_level = start + above;
    let has_table = mapping.level > start;
    let leaf = |change| Edit::new(0, input, mapping.level, change);
    match rng.weighted([(30, 0), (12, 1), (18, 2), (18, 3), (8, 4), (8, 5), (6, 6)]) {
        0 => leaf(Change::Flip(leaf_flip(rng, mapping.level))),
        1 => leaf(Change::Replace(leaf_word(rng, mapping.level))),
        2 => {
            // Where a table, or a block, stood: at any level but the last.
            let level = if has_table { table_level } else { mapping.level.min(2) };
            if level < start {
                return leaf(Change::Flip(VALID));
            }
            let place = table_place(rng, map, setup);
            let flip = if rng.chance(500) { rng.bits() & ignored_in_table(setup) } else { 0 };
            Edit::new(0, input, level, Change::Table { place, flip })
        }
        3 if has_table => {
            let flip = match rng.below(5) {
                0 => VALID,
                1 => TABLE,
                2 => 1 << rng.between(52, 63) | rng.bits() & ignored_in_table(setup),
                _ => rng.bits() & ignored_in_table(setup),
            };
            Edit::new(0, input, table_level, Change::Flip(flip))
        }
        4 => leaf(Change::Flip(CONTIGUOUS)),
        5 => leaf(Change::Flip(output_flip(rng, abilities, setup, mapping.level))),
        _ => leaf(Change::Flip(1 << rng.between(2, 11))),
    }
}

/// One to three bits of a leaf. A block must not become a table: its output is anywhere.
fn leaf_flip(rng: &mut Rng, level: i8) -> u64 {
    let mut mask = 0;
    for _ in 0..rng.between(1, 3) {
        mask |= 1 << rng.below(64);
    }
    if level < 3 { mask & !TABLE } else { mask }
}

/// Any word at level 3; above it any word that is not a table descriptor.
fn leaf_word(rng: &mut Rng, level: i8) -> u64 {
    let word = rng.bits();
    match rng.below(4) {
        0 => word & !VALID,
        _ if level == 3 => word | VALID,
        _ => word & !TABLE | VALID,
    }
}

/// Output address bits of a leaf, among them those beyond the output size.
fn output_flip(rng: &mut Rng, abilities: &Abilities, setup: &Setup, level: i8) -> u64 {
    let high = 1 << rng.between((setup.oa_bits - 1).min(47).into(), 49);
    let format = match setup.format.address {
        AddressFormat::Lpa => 1 << rng.between(12, 15),
        AddressFormat::Ds => 1 << rng.between(8, 9),
        AddressFormat::Bits48 => high,
    };
    // Bits between a block's address and its attributes, nT among them.
    let low = 1 << rng.between(12, u64::from(setup.format.granule.entry_bits(level).min(47)));
    let nt = if abilities.bbm_level > 0 && level < 3 { 1 << 16 } else { high };
    rng.pick(&[high, high, format, low, nt]).unwrap_or(high)
}

/// Bits that a stage 2 table descriptor has no use for, or that say nothing for the walk.
fn ignored_in_table(setup: &Setup) -> u64 {
    let low = match setup.format.address {
        // Bits 9:8 hold the address.
        AddressFormat::Ds => 0x0cfc,
        AddressFormat::Bits48 | AddressFormat::Lpa => 0x0ffc,
    };
    // The architecture ignores 51:48 in the 48-bit formats; in the DS format 49:48 are address.
    let high = match setup.format.address {
        AddressFormat::Bits48 => 0xffff << 48,
        AddressFormat::Lpa | AddressFormat::Ds => 0xfff << 52,
    };
    high | low
}

/// Where a hostile table descriptor points: into an arena, the void, or the case's own tables.
fn table_place(rng: &mut Rng, map: &MemoryMap, setup: &Setup) -> Place {
    let own = rng.pick(&setup.slots).unwrap_or_default();
    let page = setup.format.granule.bytes();
    if rng.chance(300) {
        // The root itself, or a table near it: a walk that goes round.
        return Place::new(own.arena(), (own.offset() + page * rng.below(4)) / page * page);
    }
    let arenas = map.arenas().iter().enumerate();
    let arenas: ArrayVec<_, MAX_ARENAS> =
        arenas.filter(|(_, arena)| arena.kind != ArenaKind::Scratch).collect();
    match rng.pick(&arenas) {
        Some((number, arena)) => {
            Place::new(number as u8, rng.below((arena.size / page).max(1)) * page)
        }
        None => own,
    }
}

fn registers(rng: &mut Rng, setup: &Setup, case: &mut Case) {
    let registers = case.registers_mut();
    let vtcr = Vtcr(registers.vtcr_el2);
    let any = rng.bits();
    let t0sz = 64 - u64::from(setup.shape.ia_bits);
    match rng.weighted([
        (20, 0),
        (20, 1),
        (8, 2),
        (10, 3),
        (10, 4),
        (16, 5),
        (6, 6),
        (6, 7),
        (2, 8),
    ]) {
        0 if rng.chance(500) => registers.vtcr_el2 = vtcr.t0sz(any).0,
        0 => registers.vtcr_el2 = vtcr.t0sz((t0sz + rng.below(9)).wrapping_sub(4)).0,
        1 => registers.vtcr_el2 = vtcr.sl0(any).sl2(any >> 2).0,
        2 => registers.vtcr_el2 = vtcr.tg0(any).0,
        3 => registers.vtcr_el2 = vtcr.ps(any).0,
        4 => registers.vtcr_el2 ^= Vtcr(0).ds(true).0,
        // A root that is not aligned, or is said to be above the output size.
        5 if rng.chance(500) => registers.vttbr_el2 ^= any & 0xfff,
        5 => registers.vttbr_el2 ^= 1 << rng.between(u64::from(setup.oa_bits).min(47), 47),
        6 => registers.vtcr_el2 = vtcr.ha(any & 1 != 0).hd(any & 2 != 0).0,
        // Any one bit: reserved ones, HWU, NSW, NSA, and all of the above.
        7 => registers.vtcr_el2 ^= 1 << rng.below(64),
        _ => registers.hcr_el2 &= !(hcr::VM | hcr::DC),
    }
}

//! Shapes: one granule, small addresses.

use case::format::{AddressFormat, Format, Granule};
use case::memory::MemoryMap;
use case::tree::Role;
use case::vtcr;

use super::{Draft, Tries};
use crate::reduce::draft::DraftTree;

/// The smallest input address size that every PE has, in bits.
const LEAST_IA_BITS: u8 = 25;

/// Input address sizes that are tried: the levels of a granule end there, or all PEs have it.
const IA_BITS: [u8; 6] = [LEAST_IA_BITS, 32, 36, 39, 42, 48];

/// All trees with one granule first: what maps a table of another tree should have its pages. Then each by itself. Addresses
/// are of 48 bits or, where a tree has wider ones, as they are.
pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let is_wide = |tree: &DraftTree| tree.format.address != AddressFormat::Bits48;
    let narrow = |format: Format| Format { address: AddressFormat::Bits48, ..format };
    let addresses: [fn(Format) -> Format; 2] = [narrow, |format| format];
    let addresses = if draft.trees.iter().any(is_wide) { &addresses[..] } else { &addresses[..1] };
    let mut drafts = Vec::new();
    for tree in [None].into_iter().chain((0..draft.trees.len()).map(Some)) {
        let is_meant = |number: usize| tree.is_none_or(|tree| tree == number);
        for address in addresses {
            for granule in Granule::ALL {
                for bits in IA_BITS.into_iter().chain([u8::MAX]) {
                    drafts.extend(reshaped(draft, |number, format| {
                        let format = address(format);
                        is_meant(number).then(|| shaped(format, granule, bits.min(format.ia_bits)))
                    }));
                }
            }
        }
    }
    drafts.dedup();
    Tries::Each(drafts)
}

/// A tree of `granule` for addresses of so many bits, that starts where one table is enough.
fn shaped(format: Format, granule: Granule, ia_bits: u8) -> Format {
    let ia_bits = if format.address == AddressFormat::Bits48 { ia_bits.min(48) } else { ia_bits };
    let levels =
        u32::from(ia_bits).saturating_sub(granule.bits()).div_ceil(granule.stride()).max(1);
    Format { granule, ia_bits, start_level: 4 - levels as i8, ..format }
}

/// `draft` with other shapes of its trees, and the registers that say so: once with runs of leaves as long as they were in
/// bytes, and once with as many leaves. None where what a tree maps does not go into its new shape.
fn reshaped(draft: &Draft, shape: impl Fn(usize, Format) -> Option<Format>) -> Vec<Draft> {
    let mut new = draft.clone();
    for (number, tree) in new.trees.iter_mut().enumerate() {
        if let Some(format) = shape(number, tree.format) {
            tree.format = format;
            say(&mut new.registers, tree.role, &format);
        }
    }
    let fits = new.mappings.iter().all(|mapping| {
        new.trees.get(usize::from(mapping.tree)).is_some_and(|tree| {
            let Format { ia_bits, start_level, .. } = tree.format;
            mapping.level >= start_level && mapping.input >> ia_bits == 0
        })
    });
    if !fits {
        return Vec::new();
    }
    let mut scaled = new.clone();
    for (mapping, was) in scaled.mappings.iter_mut().zip(&draft.mappings) {
        let tree = usize::from(mapping.tree);
        let bits = |draft: &Draft| draft.trees[tree].format.granule.entry_bits(mapping.level);
        let larger = bits(draft).saturating_sub(bits(&new));
        mapping.entries = was.entries.checked_shl(larger).unwrap_or(was.entries);
    }
    vec![scaled, new]
}

/// Has the register say what the tree is.
fn say(registers: &mut case::registers::Registers, role: Role, format: &Format) {
    const VTCR: u64 = 0x3f | 3 << 6 | 3 << 14 | 1 << 32 | 1 << 33;
    const LOWER: u64 = 0x3f | 3 << 14;
    const UPPER: u64 = 0x3f << 16 | 3 << 30;
    let (tsz, ds) = (64 - u64::from(format.ia_bits), format.address == AddressFormat::Ds);
    let set = |register: &mut u64, mask: u64, value: u64| *register = *register & !mask | value;
    let tg0 = vtcr::tg0(format.granule) << 14;
    match role {
        Role::Stage2 => {
            let (sl0, sl2) = vtcr::start_level_fields(format.granule, format.start_level);
            let value = tsz | sl0 << 6 | tg0 | u64::from(ds) << 32 | sl2 << 33;
            set(&mut registers.vtcr_el2, VTCR, value);
        }
        Role::Ttbr0El1 => set(&mut registers.tcr_el1, LOWER, tsz | tg0),
        Role::Ttbr1El1 => set(&mut registers.tcr_el1, UPPER, tsz << 16 | tg1(format.granule) << 30),
        Role::Ttbr0El2 => set(&mut registers.tcr_el2, LOWER, tsz | tg0),
        Role::Ttbr1El2 => set(&mut registers.tcr_el2, UPPER, tsz << 16 | tg1(format.granule) << 30),
        Role::Idmap => set(&mut registers.idmap_tcr_el2, LOWER, tsz | tg0),
    }
    if !ds {
        match role {
            Role::Ttbr0El1 | Role::Ttbr1El1 => registers.tcr_el1 &= !case::tcr::DS,
            _ => {}
        }
    }
}

const fn tg1(granule: Granule) -> u64 {
    match granule {
        Granule::K16 => 1,
        Granule::K4 => 2,
        Granule::K64 => 3,
    }
}

//! How large a case is: what a reduction makes less.

use case::Flags;
use case::edit::Change;
use case::format::AddressFormat;
use case::mapping::Attributes;
use case::memory::Place;
use case::probe::{El, Probe};
use case::registers::Registers;
use case::tree::Role;

use super::draft::{Draft, DraftTree, raw};

/// The size of a case: whatever comes first in it counts before all that comes behind. Each number is finite and no
/// less than 0, so that a case can't be made smaller for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size([u64; 13]);

impl Size {
    pub fn of(draft: &Draft) -> Self {
        let count = |items: usize| items as u64;
        let pes = draft.probes.iter().map(|probe| u64::from(probe.pe));
        Self([
            count(draft.probes.len()),
            pes.sum(),
            count(draft.trees.len()),
            count(draft.edits.len()),
            count(draft.mappings.len()),
            flags(draft),
            draft.probes.iter().map(question).sum(),
            draft.trees.iter().map(|tree| u64::from(tree.format.granule.bits())).sum(),
            draft.trees.iter().map(shape).sum(),
            draft.mappings.iter().map(|mapping| u64::from(mapping.entries)).sum::<u64>()
                + blocks(draft),
            count(draft.trees.iter().map(|tree| tree.slots.len()).sum()),
            arenas(draft),
            weight(draft),
        ])
    }
}

/// Flags of the case and of its probes.
fn flags(draft: &Draft) -> u64 {
    let of_probes = draft.probes.iter().map(|probe| u64::from(probe.flags.count_ones()));
    u64::from(draft.flags.count_ones()) + of_probes.sum::<u64>()
}

/// Who asks, what, and of what size.
fn question(probe: &Probe) -> u64 {
    let el = probe.el().map_or(0, |el| match el {
        El::El2 => 0,
        El::El1 => 1,
        El::El0 => 2,
    });
    el << 16 | u64::from(probe.operation_number()) << 8 | u64::from(8 - probe.bytes())
}

fn shape(tree: &DraftTree) -> u64 {
    let wide = u64::from(tree.format.address != AddressFormat::Bits48);
    wide << 8 | u64::from(tree.format.ia_bits)
}

/// How many levels above pages leaves are, in sum.
fn blocks(draft: &Draft) -> u64 {
    draft
        .mappings
        .iter()
        .map(|mapping| 3_u64.saturating_add_signed(-i64::from(mapping.level)))
        .sum()
}

/// The numbers of the arenas in use, in sum.
fn arenas(draft: &Draft) -> u64 {
    let slots = draft.trees.iter().flat_map(|tree| tree.slots.iter().map(|slot| slot.0));
    let outputs = draft.mappings.iter().map(|mapping| mapping.output);
    let places = &draft.world_switch;
    let others = [draft.guest.code, places.trampoline, places.exit, places.code, places.data];
    slots.chain(outputs).chain(others).map(|place: Place| u64::from(place.arena())).sum()
}

/// How many bits of its numbers differ from the plain ones.
fn weight(draft: &Draft) -> u64 {
    let registers = draft.registers.named().into_iter().zip(plain_registers(draft).named());
    let registers = registers.map(|((_, value), (_, plain))| bits(value ^ plain));
    let mappings = draft.mappings.iter().map(|mapping| {
        let role = draft.trees.get(usize::from(mapping.tree)).map(|tree| tree.role);
        let leaf = leaf_bits(&mapping.attributes, role.is_none_or(Role::is_stage1));
        bits(mapping.input) + bits(mapping.output.offset()) + leaf
    });
    let edits = draft.edits.iter().map(|edit| {
        let change = match edit.change() {
            Some(Change::Replace(word) | Change::Flip(word)) => bits(word),
            Some(Change::Table { place, flip }) => bits(raw(place)) + bits(flip),
            None => 0,
        };
        bits(edit.input) + change
    });
    let probes = draft.probes.iter().map(|probe| bits(probe.address));
    let slots = draft.trees.iter().flat_map(|tree| &tree.slots);
    let slots = slots.map(|(place, ipa)| bits(place.offset()) + bits(*ipa));
    let guest = bits(draft.guest.code_va) + bits(draft.guest.code.offset());
    registers.sum::<u64>()
        + mappings.sum::<u64>()
        + edits.sum::<u64>()
        + probes.sum::<u64>()
        + slots.sum::<u64>()
        + guest
}

const fn bits(value: u64) -> u64 {
    value.count_ones() as u64
}

fn leaf_bits(leaf: &Attributes, is_stage1: bool) -> u64 {
    let plain = plain_leaf(is_stage1);
    let bytes = |leaf: &Attributes| {
        let Attributes { mem_attr, ap, sh, xn, af, flags, software, .. } = *leaf;
        u64::from_le_bytes([mem_attr, ap, sh, xn, af, flags, software, 0])
    };
    bits(bytes(leaf) ^ bytes(&plain))
}

/// Registers of which nothing is asked, of a case with the flags of `draft`: bits that are RES1, and those without which a
/// guest would be AArch32. Those of EL2 count in a world switch alone.
pub const fn plain_registers(draft: &Draft) -> Registers {
    use case::control::{hcr, sctlr};
    const TCR_EL2_RES1: u64 = 1 << 31 | 1 << 23;
    let is_of_el2 = draft.flags & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0;
    Registers {
        hcr_el2: hcr::RW,
        vtcr_el2: case::vtcr::Vtcr::RES1.0,
        vttbr_el2: 0,
        sctlr_el1: sctlr::RES1_EL1,
        tcr_el1: 0,
        mair_el1: 0,
        sctlr_el2: if is_of_el2 { sctlr::RES1_EL2 } else { 0 },
        tcr_el2: if is_of_el2 { TCR_EL2_RES1 } else { 0 },
        mair_el2: 0,
        ttbr0_el2: 0,
        ttbr1_el2: 0,
        ttbr0_el1: 0,
        ttbr1_el1: 0,
        idmap_tcr_el2: 0,
    }
}

/// A leaf of which nothing is asked: Normal memory at stage 2, what `MAIR` says first at stage 1, and all may be done
/// with it.
pub fn plain_leaf(is_stage1: bool) -> Attributes {
    match is_stage1 {
        true => Attributes { af: 1, ..Attributes::default() },
        false => Attributes { mem_attr: 0xf, ap: 3, af: 1, ..Attributes::default() },
    }
}

/// Flags that a case may do without, whoever asks.
pub const SPARE_FLAGS: [u64; 3] = [Flags::INTENT, Flags::AUDIT, Flags::UPDATES];

//! Registers: bits back to plain values.

use case::memory::MemoryMap;
use case::tree::Role;

use super::{Bits, Draft, Move, Tries, bit_by_bit};
use crate::reduce::draft::{Field, LeafByte};
use crate::reduce::size::plain_registers;

/// `VTCR_EL2`: T0SZ, SL0, TG0, DS and SL2.
const VTCR_SHAPE: u64 = 0x3f | 3 << 6 | 3 << 14 | 1 << 32 | 1 << 33;
/// `TCR_ELx`: T0SZ and TG0.
const LOWER_SHAPE: u64 = 0x3f | 3 << 14;
/// `TCR_ELx` of two ranges: T1SZ and TG1.
const UPPER_SHAPE: u64 = 0x3f << 16 | 3 << 30;
/// `TCR_ELx`: DS, of two ranges and of one.
const DS: u64 = 1 << 59 | 1 << 32;

pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let plain = plain_registers(draft).named();
    let mut moves = Vec::new();
    for (number, (name, value)) in draft.registers.named().into_iter().enumerate() {
        let (field, plain) = (Field::Register(number), plain[number].1);
        let mask = (value ^ plain) & !shape(draft, name);
        moves.extend(bit_by_bit(mask, |mask| vec![Bits { field, mask, value: plain }]));
    }
    moves.extend(one_memory_type(draft));
    Tries::Together(moves)
}

/// The bits that say of what shape the trees of `draft` are: they go with the trees.
fn shape(draft: &Draft, register: &str) -> u64 {
    let has = |role: Role| draft.trees.iter().any(|tree| tree.role == role);
    let range = |is_there: bool, bits: u64| if is_there { bits | DS } else { 0 };
    match register {
        "VTCR_EL2" if has(Role::Stage2) => VTCR_SHAPE,
        "TCR_EL1" => {
            range(has(Role::Ttbr0El1), LOWER_SHAPE) | range(has(Role::Ttbr1El1), UPPER_SHAPE)
        }
        "TCR_EL2" => {
            range(has(Role::Ttbr0El2), LOWER_SHAPE) | range(has(Role::Ttbr1El2), UPPER_SHAPE)
        }
        "IDMAP_TCR_EL2" => range(has(Role::Idmap), LOWER_SHAPE),
        _ => 0,
    }
}

/// The memory type that one leaf of stage 1 has becomes the first, and that leaf's number 0.
fn one_memory_type(draft: &Draft) -> Vec<Move> {
    let number = |name: &str| draft.registers.named().iter().position(|(other, _)| *other == name);
    let stage1 = draft.mappings.iter().enumerate().filter_map(|(number, mapping)| {
        let role = draft.trees.get(usize::from(mapping.tree))?.role;
        (role.is_stage1() && mapping.attributes.mem_attr & 7 != 0)
            .then_some((number, role, mapping))
    });
    let moves = stage1.filter_map(|(mapping, role, it)| {
        let is_el1 = role.is_in_ipa_space();
        let register = number(if is_el1 { "MAIR_EL1" } else { "MAIR_EL2" })?;
        let index = it.attributes.mem_attr & 7;
        let own = draft.register(register) >> (8 * index) & 0xff;
        let leaf = Field::Leaf(mapping, LeafByte::MemAttr);
        Some(Move::Set(vec![
            Bits { field: Field::Register(register), mask: u64::MAX, value: own },
            Bits::clear(leaf, 7),
        ]))
    });
    // Two of them would not go together.
    moves.take(1).collect()
}

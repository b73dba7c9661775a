//! Leaves: fields of descriptors back to plain values.

use case::memory::MemoryMap;
use case::tree::Role;

use super::{Bits, Draft, Move, Tries, bit_by_bit};
use crate::reduce::draft::{Field, LeafByte};
use crate::reduce::size::plain_leaf;

pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let mut moves = Vec::new();
    for (number, mapping) in draft.mappings.iter().enumerate() {
        let role = draft.trees.get(usize::from(mapping.tree)).map(|tree| tree.role);
        let mut plain = plain_leaf(role.is_none_or(Role::is_stage1));
        let mut leaf = mapping.attributes;
        for byte in LeafByte::ALL {
            let (is, value) = (u64::from(*byte.of(&mut leaf)), u64::from(*byte.of(&mut plain)));
            let set = |mask: u64| vec![Bits { field: Field::Leaf(number, byte), mask, value }];
            match byte {
                LeafByte::Flags => moves.extend(bit_by_bit(is ^ value, set)),
                _ if is != value => moves.push(Move::Set(set(0xff))),
                _ => {}
            }
        }
    }
    Tries::Together(moves)
}

//! Addresses: bit by bit, in whatever names the same address space.
//!
//! ```text
//!   VA   probes, the guest's code   inputs of stage 1
//!   IPA  outputs of stage 1, the tables of stage 1   inputs of stage 2
//! ```

use case::edit::Change;
use case::memory::{MemoryMap, Place};
use case::tree::Role;

use super::{Bits, Draft, Move, Tries, bit_by_bit};
use crate::reduce::draft::Field;

pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let spaces: Vec<Vec<(Field, u64)>> =
        (0..draft.trees.len()).map(|tree| names(draft, tree)).collect();
    let trees = draft.trees.iter().zip(&spaces);
    // In all spaces at once first: blocks keep some bits of a VA in the IPA.
    let least = draft.trees.iter().map(|tree| tree.format.ia_bits).min().unwrap_or(0);
    let mut moves = cleared(&spaces.concat(), (1 << least) - 1);
    moves.extend(trees.flat_map(|(tree, names)| cleared(names, (1 << tree.format.ia_bits) - 1)));
    // The rest stands for itself: offsets in pages, and what no tree resolves.
    for (number, probe) in draft.probes.iter().enumerate() {
        let mask = if is_upper(probe.address) { 0xfff } else { u64::MAX };
        moves.extend(cleared(&[(Field::Address(number), probe.address)], mask));
    }
    for (number, edit) in draft.edits.iter().enumerate() {
        if let Some(Change::Replace(bits) | Change::Flip(bits)) = edit.change() {
            moves.extend(cleared(&[(Field::EditBits(number), bits)], u64::MAX));
        }
    }
    Tries::Together(moves)
}

/// A move for each bit of `mask` that is set in a value of `names`: it becomes 0 in all of them.
fn cleared(names: &[(Field, u64)], mask: u64) -> Vec<Move> {
    let all = names.iter().fold(0, |all, (_, value)| all | value) & mask;
    let clear = |bit: u64| {
        let set = names.iter().filter(|(_, value)| value & bit != 0);
        set.map(|(field, _)| Bits::clear(*field, bit)).collect()
    };
    bit_by_bit(all, clear).collect()
}

/// Where addresses that tree number `tree` resolves are named, and their values.
fn names(draft: &Draft, tree: usize) -> Vec<(Field, u64)> {
    let role = draft.trees[tree].role;
    let is_its = |number: u8| usize::from(number) == tree;
    let mappings = draft.mappings.iter().enumerate();
    let inputs = mappings.clone().filter(|(_, mapping)| is_its(mapping.tree));
    let mut names: Vec<_> =
        inputs.map(|(number, mapping)| (Field::Input(number), mapping.input)).collect();
    let edits = draft.edits.iter().enumerate().filter(|(_, edit)| is_its(edit.tree));
    names.extend(edits.map(|(number, edit)| (Field::EditInput(number), edit.input)));
    let stage1 = |tree: u8| {
        draft.trees.get(usize::from(tree)).is_some_and(|tree| tree.role.is_in_ipa_space())
    };
    let has_stage1 = draft.trees.iter().any(|tree| tree.role.is_in_ipa_space());
    if role == Role::Stage2 && has_stage1 {
        let outputs = mappings.filter(|(_, mapping)| {
            stage1(mapping.tree) && mapping.output.arena() == Place::ABSOLUTE
        });
        names.extend(outputs.map(|(at, mapping)| (Field::Output(at), mapping.output.offset())));
        for (tree, it) in draft.trees.iter().enumerate().filter(|(_, it)| it.role.is_in_ipa_space())
        {
            let ipas = it.slots.iter().enumerate();
            names.extend(ipas.map(|(slot, (_, ipa))| (Field::SlotIpa(tree, slot), *ipa)));
        }
    } else {
        let is_upper_tree = matches!(role, Role::Ttbr1El1 | Role::Ttbr1El2);
        let here = |address: u64| is_upper(address) == is_upper_tree;
        let probes = draft.probes.iter().enumerate().filter(|(_, probe)| here(probe.address));
        names.extend(probes.map(|(number, probe)| (Field::Address(number), probe.address)));
        if here(draft.guest.code_va) {
            names.push((Field::GuestVa, draft.guest.code_va));
        }
    }
    names
}

/// Whether an address is in the upper range, with a tag or without.
const fn is_upper(address: u64) -> bool {
    address & 1 << 55 != 0
}

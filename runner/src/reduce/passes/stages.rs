//! Stages: a guest without its stage 1, or without stage 2.

use case::control::{hcr, sctlr};
use case::mapping::Mapping;
use case::memory::{MemoryMap, Place};
use case::tree::Role;

use super::{Draft, Part, Tries};

pub fn tries(draft: &Draft, map: &MemoryMap) -> Tries {
    let mut drafts = Vec::new();
    drafts.extend(without_stage1(draft, true));
    drafts.extend(without_stage1(draft, false));
    drafts.extend(without_stage2(draft, map));
    Tries::Each(drafts)
}

/// Numbers of the trees with one of these roles, as parts to be dropped.
fn trees(draft: &Draft, is_wanted: impl Fn(Role) -> bool) -> Vec<Part> {
    let wanted = draft.trees.iter().enumerate().filter(|(_, tree)| is_wanted(tree.role));
    wanted.map(|(number, _)| Part::Tree(number)).collect()
}

/// The same with IPAs in the place of VAs. Addresses are `translated`, as far as stage 1 maps them, or stay as
/// they are.
fn without_stage1(draft: &Draft, translated: bool) -> Option<Draft> {
    let gone = trees(draft, Role::is_in_ipa_space);
    if gone.is_empty() {
        return None;
    }
    let through = |va: u64| match translated {
        true => ipa(draft, va).unwrap_or(va),
        false => va,
    };
    let mut new = draft.without(&gone);
    new.registers.sctlr_el1 &= !sctlr::M;
    new.registers.tcr_el1 = 0;
    new.registers.mair_el1 = 0;
    (new.registers.ttbr0_el1, new.registers.ttbr1_el1) = (0, 0);
    new.guest.code_va = through(new.guest.code_va);
    for probe in &mut new.probes {
        if probe.operation().is_some_and(|operation| !operation.is_step()) {
            probe.address = through(probe.address);
        }
    }
    Some(new)
}

/// The IPA that the mappings of stage 1 give `va`.
fn ipa(draft: &Draft, va: u64) -> Option<u64> {
    const UNTAGGED: u64 = (1 << 56) - 1;
    let is_upper = va & 1 << 55 != 0;
    let role = if is_upper { Role::Ttbr1El1 } else { Role::Ttbr0El1 };
    draft.mappings.iter().filter(|mapping| draft.is(mapping.tree, role)).find_map(|mapping| {
        let bits = draft.trees.get(usize::from(mapping.tree))?.format.ia_bits;
        let input = va & UNTAGGED & ((1 << bits) - 1);
        let ipa = within(draft, mapping, input)?.offset();
        Some(ipa)
    })
}

/// Where `mapping` leads `input`, if it is its.
fn within(draft: &Draft, mapping: &Mapping, input: u64) -> Option<Place> {
    let granule = draft.trees.get(usize::from(mapping.tree))?.format.granule;
    let bytes = u64::from(mapping.entries) << granule.entry_bits(mapping.level);
    let offset = input.checked_sub(mapping.input).filter(|offset| *offset < bytes)?;
    Some(Place::new(mapping.output.arena(), mapping.output.offset() + offset))
}

/// The same with physical addresses in the place of IPAs; `None` where stage 2 does not map all of them.
fn without_stage2(draft: &Draft, map: &MemoryMap) -> Option<Draft> {
    let is_stage2 = |role: Role| role == Role::Stage2;
    let gone = trees(draft, is_stage2);
    if gone.is_empty() || !draft.trees.iter().any(|tree| tree.role.is_in_ipa_space()) {
        return None;
    }
    let physical = |ipa: u64| {
        let stage2 = draft.mappings.iter().filter(|mapping| draft.is(mapping.tree, Role::Stage2));
        stage2.filter_map(|mapping| within(draft, mapping, ipa)).next()
    };
    let mut new = draft.without(&gone);
    new.registers.hcr_el2 &= !(hcr::VM | hcr::DC | hcr::PTW | hcr::FWB | hcr::CD | hcr::ID);
    new.registers.vtcr_el2 = 1 << 31;
    new.registers.vttbr_el2 = 0;
    for tree in new.trees.iter_mut().filter(|tree| tree.role.is_in_ipa_space()) {
        for (place, ipa) in &mut tree.slots {
            *ipa = map.resolve(*place)?;
        }
    }
    for at in 0..new.mappings.len() {
        let mapping = new.mappings[at];
        if new.trees.get(usize::from(mapping.tree)).is_some_and(|tree| tree.role.is_in_ipa_space())
        {
            new.mappings[at].output = physical(mapping.output.offset())
                .map_or(mapping.output, |place| in_arena(place, map).unwrap_or(place));
        }
    }
    Some(new)
}

/// An absolute place, by the arena that it is in.
fn in_arena(place: Place, map: &MemoryMap) -> Option<Place> {
    let pa = map.resolve(place)?;
    let number = map.arena_of(pa)?;
    Some(Place::new(number, pa - map.arenas().get(usize::from(number))?.base))
}

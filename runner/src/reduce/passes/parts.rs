//! Parts: probes, trees, edits, mappings, slots, and flags.

use case::Flags;
use case::guest::Guest;
use case::memory::MemoryMap;
use case::probe::{El, Probe};

use super::{Draft, Move, Part, Tries};
use crate::reduce::draft::Field;
use crate::reduce::size::SPARE_FLAGS;

fn each(count: usize, part: impl Fn(usize) -> Part) -> Tries {
    Tries::Together((0..count).map(|number| Move::Drop(part(number))).collect())
}

pub fn probes(draft: &Draft, _: &MemoryMap) -> Tries {
    each(draft.probes.len(), Part::Probe)
}

pub fn trees(draft: &Draft, _: &MemoryMap) -> Tries {
    each(draft.trees.len(), Part::Tree)
}

pub fn edits(draft: &Draft, _: &MemoryMap) -> Tries {
    each(draft.edits.len(), Part::Edit)
}

pub fn mappings(draft: &Draft, _: &MemoryMap) -> Tries {
    each(draft.mappings.len(), Part::Mapping)
}

/// All slots of a tree but one: tables that were in the others go there.
pub fn slots(draft: &Draft, _: &MemoryMap) -> Tries {
    let numbers = draft.trees.iter().enumerate().flat_map(|(tree, it)| {
        let count = if it.slots.len() > 1 { it.slots.len() } else { 0 };
        (0..count).rev().map(move |slot| Move::Drop(Part::Slot(tree, slot)))
    });
    Tries::Together(numbers.collect())
}

/// Flags of the case that are set to no use, and those of probes.
pub fn flags(draft: &Draft, _: &MemoryMap) -> Tries {
    let mut drafts = Vec::new();
    let spare = SPARE_FLAGS.into_iter().filter(|flag| draft.has(*flag));
    for flag in spare.filter(|flag| *flag != Flags::UPDATES || !updates(draft)) {
        drafts.push(Draft { flags: draft.flags & !flag, ..draft.clone() });
    }
    if draft.has(Flags::GUEST) && draft.probes.iter().all(|probe| probe.el() == Some(El::El2)) {
        let flags = draft.flags & !Flags::GUEST;
        drafts.push(Draft { flags, guest: Guest::default(), ..draft.clone() });
    }
    for (number, probe) in draft.probes.iter().enumerate() {
        for flag in (0..8).map(|bit| 1_u64 << bit).filter(|flag| u64::from(probe.flags) & flag != 0)
        {
            let mut without = draft.clone();
            without.update(Field::ProbeFlags(number), |flags| flags & !flag);
            drafts.push(without);
        }
    }
    Tries::Each(drafts)
}

/// Everything by the PE that has the case in hand, or by the one before.
pub fn pes(draft: &Draft, _: &MemoryMap) -> Tries {
    let by = |pe: fn(&Probe) -> u8| {
        let probes = draft.probes.iter().map(|probe| probe.on(pe(probe))).collect();
        Draft { probes, ..draft.clone() }
    };
    Tries::Each(vec![
        by(|_| 0),
        by(|probe| probe.pe.min(1)),
        by(|probe| probe.pe.saturating_sub(1)),
    ])
}

/// Whether hardware may change tables.
fn updates(draft: &Draft) -> bool {
    const OF_ONE_RANGE: u64 = 1 << 21 | 1 << 22;
    const OF_TWO_RANGES: u64 = 1 << 39 | 1 << 40;
    let registers = &draft.registers;
    registers.vtcr_el2 & OF_ONE_RANGE != 0
        || registers.tcr_el1 & OF_TWO_RANGES != 0
        || registers.tcr_el2 & (OF_ONE_RANGE | OF_TWO_RANGES) != 0
}

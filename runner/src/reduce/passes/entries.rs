//! Entries: runs of leaves become shorter, and blocks pages.

use std::collections::BTreeSet;

use case::mapping::Mapping;
use case::memory::{MemoryMap, Place};

use super::{Draft, Tries};

/// One leaf, or one half, of each run that is longer; and of each block the page that something names.
pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let mut drafts = Vec::new();
    for (number, mapping) in draft.mappings.iter().enumerate().filter(|(_, it)| it.entries > 1) {
        let count = mapping.entries;
        for (first, entries) in
            [(0, 1), (count - 1, 1), (0, count / 2), (count / 2, count - count / 2), (0, count - 1)]
        {
            let mut shorter = draft.clone();
            if let Some(part) = part(draft, mapping, first, entries) {
                shorter.mappings[number] = part;
                drafts.push(shorter);
            }
        }
    }
    for (number, mapping) in draft.mappings.iter().enumerate().filter(|(_, it)| it.level < 3) {
        for address in named(draft) {
            if let Some(page) = page(draft, mapping, address) {
                let mut smaller = draft.clone();
                smaller.mappings[number] = page;
                drafts.push(smaller);
            }
        }
    }
    Tries::Each(drafts)
}

/// Addresses that something goes to, virtual or intermediate.
fn named(draft: &Draft) -> BTreeSet<u64> {
    let probes = draft.probes.iter().map(|probe| probe.address);
    let outputs = draft.mappings.iter().map(|mapping| mapping.output.offset());
    let slots = draft.trees.iter().flat_map(|tree| &tree.slots).map(|(_, ipa)| *ipa);
    probes.chain(outputs).chain(slots).chain([draft.guest.code_va]).collect()
}

/// The page of `mapping`, a block, that holds `address`; `None` where none does.
fn page(draft: &Draft, mapping: &Mapping, address: u64) -> Option<Mapping> {
    let format = draft.trees.get(usize::from(mapping.tree))?.format;
    let page = address & ((1 << format.ia_bits) - 1) & !(format.granule.bytes() - 1);
    let bytes = u64::from(mapping.entries) << format.granule.entry_bits(mapping.level);
    let offset = page.checked_sub(mapping.input).filter(|offset| *offset < bytes)?;
    let output = Place::new(mapping.output.arena(), mapping.output.offset() + offset);
    Some(Mapping { input: page, output, entries: 1, level: 3, ..*mapping })
}

/// So many leaves of `mapping` from the one with this number on.
fn part(draft: &Draft, mapping: &Mapping, first: u32, entries: u32) -> Option<Mapping> {
    let tree = draft.trees.get(usize::from(mapping.tree))?;
    let bytes = u64::from(first).checked_shl(tree.format.granule.entry_bits(mapping.level))?;
    let output = mapping.output;
    let output = Place::new(output.arena(), output.offset().checked_add(bytes)?);
    Some(Mapping { input: mapping.input.checked_add(bytes)?, output, entries, ..*mapping })
}

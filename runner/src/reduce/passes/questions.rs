//! Questions: a simpler one in the place of each.

use case::memory::MemoryMap;
use case::probe::{El, Operation};

use super::{Draft, Tries};

/// What can be asked instead, by whom, the simplest first. The executor needs no code in the set-up that it asks.
const SIMPLE: [(Operation, Option<El>); 9] = [
    (Operation::AtS12e1r, Some(El::El2)),
    (Operation::AtS12e1w, Some(El::El2)),
    (Operation::AtS12e0r, Some(El::El2)),
    (Operation::AtS1e1r, Some(El::El2)),
    (Operation::AtS1e1w, Some(El::El2)),
    (Operation::Load, Some(El::El1)),
    (Operation::Store, Some(El::El1)),
    (Operation::Load, None),
    (Operation::Store, None),
];

pub fn tries(draft: &Draft, _: &MemoryMap) -> Tries {
    let mut drafts = Vec::new();
    for (number, probe) in draft.probes.iter().enumerate() {
        let (Some(operation), Some(el)) = (probe.operation(), probe.el()) else { continue };
        if operation.is_step() || operation.is_self_test() {
            continue;
        }
        let bytes = probe.bytes();
        if operation.is_at() {
            drafts.push(draft.asking(number, operation, El::El2, 8));
        }
        for (simple, by) in SIMPLE {
            drafts.push(draft.asking(number, simple, by.unwrap_or(el), 8));
        }
        drafts.push(draft.asking(number, operation, El::El1, 8));
        drafts.push(draft.asking(number, operation, El::El1, bytes));
        drafts.push(draft.asking(number, operation, el, 8));
        drafts.push(draft.asking(number, Operation::Load, el, bytes));
    }
    Tries::Each(drafts)
}

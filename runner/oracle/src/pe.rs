//! One PE: what its ID registers say, for each part of the runner that wants to know.

use golden::Implementation;
use link::hello::IdRegisters;

/// Whether branches leave their kind in PSTATE.BTYPE (FEAT_BTI).
pub const fn has_branch_targets(ids: &IdRegisters) -> bool {
    ids.id_aa64pfr1_el1 & 0xf != 0
}

/// What the reference walker wants to know.
pub fn implementation(ids: &IdRegisters) -> Implementation {
    macro_rules! ids {
        ($($field:ident $name:literal)*) => { golden::IdRegisters { $($field: ids.$field,)* } };
    }
    Implementation::from_id_registers(&golden::id_registers!(ids))
}

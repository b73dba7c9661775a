//! One PE: what its ID registers tell the reference walker.

use golden::Implementation;
use link::hello::IdRegisters;

/// Whether branches leave their kind in PSTATE.BTYPE: FEAT_BTI, `ID_AA64PFR1_EL1.BT`.
pub const fn has_branch_targets(ids: &IdRegisters) -> bool {
    ids.id_aa64pfr1_el1 & 0xf != 0
}

/// What the reference walker goes by.
pub fn implementation(ids: &IdRegisters) -> Implementation {
    macro_rules! of_the_same_names {
        ($($field:ident $name:literal)*) => { golden::IdRegisters { $($field: ids.$field,)* } };
    }
    Implementation::from_id_registers(&golden::id_registers!(of_the_same_names))
}

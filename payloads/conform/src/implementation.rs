//! One PE: what its ID registers tell the reference walker.

use golden::Implementation;
use link::hello::IdRegisters;

/// Whether branches leave their kind in PSTATE.BTYPE: FEAT_BTI, `ID_AA64PFR1_EL1.BT`.
pub const fn has_branch_targets(ids: &IdRegisters) -> bool {
    ids.id_aa64pfr1_el1 & 0xf != 0
}

/// What the reference walker goes by.
pub fn implementation(ids: &IdRegisters) -> Implementation {
    Implementation::from_id_registers(&golden::IdRegisters {
        id_aa64pfr0_el1: ids.id_aa64pfr0_el1,
        id_aa64isar1_el1: ids.id_aa64isar1_el1,
        id_aa64isar2_el1: ids.id_aa64isar2_el1,
        id_aa64mmfr0_el1: ids.id_aa64mmfr0_el1,
        id_aa64mmfr1_el1: ids.id_aa64mmfr1_el1,
        id_aa64mmfr2_el1: ids.id_aa64mmfr2_el1,
        id_aa64mmfr3_el1: ids.id_aa64mmfr3_el1,
    })
}

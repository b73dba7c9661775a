//! The registers of a case, as the reference walker sees them.

use case::CaseRef;
use golden::Registers;
use tables::Built;

/// The registers of `case`, with the roots of the tables that were `built`. Those that a case does not set are
/// zero: the executor sets them so, as far as they count for what the case asks.
pub fn registers(case: CaseRef<'_>, built: &Built) -> Registers {
    let case = &case.header.registers;
    Registers {
        hcr_el2: case.hcr_el2,
        vtcr_el2: case.vtcr_el2,
        vttbr_el2: built.vttbr_el2,
        sctlr_el1: case.sctlr_el1,
        tcr_el1: case.tcr_el1,
        mair_el1: case.mair_el1,
        sctlr_el2: case.sctlr_el2,
        tcr_el2: case.tcr_el2,
        mair_el2: case.mair_el2,
        ttbr0_el2: built.ttbr0_el2,
        ttbr1_el2: built.ttbr1_el2,
        ttbr0_el1: built.ttbr0_el1,
        ttbr1_el1: built.ttbr1_el1,
        ..Registers::default()
    }
}

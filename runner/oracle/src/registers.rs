//! The registers of a case, as the reference walker sees them.

use case::CaseRef;
use case::format::Granule;
use case::tree::Role;
use golden::Registers;
use tables::Built;

/// The registers of `case`, with the roots of its tables as they were `built`.
///
/// Those that a case does not set are zero: the executor sets them so, as far as they count for what the
/// case asks.
pub fn registers(case: &CaseRef<'_>, built: &Built) -> Registers {
    let set = &case.header.registers;
    Registers {
        hcr_el2: set.hcr_el2,
        vtcr_el2: set.vtcr_el2,
        vttbr_el2: built.vttbr_el2,
        sctlr_el1: set.sctlr_el1,
        tcr_el1: set.tcr_el1,
        mair_el1: set.mair_el1,
        sctlr_el2: set.sctlr_el2,
        tcr_el2: set.tcr_el2,
        mair_el2: set.mair_el2,
        ttbr0_el2: built.ttbr0_el2,
        ttbr1_el2: built.ttbr1_el2,
        ttbr0_el1: built.ttbr0_el1,
        ttbr1_el1: built.ttbr1_el1,
        ..Registers::default()
    }
}

/// The register that names the root of a tree with this role.
pub const fn root(registers: &mut Registers, role: Role) -> &mut u64 {
    match role {
        Role::Stage2 => &mut registers.vttbr_el2,
        Role::Ttbr0El2 | Role::Idmap => &mut registers.ttbr0_el2,
        Role::Ttbr1El2 => &mut registers.ttbr1_el2,
        Role::Ttbr0El1 => &mut registers.ttbr0_el1,
        Role::Ttbr1El1 => &mut registers.ttbr1_el1,
    }
}

/// The size of the root table of `case`, in bytes: of stage 2; or of a case without it at EL2, as `TCR_EL2`
/// has it.
pub fn root_bytes(case: &CaseRef<'_>) -> u64 {
    if let Some(format) = case.format(Role::Stage2) {
        return format.root_bytes();
    }
    // T0SZ and TG0 are in the same place whatever HCR_EL2.E2H is.
    let tcr_el2 = case.header.registers.tcr_el2;
    let granule = match tcr_el2 >> 14 & 3 {
        1 => Granule::K64,
        2 => Granule::K16,
        _ => Granule::K4,
    };
    let resolved = (63 - (tcr_el2 as u32 & 0x3f)).saturating_sub(granule.bits());
    8 << (resolved % granule.stride() + 1)
}

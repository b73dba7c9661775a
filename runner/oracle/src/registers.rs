//! Registers that depend on trees of tables.

use case::CaseRef;
use case::format::Granule;
use case::tree::Role;
use golden::Registers;

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

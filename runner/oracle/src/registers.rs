//! Registers that depend on trees of tables.

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

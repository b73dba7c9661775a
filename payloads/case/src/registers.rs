//! The system registers that a case sets, raw.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Raw values of the registers that a case sets. All others have the executor's own values.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Registers {
    /// `HCR_EL2`. The executor runs at EL2 with E2H = 0, so E2H and TGE must be 0.
    pub hcr_el2: u64,
    /// `VTCR_EL2`.
    pub vtcr_el2: u64,
    /// `VTTBR_EL2` less its base address: the address of the root is exclusive-ored in when the
    /// place of the root is resolved.
    pub vttbr_el2: u64,
    /// `SCTLR_EL1`.
    pub sctlr_el1: u64,
    /// `TCR_EL1`.
    pub tcr_el1: u64,
    /// `MAIR_EL1`.
    pub mair_el1: u64,
}

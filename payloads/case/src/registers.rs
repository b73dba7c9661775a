//! The system registers that a case sets, raw.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Raw values of the registers that a case sets. All others have the executor's own values.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Registers {
    /// `HCR_EL2`. At home the executor runs at EL2 with E2H = 0: E2H and TGE may be 1 only in a case
    /// that has a [`crate::stay::Stay`], or that the monitor asks.
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
    /// `SCTLR_EL2`.
    pub sctlr_el2: u64,
    /// `TCR_EL2`, in the layout that `hcr_el2` chooses by E2H.
    pub tcr_el2: u64,
    /// `MAIR_EL2`.
    pub mair_el2: u64,
    /// `TTBR0_EL2` less its base address, as `vttbr_el2`.
    pub ttbr0_el2: u64,
    /// `TTBR1_EL2` less its base address, as `vttbr_el2`.
    pub ttbr1_el2: u64,
    /// `TTBR0_EL1` less its base address, as `vttbr_el2`.
    pub ttbr0_el1: u64,
    /// `TTBR1_EL1` less its base address, as `vttbr_el2`.
    pub ttbr1_el1: u64,
    /// `TCR_EL2` while the tree whose role is [`crate::tree::Role::Idmap`] is in use.
    pub idmap_tcr_el2: u64,
}

//! Bits of `HCR_EL2`, `SCTLR_EL2` and `SCTLR_EL1`, for composing registers.

/// Bits of `HCR_EL2` that cases set.
pub mod hcr {
    /// VM: stage 2 is on.
    pub const VM: u64 = 1;
    /// PTW: a stage 1 walk that meets Device memory faults.
    pub const PTW: u64 = 1 << 2;
    /// DC: default cacheability; stage 1 counts as off, and its output as Normal Write-Back.
    pub const DC: u64 = 1 << 12;
    /// TGE: EL0 is the host's.
    pub const TGE: u64 = 1 << 27;
    /// RW: EL1 is AArch64.
    pub const RW: u64 = 1 << 31;
    /// CD: stage 2 data accesses and walks are non-cacheable.
    pub const CD: u64 = 1 << 32;
    /// ID: instruction fetches are non-cacheable at stage 2.
    pub const ID: u64 = 1 << 33;
    /// E2H: EL2 is a host, with two ranges of addresses.
    pub const E2H: u64 = 1 << 34;
    /// NV and NV1: the guest is a hypervisor. In leaves of its stage 1 bit 54 is PXN, and nothing there keeps EL0
    /// from executing: where it fetches from Device memory of stage 1, either outcome is allowed.
    pub const NESTED: u64 = 1 << 42 | 1 << 43;
    /// FWB: stage 2 attributes override stage 1's.
    pub const FWB: u64 = 1 << 46;
}

/// Bits of `SCTLR_EL2` and `SCTLR_EL1`.
pub mod sctlr {
    /// Bits of `SCTLR_EL2` that are RES1, in a host or not; SPAN is among them.
    pub const RES1_EL2: u64 = 0x30c5_0830;
    /// Bits of `SCTLR_EL1` that are RES1 where nobody has given them a meaning: LSMAOE, nTLSMD, EIS, TSCXT, EOS, SED,
    /// ITD.
    pub const RES1_EL1: u64 = 0x3050_0980;
    /// M: the MMU is on.
    pub const M: u64 = 1;
    /// A: unaligned accesses fault.
    pub const A: u64 = 1 << 1;
    /// C: data accesses are cacheable.
    pub const C: u64 = 1 << 2;
    /// SA: the stack pointer is aligned.
    pub const SA: u64 = 1 << 3;
    /// SA0: the stack pointer of EL0 is aligned.
    pub const SA0: u64 = 1 << 4;
    /// I: instruction fetches are cacheable.
    pub const I: u64 = 1 << 12;
    /// DZE: EL0 may DC ZVA.
    pub const DZE: u64 = 1 << 14;
    /// UCT: EL0 may read `CTR_EL0`.
    pub const UCT: u64 = 1 << 15;
    /// nTWI and nTWE: EL0 may wait, with WFI and WFE.
    pub const WAITS: u64 = 1 << 16 | 1 << 18;
    /// WXN: what can be written is not executed.
    pub const WXN: u64 = 1 << 19;
    /// SPAN: exceptions to EL1 leave PSTATE.PAN as it is.
    pub const SPAN: u64 = 1 << 23;
    /// UCI: EL0 may maintain caches by address.
    pub const UCI: u64 = 1 << 26;
    /// EPAN: PSTATE.PAN also keeps EL1 from data of pages that EL0 may execute only.
    pub const EPAN: u64 = 1 << 57;
}

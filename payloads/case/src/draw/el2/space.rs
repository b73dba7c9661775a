//! What set-ups of EL2's stage 1 are drawn from.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The space of a generator of EL2's stage 1. All of it is data from a suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HypSpace {
    /// Weights of the 4K, 16K and 64K granule.
    pub granules: [u64; 3],
    /// Weights of DS = 0 and DS = 1, where the PE has both.
    pub ds: [u64; 2],
    /// Virtual address sizes, bit n for n bits: with E2H = 1 those of the lower range.
    pub va_bits: u64,
    /// How many cases out of a thousand have HCR_EL2.E2H = 1, where the PE has it.
    pub vhe: u64,
    /// Weights of the trampoline's placements, with E2H = 0: lower, upper, outside.
    pub placements: [u64; 3],
    /// How many cases out of a thousand turn on hardware updates, where the PE has them.
    pub hardware_updates: u64,
    /// How many cases out of a thousand are hostile: a monitor asks them.
    pub hostile: u64,
    /// How many of the other cases out of a thousand have hostile descriptors beside those that a life needs.
    pub spoiled: u64,
    /// Fewest and most mappings beside those that a stay needs.
    pub mappings: [u64; 2],
    /// Probes a case, 1 to 512.
    pub probes: u64,
}

impl HypSpace {
    /// Everything with one range, with nothing hostile, and 32 probes a case.
    pub const BENIGN: Self = Self {
        granules: [1, 1, 1],
        ds: [1, 1],
        va_bits: (1 << 53) - (1 << 16),
        vhe: 0,
        placements: [1, 1, 1],
        hardware_updates: 100,
        hostile: 0,
        spoiled: 0,
        mappings: [2, 8],
        probes: 32,
    };
}

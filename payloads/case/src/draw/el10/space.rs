//! What guests are drawn from.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::Space;

/// The space of a generator of guests under two stages. All of it is data from a suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GuestSpace {
    /// Weights of the 4K, 16K and 64K granule, at either stage.
    pub granules: [u64; 3],
    /// Weights of DS = 0 and DS = 1 at either stage, where the PE has both.
    pub ds: [u64; 2],
    /// Intermediate physical address sizes, bit n for n bits.
    pub ipa_bits: u64,
    /// Virtual address sizes of each range of stage 1, bit n for n bits.
    pub va_bits: u64,
    /// How many cases out of a thousand have stage 1 on.
    pub stage1: u64,
    /// How many cases out of a thousand have stage 2 on.
    pub stage2: u64,
    /// How many cases out of a thousand turn on hardware updates, at either stage or both, where the PE has
    /// them.
    pub hardware_updates: u64,
    /// How many cases out of a thousand have hostile descriptors beside those that the guest needs.
    pub spoiled: u64,
    /// Fewest and most mappings beside those that the guest needs, both stages counted.
    pub mappings: [u64; 2],
    /// Probes a case, 1 to 512; in sequences steps are counted.
    pub probes: u64,
    /// How many PEs of the target do them, 1 to 8.
    pub pes: u64,
}

impl GuestSpace {
    /// Everything, with nothing hostile, and 32 probes a case.
    pub const BENIGN: Self = Self {
        granules: [1, 1, 1],
        ds: [1, 1],
        ipa_bits: (1 << 53) - (1 << 20),
        va_bits: (1 << 53) - (1 << 18),
        stage1: 900,
        stage2: 900,
        hardware_updates: 150,
        spoiled: 0,
        mappings: [8, 20],
        probes: 32,
        pes: 1,
    };

    /// What the shape of stage 2 is drawn from.
    pub(super) const fn of_stage2(&self) -> Space {
        // In fewer bits there is no room for what a guest needs.
        let ipa_bits = self.ipa_bits & !((1 << LEAST_IPA_BITS) - 1);
        Space { granules: self.granules, ds: self.ds, ipa_bits, ..Space::BENIGN }
    }
}

/// The smallest intermediate physical address: it has 16 pieces of 64 KB, which hold code, data and the tables
/// of stage 1.
const LEAST_IPA_BITS: u8 = 20;

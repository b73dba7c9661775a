//! The space of stage 2's generators: what random cases are drawn from.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Rng;
use crate::format::Granule;
use crate::layout::Variant;

/// The space of a random stage 2 generator. All of it is data from a suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Space {
    /// Weights of the 4K, 16K and 64K granule.
    pub granules: [u64; 3],
    /// Weights of DS = 0 and DS = 1, where the PE has both.
    pub ds: [u64; 2],
    /// Input address sizes, bit n for n bits.
    pub ipa_bits: u64,
    /// Weights of HCR_EL2.DC = 0 and 1.
    pub dc: [u64; 2],
    /// Weights of HCR_EL2.FWB = 0 and 1, where the PE has FEAT_S2FWB.
    pub fwb: [u64; 2],
    /// How many cases out of a thousand turn on hardware updates, where the PE has them.
    pub hardware_updates: u64,
    /// How many cases out of a thousand are hostile.
    pub hostile: u64,
    /// Fewest and most mappings.
    pub mappings: [u64; 2],
    /// Weights of mappings that permit every access and of those that do not.
    pub restricted: [u64; 2],
    /// Probes a case, 1 to 512.
    pub probes: u64,
}

impl Space {
    /// Everything, with nothing hostile, and 64 probes a case.
    pub const BENIGN: Self = Self {
        granules: [1, 1, 1],
        ds: [1, 1],
        ipa_bits: (1 << 53) - (1 << 32),
        dc: [1, 2],
        fwb: [1, 1],
        hardware_updates: 100,
        hostile: 0,
        mappings: [1, 10],
        restricted: [7, 4],
        probes: 64,
    };
}

/// Draws a variant, each as often as `weight` says; `None` where it says so of none.
pub(super) fn variant(rng: &mut Rng, weight: impl Fn(Variant) -> u64) -> Option<Variant> {
    let weights = Variant::ALL.map(|variant| (weight(variant), variant));
    let drawn = rng.weighted(weights);
    (weight(drawn) > 0).then_some(drawn)
}

/// Whether `sizes` has `bits` bits.
pub(super) const fn wants(sizes: u64, bits: u8) -> bool {
    bits < 64 && sizes >> bits & 1 == 1
}

/// How often `variant` is wanted, with these weights of the granules and of DS.
pub(super) const fn weight(granules: &[u64; 3], ds: &[u64; 2], variant: Variant) -> u64 {
    let granule = match variant.granule {
        Granule::K4 => granules[0],
        Granule::K16 => granules[1],
        Granule::K64 => granules[2],
    };
    // The 64K granule has no DS: it is wanted as often as the others with both.
    let ds = match (variant.granule, variant.ds) {
        (Granule::K64, _) => ds[0] + ds[1],
        (_, false) => ds[0],
        (_, true) => ds[1],
    };
    granule * ds
}

//! What guests are drawn from.

use super::super::Space;
use super::super::space::declare;

/// Hands the space of the guests' generators to the macro `$then`, as [`space!`](crate::space) does.
#[macro_export]
macro_rules! guest_space {
    ($then:ident) => {
        $then! {
            /// What guests under two stages are drawn from. What is left out keeps its default.
            GuestSpace
            /// Weights of the granules, for either stage by itself; one that is left out is not drawn. Default: all
            /// alike.
            granules: Granules as [u64; 3] = [1, 1, 1];
            /// The fraction of trees with DS = 1 (VTCR_EL2, TCR_EL1), where the PE has it for the granule. Default:
            /// 0.5.
            ds: Fraction as [u64; 2] = [1, 1];
            /// Intermediate physical address sizes in bits. A size that a granule does not reach is not drawn for it.
            /// Default: 20..=52.
            ipa_bits: Set<20, 52> as u64 = (1 << 53) - (1 << 20);
            /// Virtual address sizes in bits, of each range of stage 1. Default: 18..=52.
            va_bits: Set<18, 52> as u64 = (1 << 53) - (1 << 18);
            /// The fraction of cases with stage 1 on: SCTLR_EL1.M = 1. Default: 0.9.
            stage1: Fraction as u64 = 900;
            /// The fraction of cases with stage 2 on: HCR_EL2.VM = 1, or DC = 1. Default: 0.9.
            stage2: Fraction as u64 = 900;
            /// The fraction of cases in which hardware may update descriptors, at stage 1, at stage 2, or both (HA, and
            /// in part of them HD), where the PE has FEAT_HAFDBS. Default: 0.15.
            hardware_updates: Fraction as u64 = 150;
            /// The fraction of cases that have hostile descriptors beside those that the guest needs, at either stage.
            /// Default: 0.
            spoiled: Fraction as u64 = 0;
            /// How many mappings a case has beside those that the guest needs, both stages counted. Default: 8..=20.
            mappings: Range<0, 40> as [u64; 2] = [8, 20];
            /// How many probes a case has; steps of a sequence are counted. Default: 32.
            probes: Probes as u64 = 32;
            /// How many PEs of the target do them. Default: 1.
            pes: Bounded<1, 8> as u64 = 1;
            /// The fraction of cases with HCR_EL2.{NV, NV1} = {1, 1}, of those that have both stages on, where the PE
            /// has FEAT_NV: the guest is a hypervisor, and in leaves of its stage 1 bit 54 is PXN, bit 53 is RES0 and
            /// bit 6 counts as 0. Not in cases with hostile descriptors or changes. Default: 0.
            nv1: Fraction as u64 = 0;
        }
    };
}

guest_space!(declare);

impl GuestSpace {
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

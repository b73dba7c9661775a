//! What set-ups of EL2's stage 1 are drawn from.

use super::super::space::declare;

/// Hands the space of EL2's generators to the macro `$then`, as [`space!`](crate::space) does.
#[macro_export]
macro_rules! hyp_space {
    ($then:ident) => {
        $then! {
            /// What set-ups of EL2's own stage 1 are drawn from. What is left out keeps its default.
            HypSpace
            /// Weights of the granules; one that is left out is not drawn. Default: all alike.
            granules: Granules as [u64; 3] = [1, 1, 1];
            /// The fraction of cases with TCR_EL2.DS = 1, where the PE has it for the granule. Default: 0.5.
            ds: Fraction as [u64; 2] = [1, 1];
            /// Virtual address sizes in bits, with two ranges those of the lower. A size that a granule does not
            /// reach, or in which the target has no memory for the world switch, is not drawn for it. Default: 16..=52.
            va_bits: Set<16, 52> as u64 = (1 << 53) - (1 << 16);
            /// The fraction of cases with HCR_EL2.E2H = 1: two ranges, TTBR1_EL2, ASIDs. Default: 0.
            vhe: Fraction as u64 = 0;
            /// Weights of the trampoline's placements, with one range; one that is left out is not drawn. Default:
            /// all alike.
            placements: Placements as [u64; 3] = [1, 1, 1];
            /// The fraction of cases in which hardware may update descriptors (TCR_EL2.HA, and in part of them
            /// HD), where the PE has FEAT_HAFDBS. Default: 0.1.
            hardware_updates: Fraction as u64 = 100;
            /// The fraction of cases that no hypervisor would write. A monitor at EL3 asks them. Default: 0.
            hostile: Fraction as u64 = 0;
            /// The fraction of the other cases that have hostile descriptors beside those that the world switch needs: made
            /// invalid, of other permissions, limited from above, or with tables where nothing answers. Default: 0.
            spoiled: Fraction as u64 = 0;
            /// How many mappings a case has beside those that the world switch needs. Default: 2..=8.
            mappings: Range<0, 48> as [u64; 2] = [2, 8];
            /// How many probes a case has. Default: 32.
            probes: Probes as u64 = 32;
        }
    };
}

hyp_space!(declare);

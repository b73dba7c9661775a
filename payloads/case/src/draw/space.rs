//! The space of stage 2's generators: what random cases are drawn from.

use super::Rng;
use crate::format::Granule;
use crate::layout::Variant;

/// Declares the space that a table such as [`space!`](crate::space) lists.
macro_rules! declare {
    ($(#[$doc:meta])* $space:ident
     $($(#[$field_doc:meta])* $field:ident: $key:ty as $stored:ty = $default:expr;)*) => {
        $(#[$doc])*
        ///
        /// A fraction is kept in thousandths, or as weights of "no" and "yes"; a set of sizes as bit n for n
        /// bits; a range as its first and its last number.
        #[derive(
            Clone, Copy, PartialEq, Eq, Debug, zerocopy::FromBytes, zerocopy::IntoBytes,
            zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(C)]
        pub struct $space {
            $($(#[$field_doc])* pub $field: $stored,)*
        }

        impl $space {
            /// The defaults: everything, with nothing hostile.
            pub const BENIGN: Self = Self { $($field: $default,)* };
        }
    };
}

pub(super) use declare;

/// Hands the space of stage 2's generators to the macro `$then`: its name, and for each entry its key, the type of
/// the key in suites, the type in which it is kept, and its default.
#[macro_export]
macro_rules! space {
    ($then:ident) => {
        $then! {
            /// What random cases are drawn from. What is left out keeps its default.
            Space
            /// Weights of the granules; one that is left out is not drawn. Default: all alike.
            granules: Granules as [u64; 3] = [1, 1, 1];
            /// The fraction of cases with VTCR_EL2.DS = 1, where the PE has it for the granule. Default: 0.5.
            ds: Fraction as [u64; 2] = [1, 1];
            /// Input address sizes in bits. A size that a granule does not reach is not drawn for it.
            /// Default: 32..=52.
            ipa_bits: Set<16, 52> as u64 = (1 << 53) - (1 << 32);
            /// The fraction of cases with HCR_EL2.DC = 1. Default: two thirds.
            dc: Fraction as [u64; 2] = [1, 2];
            /// The fraction of cases with HCR_EL2.FWB = 1, where the PE has FEAT_S2FWB. Default: 0.5.
            fwb: Fraction as [u64; 2] = [1, 1];
            /// The fraction of cases in which hardware may update descriptors (VTCR_EL2.HA, and in part of
            /// them HD), where the PE has FEAT_HAFDBS. Default: 0.1.
            hardware_updates: Fraction as u64 = 100;
            /// The fraction of cases with descriptors or registers that no hypervisor would write.
            /// Default: 0.
            hostile: Fraction as u64 = 0;
            /// How many mappings a case has. Default: 1..=10.
            mappings: Range<0, { $crate::MAX_MAPPINGS as u64 }> as [u64; 2] = [1, 10];
            /// The fraction of mappings that do not permit every access. Default: 4 of 11.
            restricted: Fraction as [u64; 2] = [7, 4];
            /// How many probes a case has. Default: 64.
            probes: Probes as u64 = 64;
        }
    };
}

space!(declare);

/// Weights of the granules, and of DS = 0 and 1.
pub(super) type Weights<'a> = (&'a [u64; 3], &'a [u64; 2]);

/// The variants that `has` accepts and that are wanted.
pub(super) fn variants(
    weights: Weights<'_>,
    has: impl Fn(Variant) -> bool,
) -> impl Iterator<Item = Variant> {
    Variant::ALL.into_iter().filter(move |variant| has(*variant) && weight(weights, *variant) > 0)
}

/// Draws one of them, each as often as it is wanted; `None` where there are none.
pub(super) fn variant(
    rng: &mut Rng,
    weights: Weights<'_>,
    has: impl Fn(Variant) -> bool,
) -> Option<Variant> {
    let weight = |variant| if has(variant) { weight(weights, variant) } else { 0 };
    let drawn = rng.weighted(Variant::ALL.map(|variant| (weight(variant), variant)));
    (weight(drawn) > 0).then_some(drawn)
}

/// Whether `sizes` has `bits` bits.
pub(super) const fn wants(sizes: u64, bits: u8) -> bool {
    bits < 64 && sizes >> bits & 1 == 1
}

/// How often `variant` is wanted.
const fn weight((granules, ds): Weights<'_>, variant: Variant) -> u64 {
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

//! The keys of the spaces that generators draw from.

use case::draw::Space;
use case::draw::el2::HypSpace;
use case::draw::el10::GuestSpace;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::{Bounded, Range, Set};
use super::fraction::Fraction;

/// Declares the keys of a space, each of which may be left out, from its table.
macro_rules! keys {
    ($(#[$doc:meta])* $space:ident
     $($(#[$field_doc:meta])* $field:ident: $key:ty as $stored:ty = $default:expr;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $space {
            $($(#[$field_doc])* $field: Option<$key>,)*
        }

        impl From<$space> for super::$space {
            fn from(keys: $space) -> Self {
                let mut space = Self::BENIGN;
                $(if let Some(value) = keys.$field {
                    space.$field = value.into();
                })*
                space
            }
        }
    };
}

/// The keys, by the names of the spaces that they make.
pub mod keys {
    use super::*;

    case::space!(keys);
    case::hyp_space!(keys);
    case::guest_space!(keys);
}

/// How many probes a case can have.
pub type Probes = Bounded<1, { case::MAX_PROBES as u64 }>;

/// Weights of the granules.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "GranuleWeights")]
#[schemars(with = "GranuleWeights")]
struct Granules([u64; 3]);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Granules")]
struct GranuleWeights {
    #[serde(rename = "4k")]
    k4: Option<Bounded<0, 1000>>,
    #[serde(rename = "16k")]
    k16: Option<Bounded<0, 1000>>,
    #[serde(rename = "64k")]
    k64: Option<Bounded<0, 1000>>,
}

impl TryFrom<GranuleWeights> for Granules {
    type Error = &'static str;

    fn try_from(weights: GranuleWeights) -> Result<Self, Self::Error> {
        let weights = [weights.k4, weights.k16, weights.k64]
            .map(|weight| weight.map_or(0, |weight| weight.get()));
        match weights {
            [0, 0, 0] => Err("no granule has a weight: nothing could be drawn"),
            weights => Ok(Self(weights)),
        }
    }
}

impl From<Granules> for [u64; 3] {
    fn from(granules: Granules) -> Self {
        granules.0
    }
}

/// Weights of the trampoline's placements.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "PlacementWeights")]
#[schemars(with = "PlacementWeights")]
struct Placements([u64; 3]);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlacementWeights {
    /// In the lower half of the addresses.
    lower: Option<Bounded<0, 1000>>,
    /// In the upper half.
    upper: Option<Bounded<0, 1000>>,
    /// Beyond the last address: it is mapped by tables of its own.
    outside: Option<Bounded<0, 1000>>,
}

impl TryFrom<PlacementWeights> for Placements {
    type Error = &'static str;

    fn try_from(weights: PlacementWeights) -> Result<Self, Self::Error> {
        let weights = [weights.lower, weights.upper, weights.outside]
            .map(|weight| weight.map_or(0, |weight| weight.get()));
        match weights {
            [0, 0, 0] => Err("no placement has a weight: nothing could be drawn"),
            weights => Ok(Self(weights)),
        }
    }
}

impl From<Placements> for [u64; 3] {
    fn from(placements: Placements) -> Self {
        placements.0
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::yaml;

    /// The space whose keys are `K`.
    fn space<K: DeserializeOwned + Into<S>, S>(text: &str) -> Result<S, String> {
        let keys = yaml::from_str::<K>(text, Path::new("x"));
        keys.map(K::into).map_err(|error| error.problem)
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        assert_eq!(space::<keys::Space, _>("{}"), Ok(Space::BENIGN));
        assert_eq!(space::<keys::HypSpace, _>("{}"), Ok(HypSpace::BENIGN));
        assert_eq!(space::<keys::GuestSpace, _>("{}"), Ok(GuestSpace::BENIGN));
    }

    #[test]
    fn what_is_said_of_stage_2_is_taken() {
        let text = "
            granules: {4k: 3, 64k: 1}
            ds: 1
            ipa_bits: [32, 40..=41]
            dc: 0
            fwb: 0.25
            hardware_updates: 0.5
            hostile: 0.001
            mappings: 2..=3
            restricted: 0.1
            probes: 512";
        let expected = Space {
            granules: [3, 0, 1],
            ds: [0, 1000],
            ipa_bits: 1 << 32 | 3 << 40,
            dc: [1000, 0],
            fwb: [750, 250],
            hardware_updates: 500,
            hostile: 1,
            mappings: [2, 3],
            restricted: [900, 100],
            probes: 512,
        };
        assert_eq!(space::<keys::Space, _>(text), Ok(expected));
    }

    #[test]
    fn what_is_said_of_el2_is_taken() {
        let text = "
            granules: {16k: 2}
            ds: 0
            va_bits: [39, 48..=49]
            vhe: 0.5
            placements: {outside: 3}
            hardware_updates: 1
            hostile: 0.25
            spoiled: 0.75
            mappings: 4
            probes: 7";
        let expected = HypSpace {
            granules: [0, 2, 0],
            ds: [1000, 0],
            va_bits: 1 << 39 | 3 << 48,
            vhe: 500,
            placements: [0, 0, 3],
            hardware_updates: 1000,
            hostile: 250,
            spoiled: 750,
            mappings: [4, 4],
            probes: 7,
        };
        assert_eq!(space::<keys::HypSpace, _>(text), Ok(expected));
    }

    #[test]
    fn what_is_said_of_guests_is_taken() {
        let text = "
            granules: {64k: 2}
            ds: 1
            ipa_bits: [32, 40..=41]
            va_bits: 48
            stage1: 0.5
            stage2: 0.25
            hardware_updates: 1
            spoiled: 0.75
            mappings: 3..=5
            probes: 7
            pes: 4
            nv1: 0.125";
        let expected = GuestSpace {
            granules: [0, 0, 2],
            ds: [0, 1000],
            ipa_bits: 1 << 32 | 3 << 40,
            va_bits: 1 << 48,
            stage1: 500,
            stage2: 250,
            hardware_updates: 1000,
            spoiled: 750,
            mappings: [3, 5],
            probes: 7,
            pes: 4,
            nv1: 125,
        };
        assert_eq!(space::<keys::GuestSpace, _>(text), Ok(expected));
    }

    #[test]
    fn what_can_not_be_drawn_is_refused() {
        for text in
            ["granules: {}", "granules: {4k: 0}", "probes: 0", "probes: 513", "mappings: 65"]
        {
            assert!(space::<keys::Space, Space>(text).is_err(), "{text}");
        }
        for text in ["placements: {}", "placements: {lower: 0}", "va_bits: 53", "mappings: 49"] {
            assert!(space::<keys::HypSpace, HypSpace>(text).is_err(), "{text}");
        }
        for text in ["ipa_bits: 19", "va_bits: 53", "mappings: 41", "stage1: 2", "pes: 9"] {
            assert!(space::<keys::GuestSpace, GuestSpace>(text).is_err(), "{text}");
        }
        let problem = space::<keys::Space, Space>("granules: {8k: 1}").unwrap_err();
        assert_eq!(problem, "unknown key `8k`: did you mean `4k`?");
    }
}

//! What random cases are drawn from, as a suite says it.

use case::draw::Space;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::{Bounded, Range, Set};
use super::fraction::Fraction;

/// What random cases are drawn from. What is left out keeps its default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Space")]
pub struct SpaceFields {
    /// Weights of the granules; one that is left out is not drawn. Default: all alike.
    granules: Option<Granules>,
    /// The fraction of cases with VTCR_EL2.DS = 1, where the PE has it for the granule. Default: 0.5.
    ds: Option<Fraction>,
    /// Input address sizes in bits. A size that a granule does not reach is not drawn for it.
    /// Default: 32..=52.
    ipa_bits: Option<Set<16, 52>>,
    /// The fraction of cases with HCR_EL2.DC = 1. Default: two thirds.
    dc: Option<Fraction>,
    /// The fraction of cases with HCR_EL2.FWB = 1, where the PE has FEAT_S2FWB. Default: 0.5.
    fwb: Option<Fraction>,
    /// The fraction of cases in which hardware may update descriptors (VTCR_EL2.HA, and in part of
    /// them HD), where the PE has FEAT_HAFDBS. Default: 0.1.
    hardware_updates: Option<Fraction>,
    /// The fraction of cases with descriptors or registers that no hypervisor would write.
    /// Default: 0.
    hostile: Option<Fraction>,
    /// How many mappings a case has. Default: 1..=10.
    mappings: Option<Range<0, { case::MAX_MAPPINGS as u64 }>>,
    /// The fraction of mappings that do not permit every access. Default: 4 of 11.
    restricted: Option<Fraction>,
    /// How many probes a case has. Default: 64.
    probes: Option<Probes>,
}

/// How many probes a case can have.
pub type Probes = Bounded<1, { case::MAX_PROBES as u64 }>;

/// Weights of the granules.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Weights")]
#[schemars(with = "Weights")]
pub(super) struct Granules([u64; 3]);

impl Granules {
    /// The weights, smallest granule first.
    pub(super) const fn weights(self) -> [u64; 3] {
        self.0
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Granules")]
struct Weights {
    #[serde(rename = "4k")]
    k4: Option<Bounded<0, 1000>>,
    #[serde(rename = "16k")]
    k16: Option<Bounded<0, 1000>>,
    #[serde(rename = "64k")]
    k64: Option<Bounded<0, 1000>>,
}

impl TryFrom<Weights> for Granules {
    type Error = &'static str;

    fn try_from(weights: Weights) -> Result<Self, Self::Error> {
        let weights = [weights.k4, weights.k16, weights.k64]
            .map(|weight| weight.map_or(0, |weight| weight.get()));
        match weights {
            [0, 0, 0] => Err("no granule has a weight: nothing could be drawn"),
            weights => Ok(Self(weights)),
        }
    }
}

impl From<SpaceFields> for Space {
    fn from(fields: SpaceFields) -> Self {
        let default = Self::BENIGN;
        let weights =
            |fraction: Option<Fraction>, default| fraction.map_or(default, |f| f.weights());
        let permille =
            |fraction: Option<Fraction>, default| fraction.map_or(default, |f| f.permille());
        Self {
            granules: fields.granules.map_or(default.granules, Granules::weights),
            ds: weights(fields.ds, default.ds),
            ipa_bits: fields.ipa_bits.map_or(default.ipa_bits, |sizes| sizes.bits()),
            dc: weights(fields.dc, default.dc),
            fwb: weights(fields.fwb, default.fwb),
            hardware_updates: permille(fields.hardware_updates, default.hardware_updates),
            hostile: permille(fields.hostile, default.hostile),
            mappings: fields.mappings.map_or(default.mappings, |range| [range.low, range.high]),
            restricted: weights(fields.restricted, default.restricted),
            probes: fields.probes.map_or(default.probes, |probes| probes.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml;

    fn space(text: &str) -> Result<Space, String> {
        let fields = yaml::from_str::<SpaceFields>(text, Path::new("x"));
        fields.map(Space::from).map_err(|error| error.problem)
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        assert_eq!(space("{}"), Ok(Space::BENIGN));
    }

    #[test]
    fn what_is_said_is_taken() {
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
        assert_eq!(space(text), Ok(expected));
    }

    #[test]
    fn what_can_not_be_drawn_is_refused() {
        for text in
            ["granules: {}", "granules: {4k: 0}", "probes: 0", "probes: 513", "mappings: 65"]
        {
            assert!(space(text).is_err(), "{text}");
        }
        assert_eq!(space("granules: {8k: 1}").unwrap_err(), "unknown key `8k`: did you mean `4k`?");
    }
}

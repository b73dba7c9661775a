//! What set-ups of EL2's own stage 1 are drawn from, as a suite says it.

use case::draw::el2::HypSpace;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::{Bounded, Range, Set};
use super::fraction::Fraction;
use super::space::{Granules, Probes};

/// What set-ups of EL2's own stage 1 are drawn from. What is left out keeps its default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HypSpace")]
pub struct HypSpaceFields {
    /// Weights of the granules; one that is left out is not drawn. Default: all alike.
    granules: Option<Granules>,
    /// The fraction of cases with TCR_EL2.DS = 1, where the PE has it for the granule. Default: 0.5.
    ds: Option<Fraction>,
    /// Virtual address sizes in bits, with two ranges those of the lower. A size that a granule does not
    /// reach, or in which the target has no memory to live in, is not drawn for it. Default: 16..=52.
    va_bits: Option<Set<16, 52>>,
    /// The fraction of cases with HCR_EL2.E2H = 1: two ranges, TTBR1_EL2, ASIDs. Default: 0.
    vhe: Option<Fraction>,
    /// Weights of the trampoline's placements, with one range; one that is left out is not drawn. Default:
    /// all alike.
    placements: Option<Placements>,
    /// The fraction of cases in which hardware may update descriptors (TCR_EL2.HA, and in part of them
    /// HD), where the PE has FEAT_HAFDBS. Default: 0.1.
    hardware_updates: Option<Fraction>,
    /// The fraction of cases that no hypervisor would write. A monitor at EL3 asks them. Default: 0.
    hostile: Option<Fraction>,
    /// The fraction of the other cases that have hostile descriptors beside those that a life needs: made
    /// invalid, of other permissions, limited from above, or with tables where nothing answers. Default: 0.
    spoiled: Option<Fraction>,
    /// How many mappings a case has beside those that a life needs. Default: 2..=8.
    mappings: Option<Range<0, 48>>,
    /// How many probes a case has. Default: 32.
    probes: Option<Probes>,
}

/// Weights of the trampoline's placements.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Weights")]
#[schemars(with = "Weights")]
struct Placements([u64; 3]);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlacementWeights")]
struct Weights {
    /// In the lower half of the addresses.
    lower: Option<Bounded<0, 1000>>,
    /// In the upper half.
    upper: Option<Bounded<0, 1000>>,
    /// Beyond the last address: it is mapped by tables of its own.
    outside: Option<Bounded<0, 1000>>,
}

impl TryFrom<Weights> for Placements {
    type Error = &'static str;

    fn try_from(weights: Weights) -> Result<Self, Self::Error> {
        let weights = [weights.lower, weights.upper, weights.outside]
            .map(|weight| weight.map_or(0, |weight| weight.get()));
        match weights {
            [0, 0, 0] => Err("no placement has a weight: nothing could be drawn"),
            weights => Ok(Self(weights)),
        }
    }
}

impl From<HypSpaceFields> for HypSpace {
    fn from(fields: HypSpaceFields) -> Self {
        let default = Self::BENIGN;
        let permille =
            |fraction: Option<Fraction>, default| fraction.map_or(default, |f| f.permille());
        Self {
            granules: fields.granules.map_or(default.granules, Granules::weights),
            ds: fields.ds.map_or(default.ds, Fraction::weights),
            va_bits: fields.va_bits.map_or(default.va_bits, |sizes| sizes.bits()),
            vhe: permille(fields.vhe, default.vhe),
            placements: fields.placements.map_or(default.placements, |placements| placements.0),
            hardware_updates: permille(fields.hardware_updates, default.hardware_updates),
            hostile: permille(fields.hostile, default.hostile),
            spoiled: permille(fields.spoiled, default.spoiled),
            mappings: fields.mappings.map_or(default.mappings, |range| [range.low, range.high]),
            probes: fields.probes.map_or(default.probes, |probes| probes.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::yaml;

    fn space(text: &str) -> Result<HypSpace, String> {
        let fields = yaml::from_str::<HypSpaceFields>(text, Path::new("x"));
        fields.map(HypSpace::from).map_err(|error| error.problem)
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        assert_eq!(space("{}"), Ok(HypSpace::BENIGN));
    }

    #[test]
    fn what_is_said_is_taken() {
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
        assert_eq!(space(text), Ok(expected));
    }

    #[test]
    fn what_can_not_be_drawn_is_refused() {
        for text in ["placements: {}", "placements: {lower: 0}", "va_bits: 53", "mappings: 49"] {
            assert!(space(text).is_err(), "{text}");
        }
    }
}

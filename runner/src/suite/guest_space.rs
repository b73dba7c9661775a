//! What guests under two stages are drawn from, as a suite says it.

use case::draw::el10::GuestSpace;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::{Bounded, Range, Set};
use super::fraction::Fraction;
use super::space::{Granules, Probes};

/// What guests under two stages are drawn from. What is left out keeps its default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "GuestSpace")]
pub struct GuestSpaceFields {
    /// Weights of the granules, for either stage by itself; one that is left out is not drawn. Default: all
    /// alike.
    granules: Option<Granules>,
    /// The fraction of trees with DS = 1 (VTCR_EL2, TCR_EL1), where the PE has it for the granule. Default:
    /// 0.5.
    ds: Option<Fraction>,
    /// Intermediate physical address sizes in bits. A size that a granule does not reach is not drawn for it.
    /// Default: 20..=52.
    ipa_bits: Option<Set<20, 52>>,
    /// Virtual address sizes in bits, of each range of stage 1. Default: 18..=52.
    va_bits: Option<Set<18, 52>>,
    /// The fraction of cases with stage 1 on: SCTLR_EL1.M = 1. Default: 0.9.
    stage1: Option<Fraction>,
    /// The fraction of cases with stage 2 on: HCR_EL2.VM = 1, or DC = 1. Default: 0.9.
    stage2: Option<Fraction>,
    /// The fraction of cases in which hardware may update descriptors, at stage 1, at stage 2, or both (HA, and
    /// in part of them HD), where the PE has FEAT_HAFDBS. Default: 0.15.
    hardware_updates: Option<Fraction>,
    /// The fraction of cases that have hostile descriptors beside those that the guest needs, at either stage.
    /// Default: 0.
    spoiled: Option<Fraction>,
    /// How many mappings a case has beside those that the guest needs, both stages counted. Default: 8..=20.
    mappings: Option<Range<0, 40>>,
    /// How many probes a case has; steps of a sequence are counted. Default: 32.
    probes: Option<Probes>,
    /// How many PEs of the target do them. Default: 1.
    pes: Option<Bounded<1, 8>>,
}

impl From<GuestSpaceFields> for GuestSpace {
    fn from(fields: GuestSpaceFields) -> Self {
        let default = Self::BENIGN;
        let permille =
            |fraction: Option<Fraction>, default| fraction.map_or(default, |f| f.permille());
        Self {
            granules: fields.granules.map_or(default.granules, Granules::weights),
            ds: fields.ds.map_or(default.ds, Fraction::weights),
            ipa_bits: fields.ipa_bits.map_or(default.ipa_bits, |sizes| sizes.bits()),
            va_bits: fields.va_bits.map_or(default.va_bits, |sizes| sizes.bits()),
            stage1: permille(fields.stage1, default.stage1),
            stage2: permille(fields.stage2, default.stage2),
            hardware_updates: permille(fields.hardware_updates, default.hardware_updates),
            spoiled: permille(fields.spoiled, default.spoiled),
            mappings: fields.mappings.map_or(default.mappings, |range| [range.low, range.high]),
            probes: fields.probes.map_or(default.probes, |probes| probes.get()),
            pes: fields.pes.map_or(default.pes, |pes| pes.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::yaml;

    fn space(text: &str) -> Result<GuestSpace, String> {
        let fields = yaml::from_str::<GuestSpaceFields>(text, Path::new("x"));
        fields.map(GuestSpace::from).map_err(|error| error.problem)
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        assert_eq!(space("{}"), Ok(GuestSpace::BENIGN));
    }

    #[test]
    fn what_is_said_is_taken() {
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
            pes: 4";
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
        };
        assert_eq!(space(text), Ok(expected));
    }

    #[test]
    fn what_can_not_be_drawn_is_refused() {
        for text in ["ipa_bits: 19", "va_bits: 53", "mappings: 41", "stage1: 2", "pes: 9"] {
            assert!(space(text).is_err(), "{text}");
        }
    }
}

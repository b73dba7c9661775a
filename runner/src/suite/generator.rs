//! Where the cases of a suite come from.

use case::Case;
use case::draw::Space;
use case::draw::el2::HypSpace;
use case::draw::el10::GuestSpace;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::Bounded;
use super::case_file::CaseText;
use super::guest_space::GuestSpaceFields;
use super::hyp_space::HypSpaceFields;
use super::space::SpaceFields;

/// Where cases come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Generator {
    /// Random cases.
    Random {
        /// What they are drawn from.
        space: Space,
        /// How many; `None`: as many as there is time for.
        cases: Option<u64>,
    },
    /// Every legal shape that the PE has: granule, DS, input address size, start level.
    Shapes {
        /// Which granules and sizes, and what else is drawn.
        space: Space,
        /// How often all of them.
        rounds: u64,
    },
    /// Every point of granule, DS, T0SZ, SL2 and SL0, legal or not.
    Legality {
        /// What else is drawn.
        space: Space,
    },
    /// Random set-ups of EL2's own stage 1.
    Hyp {
        /// What they are drawn from.
        space: HypSpace,
        /// How many; `None`: as many as there is time for.
        cases: Option<u64>,
    },
    /// Every shape of EL2's stage 1 with one range: granule, DS, address size, placement of the trampoline.
    Placements {
        /// Which granules, sizes and placements, and what else is drawn.
        space: HypSpace,
        /// How often all of them.
        rounds: u64,
    },
    /// Guests at EL1 and EL0, under two stages.
    Guest {
        /// What they are drawn from.
        space: GuestSpace,
        /// How many; `None`: as many as there is time for.
        cases: Option<u64>,
    },
    /// Guests between whose probes tables change and TLBs are maintained.
    Tlbi {
        /// What they are drawn from.
        space: GuestSpace,
        /// How many; `None`: as many as there is time for.
        cases: Option<u64>,
    },
    /// Cases that the suite spells out.
    Explicit(Vec<ExplicitCase>),
}

/// A case that a suite spells out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplicitCase {
    /// What it shows.
    pub name: String,
    /// The case.
    pub case: Box<Case>,
}

impl ExplicitCase {
    /// The case `case`, which shows what `name` says.
    pub fn new(name: &str, case: Case) -> Self {
        Self { name: name.to_owned(), case: Box::new(case) }
    }
}

impl Generator {
    /// The name in suites.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Random { .. } => "random",
            Self::Shapes { .. } => "shapes",
            Self::Legality { .. } => "legality",
            Self::Hyp { .. } => "hyp",
            Self::Placements { .. } => "placements",
            Self::Guest { .. } => "guest",
            Self::Tlbi { .. } => "tlbi",
            Self::Explicit(_) => "cases",
        }
    }

    /// Whether it has no end but that of time.
    pub const fn is_endless(&self) -> bool {
        matches!(
            self,
            Self::Random { cases: None, .. }
                | Self::Hyp { cases: None, .. }
                | Self::Guest { cases: None, .. }
                | Self::Tlbi { cases: None, .. }
        )
    }

    /// Lets it go on for as long as there is time, where it draws at random.
    pub const fn go_on(&mut self) {
        if let Self::Random { cases, .. }
        | Self::Hyp { cases, .. }
        | Self::Guest { cases, .. }
        | Self::Tlbi { cases, .. } = self
        {
            *cases = None;
        }
    }

    /// How many probes each case has, as far as that is drawn.
    pub const fn probes_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::Random { space, .. } | Self::Shapes { space, .. } | Self::Legality { space } => {
                Some(&mut space.probes)
            }
            Self::Hyp { space, .. } | Self::Placements { space, .. } => Some(&mut space.probes),
            Self::Guest { space, .. } | Self::Tlbi { space, .. } => Some(&mut space.probes),
            Self::Explicit(_) => None,
        }
    }

    /// Weights of the granules; `None` where nothing is drawn.
    pub const fn granules_mut(&mut self) -> Option<&mut [u64; 3]> {
        match self {
            Self::Random { space, .. } | Self::Shapes { space, .. } | Self::Legality { space } => {
                Some(&mut space.granules)
            }
            Self::Hyp { space, .. } | Self::Placements { space, .. } => Some(&mut space.granules),
            Self::Guest { space, .. } | Self::Tlbi { space, .. } => Some(&mut space.granules),
            Self::Explicit(_) => None,
        }
    }
}

/// Where cases come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Generator")]
pub(super) enum GeneratorFields {
    /// Random cases.
    Random(RandomFields),
    /// Every legal shape that the PE has: granule, DS, input address size, start level.
    Shapes(ShapesFields),
    /// Every point of granule, DS, T0SZ, SL2 and SL0, legal or not.
    Legality(LegalityFields),
    /// Random set-ups of EL2's own stage 1, in which the executor lives while it asks.
    Hyp(HypFields),
    /// Every shape of EL2's stage 1 with one range, with the trampoline in the lower half of the addresses, in
    /// the upper half, and outside.
    Placements(PlacementsFields),
    /// Guests at EL1 and EL0, under stage 1 and stage 2 together.
    Guest(GuestFields),
    /// Guests between whose probes tables change, other tables are loaded, and TLBs are maintained.
    Tlbi(GuestFields),
    /// Cases that are spelled out.
    Cases(Vec<ExplicitFields>),
}

/// Random cases.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Random")]
pub(super) struct RandomFields {
    /// How many. It may be left out in the last generator of a suite with `seconds`: as many as
    /// there is time for.
    cases: Option<Bounded<1, MANY>>,
    /// What they are drawn from.
    #[serde(default)]
    space: SpaceFields,
}

/// Every legal shape that the PE has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Shapes")]
pub(super) struct ShapesFields {
    /// How often all of them, each time with other mappings and probes. Default: 1.
    #[serde(default = "one")]
    rounds: Bounded<1, MANY>,
    /// Which granules and sizes, and what else is drawn.
    #[serde(default)]
    space: SpaceFields,
}

/// Every point of granule, DS, T0SZ, SL2 and SL0, legal or not.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Legality")]
pub(super) struct LegalityFields {
    /// What else is drawn: `dc`, `fwb` and `hardware_updates` have a meaning here.
    #[serde(default)]
    space: SpaceFields,
}

/// Random set-ups of EL2's own stage 1.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hyp")]
pub(super) struct HypFields {
    /// How many. It may be left out in the last generator of a suite with `seconds`: as many as
    /// there is time for.
    cases: Option<Bounded<1, MANY>>,
    /// What they are drawn from.
    #[serde(default)]
    space: HypSpaceFields,
}

/// Every shape of EL2's stage 1 with one range.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Placements")]
pub(super) struct PlacementsFields {
    /// How often all of them, each time with other mappings and probes. Default: 1.
    #[serde(default = "one")]
    rounds: Bounded<1, MANY>,
    /// Which granules, sizes and placements, and what else is drawn.
    #[serde(default)]
    space: HypSpaceFields,
}

/// Guests at EL1 and EL0, under stage 1 and stage 2 together; with changes in between, or without.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Guest")]
pub(super) struct GuestFields {
    /// How many. It may be left out in the last generator of a suite with `seconds`: as many as
    /// there is time for.
    cases: Option<Bounded<1, MANY>>,
    /// What they are drawn from.
    #[serde(default)]
    space: GuestSpaceFields,
}

/// A case that is spelled out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExplicitCase")]
pub(super) struct ExplicitFields {
    /// What it shows.
    name: String,
    /// The case.
    case: CaseText,
}

/// More cases than anybody has time for.
pub(super) const MANY: u64 = 1_000_000_000_000;

fn one() -> Bounded<1, MANY> {
    const { Bounded::new(1).unwrap() }
}

impl From<GeneratorFields> for Generator {
    fn from(fields: GeneratorFields) -> Self {
        match fields {
            GeneratorFields::Random(RandomFields { cases, space }) => {
                Self::Random { space: space.into(), cases: cases.map(|cases| cases.get()) }
            }
            GeneratorFields::Shapes(ShapesFields { rounds, space }) => {
                Self::Shapes { space: space.into(), rounds: rounds.get() }
            }
            GeneratorFields::Legality(LegalityFields { space }) => {
                Self::Legality { space: space.into() }
            }
            GeneratorFields::Hyp(HypFields { cases, space }) => {
                Self::Hyp { space: space.into(), cases: cases.map(|cases| cases.get()) }
            }
            GeneratorFields::Placements(PlacementsFields { rounds, space }) => {
                Self::Placements { space: space.into(), rounds: rounds.get() }
            }
            GeneratorFields::Guest(GuestFields { cases, space }) => {
                Self::Guest { space: space.into(), cases: cases.map(|cases| cases.get()) }
            }
            GeneratorFields::Tlbi(GuestFields { cases, space }) => {
                Self::Tlbi { space: space.into(), cases: cases.map(|cases| cases.get()) }
            }
            GeneratorFields::Cases(cases) => {
                let explicit = |fields: ExplicitFields| ExplicitCase {
                    name: fields.name,
                    case: fields.case.0,
                };
                Self::Explicit(cases.into_iter().map(explicit).collect())
            }
        }
    }
}

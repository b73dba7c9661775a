//! A granule's name in suites, in case files and on the command line.

use case::format::Granule;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[schemars(rename = "Granule")]
pub enum GranuleName {
    /// 4 KB.
    #[serde(rename = "4k")]
    #[value(name = "4k")]
    K4,
    /// 16 KB.
    #[serde(rename = "16k")]
    #[value(name = "16k")]
    K16,
    /// 64 KB.
    #[serde(rename = "64k")]
    #[value(name = "64k")]
    K64,
}

impl GranuleName {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::K4, Self::K16, Self::K64];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::K4 => "4k",
            Self::K16 => "16k",
            Self::K64 => "64k",
        }
    }

    /// Leaves this granule alone among the `weights` of all, smallest first: nothing is drawn where it has
    /// none.
    pub fn restrict(self, weights: &mut [u64; 3]) {
        for (granule, weight) in Self::ALL.into_iter().zip(weights) {
            if granule != self {
                *weight = 0;
            }
        }
    }
}

impl From<GranuleName> for Granule {
    fn from(name: GranuleName) -> Self {
        match name {
            GranuleName::K4 => Self::K4,
            GranuleName::K16 => Self::K16,
            GranuleName::K64 => Self::K64,
        }
    }
}

impl From<Granule> for GranuleName {
    fn from(granule: Granule) -> Self {
        match granule {
            Granule::K4 => Self::K4,
            Granule::K16 => Self::K16,
            Granule::K64 => Self::K64,
        }
    }
}

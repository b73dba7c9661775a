//! What the PE implements: by the names of features, or by its ID registers.

use std::borrow::Cow;
use std::fmt;

use golden::{Features, Granule, Implementation, Support};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::registers::IdRegisterFields;

/// What the PE implements: features by name, or raw ID registers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Implementation")]
pub(super) struct ImplementationFields {
    /// Raw ID registers, instead of all other keys.
    id_registers: Option<IdRegisterFields>,
    /// Bits of a physical address: 32, 36, 40, 42, 44, 48 or 52.
    pa_bits: Option<PaBits>,
    /// Features by Arm's names; FEAT_HAFDBS_DBS is its dirty state.
    features: Option<Vec<FeatureName>>,
    /// Granules of both stages. Default: all.
    granules: Option<Vec<GranuleName>>,
    /// Block translation change support with FEAT_BBM: 0, 1 or 2. Default: 0.
    bbm_level: Option<BbmLevel>,
}

impl TryFrom<ImplementationFields> for Implementation {
    type Error = String;

    fn try_from(fields: ImplementationFields) -> Result<Self, String> {
        let ImplementationFields { id_registers, pa_bits, features, granules, bbm_level } = fields;
        let named = [features.is_some(), granules.is_some(), bbm_level.is_some()].contains(&true);
        let pa_bits = match (id_registers, pa_bits) {
            (Some(ids), None) if !named => return Ok(Self::from_id_registers(&ids.into())),
            (Some(_), _) => return Err("`id_registers` says all: no other key may be here".into()),
            (None, None) => return Err("`pa_bits` is missing, or `id_registers`".into()),
            (None, Some(PaBits(pa_bits))) => pa_bits,
        };
        let all = features.unwrap_or_default();
        let features = all.iter().fold(Features::NONE, |all, FeatureName(one)| all.with(*one));
        let mut implementation = Self::new(pa_bits, features);
        if let Some(names) = granules {
            let mut granules = implementation.stage1_granules;
            for granule in [GranuleName::K4, GranuleName::K16, GranuleName::K64] {
                if !names.contains(&granule) {
                    granules = granules.with(granule.into(), Support::Absent);
                }
            }
            implementation.stage1_granules = granules;
            implementation.stage2_granules = granules;
        }
        implementation.bbm_level = bbm_level.map_or(0, |BbmLevel(level)| level);
        Ok(implementation)
    }
}

/// One of a few numbers.
macro_rules! one_of {
    ($name:ident, $($number:literal),*; $what:literal) => {
        #[derive(Deserialize)]
        #[serde(try_from = "u64")]
        struct $name(u8);

        impl TryFrom<u64> for $name {
            type Error = String;

            fn try_from(number: u64) -> Result<Self, String> {
                match number {
                    $($number => Ok(Self($number)),)*
                    other => Err(format!("{other} is no {}", $what)),
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "enum": [$($number),*] })
            }
        }
    };
}

one_of!(PaBits, 32, 36, 40, 42, 44, 48, 52;
    "size of a physical address: there are 32, 36, 40, 42, 44, 48, 52");
one_of!(BbmLevel, 0, 1, 2; "level of block translation change support: there are 0, 1, 2");

/// A translation granule.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Granule")]
enum GranuleName {
    /// 4 KB.
    #[serde(rename = "4k")]
    K4,
    /// 16 KB.
    #[serde(rename = "16k")]
    K16,
    /// 64 KB.
    #[serde(rename = "64k")]
    K64,
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

struct FeatureName(Features);

const FEATURES: [&str; Features::NAMED.len()] = {
    let mut names = [""; Features::NAMED.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Features::NAMED[at].0;
        at += 1;
    }
    names
};

impl<'de> Deserialize<'de> for FeatureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = FeatureName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a feature, such as FEAT_LPA2")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FeatureName, E> {
                let feature = Features::named(name).map(FeatureName);
                feature.ok_or_else(|| E::unknown_variant(name, &FEATURES))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

impl JsonSchema for FeatureName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Feature".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": FEATURES.as_slice() })
    }
}

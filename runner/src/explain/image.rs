//! Memory as it is written down: words, and where nothing answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use golden::{Pa, PhysicalMemory, Refusal};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use device::description::Range;
use suite::hex::Hex;

/// A memory image: words of 8 bytes by their addresses, zero where no word is listed, and ranges where
/// nothing answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "ImageFields")]
pub struct Image {
    words: BTreeMap<u64, u64>,
    void: Vec<Range>,
}

/// Physical memory; what is left out is 0.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Memory")]
pub(super) struct ImageFields {
    /// Words of 8 bytes by their physical addresses, as a little-endian load reads them. Words that are not
    /// listed are zero.
    #[serde(default)]
    words: BTreeMap<WordAddress, Hex>,
    /// Where nothing answers: a walk that reaches it takes an external abort.
    #[serde(default)]
    void: Vec<Range>,
}

impl TryFrom<ImageFields> for Image {
    type Error = String;

    fn try_from(ImageFields { words, void }: ImageFields) -> Result<Self, String> {
        let words = words.into_iter().map(|(WordAddress(pa), Hex(word))| (pa, word)).collect();
        let image = Self { words, void };
        match image.words.keys().find(|pa| image.is_void(**pa)) {
            None => Ok(image),
            Some(pa) => Err(format!("the word at {pa:#x} lies in a void range")),
        }
    }
}

impl Image {
    /// These words, and zeros everywhere else.
    pub const fn new(words: BTreeMap<u64, u64>) -> Self {
        Self { words, void: Vec::new() }
    }

    fn is_void(&self, pa: u64) -> bool {
        self.void.iter().any(|range| range.address.0 <= pa && pa < range.end())
    }
}

impl PhysicalMemory for Image {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        if self.is_void(pa.0) {
            return Err(Refusal::ExternalAbort);
        }
        Ok(self.words.get(&pa.0).copied().unwrap_or(0))
    }
}

/// The address of a word.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct WordAddress(u64);

impl<'de> Deserialize<'de> for WordAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Hex(pa) = Hex::deserialize(deserializer)?;
        if !pa.is_multiple_of(8) || pa >> 56 != 0 {
            let what = "a word's address is a multiple of 8, below 2^56";
            return Err(de::Error::custom(format_args!("{pa:#x}: {what}")));
        }
        Ok(Self(pa))
    }
}

impl JsonSchema for WordAddress {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WordAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0x[0-9a-fA-F_]+|[0-9]+)$" })
    }
}

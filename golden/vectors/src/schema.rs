//! The schema of a vector: JSON in, typed values out.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::error::Malformed;

/// A set-up and its queries.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector<'a> {
    pub id: String,
    pub setup: String,
    #[serde(rename = "impl")]
    pub implementation: Implementation,
    #[serde(rename = "flavour")]
    pub _flavour: String,
    #[serde(default)]
    pub tags: Vec<String>,
    pub registers: BTreeMap<String, Hex>,
    pub memory: BTreeMap<Hex, Hex>,
    #[serde(borrow)]
    pub queries: Vec<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Implementation {
    pub pa_bits: u8,
    pub features: Vec<String>,
    pub granules: Vec<String>,
    pub choices: BTreeMap<String, Setting>,
}

/// The value of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    Bool(bool),
    Number(u64),
    Name(String),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query<'a> {
    pub op: String,
    pub el: Option<u8>,
    pub executed_at_el: Option<u8>,
    pub address: Hex,
    #[serde(default = "yes")]
    pub aligned: bool,
    #[serde(default)]
    pub pan: bool,
    pub stage1_attributes: Option<Stage1Attributes>,
    #[serde(borrow)]
    pub expect: &'a RawValue,
    #[serde(default)]
    pub memory_after: BTreeMap<Hex, Hex>,
    #[serde(default)]
    pub reads: Vec<Hex>,
    /// Golden makes that walk too, so its reads are compared like all others.
    #[serde(default, rename = "reads_include_update_walk")]
    pub _reads_include_update_walk: bool,
    #[serde(default)]
    pub stage1_updated_before_stage2_fault: bool,
    #[serde(default, rename = "depends_on")]
    pub _depends_on: Vec<String>,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage1Attributes {
    pub mair_byte: Hex,
    pub sh: u8,
}

/// The kind of an answer.
#[derive(Debug, serde::Deserialize)]
pub struct Kind {
    pub result: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectOk {
    #[serde(rename = "result")]
    _result: String,
    pub pa: Hex,
    pub levels: Levels,
    pub memory_type: String,
    pub inner: Option<String>,
    pub inner_hints: Option<String>,
    #[serde(default)]
    pub inner_transient: bool,
    pub outer: Option<String>,
    pub outer_hints: Option<String>,
    #[serde(default)]
    pub outer_transient: bool,
    pub shareability: String,
    pub xs: Option<u8>,
}

#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    pub s1: Option<i8>,
    pub s2: Option<i8>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectFault {
    #[serde(rename = "result")]
    _result: String,
    pub fault: String,
    pub level: Option<i8>,
    pub stage: u8,
    pub s1_walk: bool,
    pub ipa: Option<Hex>,
    pub exception: Option<ExpectException>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectPar {
    #[serde(rename = "result")]
    _result: String,
    pub par_el1: Hex,
    pub par_mask: Hex,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectAtException {
    #[serde(rename = "result")]
    _result: String,
    pub exception: ExpectException,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectException {
    pub target_el: u8,
    pub esr: Hex,
    pub esr_mask: Hex,
    pub far: Hex,
    pub hpfar_el2: Option<Hex>,
}

/// A hexadecimal string with `0x`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex(pub u64);

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HexVisitor;

        impl Visitor<'_> for HexVisitor {
            type Value = Hex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 64-bit hexadecimal number as a string with 0x")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex, E> {
                text.strip_prefix("0x")
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                    .map(Hex)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(HexVisitor)
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor;

        impl Visitor<'_> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, a number or a name")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Setting, E> {
                Ok(Setting::Bool(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Setting, E> {
                Ok(Setting::Number(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Setting, E> {
                Ok(Setting::Name(value.to_owned()))
            }
        }

        deserializer.deserialize_any(SettingVisitor)
    }
}

/// Why a piece of JSON was not taken.
pub enum Refused {
    /// It has a field that is not known here.
    Unknown(String),
    /// It is not what the schema says.
    Malformed(Malformed),
}

/// Reads a piece of JSON. `offset` is where it begins in its line, and `parent` the path of what holds it.
pub fn parse<'a, T: Deserialize<'a>>(
    text: &'a str,
    offset: usize,
    parent: &str,
) -> Result<T, Refused> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let source = error.into_inner();
        refused(&source, &path, offset, parent)
    })?;
    json.end().map_err(|source| refused(&source, ".", offset, parent))?;
    Ok(value)
}

fn refused(source: &serde_json::Error, path: &str, offset: usize, parent: &str) -> Refused {
    let text = source.to_string();
    let field = match (parent, path) {
        ("", path) => path.to_owned(),
        (parent, ".") => parent.to_owned(),
        (parent, path) => format!("{parent}.{path}"),
    };
    // serde tells an unknown field by its message alone.
    if source.is_data() && text.starts_with("unknown field") {
        let name = text.split('`').nth(1).unwrap_or_default();
        let inside = field.strip_suffix(name).map_or(field.as_str(), |inside| inside);
        let inside = inside.trim_end_matches('.');
        let dot = if inside.is_empty() { "" } else { "." };
        return Refused::Unknown(format!("unknown field {}{dot}{name}", without_indices(inside)));
    }
    let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
    Refused::Malformed(Malformed { column: offset + source.column(), field, reason })
}

/// `queries[3].expect` as `queries.expect`, so that the same reason reads the same everywhere.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            inside = c == '[' || inside && c != ']';
            !inside && c != ']'
        })
        .collect()
}

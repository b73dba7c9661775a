//! Versions of emulators, and ranges of them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A version, or the first parts of one: 10.0 stands for 10.0.2, too, as the end of a range.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(Vec<u32>);

/// Where the version of an emulator lies in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage {
    /// In front of it; or there is no emulator, or it told no version.
    Before,
    Within,
    /// Behind its end.
    Later,
}

/// The versions from the first to the last, both included; where one is missing, all on that side.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Versions")]
pub struct Versions {
    /// The first one. Default: any.
    #[serde(default)]
    from: Option<Version>,
    /// The last one that was seen to be of the range: `10.0` for all of 10.0. What comes later is tried before a
    /// run. Default: any.
    #[serde(default)]
    to: Option<Version>,
}

impl Version {
    /// The version at the front of what an emulator says of itself.
    fn at_front(text: &str) -> Option<Self> {
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        Self::try_from(text[..end].to_owned()).ok()
    }

    /// Its first parts, as many as `other` has.
    fn as_exact_as(&self, other: &Self) -> &[u32] {
        &self.0[..other.0.len().min(self.0.len())]
    }
}

/// The version at the front of what an emulator says of itself: `10.0.2` of `10.0.2 (Debian ...)`.
pub fn version(emulator: &str) -> Option<String> {
    Version::at_front(emulator).map(|version| version.to_string())
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        let problem =
            || format!("`{}` is no version such as '10.0' or '10.0.2'", text.escape_debug());
        parts.map(Self).map_err(|_| problem())
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)*$" })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl Versions {
    /// Where `emulator` lies, which says so of itself.
    pub fn coverage(&self, emulator: Option<&str>) -> Coverage {
        if *self == Self::default() {
            return Coverage::Within;
        }
        let Some(version) = emulator.and_then(Version::at_front) else { return Coverage::Before };
        if self.from.as_ref().is_some_and(|from| version.0 < from.0) {
            Coverage::Before
        } else if self.to.as_ref().is_some_and(|to| version.as_exact_as(to) > &to.0[..]) {
            Coverage::Later
        } else {
            Coverage::Within
        }
    }

    /// Whether a version may lie in both.
    pub fn meet(&self, other: &Self) -> bool {
        !self.ends_before(other) && !other.ends_before(self)
    }

    /// Whether it ends before `other` begins.
    pub fn ends_before(&self, other: &Self) -> bool {
        let ends = self.to.as_ref().zip(other.from.as_ref());
        ends.is_some_and(|(to, from)| from.as_exact_as(to) > &to.0[..])
    }

    /// Why no version lies in it, if none does.
    pub fn problem(&self) -> Option<String> {
        let (from, to) = (self.from.as_ref()?, self.to.as_ref()?);
        let is_empty = from.as_exact_as(to) > &to.0[..];
        is_empty.then(|| format!("there is no version from {from} to {to}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(from: &str, to: &str) -> Versions {
        let version = |text: &str| Version::try_from(text.to_owned()).ok();
        Versions { from: version(from), to: version(to) }
    }

    #[test]
    fn a_version_lies_before_in_or_behind_a_range() {
        let range = versions("7.2", "10.0");
        for (emulator, coverage) in [
            ("7.1.9", Coverage::Before),
            ("7.2", Coverage::Within),
            ("7.2.22 (Debian 1:7.2+dfsg)", Coverage::Within),
            ("10.0", Coverage::Within),
            ("10.0.2 (Debian 1:10.0.2)", Coverage::Within),
            ("10.1.0", Coverage::Later),
            ("11", Coverage::Later),
            ("of today", Coverage::Before),
        ] {
            assert_eq!(range.coverage(Some(emulator)), coverage, "{emulator}");
        }
        assert_eq!(range.coverage(None), Coverage::Before);
        assert_eq!(Versions::default().coverage(None), Coverage::Within);
        assert_eq!(versions("10.0", "").coverage(Some("11.1")), Coverage::Within);
    }

    #[test]
    fn ranges_meet_where_they_share_a_version() {
        let old = versions("7.2", "9.2");
        assert!(!old.meet(&versions("10.0", "")) && !versions("10.0", "").meet(&old));
        assert!(old.meet(&versions("9.2.4", "11")) && old.meet(&Versions::default()));
        assert_eq!(
            versions("10.1", "10.0").problem().unwrap(),
            "there is no version from 10.1 to 10.0"
        );
        assert_eq!(versions("10.0.2", "10.0").problem(), None);
    }
}

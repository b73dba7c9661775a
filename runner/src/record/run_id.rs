//! The name of a run.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of a run: its time in UTC, suite, target, and four digits against collisions. Ids sort by
/// time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RunId(String);

impl RunId {
    /// The id of a run that begins at `time`. `salt` tells runs of the same second apart.
    pub fn new(time: Timestamp, suite: impl fmt::Display, target: &str, salt: u16) -> Self {
        let time = time.strftime("%Y%m%dT%H%M%SZ");
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let safe = |name: String| name.chars().map(safe).collect::<String>();
        let (suite, target) = (safe(suite.to_string()), safe(target.to_owned()));
        Self(format!("{time}-{suite}-{target}-{salt:04x}"))
    }

    /// The id, as a folder name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_stand_in_a_file_name() {
        let at = |second| RunId::new(Timestamp::from_second(second).unwrap(), "../s", "a/b", 0x3f);
        assert_eq!(at(0).as_str(), "19700101T000000Z-.._s-a_b-003f");
        assert!(at(999_999_999) < at(1_795_255_607));
    }
}

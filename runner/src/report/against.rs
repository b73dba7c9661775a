//! The causes of what was found on one device, against those of another.

use std::fmt;

use serde::Serialize;

use super::causes::{headline, what};
use super::legal::one_line;
use super::terminal::grouped;
use crate::diagnosis::device::Device;
use crate::diagnosis::{Cause, Unexplained};

/// Two devices. Causes are the same where they share an erratum; findings that are not explained, where the same rule
/// decides and the same is answered instead of the same.
#[derive(Debug, Serialize)]
pub struct Against {
    #[serde(skip)]
    headlines: [String; 2],
    rows: Vec<Row>,
}

/// One cause, or findings that are not explained.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    what: String,
    explained: bool,
    /// Findings of it.
    here: u64,
    there: u64,
}

impl Against {
    pub fn new(here: &Device, there: &Device) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let [ours, theirs] = [here, there].map(|device| &device.diagnosis.causes);
        let sum = |causes: &[Cause], errata: &[String]| -> u64 {
            let same = causes.iter().filter(|cause| cause.shares(errata));
            same.map(|cause| cause.findings).sum()
        };
        let row = |cause: &Cause, here, there| Row {
            name: cause.errata.join(" or "),
            what: what(cause),
            explained: true,
            here,
            there,
        };
        for cause in &ours.causes {
            rows.push(row(cause, cause.findings, sum(&theirs.causes, &cause.errata)));
        }
        for cause in &theirs.causes {
            if sum(&ours.causes, &cause.errata) == 0 {
                rows.push(row(cause, 0, cause.findings));
            }
        }
        let same = |kinds: &[Unexplained], kind: &Unexplained| {
            let same =
                |other: &&Unexplained| (&other.rule, &other.kind) == (&kind.rule, &kind.kind);
            kinds.iter().find(same).map_or(0, |kind| kind.findings)
        };
        let row = |kind: &Unexplained, here, there| Row {
            name: one_line(&kind.kind),
            what: super::causes::rule(kind).unwrap_or_default(),
            explained: false,
            here,
            there,
        };
        for kind in &ours.unexplained {
            rows.push(row(kind, kind.findings, same(&theirs.unexplained, kind)));
        }
        for kind in &theirs.unexplained {
            if same(&ours.unexplained, kind) == 0 {
                rows.push(row(kind, 0, kind.findings));
            }
        }
        Self { headlines: [here, there].map(headline), rows }
    }

    /// Whether there is something that only the first device has.
    pub fn has_news(&self) -> bool {
        self.rows.iter().any(|row| row.there == 0)
    }
}

/// Some of the rows, under a heading.
type Part = (&'static str, fn(&Row) -> bool);

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [here, there] = &self.headlines;
        writeln!(f, "here:  {here}\nthere: {there}")?;
        let parts: [Part; 3] = [
            ("only here", |row| row.there == 0),
            ("only there", |row| row.here == 0),
            ("both", |row| row.here > 0 && row.there > 0),
        ];
        for (heading, is_in) in parts {
            let mut rows = self.rows.iter().filter(|row| is_in(row)).peekable();
            if rows.peek().is_none() {
                continue;
            }
            writeln!(f, "\n{:>9} {:>9}  {heading}", "here", "there")?;
            for Row { name, what, explained, here, there } in rows {
                let [here, there] = [here, there].map(|count| grouped(*count));
                let name = if *explained { name.clone() } else { format!("not explained: {name}") };
                let colon = if what.is_empty() { "" } else { ": " };
                writeln!(f, "{here:>9} {there:>9}  {name}{colon}{what}")?;
            }
        }
        Ok(())
    }
}

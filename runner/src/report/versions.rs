//! Errata by version: a table in Markdown, with a column for each version.

use std::fmt;

use super::legal::one_line;
use super::terminal::grouped;
use crate::diagnosis::Cause;
use crate::diagnosis::device::Device;
use golden::errata;

/// Errata by version.
#[derive(Debug)]
pub struct Versions<'a> {
    versions: Vec<(String, &'a Device)>,
    rows: Vec<Row>,
}

/// A cause that versions have in common.
#[derive(Debug)]
struct Row {
    /// The errata that it may be on each version that has it.
    errata: Vec<String>,
    /// Findings of it, by version.
    counts: Vec<u64>,
}

impl<'a> Versions<'a> {
    /// Those of these devices, which have one version each.
    pub fn new(devices: &'a [Device]) -> Self {
        let name = |device: &Device| device.runs.first().map_or_else(String::new, Device::version);
        let versions: Vec<_> = devices.iter().map(|device| (name(device), device)).collect();
        let mut rows: Vec<Row> = Vec::new();
        for (at, device) in devices.iter().enumerate() {
            for cause in &device.diagnosis.causes.causes {
                let row = Row::of(&mut rows, cause, devices.len());
                row.counts[at] += cause.findings;
            }
        }
        rows.sort_by_key(|row| {
            let place = |name: &String| errata::all().position(|erratum| erratum.name == *name);
            row.errata.first().and_then(place)
        });
        Self { versions, rows }
    }
}

impl Row {
    /// The row of `cause`: what it has in common with the causes of other versions is what it may be.
    fn of<'r>(rows: &'r mut Vec<Self>, cause: &Cause, versions: usize) -> &'r mut Self {
        let at = rows.iter().position(|row| cause.shares(&row.errata)).unwrap_or_else(|| {
            rows.push(Self { errata: cause.errata.clone(), counts: vec![0; versions] });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.errata.retain(|name| cause.errata.contains(name));
        row
    }
}

/// What is told of each version below its causes.
type Sum = (&'static str, fn(&Device) -> u64);

impl fmt::Display for Versions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { versions, rows } = self;
        write!(f, "| erratum | what the device does | breaks |")?;
        for (version, _) in versions {
            write!(f, " {version} |")?;
        }
        writeln!(f, "\n|---|---|---|{}", "---:|".repeat(versions.len()))?;
        for Row { errata: names, counts } in rows {
            let told = names.iter().map(|name| format!("`{name}`"));
            let told = told.collect::<Vec<_>>().join(" or ");
            let erratum = names.first().and_then(|name| errata::named(name));
            let (does, breaks) = erratum.map_or(("", ""), |one| (one.does, one.breaks));
            write!(f, "| {told} | {} | {} |", one_line(does), one_line(breaks))?;
            for count in counts {
                let count = if *count == 0 { String::new() } else { grouped(*count) };
                write!(f, " {count} |")?;
            }
            writeln!(f)?;
        }
        write!(f, "| **targets** | | |")?;
        for (_, device) in versions {
            write!(f, " {} |", device.targets().join(", "))?;
        }
        writeln!(f)?;
        let sums: [Sum; 5] = [
            ("causes", |device| device.diagnosis.causes.causes.len() as u64),
            ("findings explained", |device| device.diagnosis.causes.explained()),
            ("findings not explained", |device| device.diagnosis.causes.left()),
            ("probes", |device| device.diagnosis.probes),
            ("cases", |device| device.diagnosis.cases),
        ];
        for (what, sum) in sums {
            write!(f, "| **{what}** | | |")?;
            for (_, device) in versions {
                write!(f, " {} |", grouped(sum(device)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

//! What came of all trials, as text.

use std::fmt;

use super::trial::{Machine, Naming, Shown, Sound, Verdict};

/// What came of all trials.
#[derive(Debug)]
pub struct Table {
    /// Of a device without errata.
    pub sound: Sound,
    /// Of the others, in the order of the table of errata.
    pub verdicts: Vec<Verdict>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sound, verdicts } = self;
        let width = verdicts.iter().map(|verdict| verdict.erratum.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  {:>8}  {:24}  named", "erratum", "probes", "found by")?;
        for verdict in verdicts {
            let probes = verdict.probes.map_or_else(|| "-".to_owned(), |probes| probes.to_string());
            let suite = match verdict.found_by() {
                Some(Shown { suite, machine: Machine::Plain, .. }) => format!("{suite}, plain"),
                Some(Shown { suite, .. }) => suite.clone(),
                None => "not found".to_owned(),
            };
            let erratum = verdict.erratum;
            write!(f, "{erratum:width$}  {probes:>8}  {suite:24}  ")?;
            naming(f, verdict)?;
        }
        let count =
            |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|one| wanted(one)).count();
        let of = |naming| verdicts.iter().filter(|one| one.naming == naming).count();
        writeln!(f)?;
        writeln!(f, "{:>6} errata", verdicts.len())?;
        writeln!(f, "{:>6} found", count(Verdict::is_found))?;
        writeln!(f, "{:>6} named first", of(Naming::First))?;
        writeln!(f, "{:>6} named with others that explain the same", of(Naming::Together))?;
        writeln!(f, "{:>6} named behind another cause", of(Naming::Behind))?;
        let unnamed = count(|one| one.is_found() && one.naming == Naming::Unnamed);
        writeln!(f, "{unnamed:>6} found, and not named")?;
        let Sound { probes, findings, .. } = sound;
        writeln!(f, "a device without errata: {probes} probes, {findings} findings")?;
        for finding in &sound.first {
            writeln!(f, "    {finding}")?;
        }
        Ok(())
    }
}

fn naming(f: &mut fmt::Formatter<'_>, verdict: &Verdict) -> fmt::Result {
    /// So many other names fit into a line.
    const MOST: usize = 3;
    let Verdict { naming, others, .. } = verdict;
    let told = match naming {
        Naming::First if others.is_empty() => "first",
        Naming::First => "first; explains the same:",
        Naming::Together => "with",
        Naming::Behind => "behind another cause, with",
        Naming::Unnamed if others.is_empty() => "no",
        Naming::Unnamed => "no, but",
    };
    write!(f, "{told}")?;
    for (number, other) in others.iter().take(MOST).enumerate() {
        write!(f, "{} {other}", if number == 0 { "" } else { "," })?;
    }
    match others.len().saturating_sub(MOST) {
        0 => writeln!(f),
        more => writeln!(f, ", and {more} more"),
    }
}

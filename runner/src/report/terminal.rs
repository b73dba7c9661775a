//! A run's summary for people.

use std::fmt;
use std::path::Path;

use device::wire::Wear;
use judge::verdict::Verdict;

use super::legal::one_line;
use crate::record::{Group, RunEnd, Summary};

/// Kinds of findings that are shown; the others are counted.
const SHOWN: usize = 12;
/// Outcomes that are shown of those that are allowed.
const OUTCOMES: usize = 4;

/// A run's summary as a table of text.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub summary: &'a Summary,
    /// The folder of the run.
    pub folder: &'a Path,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { suite, target, seed, ending, tally, .. } = self.summary;
        let cases = plural(tally.cases, "case");
        let probes = plural(tally.probes, "probe");
        write!(f, "{suite} on {target}, seed {seed}: {cases}, {probes}")?;
        match ending {
            // How long an image took that ran by itself nobody knows.
            Some(ending) if ending.seconds == 0.0 => writeln!(f)?,
            Some(ending) => {
                let rate = tally.probes as f64 / ending.seconds.max(0.001);
                writeln!(f, " in {:.1} s ({} a second)", ending.seconds, grouped(rate as u64))?;
            }
            None => writeln!(f, "; the run did not end")?,
        }
        writeln!(f)?;
        for verdict in Verdict::ALL {
            let count = tally.verdicts.of(verdict);
            if count > 0 || verdict == Verdict::Conforms {
                writeln!(f, "{:>14}  {}", grouped(count), verdict.name())?;
            }
        }
        self.known(f)?;
        if !tally.not_asked.is_empty() {
            writeln!(f, "\nnot asked:")?;
            for (reason, count) in tally.not_asked.in_words() {
                writeln!(f, "{:>14}  {reason}", grouped(count))?;
            }
        }
        if !tally.placements.is_empty() {
            writeln!(
                f,
                "\nset-ups of EL2 that passed, by where the trampoline lies:\n{}",
                tally.placements
            )?;
        }
        if tally.findings > 0 {
            let kinds = plural(tally.groups.len() as u64, "kind");
            writeln!(f, "\n{} of {kinds}:", plural(tally.findings, "finding"))?;
            let groups = tally.largest_first();
            for group in groups.iter().take(SHOWN) {
                self.group(f, group)?;
            }
            if let Some(more) = more(groups.len(), SHOWN) {
                writeln!(f, "\n  and {} more in summary.json", plural(more as u64, "kind"))?;
            }
        }
        if let Some(restarts) = ending.as_ref().map(RunEnd::restarts)
            && restarts > 0
        {
            writeln!(f, "\nthe target was restarted {}", plural(restarts, "time"))?;
        }
        if let Some(RunEnd { wear: Wear { damaged, sent_again }, .. }) = ending
            && damaged + sent_again > 0
        {
            let (damaged, sent_again) = (grouped(*damaged), grouped(*sent_again));
            writeln!(f, "\nthe line: {damaged} frames came damaged, {sent_again} were sent again")?;
        }
        let first = tally.groups.values().min_by_key(|group| group.first_case);
        if let Some(file) = first.and_then(|group| group.reproducers.first()) {
            let file = self.folder.join(file);
            writeln!(f, "\nthe first finding again: hypwalk replay {}", file.display())?;
        }
        if tally.findings > 0 {
            writeln!(f, "\ntheir causes: hypwalk diagnose {}", self.folder.display())?;
        }
        writeln!(f, "\nrecords: {}", self.folder.display())
    }
}

impl Table<'_> {
    /// Known issues: those that showed, and those that are fixed.
    fn known(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { tally, issues, .. } = self.summary;
        let mut showed = tally.known.iter().filter(|(_, shown)| shown.shown > 0).peekable();
        if showed.peek().is_some() {
            writeln!(f, "\nknown issues:")?;
        }
        for (name, shown) in showed {
            let reference = issues.get(name).map_or("", |issue| &issue.reference);
            writeln!(f, "{:>14}  {name}: {reference}", grouped(shown.shown))?;
        }
        let mut fixed = self.summary.fixed().peekable();
        if fixed.peek().is_some() {
            writeln!(f, "\nfixed issues, which are known and do not show:")?;
        }
        for (name, shown) in fixed {
            let asked = times(shown.asked);
            let remedy = "never shown: remove the rule or narrow its `emulators`";
            writeln!(f, "{:>14}  {name}: asked {asked}, {remedy}", grouped(0))?;
        }
        Ok(())
    }

    fn group(&self, f: &mut fmt::Formatter<'_>, group: &Group) -> fmt::Result {
        let Group { count, verdict, first_case, first, reproducers } = group;
        let signature = group.signature();
        writeln!(f, "\n{:>14}  {}: {signature}", grouped(*count), verdict.name())?;
        writeln!(f, "                first in case {first_case}: {}", first.question)?;
        let outcomes = first.expectation.lines();
        for (number, allowed) in outcomes.iter().take(OUTCOMES).enumerate() {
            let label = if number == 0 { "allowed " } else { "      or" };
            writeln!(f, "                {label}  {allowed}")?;
        }
        if let Some(more) = more(outcomes.len(), OUTCOMES) {
            writeln!(f, "                      or  {more} others")?;
        }
        writeln!(f, "                observed  {}", one_line(&first.observation.to_string()))?;
        match reproducers.first() {
            Some(file) => {
                let file = self.folder.join(file);
                writeln!(f, "                hypwalk replay {}", file.display())
            }
            None => Ok(()),
        }
    }
}

/// How many of `count` are left when `shown` are shown.
fn more(count: usize, shown: usize) -> Option<usize> {
    count.checked_sub(shown).filter(|more| *more > 0)
}

/// `once`, `2 times`.
fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { plural(count, "time") }
}

/// `1 case`, `2 cases`.
pub fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// Digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_000), "1 000");
        assert_eq!(super::grouped(12_345_678), "12 345 678");
        assert_eq!(super::plural(1, "case"), "1 case");
    }
}

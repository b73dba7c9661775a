//! A run's summary for people.

use std::fmt;
use std::path::Path;

use device::wire::Wear;
use judge::verdict::Verdict;

use super::causes::{again, notes, rule, support, what};
use super::legal::one_line;
use crate::diagnosis::{Causes, Example};
use crate::record::{Group, RunEnd, Summary};

/// Kinds of findings that are shown; the others are counted.
const SHOWN: usize = 12;
/// Kinds of findings that are not explained that are shown in short; the others are counted.
const LEFT: usize = 5;
/// Outcomes that are shown of those that are allowed.
const OUTCOMES: usize = 4;

/// A run's summary as a table of text.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub summary: &'a Summary,
    /// The folder of the run.
    pub folder: &'a Path,
    /// Whether causes and known errata are told in full, each cause with its first example.
    pub is_verbose: bool,
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
        if tally.verdicts.judged() == 0 {
            writeln!(f, "\nno probe was judged")?;
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
        match &self.summary.causes {
            Some(causes) if causes.undiagnosed.is_empty() => self.causes(f, causes)?,
            causes => {
                self.kinds(f)?;
                for note in causes.iter().flat_map(notes) {
                    writeln!(f, "\nnote: {note}")?;
                }
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
        if tally.findings > 0 && !self.is_verbose {
            writeln!(f, "\nin full: hypwalk report -v {}", self.folder.display())?;
        }
        writeln!(f, "\nrecords: {}", self.folder.display())
    }
}

impl Table<'_> {
    /// Known errata: those that showed, and those that did not where they should.
    fn known(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { tally, issues, .. } = self.summary;
        let mut showed = tally.known.iter().filter(|(_, shown)| shown.shown > 0).peekable();
        if showed.peek().is_some() {
            writeln!(f, "\nknown errata:")?;
        }
        for (name, shown) in showed {
            let reference = issues.get(name).filter(|_| self.is_verbose);
            let reference = reference.map_or_else(String::new, |it| format!(": {}", it.reference));
            writeln!(f, "{:>14}  {name}{reference}", grouped(shown.shown))?;
        }
        let mut silent = self.summary.silent().peekable();
        if silent.peek().is_some() {
            writeln!(f, "\nknown errata that did not show in probes that ask for them:")?;
        }
        for (name, shown) in silent {
            writeln!(f, "{:>14}  {name}", grouped(shown.asked))?;
        }
        Ok(())
    }

    /// One line a cause, and those that no erratum explains.
    fn causes(&self, f: &mut fmt::Formatter<'_>, causes: &Causes) -> fmt::Result {
        let found = plural(causes.explained() + causes.left(), "finding");
        let by = plural(causes.causes.len() as u64, "cause");
        let explained = grouped(causes.explained());
        match causes.causes.len() {
            0 => return self.left(f, causes),
            _ => writeln!(
                f,
                "\n{found}, {explained} of them by {by}, which predict them bit by bit:"
            )?,
        }
        for (number, cause) in (1..).zip(&causes.causes) {
            let or = match cause.errata.len() {
                1 => String::new(),
                count => format!(" (or {} others)", count - 1),
            };
            let (count, name, what) = (grouped(cause.findings), cause.name(), what(cause));
            let place = place(&cause.first);
            writeln!(f, "{number:>5} {count:>8}  {name}{or}: {what}; first in {place}")?;
            if self.is_verbose {
                for other in &cause.errata[1..] {
                    writeln!(f, "                or {other}: not told apart")?;
                }
                writeln!(f, "                {}", support(cause))?;
                self.example(f, &cause.first)?;
            }
        }
        self.left(f, causes)
    }

    /// Findings that no erratum explains, by kind.
    fn left(&self, f: &mut fmt::Formatter<'_>, causes: &Causes) -> fmt::Result {
        if causes.left() > 0 {
            let kinds = plural(causes.unexplained.len() as u64, "kind");
            writeln!(f, "\nnot explained: {} of {kinds}:", plural(causes.left(), "finding"))?;
        }
        let shown = if self.is_verbose { usize::MAX } else { LEFT };
        for kind in causes.unexplained.iter().take(shown) {
            let rule = rule(kind).map_or_else(String::new, |rule| format!(", where {rule}"));
            let (what, place) = (one_line(&kind.kind), place(&kind.first));
            writeln!(f, "{:>14}  {what}{rule}; first in {place}", grouped(kind.findings))?;
            if self.is_verbose {
                self.example(f, &kind.first)?;
            }
        }
        if let Some(more) = more(causes.unexplained.len(), shown) {
            writeln!(f, "                and {} more", plural(more as u64, "kind"))?;
        }
        for note in notes(causes) {
            writeln!(f, "\nnote: {note}")?;
        }
        Ok(())
    }

    /// What was asked first, what is allowed, and what was answered.
    fn example(&self, f: &mut fmt::Formatter<'_>, example: &Example) -> fmt::Result {
        let Example { case, finding, .. } = example;
        writeln!(f, "                first in case {case}: {}", finding.question)?;
        outcomes(f, &finding.expectation.lines())?;
        let observed = one_line(&finding.observation.to_string());
        writeln!(f, "                observed  {observed}")?;
        let folder = self.folder.display().to_string();
        writeln!(f, "                hypwalk replay {}\n", again(&folder, example))
    }

    /// Findings by kind, where no errata were looked for.
    fn kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.summary.tally;
        if tally.findings == 0 {
            return Ok(());
        }
        let kinds = plural(tally.groups.len() as u64, "kind");
        writeln!(f, "\n{} of {kinds}:", plural(tally.findings, "finding"))?;
        let groups = tally.largest_first();
        for group in groups.iter().take(SHOWN) {
            self.group(f, group)?;
        }
        match more(groups.len(), SHOWN) {
            Some(more) => {
                writeln!(f, "\n  and {} more in summary.json", plural(more as u64, "kind"))
            }
            None => Ok(()),
        }
    }

    fn group(&self, f: &mut fmt::Formatter<'_>, group: &Group) -> fmt::Result {
        let Group { count, verdict, first_case, first, reproducers } = group;
        let signature = group.signature();
        writeln!(f, "\n{:>14}  {}: {signature}", grouped(*count), verdict.name())?;
        writeln!(f, "                first in case {first_case}: {}", first.question)?;
        outcomes(f, &first.expectation.lines())?;
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

/// `case 12, probe 3`.
fn place(example: &Example) -> String {
    let probe = example.finding.probe.map_or_else(String::new, |probe| format!(", probe {probe}"));
    format!("case {}{probe}", example.case)
}

/// The first few of the outcomes that are allowed.
fn outcomes(f: &mut fmt::Formatter<'_>, outcomes: &[String]) -> fmt::Result {
    for (number, allowed) in outcomes.iter().take(OUTCOMES).enumerate() {
        let label = if number == 0 { "allowed " } else { "      or" };
        writeln!(f, "                {label}  {allowed}")?;
    }
    match more(outcomes.len(), OUTCOMES) {
        Some(more) => writeln!(f, "                      or  {more} others"),
        None => Ok(()),
    }
}

/// How many of `count` are left when `shown` are shown.
fn more(count: usize, shown: usize) -> Option<usize> {
    count.checked_sub(shown).filter(|more| *more > 0)
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

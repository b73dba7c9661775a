//! Two runs of the same suite on the same target: is the later one worse?
//!
//! ```text
//!    baseline --+                    +-- worse: somebody has to look
//!               +--> differences ----+
//!    run     ---+                    +-- told:  explained, better, or of the set-up
//! ```
//!
//! The seeds may differ, as they do from night to night: then the runs asked other cases of the same
//! space, and only what can hardly be chance is called worse.

mod compared;
mod difference;
mod text;

use std::collections::BTreeMap;
use std::num::NonZeroU8;

use serde::Serialize;

pub use compared::{Compared, Figures};
pub use difference::Difference;

use judge::verdict::{Cell, Signature};
use suite::Overrides;

use crate::diagnosis::Cause;
use crate::exit::Exit;
use crate::record::{Group, Header, RunId};

/// Cases from which on an average over random cases says something.
const ENOUGH_CASES: u64 = 100;
/// Percent of the baseline's probes a case below which probes are missing.
const PROBES_KEPT: f64 = 90.0;
/// Percent of the probes expected of a cell below which they are missing, when the cases are others.
const CELL_KEPT: f64 = 50.0;
/// Seconds from which on a run's speed says something.
const LONG_ENOUGH: f64 = 5.0;

/// How much slower than its baseline a run may be, in percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance(NonZeroU8);

/// A run beside its baseline.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    run: RunId,
    baseline: RunId,
    suite: String,
    target: String,
    worse: bool,
    is: Figures,
    was: Figures,
    /// The causes of both, those of the run first.
    causes: Vec<CauseRow>,
    differences: Vec<Difference>,
}

/// A cause, and how many findings of each run it explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CauseRow {
    /// The names of its errata.
    pub errata: Vec<String>,
    pub was: u64,
    pub is: u64,
}

/// Runs that can't be compared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{run} is a run of {what} `{is}`, and {baseline} one of `{was}`")]
pub struct Incomparable {
    pub run: RunId,
    pub baseline: RunId,
    /// What differs: the suite or the target.
    pub what: &'static str,
    pub is: String,
    pub was: String,
}

impl Tolerance {
    /// So many percent; `None` unless it is from 1 to 99.
    pub fn percent(percent: u8) -> Option<Self> {
        NonZeroU8::new(percent).filter(|percent| percent.get() < 100).map(Self)
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        const { Self(NonZeroU8::new(20).unwrap()) }
    }
}

impl Comparison {
    /// Compares `run` with `baseline`, than which it may be slower by `tolerance`. Fails when they are
    /// not of the same suite and target.
    pub fn new(
        run: &Compared,
        baseline: &Compared,
        tolerance: Tolerance,
    ) -> Result<Self, Incomparable> {
        comparable(&run.header, &baseline.header)?;
        let mut differences = Vec::new();
        differences.extend(findings(run, baseline));
        let (causes, differing) = causes(run, baseline);
        differences.extend(differing);
        differences.extend(fewer(run, baseline));
        differences.extend(speed(run, baseline, tolerance));
        differences.extend(choices(run, baseline));
        differences.extend(known(run, baseline));
        differences.extend(reasons(run, baseline));
        differences.extend(set_up(&run.header, &baseline.header));
        // Worse ones first, else in the order above.
        differences.sort_by_key(|difference| !difference.is_worse());
        Ok(Self {
            run: run.header.run.clone(),
            baseline: baseline.header.run.clone(),
            suite: run.header.suite.name.clone(),
            target: run.header.machine.target.clone(),
            worse: differences.iter().any(Difference::is_worse),
            is: run.figures(),
            was: baseline.figures(),
            causes,
            differences,
        })
    }

    /// How a command ends that shows it.
    pub const fn exit(&self) -> Exit {
        if self.worse { Exit::Findings } else { Exit::Conforms }
    }

    /// What differs, worse things first.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// The comparison as one line of JSON, for other programs.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn comparable(run: &Header, baseline: &Header) -> Result<(), Incomparable> {
    let names = [
        ("the suite", &run.suite.name, &baseline.suite.name),
        ("the target", &run.machine.target, &baseline.machine.target),
    ];
    let differing = names.into_iter().find(|(_, is, was)| is != was);
    differing.map_or(Ok(()), |(what, is, was)| {
        let (run, baseline) = (run.run.clone(), baseline.run.clone());
        Err(Incomparable { run, baseline, what, is: is.clone(), was: was.clone() })
    })
}

/// The entries of `these` whose keys are not in `others`.
fn only<'a, K: Ord + Clone, V>(
    these: &'a BTreeMap<K, V>,
    others: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, &'a V)> {
    let only = these.iter().filter(|(key, _)| !others.contains_key(*key));
    only.map(|(key, value)| (key.clone(), value))
}

fn findings(run: &Compared, baseline: &Compared) -> Vec<Difference> {
    let (is, was) = (&run.summary.tally.groups, &baseline.summary.tally.groups);
    let new = |(signature, group): (Signature, &Group)| Difference::NewFinding {
        signature,
        verdict: group.verdict,
        count: group.count,
        first_case: group.first_case,
        reproducer: group.reproducers.first().cloned(),
    };
    let gone = |(signature, group): (Signature, &Group)| {
        let Group { verdict, count, .. } = *group;
        Difference::FindingGone { signature, verdict, count }
    };
    let in_order = |these, others| {
        let mut groups: Vec<(Signature, &Group)> = only(these, others).collect();
        groups.sort_by_cached_key(|(signature, _)| signature.to_string());
        groups.into_iter()
    };
    in_order(is, was).map(new).chain(in_order(was, is).map(gone)).collect()
}

/// The causes of both, and what is new and gone of them. Two are the same where they share an erratum: which of those
/// that predict the same is named first may change from run to run.
fn causes(run: &Compared, baseline: &Compared) -> (Vec<CauseRow>, Vec<Difference>) {
    let (is, was) = match (run.causes(), baseline.causes()) {
        (Ok(is), Ok(was)) => (is, was),
        (Err(run), _) | (_, Err(run)) => {
            let reason = format!("{run} was recorded without a diagnosis");
            return (Vec::new(), vec![Difference::CausesNotCompared { reason }]);
        }
    };
    let sum = |causes: &[Cause], one: &Cause| -> u64 {
        let same = causes.iter().filter(|cause| cause.shares(&one.errata));
        same.map(|cause| cause.findings).sum()
    };
    let (mut rows, mut differences) = (Vec::new(), Vec::new());
    for cause in is {
        let (errata, count) = (cause.errata.clone(), cause.findings);
        let before = sum(was, cause);
        rows.push(CauseRow { errata: errata.clone(), was: before, is: count });
        if before == 0 {
            let first_case = cause.first.case;
            differences.push(Difference::NewCause { errata, count, first_case });
        }
    }
    for cause in was.iter().filter(|cause| sum(is, cause) == 0) {
        let (errata, count) = (cause.errata.clone(), cause.findings);
        rows.push(CauseRow { errata: errata.clone(), was: count, is: 0 });
        differences.push(Difference::CauseGone { errata, count });
    }
    (rows, differences)
}

/// What the baseline asked and the run did not.
fn fewer(run: &Compared, baseline: &Compared) -> Vec<Difference> {
    let mut fewer = Vec::new();
    if run.summary.ending.is_none() && baseline.summary.ending.is_some() {
        fewer.push(Difference::DidNotEnd);
    }
    if run.extent() != baseline.extent() {
        return fewer;
    }
    let (is, was) = (run.figures(), baseline.figures());
    let timed = run.clock_ended() || baseline.clock_ended();
    if !timed && is.cases < was.cases {
        fewer.push(Difference::FewerCases { was: was.cases, is: is.cases });
    }
    let same_cases = run.header.seed == baseline.header.seed && !timed;
    let comparable = same_cases || is.probes == 0 || is.cases.min(was.cases) >= ENOUGH_CASES;
    if comparable && is.probes_a_case() * 100.0 < was.probes_a_case() * PROBES_KEPT {
        let (was, is) = (was.probes_a_case(), is.probes_a_case());
        fewer.push(Difference::FewerProbes { was, is });
    }
    let cells = missing_cells(run, baseline, same_cases);
    if !cells.is_empty() {
        fewer.push(Difference::FewerInCells { cells });
    }
    fewer
}

/// The cells that lack probes, of those of which as many cases are to be expected as in the baseline.
fn missing_cells(run: &Compared, baseline: &Compared, same_cases: bool) -> Vec<Cell> {
    let (is, was) = (run.figures(), baseline.figures());
    let ratio = is.cases as f64 / was.cases.max(1) as f64;
    let (ratio, kept) = if same_cases { (1.0, PROBES_KEPT) } else { (ratio, CELL_KEPT) };
    let asked = |cell| run.summary.tally.matrix.get(cell).map_or(0, |square| square.probes);
    let missing = baseline.summary.tally.matrix.iter().filter(|(cell, square)| {
        (same_cases || square.cases as f64 * ratio >= ENOUGH_CASES as f64)
            && (asked(*cell) as f64) * 100.0 < square.probes as f64 * ratio * kept
    });
    missing.map(|(cell, _)| cell).collect()
}

fn speed(run: &Compared, baseline: &Compared, tolerance: Tolerance) -> Option<Difference> {
    let not_compared = |reason: String| Some(Difference::SpeedNotCompared { reason });
    let rate = |compared: &Compared| compared.figures().probes_per_second;
    let (Some(is), Some(was)) = (rate(run), rate(baseline)) else {
        return not_compared("that of a run that did not end is not known".to_owned());
    };
    match (run.host(), baseline.host()) {
        (Some(host), Some(other)) if host != other => {
            return not_compared(format!("it ran on {host}, the baseline on {other}"));
        }
        (Some(_), Some(_)) => {}
        _ => return not_compared("the records do not tell on which machine it ran".to_owned()),
    }
    if [run, baseline].iter().any(|compared| compared.seconds() < Some(LONG_ENOUGH)) {
        return not_compared(format!("a run took less than {LONG_ENOUGH} s"));
    }
    if run.extent() != baseline.extent() {
        return not_compared("its cases are of another kind than the baseline's".to_owned());
    }
    let percent = ((was - is) / was.max(1.0) * 1000.0).round() / 10.0;
    (percent > f64::from(tolerance.0.get())).then_some(Difference::Slower { was, is, percent })
}

/// Choices that both runs settled, and not in the same way.
fn choices(run: &Compared, baseline: &Compared) -> Vec<Difference> {
    let profile = run.profile();
    let settled = baseline.profile().iter().filter_map(|(choice, was)| {
        let (choice, was, is) = (choice.clone(), was.clone(), profile.get(&choice[..])?.clone());
        (is != was).then_some(Difference::Choice { choice, was, is })
    });
    settled.collect()
}

fn known(run: &Compared, baseline: &Compared) -> Vec<Difference> {
    let (is, was) = (run.known(), baseline.known());
    let new = only(&is, &was).map(|(name, &count)| Difference::KnownNew { name, count });
    let gone = only(&was, &is).map(|(name, &count)| Difference::KnownGone { name, count });
    new.chain(gone).collect()
}

fn reasons(run: &Compared, baseline: &Compared) -> Vec<Difference> {
    let (is, was) = (&run.summary.tally.not_asked, &baseline.summary.tally.not_asked);
    let mut new: Vec<_> = is.iter().filter(|(reason, _)| !was.has(reason)).collect();
    new.sort_by_cached_key(|(reason, _)| reason.to_string());
    let new = new.into_iter();
    new.map(|(reason, count)| Difference::NotAsked { reason: reason.clone(), count }).collect()
}

/// What both runs were made with.
fn set_up(run: &Header, baseline: &Header) -> Vec<Difference> {
    let (is, was) = (parts(run), parts(baseline));
    let none = || "none".to_owned();
    let changed = was.iter().filter(|(part, was)| is.get(*part) != Some(was));
    let changed = changed.map(|(part, was)| Difference::SetUp {
        part: part.clone(),
        was: was.clone(),
        is: is.get(part).cloned().unwrap_or_else(none),
    });
    let added = only(&is, &was).map(|(part, is)| {
        let (was, is) = (none(), is.clone());
        Difference::SetUp { part, was, is }
    });
    let mut differences: Vec<Difference> = changed.chain(added).collect();
    // Another seed is no other suite, and another time box no other kind of case.
    let suite = |header: &Header| {
        let overrides = Overrides { seed: None, seconds: None, ..header.suite.overrides };
        (header.suite.text.clone(), overrides)
    };
    if suite(run) != suite(baseline) {
        differences.push(Difference::OtherSuite);
    }
    differences
}

/// What a run was made with, by name.
fn parts(header: &Header) -> BTreeMap<String, String> {
    let revision = header.revision.as_ref().map_or(String::new(), |it| format!(" ({it})"));
    let mut parts = BTreeMap::from([
        ("Hypwalk".to_owned(), format!("{}{revision}", header.hypwalk)),
        ("the version of the generators".to_owned(), header.generators.to_string()),
    ]);
    parts.extend(header.machine.emulator.clone().map(|is| ("the emulator".to_owned(), is)));
    parts.extend(header.machine.ids.iter().map(|(id, value)| (id.clone(), value.to_string())));
    parts
}

//! One run on the page.

use std::collections::BTreeMap;

use judge::known::Shown;
use judge::verdict::{NotAsked, Verdict};

use super::chart::Chart;
use super::findings::{Entry, entries};
use super::grid::Grid;
use super::mark::Mark;
use super::registers::{Register, meaning, registers};
use super::suspects::{Suspects, suspects};
use crate::diagnosis::Causes;
use crate::exit::Exit;
use crate::record::pace::Course;
use crate::record::{Header, Run, RunError, Summary};
use crate::report::terminal::{grouped, plural};

/// All that the page shows of one run.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its number on the page, from 1.
    pub id: usize,
    pub suite: String,
    pub target: String,
    /// How it ended, in words.
    pub ending: &'static str,
    /// The verdict that stands for the whole.
    pub mark: Mark,
    /// The run in pairs of subject and answer.
    pub facts: Vec<(&'static str, String)>,
    /// The verdicts and how many probes got each.
    pub verdicts: Vec<(Mark, String)>,
    pub grid: Grid,
    /// How many findings there are.
    pub findings: String,
    /// The same by cause, and by kind where they have none.
    pub entries: Vec<Entry>,
    /// How many of them are causes.
    pub causes: String,
    /// How many findings they explain.
    pub explained: String,
    /// What has to be known of that.
    pub notes: Vec<String>,
    /// The cases that have findings, by cell of the matrix.
    pub suspects: Vec<Suspects>,
    pub known: Vec<Issue>,
    pub not_asked: Vec<Silence>,
    /// What the target is, in pairs of subject and answer.
    pub meaning: Vec<(&'static str, String)>,
    pub registers: Vec<Register>,
    /// Its choices, as far as they are settled.
    pub profile: Vec<(String, String)>,
    /// Probes a second over time.
    pub chart: Option<Chart>,
}

#[derive(Clone, Debug)]
pub struct Issue {
    pub name: String,
    pub reference: String,
    /// How many probes were asked in which it may show.
    pub asked: String,
    /// How many probes showed it.
    pub shown: String,
}

/// A reason why probes were not asked.
#[derive(Clone, Debug)]
pub struct Silence {
    pub why: String,
    /// How many probes or cases.
    pub count: String,
    /// The same by kind, where the reason has kinds.
    pub kinds: Vec<(String, String)>,
}

impl Section {
    /// What is shown of `run`, whose summary is `summary`.
    pub fn new(id: usize, run: &Run, summary: &Summary) -> Result<Self, RunError> {
        let (header, tally) = (&run.header, &summary.tally);
        let (mark, ending) = ending(summary);
        let verdicts = Verdict::ALL.into_iter().filter_map(|verdict| {
            let count = tally.verdicts.of(verdict);
            let shown = count > 0 || verdict == Verdict::Conforms;
            shown.then(|| (Mark::of(verdict), grouped(count)))
        });
        let course = Course::read(run.folder())?;
        let (entries, notes) = entries(run, summary);
        let count = entries.iter().filter(|entry| entry.class == "explained").count();
        let suspects = suspects(run, summary)?;
        let linked: Vec<&str> = suspects.iter().map(|suspects| &*suspects.id).collect();
        Ok(Self {
            id,
            suite: header.suite.name.clone(),
            target: header.machine.target.clone(),
            ending,
            mark,
            facts: facts(header, run, summary),
            verdicts: verdicts.collect(),
            grid: Grid::new(&tally.matrix, &linked),
            findings: plural(tally.findings, "finding"),
            entries,
            causes: plural(count as u64, "cause"),
            explained: grouped(summary.causes.as_ref().map_or(0, Causes::explained)),
            notes,
            suspects,
            known: known(summary),
            not_asked: reasons(&tally.not_asked),
            meaning: meaning(&header.machine),
            registers: registers(&header.machine),
            profile: profile(summary),
            chart: course.as_ref().and_then(Chart::new),
        })
    }
}

/// What stands for the whole run, and how it ended, in words.
fn ending(summary: &Summary) -> (Mark, &'static str) {
    let exit = summary.exit();
    match (exit, &summary.ending) {
        (Exit::Conforms, None) => (Mark::INTERRUPTED, "interrupted; all conform until then"),
        (Exit::Conforms, Some(_)) if !summary.tally.known.is_empty() => {
            (Mark::of(Verdict::Known), "all conform but for known errata")
        }
        (Exit::Conforms, Some(_)) => (Mark::of(Verdict::Conforms), exit.meaning()),
        (Exit::NothingJudged, None) => {
            (Mark::INTERRUPTED, "interrupted; no probe was judged until then")
        }
        (Exit::NothingJudged, Some(_)) => (Mark::NONE, exit.meaning()),
        (Exit::Unmet, Some(_)) => (Mark::of(Verdict::Unmet), exit.meaning()),
        (_, None) => (Mark::of(Verdict::Mismatch), "interrupted; there are findings"),
        (_, Some(_)) => (Mark::of(Verdict::Mismatch), exit.meaning()),
    }
}

fn facts(header: &Header, run: &Run, summary: &Summary) -> Vec<(&'static str, String)> {
    let tally = &summary.tally;
    let mut facts = Vec::new();
    let mut add = |subject, answer| facts.push((subject, answer));
    if let Some(emulator) = &header.machine.emulator {
        add("Emulator", emulator.clone());
    }
    add("Seed", header.seed.to_string());
    add("Cases", grouped(tally.cases));
    add("Probes", grouped(tally.probes));
    add("Started", header.started.clone());
    match &summary.ending {
        Some(ending) => {
            let rate = tally.probes as f64 / ending.seconds.max(0.001);
            let rate = grouped(rate as u64);
            add("Took", format!("{:.1} s, {rate} probes a second", ending.seconds));
            add("Restarts", grouped(ending.restarts()));
            let exit = summary.exit();
            add("Exit code", format!("{}: {}", exit.code(), exit.meaning()));
        }
        None => add("Ended", "no: it was interrupted, and this is what was recorded".to_owned()),
    }
    let revision = header.revision.as_ref();
    let revision = revision.map_or_else(String::new, |revision| format!(", revision {revision}"));
    let generators = format!(", generators of version {}", header.generators);
    add("Hypwalk", header.hypwalk.clone() + &revision + &generators);
    add("Records", run.folder().display().to_string());
    facts
}

fn known(summary: &Summary) -> Vec<Issue> {
    let issue = |(name, shown): (&String, &Shown)| Issue {
        name: name.clone(),
        reference: summary
            .issues
            .get(name)
            .map_or_else(String::new, |issue| issue.reference.clone()),
        asked: plural(shown.asked, "probe"),
        shown: grouped(shown.shown),
    };
    summary.tally.known.iter().map(issue).collect()
}

/// Each choice, and the answer to it or those that are possible.
fn profile(summary: &Summary) -> Vec<(String, String)> {
    let profile = summary.ending.iter().flat_map(|ending| &ending.profile);
    profile.map(|(choice, answers)| (choice.clone(), answers.join(" or "))).collect()
}

/// Reasons in the order of their words, those that differ in the kind of probe alone taken together.
fn reasons(not_asked: &NotAsked) -> Vec<Silence> {
    let mut sums: BTreeMap<String, (u64, BTreeMap<String, u64>)> = BTreeMap::new();
    for (reason, count) in not_asked.iter() {
        let (sum, kinds) = sums.entry(reason.general()).or_default();
        *sum = sum.saturating_add(count);
        kinds.extend(reason.kind().map(|kind| (kind.to_string(), count)));
    }
    let silence = |(why, (sum, kinds)): (String, (u64, BTreeMap<String, u64>))| Silence {
        why,
        count: grouped(sum),
        kinds: kinds.into_iter().map(|(kind, count)| (kind, grouped(count))).collect(),
    };
    sums.into_iter().map(silence).collect()
}

//! Findings by cause, and those that have none by kind, each with its first example.

use judge::verdict::{Answers, Finding, Seen};
use oracle::answer::Answer;

use super::fields::{Field, compare};
use super::mark::Mark;
use super::walks::{ToldWalk, Walks};
use crate::diagnosis::{Cause, Causes, Example, Unexplained};
use crate::record::{Group, Run, Summary};
use crate::report::causes::{again, notes, rule, support, what};
use crate::report::terminal::grouped;

/// Causes and kinds that are told in full; the others are listed.
const TOLD: usize = 60;
/// Outcomes that are told of those that are allowed.
const OUTCOMES: usize = 4;

/// Findings that have something in common.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `explained`, `unexplained` or `deaths`: what the page can be filtered by.
    pub class: &'static str,
    /// How many of it.
    pub count: String,
    /// The worst verdict among them.
    pub mark: Mark,
    /// The name of the erratum, or how the answers differ.
    pub title: String,
    /// What the erratum does, or the rule that decides.
    pub what: String,
    /// Errata that the findings don't tell from it.
    pub others: Vec<String>,
    /// How far the findings support it, of a cause.
    pub support: String,
    /// Number of the first case that showed it.
    pub case: u64,
    /// The command that asks it again.
    pub command: String,
    /// The first of them in full; not of all, where there are many.
    pub example: Option<Shown>,
}

/// The first finding of an entry.
#[derive(Clone, Debug)]
pub struct Shown {
    pub question: String,
    pub allowed: Vec<String>,
    /// How many more outcomes are.
    pub others: usize,
    pub observation: String,
    /// Both, field by field, where both are values of `PAR_EL1`.
    pub fields: Vec<Field>,
    /// The walk, step by step, or why there is none.
    pub walk: Result<String, String>,
}

impl Shown {
    /// The names of the fields that differ.
    pub fn differing(&self) -> String {
        let differing = self.fields.iter().filter(|field| field.differs);
        differing.map(|field| field.name).collect::<Vec<_>>().join(", ")
    }
}

/// The findings of a run: causes first, and the most frequent of both first. Also what has to be known of that.
pub fn entries(run: &Run, summary: &Summary) -> (Vec<Entry>, Vec<String>) {
    if summary.tally.findings == 0 {
        return (Vec::new(), Vec::new());
    }
    let mut entries = Vec::new();
    let mut firsts: Vec<Example> = Vec::new();
    let mut add = |entry: Entry, first: Example| {
        entries.push(entry);
        firsts.push(first);
    };
    let notes = match &summary.causes {
        Some(causes) => {
            let Causes { causes: known, unexplained, .. } = causes;
            known.iter().for_each(|cause| add(of_cause(run, cause), cause.first.clone()));
            unexplained.iter().for_each(|kind| add(of_kind(run, kind), kind.first.clone()));
            notes(causes)
        }
        None => {
            for group in summary.tally.largest_first() {
                let Group { first_case: case, first: finding, .. } = group.clone();
                let first = Example { run: 0, case, finding };
                add(of_group(run, group, &first), first);
            }
            vec!["its records are not there, and its summary tells no causes".to_owned()]
        }
    };
    let none = Answers::new();
    let settled = summary.ending.as_ref().map_or(&none, |ending| &ending.profile);
    let mut walks = Walks::new(run, settled).map_err(|untold| untold.to_string());
    for (entry, Example { case, finding, .. }) in entries.iter_mut().zip(&firsts).take(TOLD) {
        let told = walks.as_mut().map_err(|untold| untold.clone());
        let told =
            told.and_then(|walks| walks.tell(*case, finding).map_err(|untold| untold.to_string()));
        entry.example = Some(shown(finding, told));
    }
    (entries, notes)
}

fn of_cause(run: &Run, cause: &Cause) -> Entry {
    Entry {
        class: "explained",
        count: grouped(cause.findings),
        mark: Mark::of(cause.verdict),
        title: cause.name().to_owned(),
        what: what(cause),
        others: cause.errata[1..].to_vec(),
        support: support(cause),
        case: cause.first.case,
        command: command(run, &cause.first),
        example: None,
    }
}

fn of_kind(run: &Run, kind: &Unexplained) -> Entry {
    let is_answer = kind.verdict == judge::verdict::Verdict::Mismatch;
    Entry {
        class: if is_answer { "unexplained" } else { "deaths" },
        count: grouped(kind.findings),
        mark: Mark::of(kind.verdict),
        title: kind.kind.clone(),
        what: rule(kind).unwrap_or_default(),
        others: Vec::new(),
        support: String::new(),
        case: kind.first.case,
        command: command(run, &kind.first),
        example: None,
    }
}

fn of_group(run: &Run, group: &Group, first: &Example) -> Entry {
    let kind = Unexplained {
        rule: None,
        kind: group.signature().to_string(),
        findings: group.count,
        verdict: group.verdict,
        first: first.clone(),
    };
    of_kind(run, &kind)
}

fn shown(first: &Finding, told: Result<ToldWalk, String>) -> Shown {
    let result = told.as_ref().ok().and_then(|told| told.first.as_ref());
    let fields = match (result, &first.observation.answer) {
        (Some(Answer::Par { par, .. }), Seen::Par(observed)) => compare(*par, observed.0),
        _ => Vec::new(),
    };
    let mut allowed = first.expectation.lines();
    let others = allowed.len().saturating_sub(OUTCOMES);
    allowed.truncate(OUTCOMES);
    Shown {
        question: first.question.to_string(),
        allowed,
        others,
        observation: first.observation.to_string(),
        fields,
        walk: told.map(|told| told.walk),
    }
}

fn command(run: &Run, first: &Example) -> String {
    format!("hypwalk replay {}", again(&run.folder().display().to_string(), first))
}

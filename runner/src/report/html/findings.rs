//! Findings by kind, each with its first example.

use judge::verdict::{Answers, Seen};
use oracle::answer::Answer;

use super::fields::{Field, compare};
use super::group_walk::{GroupWalk, GroupWalks};
use super::mark::Mark;
use crate::record::{Group, Run, Summary};
use crate::report::terminal::grouped;

/// Kinds of findings that are told in full; the others are listed.
const TOLD: usize = 60;
/// Outcomes that are told of those that are allowed.
const OUTCOMES: usize = 4;

#[derive(Clone, Debug)]
pub struct FindingKind {
    /// How many of it.
    pub count: String,
    /// The worst verdict among them.
    pub mark: Mark,
    /// What they have in common.
    pub signature: String,
    /// Number of the first case that showed it.
    pub case: u64,
    /// The command that asks it again.
    pub command: String,
    /// Files that reproduce it.
    pub reproducers: Vec<String>,
    /// The first of them in full; not of every kind, where there are many.
    pub example: Option<Example>,
}

/// The first finding of a kind.
#[derive(Clone, Debug)]
pub struct Example {
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

impl Example {
    /// The names of the fields that differ.
    pub fn differing(&self) -> String {
        let differing = self.fields.iter().filter(|field| field.differs);
        differing.map(|field| field.name).collect::<Vec<_>>().join(", ")
    }
}

/// The findings of a run, the most frequent kind first.
pub fn kinds(run: &Run, summary: &Summary) -> Vec<FindingKind> {
    let groups = summary.tally.largest_first();
    if groups.is_empty() {
        return Vec::new();
    }
    let none = Answers::new();
    let settled = summary.ending.as_ref().map_or(&none, |ending| &ending.profile);
    let mut scene = GroupWalks::new(run, settled).map_err(|untold| untold.to_string());
    let kind = |(number, group): (usize, &Group)| FindingKind {
        count: grouped(group.count),
        mark: Mark::of(group.verdict),
        signature: group.signature().to_string(),
        case: group.first_case,
        command: command(run, group),
        reproducers: group.reproducers.clone(),
        example: (number < TOLD).then(|| {
            let told = scene.as_mut().map_err(|untold| untold.clone());
            example(
                group,
                told.and_then(|scene| scene.tell(group).map_err(|untold| untold.to_string())),
            )
        }),
    };
    groups.into_iter().enumerate().map(kind).collect()
}

fn example(group: &Group, told: Result<GroupWalk, String>) -> Example {
    let first = &group.first;
    let result = told.as_ref().ok().and_then(|told| told.first.as_ref());
    let fields = match (result, &first.observation.answer) {
        (Some(Answer::Par { par, .. }), Seen::Par(observed)) => compare(*par, observed.0),
        _ => Vec::new(),
    };
    let mut allowed = first.expectation.lines();
    let others = allowed.len().saturating_sub(OUTCOMES);
    allowed.truncate(OUTCOMES);
    Example {
        question: first.question.to_string(),
        allowed,
        others,
        observation: first.observation.to_string(),
        fields,
        walk: told.map(|told| told.walk),
    }
}

fn command(run: &Run, group: &Group) -> String {
    match group.reproducers.first() {
        Some(file) => format!("hypwalk replay {}", run.folder().join(file).display()),
        None => format!("hypwalk replay {}:{}", run.folder().display(), group.first_case),
    }
}

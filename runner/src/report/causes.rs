//! The causes of what was found on a device, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use golden::Rule;
use serde::Serialize;

use super::legal::one_line;
use super::terminal::{grouped, plural};
use crate::diagnosis::device::Device;
use crate::diagnosis::{Cause, Causes, Condition, Example, NamedAfterwards, Unexplained};
use crate::record::Run;

/// What was found on a device, for people.
#[derive(Debug)]
pub struct Told<'a>(pub &'a Device);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(device) = self;
        let causes = &device.diagnosis.causes;
        writeln!(f, "{}", headline(device))?;
        if let Some(named) = device.diagnosis.named.as_ref().filter(|it| !it.known.is_empty()) {
            writeln!(f, "\nknown by errata that are named now:")?;
            for (name, count) in &named.known {
                writeln!(f, "{:>14}  {name}", grouped(*count))?;
            }
        }
        for (number, cause) in (1..).zip(&causes.causes) {
            let name = cause.name();
            let (count, what) = (grouped(cause.findings), what(cause));
            writeln!(f, "\n{number:>4} {count:>9}  {name}: {what}")?;
            for other in &cause.errata[1..] {
                writeln!(f, "                or {other}: these findings do not tell them apart")?;
            }
            writeln!(f, "                {}", support(cause))?;
            example(f, &cause.first, &device.runs)?;
        }
        if causes.left() > 0 {
            let kinds = plural(causes.unexplained.len() as u64, "kind");
            let left = plural(causes.left(), "finding");
            writeln!(f, "\nnot explained: {left} of {kinds}")?;
        }
        for kind in &causes.unexplained {
            writeln!(f, "\n     {:>9}  {}", grouped(kind.findings), one_line(&kind.kind))?;
            if let Some(rule) = rule(kind) {
                writeln!(f, "                where the rule decides: {rule}")?;
            }
            example(f, &kind.first, &device.runs)?;
        }
        let named = device.diagnosis.named.iter().flat_map(notes_of_named);
        for note in notes(causes).into_iter().chain(named) {
            writeln!(f, "\nnote: {note}")?;
        }
        Ok(())
    }
}

/// What has to be known of errata that were named after the runs.
fn notes_of_named(named: &NamedAfterwards) -> Vec<String> {
    let NamedAfterwards { untried, left_out, .. } = named;
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut notes = vec![
        "known is what one of these errata predicts by itself, beside those that the run knew; what it takes two of them \
         for is not known from records, and stays a finding"
            .to_owned(),
    ];
    if !untried.is_empty() {
        let untried = list(untried);
        notes.push(format!("of earlier versions, and to be tried by a run alone: {untried}"));
    }
    if !left_out.is_empty() {
        let left_out = list(left_out);
        notes.push(format!(
            "known to the run, and not named now: what they predict stays known: {left_out}"
        ));
    }
    notes
}

/// Causes that are told in short; the others are counted.
const SHORT: usize = 12;

/// The causes of what was found so far: a line each, without what they are.
pub fn so_far(causes: &Causes) -> String {
    let found = plural(causes.explained() + causes.left(), "finding");
    let by = plural(causes.causes.len() as u64, "cause");
    let mut text = format!("so far: {found}, {} of them by {by}", grouped(causes.explained()));
    let line = |count: u64, what: &str| format!("\n{:>14}  {what}", grouped(count));
    for cause in causes.causes.iter().take(SHORT) {
        text += &line(cause.findings, cause.name());
    }
    let others = causes.causes.iter().skip(SHORT);
    match others.clone().count() as u64 {
        0 => {}
        count => {
            let findings = others.map(|cause| cause.findings).sum();
            text += &line(findings, &format!("by {} more", plural(count, "cause")));
        }
    }
    if causes.left() > 0 {
        text += &line(causes.left(), "not explained");
    }
    text
}

/// One line: what was asked of which device, and what was found.
pub fn headline(device: &Device) -> String {
    let (suites, targets) = (device.suites().join(", "), device.targets().join(", "));
    let mut line = format!("{suites} on {targets}");
    for emulator in device.emulators() {
        line += &format!(", emulator {emulator}");
    }
    let (probes, findings) = (device.diagnosis.probes, device.findings());
    line += &format!(": {}, {}", plural(probes, "probe"), plural(findings, "finding"));
    let causes = &device.diagnosis.causes;
    if !causes.causes.is_empty() {
        let by = plural(causes.causes.len() as u64, "cause");
        line += &format!(", {} of them by {by}", grouped(causes.explained()));
    }
    line
}

/// What the first erratum of `cause` does, and which rule it breaks.
pub fn what(cause: &Cause) -> String {
    cause.erratum().map_or_else(|| "this version does not know it".to_owned(), ToString::to_string)
}

/// How far the findings support it: a diagnosis is a hypothesis.
pub fn support(cause: &Cause) -> String {
    let Cause { findings, shown, contradicted, elsewhere, condition, .. } = cause;
    let mut text = match condition {
        Some(condition) => format!(
            "in all {} where {condition}, in 0 of {} others that it changes",
            grouped(*shown),
            grouped(contradicted + elsewhere)
        ),
        None => format!(
            "predicts {} of {} that it changes",
            grouped(*shown),
            plural(shown + contradicted, "answer")
        ),
    };
    if condition.is_none() && *contradicted > 0 {
        text += &format!("; {} conform, where it predicts otherwise", grouped(*contradicted));
    }
    if condition.is_none() && *elsewhere > 0 {
        text += &format!(
            "; {} conform in cases without a finding, where it predicts otherwise",
            grouped(*elsewhere)
        );
    }
    if shown > findings {
        text += &format!("; {} of them count for causes above", grouped(shown - findings));
    }
    text
}

/// The rule that decided what should have been answered, in words.
pub fn rule(kind: &Unexplained) -> Option<String> {
    let name = kind.rule.as_ref()?;
    let rule = Rule::ALL.iter().find(|rule| format!("{rule:?}") == *name);
    Some(rule.map_or_else(|| name.clone(), ToString::to_string))
}

/// What has to be known of a diagnosis.
pub fn notes(causes: &Causes) -> Vec<String> {
    let Causes { unknown, undiagnosed, not_drawn, .. } = causes;
    let mut notes = Vec::new();
    for run in undiagnosed {
        notes.push(format!(
            "{run} was recorded without a diagnosis: no errata were looked for, and all that it found is not explained"
        ));
    }
    if !unknown.is_empty() {
        let names: Vec<String> =
            unknown.iter().map(|(name, count)| format!("{name} ({})", grouped(*count))).collect();
        let names = names.join(", ");
        notes.push(format!(
            "this version does not know these errata, which explain nothing: {names}"
        ));
    }
    if let Some(why) = not_drawn {
        notes.push(format!("no conditions are looked for: {why}"));
    }
    notes
}

fn example(f: &mut fmt::Formatter<'_>, example: &Example, runs: &[Run]) -> fmt::Result {
    let Example { run, case, finding } = example;
    let question = one_line(&finding.question.to_string());
    writeln!(f, "                first in case {case}: {question}")?;
    let Some(run) = runs.get(*run) else { return Ok(()) };
    let folder: PathBuf = run.folder().components().collect();
    writeln!(f, "                hypwalk replay {}", again(&folder.display().to_string(), example))
}

/// What `hypwalk replay` asks `example` again by; `folder` is that of its run.
pub fn again(folder: &str, example: &Example) -> String {
    let probe = example.finding.probe.map_or_else(String::new, |probe| format!(" --probe {probe}"));
    format!("{folder}:{}{probe}", example.case)
}

/// What was found on a device, for other programs.
#[derive(Serialize)]
pub struct Line<'a> {
    suites: Vec<&'a str>,
    targets: Vec<&'a str>,
    emulators: Vec<&'a str>,
    cases: u64,
    probes: u64,
    findings: u64,
    /// Findings that errata predict which were named afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'a BTreeMap<String, u64>>,
    causes: Vec<CauseLine<'a>>,
    unexplained: Vec<UnexplainedLine<'a>>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct CauseLine<'a> {
    errata: &'a [String],
    does: Option<&'a str>,
    breaks: Option<&'a str>,
    findings: u64,
    shown: u64,
    contradicted: u64,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<&'a Condition>,
    first: Place<'a>,
}

#[derive(Serialize)]
struct UnexplainedLine<'a> {
    rule: Option<String>,
    kind: &'a str,
    findings: u64,
    first: Place<'a>,
}

/// Where a finding is.
#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    case: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<u32>,
    question: String,
}

impl<'a> Line<'a> {
    pub fn new(device: &'a Device) -> Self {
        let causes = &device.diagnosis.causes;
        let place = |example: &Example| {
            let header = device.runs.get(example.run).map(|run| &run.header);
            Place {
                suite: header.map(|header| &*header.suite.name),
                seed: header.map(|header| header.seed),
                case: example.case,
                probe: example.finding.probe,
                question: example.finding.question.to_string(),
            }
        };
        let cause = |cause: &'a Cause| CauseLine {
            errata: &cause.errata,
            does: cause.erratum().map(|erratum| erratum.does),
            breaks: cause.erratum().map(|erratum| erratum.breaks),
            findings: cause.findings,
            shown: cause.shown,
            contradicted: cause.contradicted,
            condition: cause.condition.as_ref(),
            first: place(&cause.first),
        };
        let unexplained = |kind: &'a Unexplained| UnexplainedLine {
            rule: rule(kind),
            kind: &kind.kind,
            findings: kind.findings,
            first: place(&kind.first),
        };
        Self {
            suites: device.suites(),
            targets: device.targets(),
            emulators: device.emulators(),
            cases: device.diagnosis.cases,
            probes: device.diagnosis.probes,
            findings: device.findings(),
            known: device.diagnosis.named.as_ref().map(|named| &named.known),
            causes: causes.causes.iter().map(cause).collect(),
            unexplained: causes.unexplained.iter().map(unexplained).collect(),
            notes: notes(causes)
                .into_iter()
                .chain(device.diagnosis.named.iter().flat_map(notes_of_named))
                .collect(),
        }
    }
}

//! A walk in words: each step, how it ends, and how else it could have ended.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use golden::explain::Explain;
use golden::{Asked, El, MemoryAttributes, Shareability, Stage2Operation, allowed};
use vectors::{Answer, Outcome, Question};

use super::Scene;

/// So many other outcomes are told, where not all are asked for.
pub const MOST_OUTCOMES: usize = 12;

/// The walk of `question` step by step, with open choices answered as the pseudocode is usually run, and
/// up to `most` other outcomes that the architecture allows.
pub fn story(scene: &Scene, question: &Question, most: usize) -> String {
    let mut text = words(question);
    text.push('\n');
    let mut explain = Explain::new(String::new());
    let answer = question.ask(scene.machine(), &mut scene.profile.clone(), &mut explain);
    match &answer.outcome {
        Outcome::Par { par, fault } => {
            explain.at_result(&golden::AtResult::Par { par: *par, fault: *fault });
        }
        // What an access by a stage 1 walk is reported as depends on the access that the walk is for.
        Outcome::Abort(abort) if !is_of_stage1_walk(question) => {
            explain.exception(&abort.exception);
        }
        Outcome::Abort(_) | Outcome::Output(_) | Outcome::NotExecuted(_) => {}
    }
    for line in explain.finish().unwrap_or_default().lines() {
        let _ = writeln!(text, "  {line}");
    }
    if let Outcome::Output(_) | Outcome::NotExecuted(_) = &answer.outcome {
        let _ = writeln!(text, "  {}", answer.outcome);
    }
    others(&mut text, scene, question, &answer, most);
    text
}

fn words(question: &Question) -> String {
    match question {
        Question::At { at, executed_at, pan, va } => {
            let pan = if *pan { ", PSTATE.PAN set" } else { "" };
            format!("{at} of {va}, executed at {executed_at}{pan}")
        }
        Question::Access { access, va } => {
            let mut words = format!("{} by {} at {va}", access.operation, access.el);
            let marks = [
                (!access.alignment.is_aligned(), "not aligned"),
                (access.unprivileged, "unprivileged"),
                (access.pan, "PSTATE.PAN set"),
                (access.uao, "PSTATE.UAO set"),
            ];
            for (_, mark) in marks.iter().filter(|(is, _)| *is) {
                words += &format!(", {mark}");
            }
            words
        }
        Question::Stage2 { access, sh, ipa } => {
            let operation = match access.operation {
                Stage2Operation::Access(operation) => operation.to_string(),
                Stage2Operation::Stage1WalkRead => "read by a stage 1 walk".into(),
                Stage2Operation::Stage1WalkUpdate => "update by a stage 1 walk".into(),
            };
            let el: El = access.el;
            let (shareability, reserved) = match Shareability::from_bits((*sh).into()) {
                Some(shareability) => (shareability, ""),
                None => (Shareability::Non, ", by a reserved SH"),
            };
            let to = MemoryAttributes { shareability, ..access.stage1_attributes };
            let aligned = if access.aligned { "" } else { ", not aligned" };
            format!("stage 2 of a {operation} by {el} at IPA {ipa}{aligned}, to {to}{reserved}")
        }
    }
}

const fn is_of_stage1_walk(question: &Question) -> bool {
    matches!(question, Question::Stage2 { access, .. }
        if !matches!(access.operation, Stage2Operation::Access(_)))
}

/// The outcomes beside `first` that open choices allow.
fn others(text: &mut String, scene: &Scene, question: &Question, first: &Answer, most: usize) {
    let told = |answer: &Answer| {
        let mut words = match answer.outcome {
            Outcome::Abort(abort) if is_of_stage1_walk(question) => abort.fault.to_string(),
            outcome => outcome.to_string(),
        };
        for update in &answer.updates {
            words += &format!("; descriptor {update}");
        }
        words
    };
    let mut seen = HashSet::from([told(first)]);
    let mut lines = Vec::new();
    let explored = allowed(
        &scene.profile,
        |choices| question.ask(scene.machine(), choices, &mut ()),
        |answer, asked| {
            let words = told(&answer);
            if seen.insert(words.clone()) && lines.len() < most {
                lines.push(words + &behind(asked));
            }
            ControlFlow::Continue(())
        },
    );
    let count = seen.len() - 1;
    if count > 0 {
        let _ = writeln!(text, "  also allowed:");
    }
    for line in &lines {
        let _ = writeln!(text, "    {line}");
    }
    if count > lines.len() {
        let _ = writeln!(text, "    and {} more: --all lists them", count - lines.len());
    }
    if !explored.complete {
        let _ = writeln!(text, "    and perhaps more: too many choices are open to follow all");
    }
}

/// The choices behind an outcome that are not as in the walk that was told.
fn behind(asked: &[Asked]) -> String {
    let mut words = String::new();
    for Asked { choice, answer, .. } in asked.iter().filter(|asked| asked.answer.0 != 0) {
        let before = if words.is_empty() { ", if " } else { " and " };
        let _ = write!(words, "{before}{choice} is {}", choice.answer_name(*answer));
    }
    words
}

//! TAP, the Test Anything Protocol, version 14.
//!
//! ```text
//!   TAP version 14
//!   1..3
//!   ok 1 - 4K ipa 32
//!   not ok 2 - 4K ipa 33 # TODO known erratum: FWB-forgets-CD
//!   not ok 3 - 4K ipa 34
//!     ---
//!     message: "1 finding of 1 kind: ..."
//!     ...
//! ```
//!
//! Several runs are subtests, four spaces in, each with a test point of its own behind it.

use std::fmt::{self, Write as _};

use judge::verdict::Finding;
use serde_json::json;

use super::checklist::{CausedTest, Checklist, FailedTest, Outcome, Point, message};
use super::legal::{legal, one_line};

/// Kinds of findings that a test point tells.
const KINDS: usize = 20;
/// Outcomes that are told of those that are allowed.
const OUTCOMES: usize = 8;

/// The runs as one document.
pub fn tap(runs: &[Checklist]) -> String {
    let mut text = "TAP version 14\n".to_owned();
    // Writing to memory does not fail.
    let _ = match runs {
        [run] => points(&mut text, run, ""),
        runs => subtests(&mut text, runs),
    };
    legal(&text).into_owned()
}

fn subtests(text: &mut String, runs: &[Checklist]) -> fmt::Result {
    writeln!(text, "1..{}", runs.len())?;
    for (run, number) in runs.iter().zip(1..) {
        let name = escaped(&run.name());
        writeln!(text, "# Subtest: {name}")?;
        points(text, run, "    ")?;
        let is_ok = |point: &Point| !point.outcome.is_failure();
        let ok = if run.points.iter().all(is_ok) { "ok" } else { "not ok" };
        writeln!(text, "{ok} {number} - {name}")?;
    }
    Ok(())
}

fn points(text: &mut String, run: &Checklist, indent: &str) -> fmt::Result {
    writeln!(text, "{indent}1..{}", run.points.len())?;
    for (name, value) in run.properties() {
        writeln!(text, "{indent}# {}: {}", one_line(&name), one_line(&value))?;
    }
    for (reason, count) in run.summary.tally.not_asked.in_words() {
        writeln!(text, "{indent}# not asked: {count}, {}", one_line(&reason))?;
    }
    for (point, number) in run.points.iter().zip(1..) {
        let (ok, directive) = match &point.outcome {
            Outcome::Passed => ("ok", String::new()),
            // What is to be mended and does not count until then is what TODO says.
            Outcome::Known(known) => {
                let names: Vec<&str> = known.keys().map(|name| &**name).collect();
                ("not ok", format!(" # TODO known erratum: {}", escaped(&names.join(", "))))
            }
            Outcome::Skipped(reasons) => {
                let reasons: Vec<String> = reasons.in_words().into_keys().collect();
                ("ok", format!(" # SKIP not asked: {}", escaped(&reasons.join(", "))))
            }
            Outcome::Failed(_) | Outcome::Caused(_) | Outcome::Broken(_) => {
                ("not ok", String::new())
            }
        };
        writeln!(text, "{indent}{ok} {number} - {}{directive}", escaped(&point.name))?;
        diagnose(text, run, point, indent)?;
    }
    Ok(())
}

/// The YAML block of a test point. Each value is written as JSON, which is YAML on one line.
fn diagnose(text: &mut String, run: &Checklist, point: &Point, indent: &str) -> fmt::Result {
    let (said, severity) = match &point.outcome {
        Outcome::Passed | Outcome::Skipped(_) => return Ok(()),
        Outcome::Known(known) => {
            let known: Vec<String> =
                known.iter().map(|(name, count)| format!("{count} {name}")).collect();
            (known.join(", "), "todo")
        }
        Outcome::Failed(failures) => (message(failures), "fail"),
        Outcome::Caused(test) => (test.message(), "fail"),
        Outcome::Broken(why) => ((*why).to_owned(), "fail"),
    };
    writeln!(text, "{indent}  ---")?;
    writeln!(text, "{indent}  message: {}", json!(said))?;
    writeln!(text, "{indent}  severity: {severity}")?;
    writeln!(text, "{indent}  cases: {}", point.square.cases)?;
    writeln!(text, "{indent}  probes: {}", point.square.probes)?;
    match &point.outcome {
        Outcome::Failed(failures) => {
            writeln!(text, "{indent}  findings:")?;
            for FailedTest { count, case, first } in failures.iter().take(KINDS) {
                example(text, run, (*count, *case, first), indent)?;
            }
        }
        Outcome::Caused(test) => {
            let CausedTest { count, details, case, first, .. } = &**test;
            writeln!(text, "{indent}  support: {}", json!(details))?;
            writeln!(text, "{indent}  findings:")?;
            example(text, run, (*count, *case, first), indent)?;
        }
        Outcome::Passed | Outcome::Known(_) | Outcome::Skipped(_) | Outcome::Broken(_) => {}
    }
    writeln!(text, "{indent}  ...")
}

/// So many findings, and the first of them, of the case with this number.
fn example(
    text: &mut String,
    run: &Checklist,
    (count, case, first): (u64, u64, &Finding),
    indent: &str,
) -> fmt::Result {
    writeln!(text, "{indent}    - signature: {}", json!(first.signature.to_string()))?;
    let mut outcomes = first.expectation.lines();
    outcomes.truncate(OUTCOMES);
    for (key, value) in [
        ("verdict", json!(first.verdict)),
        ("count", json!(count)),
        ("question", json!(first.question.to_string())),
        ("allowed", json!(outcomes)),
        ("observed", json!(first.observation.to_string())),
        ("replay", json!(run.replay(case))),
    ] {
        writeln!(text, "{indent}      {key}: {value}")?;
    }
    Ok(())
}

/// A description or reason: on one line, and with `#` and `\` escaped.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

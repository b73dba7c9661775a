//! JUnit XML, for Jenkins, GitLab, GitHub and whatever else reads test results.
//!
//! ```text
//!   testsuites
//!     testsuite     smoke@qemu-max, one a run
//!       properties  seed, versions, machine, known errata, what was not asked
//!       testcase    4K ipa 40, one a cell; with a failure where there are findings
//!       testcase    cause AT-sets-dirty-state, one a cause of findings: a failure
//!       system-out  the run in a table
//! ```
//!
//! There are two schemas about: that of Ant's reports, which is strict, and that of Jenkins, which
//! allows more but not all of the first. This writes what both allow.

use std::io;

use judge::verdict::Finding;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::checklist::{CausedTest, Checklist, FailedTest, Outcome, Point, message};
use super::legal::{legal, one_line};
use super::terminal::Table;

/// Kinds of findings that a failure tells in full.
const KINDS: usize = 20;
/// Outcomes that are told of those that are allowed.
const OUTCOMES: usize = 8;

type Xml = Writer<Vec<u8>>;

/// The runs as one document.
pub fn junit(runs: &[Checklist]) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory does not fail.
    let _ = document(&mut xml, runs);
    let text = String::from_utf8_lossy(&xml.into_inner()).into_owned();
    legal(&text).into_owned() + "\n"
}

fn document(xml: &mut Xml, runs: &[Checklist]) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites").write_inner_content(|xml| {
        runs.iter().enumerate().try_for_each(|(id, run)| suite(xml, id, run))
    })?;
    Ok(())
}

fn suite(xml: &mut Xml, id: usize, run: &Checklist) -> io::Result<()> {
    let count = |is: fn(&Outcome) -> bool| {
        run.points.iter().filter(|point| is(&point.outcome)).count().to_string()
    };
    // Ant's schema knows no time zone: it is UTC.
    let started = run.header.started.trim_end_matches('Z');
    let suite = xml.create_element("testsuite").with_attributes([
        ("id", &*id.to_string()),
        ("package", &*run.header.suite.name),
        ("name", &*run.name()),
        ("timestamp", started),
        ("hostname", &*run.header.machine.target),
        ("tests", &*run.points.len().to_string()),
        (
            "failures",
            &*count(|outcome| outcome.is_failure() && !matches!(outcome, Outcome::Broken(_))),
        ),
        ("errors", &*count(|outcome| matches!(outcome, Outcome::Broken(_)))),
        ("skipped", &*count(|outcome| matches!(outcome, Outcome::Skipped(_)))),
        ("time", &*seconds(run.seconds)),
    ]);
    suite.write_inner_content(|xml| {
        xml.create_element("properties").write_inner_content(|xml| {
            run.properties().iter().try_for_each(|(name, value)| {
                let property =
                    xml.create_element("property").with_attribute(("name", &*one_line(name)));
                property.with_attribute(("value", &*one_line(value))).write_empty().map(drop)
            })
        })?;
        run.points.iter().try_for_each(|point| case(xml, run, point))?;
        let table =
            Table { summary: &run.summary, folder: &run.folder, is_verbose: false }.to_string();
        xml.create_element("system-out").write_text_content(BytesText::new(&table))?;
        xml.create_element("system-err").write_text_content(BytesText::new(""))?;
        Ok(())
    })?;
    Ok(())
}

fn case(xml: &mut Xml, run: &Checklist, point: &Point) -> io::Result<()> {
    let class = format!("{}.{}", run.header.suite.name, run.header.machine.target);
    let case = xml.create_element("testcase").with_attributes([
        ("classname", &*class),
        ("name", &*point.name),
        ("time", &*seconds(run.seconds_of(point))),
    ]);
    let (element, kind, message, text) = match &point.outcome {
        Outcome::Passed | Outcome::Known(_) => return case.write_empty().map(drop),
        Outcome::Skipped(reasons) => {
            let reasons = reasons.in_words();
            let reasons: Vec<String> =
                reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
            ("skipped", None, "no probe was asked".to_owned(), reasons.join("\n"))
        }
        Outcome::Broken(why) => {
            ("error", Some("interrupted".to_owned()), (*why).to_owned(), String::new())
        }
        Outcome::Caused(test) => {
            let kind = test.title.split(':').next().map(str::to_owned);
            ("failure", kind, test.message(), caused(run, test))
        }
        Outcome::Failed(failures) => {
            let kind = failures.first().map(|failure| failure.signature().to_string());
            ("failure", kind, message(failures), body(run, failures))
        }
    };
    case.write_inner_content(|xml| {
        let child = xml.create_element(element).with_attribute(("message", &*message));
        let kind = kind.as_deref().map(|kind| ("type", kind));
        child.with_attributes(kind).write_text_content(BytesText::new(&text)).map(drop)
    })
    .map(drop)
}

fn caused(run: &Checklist, test: &CausedTest) -> String {
    let CausedTest { title, details, case, first, .. } = test;
    format!("\n{title}\n{}\n{}", details.join("\n"), example(run, *case, first))
}

fn example(run: &Checklist, case: u64, first: &Finding) -> String {
    let mut text = format!("  case {case}: {}\n", first.question);
    let outcomes = first.expectation.lines();
    for (number, allowed) in outcomes.iter().take(OUTCOMES).enumerate() {
        let label = if number == 0 { "allowed " } else { "      or" };
        text += &format!("  {label}  {allowed}\n");
    }
    match outcomes.len().saturating_sub(OUTCOMES) {
        0 => {}
        more => text += &format!("        or  {more} others\n"),
    }
    text + &format!("  observed  {}\n  {}\n", first.observation, run.replay(case))
}

fn body(run: &Checklist, failures: &[FailedTest]) -> String {
    let mut text = String::new();
    for FailedTest { count, case, first } in failures.iter().take(KINDS) {
        text += &format!("\n{count} times {}: {}\n", first.verdict.name(), first.signature);
        text += &example(run, *case, first);
    }
    match failures.len().saturating_sub(KINDS) {
        0 => {}
        more => text += &format!("\nand {more} more kinds\n"),
    }
    text
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

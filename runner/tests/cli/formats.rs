//! Reports for other programs and for browsers, of a small run whose target said what it liked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use case::Case;
use case::abilities::{Abilities, Ids};
use case::draw::{NotDrawn, Space};
use case::format::Granule;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{Operation, Probe};
use case::source::Source;
use jiff::Timestamp;
use judge::kind::{AnswerKind, Class};
use judge::known::{Record, Shown};
use judge::verdict::{
    Answers, CaseRecord, Cell, Counts, DeathRecord, Demise, Finding, NotAsked, Observed, ProbeKind,
    Question, Reason, Seen, Signature, Verdict, Wanted, Word,
};
use judge::verdict::{Ending, Outcome};
use oracle::answer::Answer;
use proptest::prelude::*;
use runner::plan::Shard;
use runner::record::pace::{Course, Pace};
use runner::record::{self, Header, Request, Run, RunError, RunFolder, RunId, TargetHeader};
use runner::report::Checklist;
use runner::report::html::html;
use runner::report::junit::junit;
use runner::report::tap::tap;
use serde_json::Value;
use suite::hex::Hex;
use suite::machine::Machine;
use suite::{Overrides, Suite};
use tap_parser::{DirectiveKind, TapParser, TapPlan, TapStatement, TapTest};

use crate::common::folders;

/// What a target must not be able to say to a reader of a report.
const HOSTILE: &str =
    "</pre><script>alert('x')</script> & \"q\" ]]> # TODO \\# \u{1b}[31m\0 \u{ffff}\nnot ok 1";

fn header(suite: &str, said: &str) -> Header {
    let text = format!("name: {suite}\ngenerators:\n  - legality: {{}}\n");
    let suite = Suite::from_text(&text, Path::new("suite.yaml")).unwrap();
    let time = Timestamp::from_second(1_795_255_607).unwrap();
    let id = RunId::new(time, &suite.name, "qemu-max", 0x3f2a);
    let ids = link::hello::IdRegisters {
        midr_el1: 0x410f_d034,
        id_aa64mmfr0_el1: 0x1122,
        ..Default::default()
    };
    let machine = Machine::new("qemu-max", Some(format!("10.0.2 {said}")), &ids, &map());
    let asked = Request {
        suite: &suite,
        overrides: Overrides::default(),
        seed: 7,
        shard: Shard::WHOLE,
        soak: None,
        target: TargetHeader::default(),
    };
    let header = Header::new(id, time, asked, machine, Record::default());
    // What changes from build to build.
    Header { hypwalk: "0.1.0".into(), revision: Some("0123456789ab".into()), ..header }
}

fn map() -> MemoryMap {
    let mut map = MemoryMap::new();
    map.push(Arena { base: 0x8000_0000, size: 8 << 20, kind: ArenaKind::Tables }).unwrap();
    map
}

fn case() -> Case {
    let ids = Ids { id_aa64mmfr0_el1: 0x1122, ..Ids::default() };
    Source::Random(Space::BENIGN).draw(&Abilities::new(&ids), &map(), 7, 1).unwrap()
}

const fn cell(granule: Granule, ipa_bits: u8) -> Option<Cell> {
    Some(Cell { granule, ipa_bits })
}

fn conforming(index: u64, cell: Option<Cell>) -> CaseRecord {
    let verdicts = Counts { conforms: 64, ..Counts::default() };
    CaseRecord { index, cell, probes: 64, verdicts, digest: 5, ..CaseRecord::default() }
}

fn with_finding(index: u64, cell: Option<Cell>, verdict: Verdict, said: &str) -> CaseRecord {
    let mut record = conforming(index, cell);
    record.verdicts.conforms -= 1;
    record.verdicts.add(verdict);
    let par = Answer::Par { par: golden::Masked::exact(0xa1b), fault: None };
    let outcome = |choices| Outcome { ending: Ending::of(&par), updates: Vec::new(), choices };
    let way = vec![("a_choice".to_owned(), vec![said.to_owned()])];
    record.findings.push(Finding {
        probe: Some(3),
        verdict,
        signature: Signature::Told(format!("at_s12e1r: {}, {said}", verdict.name())),
        question: Question::of(&Probe::new(Operation::AtS12e1r, 0x4020_1000)),
        expectation: Wanted::Outcomes(vec![outcome(Vec::new()), outcome(vec![way])]),
        observation: match verdict {
            Verdict::Aborted => {
                let told = format!("it babbled: {said}");
                Seen::Death(DeathRecord { how: Demise::Garbage, told }).into()
            }
            _ => Observed {
                answer: Seen::Par(Hex(0x0000_0008_7654_3b80)),
                updates: vec![Word::new(0x8050_e708, 0x403)],
            },
        },
        errata: match verdict {
            Verdict::Mismatch if index == 4 => vec!["AT-sets-dirty-state".to_owned()],
            _ => Vec::new(),
        },
        rule: Some("OutputOutOfRange".to_owned()),
    });
    record
}

/// Writes a run in which everything happens that a report knows of; in what the target says, `said`.
fn write(test: &str, suite: &str, said: &str, ends: bool) -> Run {
    let results = folders::empty(&format!("formats-{test}"));
    let header = header(suite, said);
    let mut writer = RunFolder::create(&results, &header.run).unwrap().begin(header).unwrap();
    let mut known = conforming(1, cell(Granule::K16, 36));
    known.verdicts = Counts { conforms: 60, known: 4, ..Counts::default() };
    known.known = BTreeMap::from([(format!("an-issue {said}"), Shown { asked: 9, shown: 4 })]);
    let expected = vec![Class::of(AnswerKind::of_par(0xa1b))];
    let kind = ProbeKind { operation: Operation::AtS12e1r, expected };
    let not_asked =
        [(Reason::Quarantined(kind), 40), (Reason::HeldBack(Some(said.to_owned())), 24)];
    let nothing = CaseRecord {
        index: 2,
        cell: cell(Granule::K64, 48),
        not_asked: not_asked.into(),
        ..CaseRecord::default()
    };
    let not_asked = NotAsked::from([(Reason::NotDrawn(NotDrawn::NoHost), 1)]);
    let not_drawn = CaseRecord { index: 3, not_asked, ..CaseRecord::default() };
    let mut whole = conforming(5, None);
    whole.findings = with_finding(5, None, Verdict::Mismatch, "of a whole").findings;
    whole.findings[0].probe = None;
    let records = [
        conforming(0, cell(Granule::K4, 40)),
        known,
        nothing,
        not_drawn,
        with_finding(4, cell(Granule::K4, 39), Verdict::Mismatch, said),
        whole,
        with_finding(6, cell(Granule::K4, 39), Verdict::Aborted, said),
        with_finding(7, cell(Granule::K4, 39), Verdict::Mismatch, said),
        conforming(8, cell(Granule::K16, 40)),
    ];
    let case = case();
    for record in &records {
        writer.record(record, Some(&case)).unwrap();
    }
    let folder = writer.folder().to_owned();
    if ends {
        let profile = Answers::from([("txsz_above_max".to_owned(), vec!["fault".to_owned()])]);
        let ending =
            record::RunEnd { seconds: 2.5, boots: 2, profile, ..record::RunEnd::default() };
        writer.finish(ending).unwrap();
    }
    Run::open(&folder).unwrap()
}

fn checklist(run: &Run) -> Checklist {
    Checklist::new(run, run.summary().unwrap().0).unwrap()
}

fn page(run: &Run) -> String {
    let (summary, _) = run.summary().unwrap();
    html(&[(run.clone(), summary)]).unwrap()
}

/// A report without the folder that it is made in.
fn portable(report: &str, run: &Run) -> String {
    report.replace(run.folder().to_str().unwrap(), "results/R")
}

/// What the schemas of both kinds of reader have against a document, by xmllint.
fn complaints(document: &str) -> Vec<String> {
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas");
    let complaints = |schema| {
        let mut child = Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema", schema, "-"])
            .current_dir(schemas)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("xmllint checks JUnit XML: install libxml2-utils, as scripts/test does");
        // It may have seen enough before it has read all.
        let _ = child.stdin.take().unwrap().write_all(document.as_bytes());
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&stderr).into_owned();
        // 3 and 4: not valid; 1: no XML. All others are troubles of its own.
        assert!(matches!(status.code(), Some(0 | 1 | 3 | 4)), "{schema}: {told}");
        (!status.success()).then(|| format!("{schema}: {told}"))
    };
    ["jenkins-junit-10.xsd", "ant-junit.xsd"].into_iter().filter_map(complaints).collect()
}

#[test]
fn each_format_tells_the_run() {
    let run = write("snapshots", "smoke", "so it said", true);
    let runs = [checklist(&run)];
    insta::assert_snapshot!("junit", portable(&junit(&runs), &run));
    insta::assert_snapshot!("tap", portable(&tap(&runs), &run));
    let page = page(&run);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    insta::assert_snapshot!("html", portable(&format!("{head}{body}"), &run));
}

#[test]
fn junit_is_valid_by_the_schemas_that_readers_follow() {
    let runs = [
        write("valid-1", "smoke", HOSTILE, true),
        write("valid-2", "nightly", "so it said", false),
    ];
    let document = junit(&runs.each_ref().map(checklist));
    assert_eq!(complaints(&document), [""; 0]);
    let count = |text: &str| document.matches(text).count();
    assert_eq!((count("<testsuite "), count("<failure "), count("<skipped ")), (2, 8, 2));
    assert_eq!(count("<error "), 1, "one of them was interrupted");
}

/// The validator is worth what it refuses.
#[test]
fn the_schemas_refuse_what_is_wrong() {
    let document = junit(&[checklist(&write("teeth", "smoke", "so it said", true))]);
    for (from, to, by) in [
        ("<testsuites>", "<testsuites count=\"1\">", 2),
        ("<testcase ", "<testcase reason=\"x\" ", 2),
        ("time=\"2.500\"", "time=\"2.5 s\"", 2),
        ("<properties>", "<failure/><properties>", 2),
        ("</testsuites>", "", 2),
        ("<testsuites>", "<testsuites name=\"x\">", 1),
        ("<testsuite id=\"0\" ", "<testsuite ", 1),
        ("<system-err></system-err>", "", 1),
    ] {
        let changed = document.replacen(from, to, 1);
        assert_ne!(changed, document, "{from}");
        assert_eq!(complaints(&changed).len(), by, "{from} as {to}");
    }
}

/// The test points of a document, whose plan must count them and whose numbers must run from 1.
fn points<'a>(statements: &'a [TapStatement<'a>]) -> Vec<&'a TapTest<'a>> {
    // A plan stands before the points or behind them, and once.
    let [TapStatement::Plan(TapPlan { count, .. }), rest @ ..] = statements else {
        panic!("the plan is missing: {statements:?}")
    };
    let point = |statement: &'a TapStatement<'a>| match statement {
        TapStatement::TestPoint(point) => Some(point),
        TapStatement::Subtest(subtest) => Some(&subtest.ending),
        TapStatement::Comment(_) => None,
        TapStatement::Plan(_) => panic!("a second plan"),
    };
    let points: Vec<_> = rest.iter().filter_map(point).collect();
    let numbers: Vec<_> = points.iter().map(|point| point.number.unwrap()).collect();
    assert_eq!(numbers, (1..=*count).collect::<Vec<_>>());
    points
}

/// What a harness shows of a description or reason.
fn unescaped(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        shown.push(if c == '\\' { chars.next().unwrap() } else { c });
    }
    shown
}

#[test]
fn tap_means_the_same_to_another_parser() {
    let document = tap(&[checklist(&write("tap", "smoke", HOSTILE, true))]);
    let statements = TapParser::new().parse(&document).unwrap();
    let points = points(&statements);
    let told: Vec<(bool, &str, Option<&DirectiveKind>)> = points
        .iter()
        .map(|point| {
            let kind = point.directive.as_ref().map(|directive| &directive.kind);
            (point.result, point.desc.unwrap(), kind)
        })
        .collect();
    let wanted = [
        (false, "4K ipa 39", None),
        (true, "4K ipa 40", None),
        (false, "16K ipa 36", Some(&DirectiveKind::Todo)),
        (true, "16K ipa 40", None),
        (true, "64K ipa 48", Some(&DirectiveKind::Skip)),
        (false, "no tables", None),
        (false, "cause AT-sets-dirty-state", None),
        (false, "not explained", None),
        (true, "the run came to its end", None),
    ];
    assert_eq!(told, wanted);

    let reason = points[2].directive.as_ref().unwrap().reason.unwrap();
    let said = HOSTILE.replace(['\u{1b}', '\0', '\u{ffff}'], "\u{fffd}").replace('\n', " ");
    assert_eq!(unescaped(reason), format!("known erratum: an-issue {said}"));

    let diagnosis: Value = serde_yaml::from_str(&points[0].yaml.join("\n")).unwrap();
    assert_eq!((&diagnosis["severity"], &diagnosis["cases"]), (&"fail".into(), &3.into()));
    let findings = diagnosis["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[1]["count"], 2);
    // JSON writes what YAML forbids as escapes: it comes through.
    let observed = findings[0]["observed"].as_str().unwrap();
    let said = HOSTILE.replace('\u{ffff}', "\u{fffd}");
    assert_eq!(observed, format!("it babbled: {said}"));
    assert!(findings[1]["replay"].as_str().unwrap().ends_with("3f2a:4"));
}

#[test]
fn several_runs_are_subtests() {
    let runs = [write("sub-1", "smoke", HOSTILE, true), write("sub-2", "nightly", HOSTILE, false)];
    let document = tap(&runs.each_ref().map(checklist));
    let statements = TapParser::new().parse(&document).unwrap();
    let endings = points(&statements);
    assert_eq!(endings.len(), 2);
    for (statement, name) in statements[1..].iter().zip(["smoke@qemu-max", "nightly@qemu-max"]) {
        let TapStatement::Subtest(subtest) = statement else { panic!("{statement:?}") };
        assert_eq!((subtest.name, subtest.ending.desc), (Some(name), Some(name)));
        assert!(!subtest.ending.result);
        assert_eq!(points(&subtest.statements).len(), 9);
    }
    let TapStatement::Subtest(nightly) = &statements[2] else { panic!() };
    assert!(!points(&nightly.statements)[8].result, "it was interrupted");
}

#[test]
fn a_page_needs_nothing_else_and_shows_what_it_can() {
    let run = write("page", "smoke", "so it said", true);
    let page = page(&run);
    for elsewhere in ["<script", "http", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    // Each cause and each kind of what has none with the walk of its first example, and the fields that differ.
    assert_eq!(page.matches("stage 1 translates VA").count(), 3);
    assert_eq!(page.matches("the finding is about the case as a whole").count(), 1);
    // A death has no fields.
    assert_eq!(page.matches("<table class=\"fields\">").count(), 2);
    // What the page can be filtered by is on each.
    for (class, count) in [("explained", 1), ("unexplained", 2), ("deaths", 1)] {
        assert_eq!(
            page.matches(&format!("<article class=\"entry {class}\"")).count(),
            count,
            "{class}"
        );
    }
    // A cell is linked to its cases, which name their causes.
    assert_eq!(page.matches("href=\"#run1-4k-39\"").count(), 1);
    assert_eq!(page.matches("id=\"run1-4k-39\"").count(), 1);
    assert!(page.contains("<li>case 4, 1: AT-sets-dirty-state <code>"), "{page}");
    assert!(page.contains("<li>case 7, 1: not explained <code>"), "{page}");
    assert!(page.contains("hypwalk replay"), "{page}");
    assert!(page.contains("no series over time"), "{page}");

    let mut course = fs::File::create(run.folder().join("pace.jsonl")).unwrap();
    for second in 1..=4u32 {
        let pace =
            Pace { seconds: second.into(), probes: u64::from(second) * 10, cases: 1, findings: 0 };
        serde_json::to_writer(&mut course, &pace).unwrap();
        course.write_all(b"\n").unwrap();
    }
    assert!(self::page(&run).contains("<polyline points=\"125.0,0.0 375.0,0.0"));
}

#[test]
fn a_walk_that_can_not_be_told_is_said_so() {
    let run = write("untold", "smoke", "so it said", true);
    fs::remove_dir_all(run.folder().join("repro")).unwrap();
    let header = run.folder().join("header.json");
    let text = fs::read_to_string(&header).unwrap();
    let version = format!("\"generators\": {}", case::draw::VERSION);
    assert!(text.contains(&version));
    fs::write(&header, text.replace(&version, "\"generators\": 99")).unwrap();
    let page = page(&Run::open(run.folder()).unwrap());
    let told = "can&#39;t be drawn again: the cases of";
    assert_eq!(page.matches(told).count(), 3, "{page}");
    assert!(!page.contains("stage 1 translates VA"));
}

#[test]
fn an_interrupted_run_is_never_shown_as_a_whole_one() {
    let run = write("interrupted", "smoke", "so it said", false);
    assert!(page(&run).contains("interrupted; there are findings"));
    assert!(junit(&[checklist(&run)]).contains("<error message=\"the run was interrupted"));
    assert!(tap(&[checklist(&run)]).contains("not ok 9 - the run came to its end\n"));
}

#[test]
fn the_course_of_a_run_is_read_up_to_its_torn_line_and_damage_is_told() {
    let run = write("course", "smoke", "so it said", false);
    let file = run.folder().join("pace.jsonl");
    assert_eq!(Course::read(run.folder()).unwrap(), None);
    let at = |second: u32| Pace { seconds: second.into(), probes: 9, ..Pace::default() };
    let line = |pace| serde_json::to_string(&pace).unwrap() + "\n";
    fs::write(&file, line(at(1)) + &line(at(2)) + r#"{"seconds":3,"#).unwrap();
    let course = Course::read(run.folder()).unwrap().unwrap();
    assert_eq!(course.samples().collect::<Vec<_>>(), [at(1), at(2)]);
    // An interrupted run took as long as that.
    assert!(junit(&[checklist(&run)]).contains("time=\"2.000\""));
    fs::write(&file, line(at(1)) + "{}\n").unwrap();
    let error = Course::read(run.folder()).unwrap_err();
    assert!(matches!(error, RunError::Malformed { line: 2, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_target_says_reports_stay_whole(said in any::<String>()) {
        let run = write("any", "smoke", &said, true);
        let runs = [checklist(&run)];
        prop_assert_eq!(complaints(&junit(&runs)), [""; 0]);
        let document = tap(&runs);
        let statements = TapParser::new().parse(&document).unwrap();
        prop_assert_eq!(points(&statements).len(), 9);
        prop_assert_eq!(tags(&page(&run)), tags(&page(&write("any", "smoke", "", true))));
    }
}

/// The tags of a page, with their attributes but for titles.
fn tags(page: &str) -> Vec<String> {
    let tag = |rest: &str| rest.split(['>', ' ']).next().unwrap().to_owned();
    page.split('<').skip(1).map(tag).collect()
}

//! Runs are written, read back, and told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use case::Case;
use case::abilities::{Abilities, Ids};
use case::draw::Space;
use case::format::Granule;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{Operation, Probe};
use case::source::Source;
use jiff::Timestamp;
use judge::difference::Difference;
use judge::known::{self, Issue, KnownErrata, Shown};
use judge::verdict::{
    CaseRecord, Cell, Counts, Finding, NotAsked, ProbeKind, Question, Reason, Seen, Signature,
    Verdict, Wanted,
};
use judge::verdict::{Ending as Allowed, Outcome};
use oracle::answer::Answer;
use proptest::prelude::*;
use runner::diagnosis::device::Device;
use runner::diagnosis::{Causes, Diagnosis, Live};
use runner::plan::Shard;
use runner::record::redraw::plan;
use runner::record::resume::{ResumeError, Resumed};
use runner::record::{
    Header, Request, Run, RunEnd, RunError, RunFolder, RunId, RunWriter, Summary, TargetHeader,
};
use runner::report::causes::so_far;
use runner::report::errata_file::errata_file;
use runner::report::terminal::Table;
use suite::case_file::CaseFile;
use suite::hex::Hex;
use suite::machine::Machine;
use suite::{Overrides, Suite};

use crate::common::folders;

/// A results folder of its own for each test.
struct Results(PathBuf);

impl Results {
    fn new(test: &str) -> Self {
        Self(folders::empty(&format!("report-{test}")))
    }

    fn folder(&self) -> RunFolder {
        RunFolder::create(&self.0, &header().run).unwrap()
    }

    fn begin(&self) -> RunWriter {
        self.folder().begin(header()).unwrap()
    }
}

fn header() -> Header {
    let text = "name: smoke\ngenerators:\n  - legality: {}\n";
    let suite = Suite::from_text(text, Path::new("smoke.yaml")).unwrap();
    let time = Timestamp::from_second(1_795_255_607).unwrap();
    let id = RunId::new(time, &suite.name, "qemu-max", 0x3f2a);
    let ids = link::hello::IdRegisters { midr_el1: 0x410f_d034, ..Default::default() };
    let emulator = Some("QEMU emulator version 10.0.2".to_owned());
    let machine = Machine::new("qemu-max", emulator, &ids, &map());
    let issue = |only_samples| Issue { reference: "QEMU does so and so.".to_owned(), only_samples };
    let issues = [("often", false), ("deadly", true), ("gone", false), ("not-deadly-now", true)];
    let issues = issues.map(|(name, samples)| (name.to_owned(), issue(samples))).into();
    let asked = Request {
        suite: &suite,
        overrides: Overrides::default(),
        seed: 7,
        shard: Shard::WHOLE,
        soak: None,
        target: TargetHeader::default(),
    };
    let known = known::Record { issues, ..known::Record::default() };
    Header::new(id, time, asked, machine, known)
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

fn conforming(index: u64) -> CaseRecord {
    let verdicts = Counts { conforms: 64, ..Counts::default() };
    CaseRecord {
        cases: 1,
        index,
        placement: None,
        cell: Some(Cell { granule: Granule::K4, ipa_bits: 40 }),
        probes: 64,
        verdicts,
        known: BTreeMap::from([("often".to_owned(), Shown { asked: 20, shown: index % 2 })]),
        settled: BTreeMap::new(),
        not_asked: NotAsked::default(),
        digest: 5,
        findings: vec![],
        contradicted: BTreeMap::new(),
        unshown: BTreeMap::new(),
        results: BTreeMap::new(),
    }
}

/// The two kinds of finding: an address in the place of a fault, and a death.
fn mismatch() -> Signature {
    let difference = Difference::named("success instead of stage 2 Permission fault, level 1");
    Signature::of_answer(Operation::AtS12e1r, difference)
}

fn death() -> Signature {
    let kind = ProbeKind::of(&Probe::new(Operation::AtS12e1w, 0), None);
    Signature::Died { kind, hung: false }
}

fn finding(verdict: Verdict, signature: Signature) -> Finding {
    let outcome = |par| Outcome {
        ending: Allowed::of(&Answer::Par { par: golden::Masked::exact(par), fault: None }),
        updates: Vec::new(),
        choices: Vec::new(),
    };
    Finding {
        probe: Some(3),
        verdict,
        signature,
        question: Question::of(&Probe::new(Operation::AtS12e1r, 0x4020_1000)),
        expectation: Wanted::Outcomes(vec![outcome(0xa1d), outcome(0xa1f)]),
        observation: Seen::Par(Hex(0x0000_0008_7654_3980)).into(),
        errata: Vec::new(),
        rule: None,
    }
}

fn with_finding(index: u64, verdict: Verdict, signature: Signature) -> CaseRecord {
    let mut record = conforming(index);
    record.verdicts.conforms -= 1;
    record.verdicts.add(verdict);
    let kind = ProbeKind::of(&Probe::new(Operation::AtS12e1w, 0), None).unwrap();
    record.not_asked.add(Reason::Quarantined(kind), 2);
    record.findings.push(finding(verdict, signature));
    record
}

/// A run with 2000 conforming cases and five findings of two kinds.
fn a_run(results: &Results) -> (PathBuf, Summary) {
    let mut writer = results.begin();
    for index in 0..2000 {
        let mut record = conforming(index);
        if index % 500 == 0 {
            record.known.insert("deadly".to_owned(), Shown { asked: 1, shown: 1 });
            record.known.insert("not-deadly-now".to_owned(), Shown { asked: 1, shown: 0 });
            record.known.insert("gone".to_owned(), Shown { asked: 308, shown: 0 });
        }
        writer.record(&record, None).unwrap();
    }
    let case = case();
    for index in 2000..2004 {
        let record = with_finding(index, Verdict::Mismatch, mismatch());
        writer.record(&record, Some(&case)).unwrap();
    }
    let record = with_finding(2004, Verdict::Aborted, death());
    writer.record(&record, Some(&case)).unwrap();
    let folder = writer.folder().to_owned();
    let ending = RunEnd { seconds: 2.5, workers: 1, boots: 2, ..RunEnd::default() };
    (folder, writer.finish(ending).unwrap())
}

#[test]
fn a_run_is_told_in_a_table() {
    let results = Results::new("table");
    let (_, summary) = a_run(&results);
    insta::assert_snapshot!(Table {
        summary: &summary,
        folder: Path::new("results/R"),
        is_verbose: false
    });
    let quiet = Summary { ending: None, tally: Default::default(), ..summary };
    insta::assert_snapshot!(Table {
        summary: &quiet,
        folder: Path::new("results/R"),
        is_verbose: false
    });
}

#[test]
fn the_json_line_has_the_keys_that_others_read() {
    let (_, summary) = a_run(&Results::new("json"));
    insta::assert_snapshot!(summary.json_line());
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let results = Results::new("read");
    let (folder, written) = a_run(&results);
    let run = Run::open(&folder).unwrap();
    assert_eq!(run.header.seed, 7);
    let (read, torn) = run.summary().unwrap();
    assert_eq!((read, torn), (written.clone(), None));
    let records: Vec<CaseRecord> = run.records().unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 2005);
    assert_eq!(records[1], conforming(1));

    // Without its summary, as after a kill, the records say the same.
    fs::remove_file(folder.join("summary.json")).unwrap();
    let (read, _) = run.summary().unwrap();
    assert_eq!(read.ending, None);
    assert_eq!(read.tally.verdicts, written.tally.verdicts);
    assert_eq!(read.tally.findings, 5);
    assert_eq!(read.tally.known, written.tally.known);
    assert_eq!(read.silent().collect::<Vec<_>>(), written.silent().collect::<Vec<_>>());
}

#[test]
fn the_first_few_cases_of_each_kind_become_reproducers() {
    let (folder, summary) = a_run(&Results::new("repro"));
    let files = |signature: Signature| summary.tally.groups[&signature].reproducers.clone();
    let mismatches = files(mismatch());
    assert_eq!(mismatches, ["repro/001.yaml", "repro/002.yaml", "repro/003.yaml"]);
    assert_eq!(files(death()), ["repro/004.yaml"]);
    assert_eq!(fs::read_dir(folder.join("repro")).unwrap().count(), 4);
    let file = CaseFile::read(&folder.join("repro/002.yaml")).unwrap();
    assert_eq!(*file.case.0, case());
    assert_eq!(file.origin.unwrap().index, 2001);
}

#[test]
fn a_torn_record_is_told_and_what_came_before_counts() {
    let (folder, _) = a_run(&Results::new("torn"));
    fs::remove_file(folder.join("summary.json")).unwrap();
    let records = folder.join("records.jsonl");
    let text = fs::read(&records).unwrap();
    // However much of the last record is there, short of its end.
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in [last + 1, text.len() - 10, text.len() - 1] {
        fs::write(&records, &text[..length]).unwrap();
        let (summary, torn) = Run::open(&folder).unwrap().summary().unwrap();
        assert_eq!((summary.tally.cases, torn), (2004, Some(length - last)));
    }
}

#[test]
fn a_record_that_is_damaged_in_the_middle_is_refused() {
    let (folder, _) = a_run(&Results::new("damaged"));
    fs::remove_file(folder.join("summary.json")).unwrap();
    fs::write(folder.join("records.jsonl"), "{\"index\":1,\n{}\n").unwrap();
    let error = Run::open(&folder).unwrap().summary().unwrap_err();
    assert!(matches!(error, RunError::Malformed { line: 1, .. }), "{error}");
}

#[test]
fn a_run_of_another_version_is_refused() {
    let (folder, _) = a_run(&Results::new("version"));
    for (format, refused) in
        [("2,", false), ("3,", false), ("4,", true), ("1,", true), ("4294967299,", true)]
    {
        let header = folder.join("header.json");
        let text = fs::read_to_string(&header).unwrap();
        let at = text.find("\"format\": ").unwrap();
        let end = at + text[at..].find(',').unwrap() + 1;
        let (before, behind) = (&text[..at], &text[end..]);
        fs::write(&header, format!("{before}\"format\": {format}{behind}")).unwrap();
        match Run::open(&folder) {
            Ok(_) => assert!(!refused, "{format}"),
            Err(error) => {
                assert!(refused && matches!(error, RunError::Version { .. }), "{error}");
            }
        }
    }
}

#[test]
fn results_that_can_not_be_written_are_told_before_the_target_starts() {
    let results = Results(Results::new("unwritable").0.join("results"));
    fs::write(&results.0, "a file where the folder should be").unwrap();
    let id = header().run;
    let error = RunFolder::create(&results.0, &id).unwrap_err();
    assert!(matches!(error, RunError::Write { .. }), "{error}");
    fs::remove_file(&results.0).unwrap();
    // The same id twice is somebody else's run.
    RunFolder::create(&results.0, &id).unwrap();
    assert!(RunFolder::create(&results.0, &id).is_err());
}

#[test]
fn a_run_that_never_began_leaves_nothing() {
    let results = Results::new("discard");
    results.folder().discard();
    assert_eq!(fs::read_dir(&results.0).unwrap().count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let results = Results::new("full");
    let folder = results.folder();
    let records = folder.path().join("records.jsonl");
    std::os::unix::fs::symlink("/dev/full", &records).unwrap();
    let mut writer = folder.begin(header()).unwrap();
    let error = writer.record(&conforming(0), None).unwrap_err();
    let RunError::Write { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    let failure = runner::failure::Failure::from(error);
    assert_eq!(failure.exit, runner::exit::Exit::Results);
    let told = failure.to_string();
    assert!(told.contains("= help: the disk is full: free some room"), "{told}");
}

proptest! {
    /// No process is started in this program: one that has not come to its program yet holds the locks of
    /// the one that starts it.
    #[test]
    fn a_run_that_is_torn_anywhere_goes_on_behind_its_last_whole_record(part in 0.0..=1.0) {
        let results = Results::new("torn-anywhere");
        let mut writer = results.begin();
        for index in 0..40 {
            writer.record(&conforming(index), None).unwrap();
            writer.pace(index as f64 * 0.7).unwrap();
        }
        let folder = writer.folder().to_owned();
        writer.interrupt(28.0).unwrap();
        let tear = |name: &str| {
            let path = folder.join(name);
            let whole = fs::read(&path).unwrap();
            let torn = &whole[..(whole.len() as f64 * part) as usize];
            fs::write(&path, torn).unwrap();
            let end = torn.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines = torn.iter().filter(|byte| **byte == b'\n').count() as u64;
            (path, torn[..end].to_vec(), lines)
        };
        let [records, pace] = ["records.jsonl", "pace.jsonl"].map(tear);
        let resumed = Resumed::open(&folder).unwrap();
        prop_assert_eq!(resumed.past.cases, records.2);
        // One line a second: 20 of the 40, and the last.
        prop_assert_eq!(resumed.past.elapsed.is_zero(), pace.2 <= 1);
        for (path, kept, _) in [records, pace] {
            prop_assert!(fs::read(&path).unwrap() == kept, "{}", path.display());
        }
        let busy = Resumed::open(&folder).unwrap_err();
        prop_assert!(matches!(busy, ResumeError::Run(RunError::Busy { .. })), "one writer");
    }
}

/// The causes of a run: see [`diagnosed_run`].
fn diagnosed(test: &str, erratum: &str, shows: impl Fn(&Probe) -> bool) -> Causes {
    diagnosed_run(test, erratum, shows).summary().unwrap().0.causes.unwrap()
}

/// A run of 20 random cases, as they are drawn, where `erratum` shows in those probes for which that is so, and is
/// contradicted by all others of their cases.
fn diagnosed_run(test: &str, erratum: &str, shows: impl Fn(&Probe) -> bool) -> Run {
    let mut header = header();
    header.machine.emulator = Some("10.0.2 (of a distribution)".to_owned());
    header.suite.text = "name: smoke\ngenerators: [random: { cases: 20 }]\n".to_owned();
    let mut writer = Results::new(test).folder().begin(header).unwrap();
    let drawn = plan(writer.header(), writer.folder()).unwrap();
    for (index, case) in (0..20).filter_map(|index| Some((index, drawn.case(index)?.ok()?))) {
        let mut record = conforming(index);
        for (number, probe) in case.as_ref().probes.iter().enumerate() {
            if shows(probe) {
                let mut finding = finding(Verdict::Mismatch, mismatch());
                finding.probe = Some(number as u32);
                finding.question = Question::of(probe);
                finding.errata = vec![erratum.to_owned()];
                record.findings.push(finding);
            } else {
                record.contradicted.entry(erratum.to_owned()).or_default().push(number as u16);
            }
        }
        writer.record(&record, None).unwrap();
    }
    let folder = writer.folder().to_owned();
    writer.finish(RunEnd::default()).unwrap();
    Run::open(&folder).unwrap()
}

fn is_e0r(probe: &Probe) -> bool {
    probe.operation() == Some(Operation::AtS12e0r)
}

fn known(text: &str) -> KnownErrata {
    KnownErrata::from_text(text, Path::new("errata.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn findings_that_errata_predict_which_are_named_afterwards_are_known() {
    let run = [diagnosed_run("afterwards", "PAR-tells-no-stage", is_e0r)];
    let all = Diagnosis::new(&run).unwrap().causes.explained();
    let with = |rest: &str| {
        let entry = "errata:\n  - names: [PAR-tells-no-stage]\n    reference: as a test\n";
        let diagnosis = Diagnosis::with(&run, Some(&known(&format!("{entry}{rest}")))).unwrap();
        let named = diagnosis.named.unwrap();
        let count = named.known.get("PAR-tells-no-stage").copied().unwrap_or(0);
        (count, diagnosis.causes.explained() + diagnosis.causes.left(), named)
    };
    let (count, left, named) = with("");
    assert_eq!((count, left), (all, 0));
    // What the run knew is told; it is not judged anew.
    assert!(named.untried.is_empty() && named.left_out.contains("often"), "{named:?}");
    assert_eq!(with("    when: { operations: ['at_s12e0*'] }\n").0, all);
    assert_eq!(with("    when: { operations: [load] }\n").0, 0);
    assert_eq!(with("    targets: [another]\n").0, 0);
    let (count, left, named) = with("    emulators: { to: '9.2' }\n");
    assert_eq!((count, left), (0, all));
    assert!(named.untried.contains("PAR-tells-no-stage"));
    // The registers are those of the cases, which are drawn again: some have this granule, and some have not.
    let (count, left, _) = with("    when: { fields: { VTCR_EL2.TG0: [0] } }\n");
    assert!(count > 0 && left > 0 && count + left == all, "{count} of {all}");
}

#[test]
fn causes_are_written_as_errata_that_can_be_read_again() {
    let run = diagnosed_run("written", "PAR-tells-no-stage", is_e0r);
    let device = Device::new(vec![run.clone()]).unwrap();
    let errata = known(&errata_file(&[device]));
    let names = |emulator| {
        let known = errata.for_target("qemu-max", Some(emulator));
        known.iter().map(|known| known.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("10.0.2"), ["PAR-tells-no-stage"]);
    assert_eq!((names("10.0.3"), names("10.0.1")), (vec![], vec![]));
    let flaw = errata.for_target("qemu-max", Some("10.0.2")).flaws().remove(0);
    assert_eq!((flaw.when.operations, flaw.sometimes), (vec![Operation::AtS12e0r], false));
    // With them nothing is left of what was found.
    let again = Diagnosis::with(&[run], Some(&errata)).unwrap();
    assert_eq!((again.causes.explained(), again.causes.left()), (0, 0));
}

#[test]
fn a_cause_that_contradicts_another_is_left_out_of_the_file() {
    let device = |name: &str, erratum: &str| {
        Device::new(vec![diagnosed_run(name, erratum, is_e0r)]).unwrap()
    };
    let one = device("taken-for-0", "HCR_EL2.CD-taken-for-0");
    let other = device("taken-for-1", "HCR_EL2.CD-taken-for-1");
    let text = errata_file(&[one, other]);
    let errata = known(&text).for_target("qemu-max", Some("10.0.2"));
    let names: Vec<&str> = errata.iter().map(|known| known.name()).collect();
    assert_eq!(names, ["HCR_EL2.CD-taken-for-0"]);
    assert!(text.contains("# Left out: ") && text.contains("no target can have both"), "{text}");
    assert!(text.contains("#   - names: ['HCR_EL2.CD-taken-for-1']"), "{text}");
    assert!(known(&errata_file(&[])).for_target("qemu-max", None).flaws().is_empty());
}

#[test]
fn what_tells_apart_where_an_erratum_shows_is_its_condition() {
    let name = "PAR-tells-no-stage";
    let causes = diagnosed("condition", name, is_e0r);
    let [cause] = &causes.causes[..] else { panic!("{causes:?}") };
    assert_eq!(cause.condition.as_ref().unwrap().to_string(), "operation is at_s12e0r");
    // It is a cause, though many more contradict it than show it.
    assert!(cause.contradicted > cause.shown && cause.shown == cause.findings, "{cause:?}");
    // Some addresses that show it elsewhere, too: nothing tells them apart, and it explains nothing.
    let causes = diagnosed("none", name, |probe| is_e0r(probe) || probe.address >> 12 & 15 == 1);
    assert_eq!((causes.causes.len(), causes.explained()), (0, 0), "{causes:?}");
    assert!(causes.left() > 0);
}

#[test]
fn what_holds_of_the_cases_where_an_erratum_shows_and_of_no_other_is_its_condition() {
    const K64: u64 = 1;
    let name = "PAR-tells-no-stage";
    let mut header = header();
    header.suite.text = "name: smoke\ngenerators: [random: { cases: 150 }]\n".to_owned();
    let run = |shows: fn(&Case) -> bool, alike: &[&str], test: &str| {
        let mut writer = Results::new(test).folder().begin(header.clone()).unwrap();
        let drawn = plan(writer.header(), writer.folder()).unwrap();
        for (index, case) in (0..150).filter_map(|index| Some((index, drawn.case(index)?.ok()?))) {
            let mut record = conforming(index);
            record.probes = case.as_ref().probes.len() as u64;
            if shows(&case) {
                let mut finding = finding(Verdict::Mismatch, mismatch());
                (finding.probe, finding.errata) =
                    (Some(0), alike.iter().map(|name| (*name).to_owned()).collect());
                record.findings.push(finding);
            }
            writer.record(&record, None).unwrap();
        }
        let folder = writer.folder().to_owned();
        writer.finish(RunEnd::default()).unwrap();
        Run::open(&folder).unwrap()
    };
    let told = |shows, test: &str| {
        let causes = run(shows, &[name], test).causes().unwrap().causes;
        let [cause] = &causes[..] else { panic!("{causes:?}") };
        assert!(cause.elsewhere > 50, "{cause:?}");
        cause.condition.as_ref().map(ToString::to_string)
    };
    let is_64k = |case: &Case| case.as_ref().header.registers.vtcr_el2 >> 14 & 3 == K64;
    let of_64k = told(is_64k, "scope");
    assert_eq!(of_64k.as_deref(), Some("VTCR_EL2.TG0 is 0x1"));
    let device = Device::new(vec![run(is_64k, &[name], "scope-file")]).unwrap();
    let file = errata_file(&[device]);
    assert!(file.contains("when: { fields: { VTCR_EL2.TG0: [0x1] } }"), "{file}");
    known(&file);
    // Where every fifth case shows it whatever it says, nothing holds of them alone.
    let by_chance = |case: &Case| case.as_ref().header.registers.vttbr_el2 >> 48 & 3 == 1;
    assert_eq!(told(by_chance, "no-scope"), None);
    // One that predicts the same here and nothing else elsewhere is the better name.
    let quiet = "AT-sets-dirty-state";
    let causes = run(by_chance, &[name, quiet], "scopes").causes().unwrap().causes;
    let [cause] = &causes[..] else { panic!("{causes:?}") };
    assert_eq!((&cause.errata[..], cause.elsewhere), (&[quiet.to_owned()][..], 0));
}

#[test]
fn causes_are_told_while_a_run_goes_on() {
    let run = diagnosed_run("live", "PAR-tells-no-stage", is_e0r);
    let (mut live, mut told) = (Live::new(), Vec::new());
    for record in run.records().unwrap() {
        let mut record = record.unwrap();
        record.contradicted.clear();
        live.add(&record);
        told.push(so_far(&live.causes()));
    }
    live.add(&with_finding(20, Verdict::Mismatch, mismatch()));
    let causes = live.causes();
    let all = run.causes().unwrap().explained();
    assert_eq!((causes.explained(), causes.left()), (all, 1));
    assert!(told.iter().collect::<BTreeSet<_>>().len() > 10, "it grows");
    let text = so_far(&causes);
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], format!("so far: {} findings, {all} of them by 1 cause", all + 1));
    assert_eq!(lines[1..], [format!("{all}  PAR-tells-no-stage"), "1  not explained".to_owned()]);
}

#[test]
fn an_erratum_that_this_version_does_not_know_explains_nothing() {
    let causes = diagnosed("unknown", "of-another-version", |_| true);
    assert_eq!((causes.causes.len(), causes.explained()), (0, 0));
    assert_eq!(causes.unknown["of-another-version"], causes.left());
}

#[test]
fn a_run_that_was_recorded_without_a_diagnosis_says_so() {
    let (folder, summary) = a_run(&Results::new("undiagnosed"));
    let causes = summary.causes.clone().unwrap();
    assert_eq!((causes.undiagnosed, causes.unexplained.len()), (vec![], 2));
    let header = folder.join("header.json");
    let text = fs::read_to_string(&header).unwrap();
    let at = text.find(",\n  \"errata\": ").unwrap();
    fs::write(&header, format!("{}\n}}\n", &text[..at])).unwrap();
    let run = Run::open(&folder).unwrap();
    let causes = run.causes().unwrap();
    assert_eq!((causes.undiagnosed, causes.causes.len()), (vec![run.header.run.clone()], 0));
}

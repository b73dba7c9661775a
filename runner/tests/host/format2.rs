//! Runs of format 2 are still read: told as they were when they were written, compared, and drawn again.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use judge::verdict::{Reason, Seen, Signature};
use runner::exit::Exit;
use runner::record::merge::{MergeError, merge};
use runner::record::redraw::redraw;
use runner::record::resume::{ResumeError, Resumed};
use runner::record::{Header, Run, RunId, Tally, VERSION};
use runner::report::Checklist;
use runner::report::comparison::{Compared, Comparison, Difference, Tolerance};
use runner::report::tap::tap;
use runner::report::terminal::Table;

/// The folder of a run that was written when records were of format 2, with findings of all that QEMU does wrong
/// in 14 cases, and of what was told of it then.
fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format2")
}

fn run() -> Run {
    let run = Run::open(&stored().join("run")).unwrap();
    assert_eq!(run.header.format, 2);
    run
}

/// A copy of it, for a test that may change it.
fn copy(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("format2-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for file in ["header.json", "records.jsonl", "summary.json"] {
        fs::copy(stored().join("run").join(file), folder.join(file)).unwrap();
    }
    folder
}

#[test]
fn it_is_told_as_when_it_was_written() {
    let run = run();
    let (summary, _) = run.summary().unwrap();
    let told = |file: &str| fs::read_to_string(stored().join(file)).unwrap();
    let table =
        Table { summary: &summary, folder: Path::new("results/R"), is_verbose: false }.to_string();
    assert_eq!(table, told("report.table"));
    let mut checklist = Checklist::new(&run, summary).unwrap();
    checklist.folder = "results/R".into();
    assert_eq!(tap(&[checklist]), told("report.tap"));
}

#[test]
fn its_sentences_are_data() {
    let run = run();
    let (summary, _) = run.summary().unwrap();
    let mut tally = Tally::default();
    for record in run.records().unwrap() {
        tally.add(&record.unwrap());
    }
    assert!(summary.tally.groups.len() > 4 && !summary.tally.not_asked.is_empty());
    for (signature, group) in &tally.groups {
        assert!(!matches!(signature, Signature::Told(_)), "{signature}");
        let observed = &group.first.observation;
        let is_par = observed.to_string().starts_with("PAR_EL1 ");
        assert_eq!(matches!(observed.answer, Seen::Par(_)), is_par, "{observed}");
    }
    for (reason, _) in tally.not_asked.iter() {
        assert!(!matches!(reason, Reason::Told(_)), "{reason}");
    }
    // The records know of no reproducers.
    for (signature, group) in &mut tally.groups {
        group.reproducers.clone_from(&summary.tally.groups[signature].reproducers);
    }
    assert_eq!(tally, summary.tally);
}

#[test]
fn it_can_be_a_baseline() {
    let (compared, _) = Compared::read(&run()).unwrap();
    let comparison = Comparison::new(&compared, &compared, Tolerance::default()).unwrap();
    assert_eq!(comparison.exit(), Exit::Conforms);
    let [Difference::CausesNotCompared { .. }, Difference::SpeedNotCompared { .. }] =
        comparison.differences()
    else {
        panic!("{comparison}")
    };
}

#[test]
fn its_cases_are_drawn_again() {
    let run = run();
    // As long as generators draw the same, which is told apart from the format.
    let header = Header { generators: case::draw::VERSION, ..run.header.clone() };
    redraw(&header, 4, run.folder()).unwrap();
}

#[test]
fn nothing_is_written_to_it() {
    let folder = copy("resumed");
    fs::remove_file(folder.join("summary.json")).unwrap();
    let error = Resumed::open(&folder).unwrap_err();
    let ResumeError::Version { what, was, is, .. } = &error else { panic!("{error}") };
    assert_eq!((*what, &**was, is), ("record format", "2", &VERSION.to_string()));

    let folder = copy("merged");
    let id = RunId::new(Timestamp::UNIX_EPOCH, "a", "b", 0);
    let results = folder.join("results");
    let error = merge(std::slice::from_ref(&folder), &results, id).unwrap_err();
    assert!(matches!(error, MergeError::Format { found: 2, .. }), "{error}");
    assert!(!results.exists());
}

//! A finding on QEMU made small, and what is left of it without Hypwalk.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use case::Case;
use device::Target;
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use oracle::learned::Learned;
use runner::plan::Plan;
use runner::reduce::cause::Kept;
use runner::reduce::report::Report;
use runner::reduce::{Reduced, Reducer, Shown};
use rustix::process::{Pid, Signal, kill_process};
use suite::Suite;
use suite::case_file::CaseFile;

use crate::common::executor::EXECUTOR;
use crate::common::exported::Exported;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::place::{Place, run_in};
use crate::common::shipped::suites;
use crate::common::targets::{description, open};

/// QEMU 10.0 does not check the alignment of accesses to Device memory.
const ERRATUM: &str = "no-alignment-check-of-device-memory";
/// A case of two-stage-hostile that shows it.
const INDEX: u64 = 2;
const BUDGET: NonZeroU32 = NonZeroU32::new(1500).unwrap();

/// Case number `index` of two-stage-hostile on `target`.
fn drawn(target: &dyn Target, index: u64) -> Case {
    let suite = Suite::read(&suites().join("two-stage-hostile.yaml")).unwrap();
    let session = target.boot().unwrap();
    let abilities = session.hello().abilities();
    let plan = Plan::new(suite.generators, abilities, session.memory_map().clone(), 1);
    plan.case(index).unwrap().unwrap()
}

fn nothing_known() -> Established {
    Established { learned: Learned::new([]).unwrap(), known: Known::default() }
}

/// The case that shows the erratum, made small.
fn reduced(reducer: &mut Reducer<'_>, case: &Case) -> Reduced {
    let record = reducer.records(vec![case.clone()]).unwrap().pop().unwrap();
    let kept = |record: &CaseRecord| {
        record.findings.iter().find_map(|it| Some((Kept::by_erratum(it, ERRATUM)?, it.clone())))
    };
    let (kept, finding) = kept(&record).expect("the case shows it");
    let reduced = reducer.reduce(case, &kept, Shown { record, finding }, BUDGET);
    // It is the same cause, and no other.
    let again = reducer.records(vec![reduced.case.clone()]).unwrap().pop().unwrap();
    assert!(kept.shown(&again).is_some(), "{again:?}");
    assert!(reduced.shown.finding.errata.iter().any(|name| name == ERRATUM));
    reduced
}

#[test]
fn a_fault_of_qemu_is_made_small_and_shows_without_hypwalk() {
    let target = open(description("qemu-max"), &EXECUTOR);
    let case = drawn(target.as_ref(), INDEX);
    let mut reducer = Reducer::new(target.as_ref(), nothing_known());
    let reduced = reduced(&mut reducer, &case);

    let left = reduced.case.as_ref();
    assert_eq!((left.probes.len(), left.trees.len(), left.mappings.len()), (1, 1, 1));
    assert!(reduced.end.is_least() && reducer.words(&reduced.case).unwrap() <= 3);
    let report = Report::new(&reducer, &reduced, "a test");
    let file = report.case_file();
    let lines = file.to_string().lines().count();
    assert!(lines <= 45, "{lines} lines: {file}");
    let text = report.text("case.yaml").to_string();
    for words in
        [ERRATUM, "AArch64.S2HasAlignmentFault", "expected: ", "observed: ", "stage 1 translates"]
    {
        assert!(text.contains(words), "{words} is missing: {text}");
    }
    // The way of a user: the file that was written is what is exported.
    let read = CaseFile::from_text(&file.to_string(), Path::new("case.yaml")).unwrap();
    assert_eq!(*read.case.0, reduced.case);
    let machine = read.machine.unwrap();
    let described = description("qemu-max");
    let exported = Exported::new(&read.case.0, &machine, &described, "export-wrong").unwrap();
    exported.run().is(1, "FAIL: this is not allowed");

    // An access that is aligned faults as it must.
    let mut aligned = reduced.case.clone();
    let probe = aligned.as_ref().probes[0];
    aligned.retain_probes(|_| false);
    aligned.push_probe(probe.at(probe.address & !0xf)).unwrap();
    let exported = Exported::new(&aligned, &machine, &described, "export-right").unwrap();
    exported.run().is(0, "PASS: this is allowed");
}

/// Waits for a file, a minute at most.
fn wait_for(file: &Path) {
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} does not come", file.display());
        sleep(Duration::from_millis(1));
    }
}

/// The file of the run in `results` with this name, once there is a run.
fn of_run(place: &Place, results: &str, name: &str) -> PathBuf {
    let begun = Instant::now();
    loop {
        if let Some(run) = run_in(&place.0.join(results)) {
            return run.join(name);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no run begins");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_run_that_is_over_is_reduced_as_it_was_run_also_when_a_signal_stopped_that() {
    let place = Place::new("reduce-signal");
    let [known, target, results] = ["deadly.yaml", "target.yaml", "runs"].map(|it| place.file(it));
    let mut command = hypwalk();
    command.args(["run", "smoke", "--target", &target, "--errata", &known, "--results", &results]);
    command.args(["--cases", "60", "--quiet", "--payload"]).arg(EXECUTOR.file());
    let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // What comes behind the summary is the reduction.
    wait_for(&of_run(&place, "runs", "summary.json"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let run = place.run_in("runs").display().to_string();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("not all causes have a small case: interrupted"), "{said}");
    assert!(said.contains(&format!("hypwalk reduce {run}")), "{said}");

    // It needs neither the target's file nor that of errata: the run has both.
    let header = fs::read_to_string(place.run_in("runs").join("header.json")).unwrap();
    assert!(header.contains("qemu-neoverse-n1"), "{header}");
    [known, target].iter().for_each(|file| fs::remove_file(file).unwrap());
    let reduce = |what: &str, rest: &[&str]| {
        let mut command = hypwalk();
        command.args(["reduce", what, "--budget", "60", "--payload"]).arg(EXECUTOR.file());
        Said::by(command.args(rest))
    };
    let said = reduce(&run, &["--causes", "1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let causes = place.run_in("runs").join("causes");
    let files: BTreeSet<_> = fs::read_dir(causes).unwrap().map(|it| it.unwrap().path()).collect();
    let endings: Vec<_> = files.iter().map(|file| file.extension().unwrap().to_owned()).collect();
    assert_eq!(endings, ["md", "yaml"], "{files:?}");
    // The case of a run, by the name of the report.
    let case = CaseFile::read(files.last().unwrap()).unwrap();
    let text = fs::read_to_string(files.first().unwrap()).unwrap();
    let index = text.split_once("found in: case ").unwrap().1.split(' ').next().unwrap();
    let report = place.file("report.md");
    let said = reduce(&format!("{run}:{index}"), &["-o", &report]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(fs::read_to_string(&report).unwrap().starts_with("# "), "{said:?}");
    let again = CaseFile::read(Path::new(&place.file("report.yaml"))).unwrap();
    assert_eq!(
        again.case.0.as_ref().as_ref().probes.len(),
        case.case.0.as_ref().as_ref().probes.len()
    );
}

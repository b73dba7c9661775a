//! A finding on QEMU made small, and what is left of it without Hypwalk.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use case::Case;
use device::Target;
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use oracle::learned::Learned;
use runner::export::Export;
use runner::plan::Plan;
use runner::reduce::cause::Kept;
use runner::reduce::report::Report;
use runner::reduce::{Reduced, Reducer, Shown};
use suite::Suite;
use suite::case_file::CaseFile;
use suite::machine::Machine;

use crate::common::executor::EXECUTOR;
use crate::common::folders;
use crate::common::shipped::suites;
use crate::common::targets::{description, open, program};

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

/// Builds and runs the exported case; returns what it says.
fn run_exported(case: &Case, machine: &Machine, folder: &Path) -> String {
    let export = Export::new(case, machine, &Learned::new([]).unwrap(), Vec::new()).unwrap();
    for (name, text) in export.files().unwrap() {
        fs::write(folder.join(name), text).unwrap();
    }
    let qemu = format!("QEMU={}", program().display());
    let output = Command::new("make").arg("-C").arg(folder).args(["run", &qemu]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    said
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
    let said = run_exported(&read.case.0, &machine, &folders::empty("export-wrong"));
    assert!(said.contains("\nFAIL: "), "{said}");

    // An access that is aligned faults as it must.
    let mut aligned = reduced.case.clone();
    let probe = aligned.as_ref().probes[0];
    aligned.retain_probes(|_| false);
    aligned.push_probe(probe.at(probe.address & !0xf)).unwrap();
    let said = run_exported(&aligned, &machine, &folders::empty("export-right"));
    assert!(said.contains("\nPASS: "), "{said}");
}

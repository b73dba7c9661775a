//! The known issues that are delivered, each shown by its own case on a real QEMU.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use judge::established::Established;
use judge::known::{Known, Rules};
use judge::verdict::{CaseRecord, Signature, Verdict};
use oracle::learned::Learned;
use suite::case_file::CaseFile;
use suite::generator::{ExplicitCase, Generator};

use crate::common::executor::EXECUTOR;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::records::judged_by;
use crate::common::shipped::{suites, yaml};
use crate::common::targets::{description, open};

fn folder() -> PathBuf {
    suites().join("known-issues")
}

fn rules() -> Rules {
    Rules::read(&folder()).unwrap_or_else(|error| panic!("{error}"))
}

/// A case in `repro/`.
struct Repro {
    /// The issue that it is named for.
    issue: String,
    /// The target that it says it is for.
    target: String,
    file: PathBuf,
}

impl Repro {
    /// All there are.
    fn all() -> Vec<Self> {
        yaml(&folder().join("repro")).into_iter().map(Self::read).collect()
    }

    fn read(file: PathBuf) -> Self {
        let issue = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let command =
            format!("#     hypwalk replay suites/known-issues/repro/{issue}.yaml --target ");
        let target = text.lines().find_map(|line| line.strip_prefix(&command));
        Self { issue, target: target.expect("it says how it is replayed").to_owned(), file }
    }

    /// Whether the target that shows it may be gone then.
    fn may_kill(&self, rules: &Rules) -> bool {
        let of_target = rules.for_target(&self.target, Some("10.0.2")).record();
        of_target.issues[&self.issue].only_samples
    }
}

#[test]
fn every_issue_has_a_case_and_every_case_an_issue() {
    let rules = rules();
    let mut issues = BTreeSet::new();
    for Repro { issue, target, .. } in Repro::all() {
        let of_target = rules.for_target(&target, Some("10.0.2")).record().issues;
        assert!(of_target.contains_key(&issue), "{issue} is no issue of {target}");
        issues.insert(issue);
    }
    let all: BTreeSet<String> = fs::read_to_string(folder().join("qemu.yaml"))
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("  - name: ")?.to_owned()))
        .collect();
    assert_eq!(issues, all);
}

/// All at one boot of each target.
#[test]
fn every_issue_shows_on_qemu_and_is_a_finding_where_nobody_knows_it() {
    let rules = rules();
    let mut by_target = BTreeMap::<String, Vec<Repro>>::new();
    for repro in Repro::all().into_iter().filter(|repro| !repro.may_kill(&rules)) {
        by_target.entry(repro.target.clone()).or_default().push(repro);
    }
    for (target, repros) in by_target {
        let known = found(&target, &repros, |emulator| rules.for_target(&target, emulator));
        let unknown = found(&target, &repros, |_| Known::default());
        for (Repro { issue, .. }, (known, unknown)) in repros.iter().zip(known.iter().zip(&unknown))
        {
            let name = Signature::Known(vec![issue.clone()]);
            assert_eq!(known[..], [(Verdict::Known, name)], "{issue}");
            assert!(matches!(unknown[..], [(Verdict::Mismatch, _)]), "{issue}: {unknown:?}");
        }
    }
}

/// What is told of each of `repros`, one after the other on the shipped target `name`, of which its emulator's
/// version tells what is known.
fn found(
    name: &str,
    repros: &[Repro],
    known: impl Fn(Option<&str>) -> Known,
) -> Vec<Vec<(Verdict, Signature)>> {
    let description = description(name);
    let pins = description.choices.iter();
    let pins = pins.map(|(choice, answer)| (choice.as_str(), answer.as_str()));
    let learned = Learned::new(pins).unwrap_or_else(|error| panic!("{error}"));
    let target = open(description, &EXECUTOR);
    let emulator = target.identity().emulator.as_deref();
    assert_is_known(emulator.expect("it is an emulator"));
    let known = known(emulator).in_full();
    let cases = repros.iter().map(|Repro { issue, file, .. }| {
        let read = CaseFile::read(file).unwrap_or_else(|error| panic!("{error}"));
        ExplicitCase::new(issue, *read.case.0)
    });
    let cases = vec![Generator::Explicit(cases.collect())];
    let (records, totals) = judged_by(Established { learned, known }, &*target, cases);
    assert_eq!((records.len(), totals.boots), (repros.len(), 1), "{name}");
    let told = |record: &CaseRecord| {
        let findings = record.findings.iter();
        findings.map(|finding| (finding.verdict, finding.signature.clone())).collect()
    };
    records.iter().map(told).collect()
}

fn assert_is_known(emulator: &str) {
    assert!(
        emulator.starts_with("10.0."),
        "the known issues are those of QEMU 10.0: see which show on this version: {emulator}"
    );
}

/// Each at a boot of its own, as a user does it.
#[test]
fn every_issue_that_may_kill_qemu_shows_and_is_a_finding_where_nobody_knows_it() {
    let rules = rules();
    let deadly = Repro::all().into_iter().filter(|repro| repro.may_kill(&rules));
    for Repro { issue, target, file } in deadly {
        let (code, told) = replay(&file, &target, &[]);
        let (_, emulator) = told.split_once(", emulator ").expect("it tells of the emulator");
        assert_is_known(emulator);
        assert_eq!((code, verdicts(&told)), (Some(0), vec![&*format!("known: {issue}")]), "{told}");

        let (code, told) = replay(&file, &target, &["--no-known-issues"]);
        assert_eq!(code, Some(1), "{issue}: {told}");
        assert!(matches!(verdicts(&told)[..], ["mismatch" | "aborted"]), "{issue}: {told}");
    }
}

fn replay(file: &Path, target: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut command = hypwalk();
    command.arg("replay").arg(file).args(["--target", target]).args(options);
    let said = Said::by(command.arg("--payload").arg(EXECUTOR.file()));
    (said.code, said.all())
}

fn verdicts(told: &str) -> Vec<&str> {
    told.lines().filter_map(|line| line.trim_start().strip_prefix("verdict:  ")).collect()
}

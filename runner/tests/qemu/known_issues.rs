//! The known issues that are delivered, each shown by its own case on a real QEMU.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use judge::known::Rules;

use crate::common::hypwalk::{Said, hypwalk};
use crate::common::shipped::{suites, yaml};

fn folder() -> PathBuf {
    suites().join("known-issues")
}

/// The cases in `repro/`: the issue that each is named for, and the target that it says it is for.
fn cases() -> Vec<(String, String, PathBuf)> {
    yaml(&folder().join("repro"))
        .into_iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&file).unwrap();
            let command =
                format!("#     hypwalk replay suites/known-issues/repro/{name}.yaml --target ");
            let target = text.lines().find_map(|line| line.strip_prefix(&command));
            (name, target.expect("it says how it is replayed").to_owned(), file)
        })
        .collect()
}

fn replay(file: &Path, target: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut command = hypwalk();
    let said = Said::by(command.arg("replay").arg(file).args(["--target", target]).args(options));
    (said.code, said.all())
}

fn verdicts(told: &str) -> Vec<&str> {
    told.lines().filter_map(|line| line.trim_start().strip_prefix("verdict:  ")).collect()
}

#[test]
fn every_issue_has_a_case_and_every_case_an_issue() {
    let rules = Rules::read(&folder()).unwrap();
    let mut issues = BTreeSet::new();
    for (name, target, _) in cases() {
        let of_target = rules.for_target(&target, Some("10.0.2")).record().issues;
        assert!(of_target.contains_key(&name), "{name} is no issue of {target}");
        issues.insert(name);
    }
    let all: BTreeSet<String> = fs::read_to_string(folder().join("qemu.yaml"))
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("  - name: ")?.to_owned()))
        .collect();
    assert_eq!(issues, all);
}

#[test]
fn every_issue_shows_on_qemu_and_is_a_finding_where_nobody_knows_it() {
    for (name, target, file) in cases() {
        let (code, told) = replay(&file, &target, &[]);
        assert!(
            told.contains(", emulator 10.0."),
            "the known issues are those of QEMU 10.0: see which show on this version\n{told}"
        );
        assert_eq!((code, verdicts(&told)), (Some(0), vec![&*format!("known: {name}")]), "{told}");

        let (code, told) = replay(&file, &target, &["--no-known-issues"]);
        let found = verdicts(&told);
        assert_eq!(code, Some(1), "{name}: {told}");
        assert!(matches!(found[..], ["mismatch" | "aborted"]), "{name}: {told}");
    }
}

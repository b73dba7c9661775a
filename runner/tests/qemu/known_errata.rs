//! The known errata that are delivered, each shown by its own cases on a real QEMU.

use std::collections::BTreeSet;
use std::path::PathBuf;

use judge::established::Established;
use judge::known::{Known, KnownErrata};
use judge::verdict::{CaseRecord, Signature, Verdict};
use oracle::learned::Learned;
use suite::case_file::CaseFile;
use suite::generator::{ExplicitCase, Generator};

use crate::common::executor::EXECUTOR;
use crate::common::records::judged_by;
use crate::common::reproducers::reproducers;
use crate::common::shipped::suites;
use crate::common::targets::{description, open};

fn folder() -> PathBuf {
    suites().join("errata")
}

fn errata() -> KnownErrata {
    KnownErrata::read(&[folder()]).unwrap_or_else(|error| panic!("{error}"))
}

/// All at one boot of each target, but for those that kill it: each known erratum that has reproducers shows by one of
/// them, and they are findings where nobody knows of it.
#[test]
fn every_reproducer_shows_its_erratum_on_qemu_and_is_a_finding_where_nobody_knows_it() {
    let errata = errata();
    let mut shown = BTreeSet::new();
    let mut known_of_all = BTreeSet::new();
    for (target, files) in reproducers() {
        let known = errata.for_target(&target, Some("10.0.2"));
        let with_cases = known.iter().filter(|erratum| !erratum.reproducers().is_empty());
        known_of_all.extend(with_cases.map(|erratum| erratum.name()));
        let found = found(&target, &files, |emulator| errata.for_target(&target, emulator));
        let unknown = self::found(&target, &files, |_| Known::default());
        for (file, (found, unknown)) in files.iter().zip(found.iter().zip(&unknown)) {
            let name = file.display();
            let of_file: Vec<&str> = known
                .iter()
                .filter(|erratum| erratum.reproducers().contains(file))
                .map(|erratum| erratum.name())
                .collect();
            assert!(!of_file.is_empty(), "{name} shows no erratum of {target}");
            let [(Verdict::Known, Signature::Known(names)), rest @ ..] = &found[..] else {
                panic!("{name}: {found:?}");
            };
            assert!(rest.iter().all(|(verdict, _)| *verdict == Verdict::Known), "{name}: {rest:?}");
            assert!(names.iter().any(|one| of_file.contains(&&**one)), "{name}: {names:?}");
            shown.extend(names.iter().cloned());
            assert!(!unknown.is_empty(), "{name} shows nothing");
            assert!(unknown.iter().all(|(verdict, _)| verdict.is_finding()), "{name}: {unknown:?}");
        }
    }
    let silent: Vec<_> = known_of_all.iter().filter(|name| !shown.contains(**name)).collect();
    assert!(silent.is_empty(), "no reproducer shows {silent:?}");
}

/// What is told of each of the cases in `files`, one after the other on the shipped target `name`, of which its
/// emulator's version tells what is known.
fn found(
    name: &str,
    files: &[PathBuf],
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
    let cases = files.iter().map(|file| {
        let read = CaseFile::read(file).unwrap_or_else(|error| panic!("{error}"));
        ExplicitCase::new(file.file_stem().unwrap().to_str().unwrap(), *read.case.0)
    });
    let cases = vec![Generator::Explicit(cases.collect())];
    let (records, _) = judged_by(Established { learned, known }, &*target, cases);
    assert_eq!(records.len(), files.len(), "{name}");
    let told = |record: &CaseRecord| {
        let findings = record.findings.iter();
        findings.map(|finding| (finding.verdict, finding.signature.clone())).collect()
    };
    records.iter().map(told).collect()
}

fn assert_is_known(emulator: &str) {
    assert!(
        emulator.starts_with("10.0."),
        "the known errata are those of QEMU 10.0: see which show on this version: {emulator}"
    );
}

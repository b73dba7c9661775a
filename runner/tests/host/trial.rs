//! Known errata of earlier versions, tried by their reproducers on devices in software.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use case::Case;
use device::{Identity, Session, Target, TargetError};
use golden::errata;
use judge::established::Established;
use judge::known::{Known, KnownErrata};
use judge::verdict::CaseRecord;
use oracle::learned::Learned;
use runner::campaign;
use runner::plan::Plan;
use runner::selftest;
use runner::trial::{Outcome, TrialError, Tried, try_errata};
use suite::Suite;
use suite::case_file::CaseFile;
use suite::generator::ExplicitCase;
use suite::machine::Machine;

use crate::common::folders::{empty, root};
use crate::common::machines;

const DC: &str = "DC-by-VA-does-not-translate";
const FAR: &str = "FAR-is-of-the-page";
const DIRTY: &str = "AT-sets-dirty-state";
const HPFAR: &str = "HPFAR-is-lost";

/// A device in software with errata, that says that it is version 10.0 of an emulator.
struct Emulator(Box<dyn Target>, Identity);

impl Emulator {
    fn with(names: &[&str]) -> Self {
        let errata: Vec<_> = names.iter().map(|name| errata::named(name).unwrap()).collect();
        let device = selftest::target(&machines::max(), &errata);
        let identity = Identity {
            name: "device".to_owned(),
            emulator: Some("10.0.2 (as a test)".to_owned()),
            ..device.identity().clone()
        };
        Self(Box::new(device), identity)
    }
}

impl Target for Emulator {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        self.0.boot()
    }

    fn identity(&self) -> &Identity {
        &self.1
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

fn learned() -> Learned {
    Learned::new([]).unwrap()
}

/// A case with a probe for each of these errata that shows it, and with no others, for a device that has them.
fn reproducer(names: &[&str]) -> Case {
    let device = Emulator::with(names);
    let session = device.boot().unwrap();
    let suite = Suite::read(&root().join("suites/two-stage-hostile.yaml")).unwrap();
    let (abilities, map) = (session.hello().abilities(), session.memory_map().clone());
    let plan = Plan::new(suite.generators, abilities, map, 1);
    let ask = |case: &Case| {
        let established = Established { learned: learned(), known: Known::default() };
        let cases = vec![ExplicitCase::new("drawn", case.clone())];
        let asked = campaign::ask(&device, cases, established, &Arc::default()).unwrap();
        asked.records.into_iter().next().unwrap()
    };
    let probe = |record: &CaseRecord, name: &str| {
        let mut findings = record.findings.iter();
        let only = [name.to_owned()];
        findings.find(|it| it.errata.starts_with(&only) || it.errata.ends_with(&only))?.probe
    };
    let shown = (0..400).filter_map(|index| plan.case(index)?.ok()).find_map(|mut case| {
        let record = ask(&case);
        let probes: Option<Vec<u32>> = names.iter().map(|name| probe(&record, name)).collect();
        let probes = probes?;
        case.retain_probes(|number| probes.contains(&(number as u32)));
        let record = ask(&case);
        names.iter().all(|name| probe(&record, name).is_some()).then_some(case)
    });
    shown.unwrap_or_else(|| panic!("no case shows {names:?}"))
}

/// What becomes of the errata in a file with these entries, each of whose reproducers shows these errata, on a device
/// that has others.
fn tried(place: &str, device: &[&str], entries: &[(&str, &str, &[&str])]) -> Tried {
    try_errata(&Emulator::with(device), &learned(), &file(place, entries), &Arc::default()).unwrap()
}

fn file(place: &str, entries: &[(&str, &str, &[&str])]) -> KnownErrata {
    let folder = empty(place);
    let mut text = "errata:\n".to_owned();
    for (name, versions, shows) in entries {
        text += &format!("  - names: [{name}]\n    reference: as a test\n    {versions}\n");
        if !shows.is_empty() {
            text += &format!("    reproducers: [{name}.yaml]\n");
            write(&folder.join(format!("{name}.yaml")), reproducer(shows));
        }
    }
    KnownErrata::from_text(&text, &folder.join("errata.yaml")).unwrap()
}

fn write(path: &Path, case: Case) {
    let session = Emulator::with(&[]).boot().unwrap();
    let machine = Machine::new("device", None, &machines::max(), session.memory_map());
    let file = CaseFile::made(machine, case, Vec::new());
    fs::write(path, file.to_string()).unwrap();
}

const EARLIER: &str = "emulators: { to: '9.0' }";
const OF_TODAY: &str = "emulators: { from: '9.0', to: '10.0' }";

#[test]
fn an_erratum_of_an_earlier_version_shows_or_is_gone_by_its_reproducer() {
    let entries: &[(&str, &str, &[&str])] =
        &[(FAR, EARLIER, &[FAR]), (DC, EARLIER, &[DC]), (DIRTY, EARLIER, &[])];
    let tried = tried("trial", &[DC], entries);
    let expected = [(DC, Outcome::Shows), (FAR, Outcome::Gone), (DIRTY, Outcome::NoReproducer)];
    assert_eq!(tried, expected.into());
}

#[test]
fn what_else_is_known_is_known_to_a_trial_and_what_is_not_leaves_it_open() {
    // The reproducer shows what this version has as well: known, or tried beside it, or not known.
    let one = |place: &str, also: &[(&'static str, &str, &[&str])]| {
        let entries = [&[(FAR, EARLIER, &[FAR, DC][..])][..], also].concat();
        tried(place, &[DC], &entries)[FAR]
    };
    assert_eq!(one("trial-known", &[(DC, OF_TODAY, &[])]), Outcome::Gone);
    assert_eq!(one("trial-tried", &[(DC, EARLIER, &[DC])]), Outcome::Gone);
    assert_eq!(one("trial-unknown", &[]), Outcome::Unclear);
}

#[test]
fn what_is_gone_is_not_held_against_others() {
    // FAR and HPFAR show in one probe together: with the one gone the other is judged once more.
    let entries: &[(&str, &str, &[&str])] =
        &[(FAR, EARLIER, &[FAR]), (HPFAR, EARLIER, &[HPFAR]), (DC, EARLIER, &[DC])];
    let tried = tried("trial-again", &[HPFAR], entries);
    assert_eq!(tried, [(FAR, Outcome::Gone), (HPFAR, Outcome::Shows), (DC, Outcome::Gone)].into());
}

#[test]
fn a_trial_that_is_interrupted_tells_nothing() {
    let errata = file("trial-interrupted", &[(DC, EARLIER, &[DC])]);
    let interrupt = Arc::new(AtomicBool::new(true));
    let tried = try_errata(&Emulator::with(&[DC]), &learned(), &errata, &interrupt);
    assert!(matches!(tried, Err(TrialError::Interrupted)), "{tried:?}");
}

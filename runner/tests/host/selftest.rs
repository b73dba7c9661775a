//! Devices in software, each with an erratum: one of each kind is found by the shipped suites, and named.

use golden::errata;
use runner::selftest::{Exam, Machine, Naming, Trial};
use suite::Suite;

use crate::common::folders::root;

/// The first cases of each generator of these suites.
fn exams(suites: &[&str], machine: Machine, cases: u64) -> Vec<Exam> {
    let read = |name: &&str| Suite::read(&root().join(format!("suites/{name}.yaml"))).unwrap();
    suites.iter().map(|name| Exam::new(&read(name), machine, cases)).collect()
}

/// What becomes of a device with the erratum of this name.
fn naming(exams: &[Exam], name: &str) -> (bool, Naming) {
    let trial = Trial { exams, all: false };
    let verdict = trial.of(errata::named(name).unwrap()).unwrap();
    (verdict.is_found(), verdict.naming)
}

#[test]
fn a_device_without_errata_conforms() {
    let suites = ["two-stage-hostile", "hafdbs", "stage2-hostile", "vhe-random", "hyp-idmap"];
    for machine in [Machine::Full, Machine::Plain] {
        let more = ["hyp-hostile", "tlbi", "smp"];
        let exams = exams(&[&suites[..], &more[..]].concat(), machine, 8);
        let sound = Trial { exams: &exams, all: false }.of_none().unwrap();
        assert_eq!(sound.first, [] as [&str; 0]);
        assert!(sound.conforms() && sound.probes > 2000, "{sound:?}");
    }
}

#[test]
fn an_erratum_of_each_kind_is_found_and_named_first() {
    let names = [
        "no-check-of-write-permission",
        "HCR_EL2.FWB-taken-for-0",
        "FEAT_HAFDBS-is-not-there",
        "stage2-leaf-S2AP[0]-taken-for-0",
        "stage2-output-lost-above-40-bits",
        "AT-sets-dirty-state",
        "DC-by-VA-does-not-translate",
        "FAR-is-of-the-page",
        "HPFAR-is-lost",
        "PAR-tells-no-attributes",
    ];
    let exams = exams(&["two-stage-hostile", "hafdbs"], Machine::Full, 24);
    for name in names {
        assert_eq!(naming(&exams, name), (true, Naming::First), "{name}");
    }
}

#[test]
fn missing_tlb_maintenance_is_found_and_named_first() {
    let exams = exams(&["tlbi", "smp"], Machine::Full, 24);
    for name in [
        "TLBI-does-nothing",
        "TLBI-VMALLE1-does-nothing",
        "TLBI-of-the-last-level-does-nothing",
        "TLBI-by-VA-leaves-global-entries",
        "TLBI-acts-on-its-own-PE-alone",
    ] {
        assert_eq!(naming(&exams, name), (true, Naming::First), "{name}");
    }
}

#[test]
fn a_feature_that_should_not_be_there_is_found_on_a_plain_machine() {
    let full = exams(&["two-stage-hostile"], Machine::Full, 24);
    assert_eq!(naming(&full, "FEAT_XS-is-there"), (false, Naming::Unnamed));
    let plain = exams(&["two-stage-hostile"], Machine::Plain, 24);
    assert_eq!(naming(&plain, "FEAT_XS-is-there"), (true, Naming::First));
}

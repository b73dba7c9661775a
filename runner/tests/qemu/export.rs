//! Cases as programs that need no Hypwalk: those that are delivered, and drawn ones, on real QEMUs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use case::Case;
use case::draw::Space;
use case::draw::el2::HypSpace;
use case::draw::el10::GuestSpace;
use case::probe::{Operation, Probe};
use case::source::Source;
use device::{Description, Target};
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use runner::export::NotExported;
use suite::case_file::CaseFile;
use suite::generator::{ExplicitCase, Generator};
use suite::machine::Machine;

use crate::common::executor::EXECUTOR;
use crate::common::exported::{Exported, pinned};
use crate::common::records::judged_by;
use crate::common::reproducers::reproducers;
use crate::common::shipped::suites;
use crate::common::targets::{description, open};

/// The machine that the target which is `described` is when it is booted.
fn booted(described: &Description) -> (Box<dyn Target>, Machine) {
    let target = open(described.clone(), &EXECUTOR);
    let session = target.boot().unwrap_or_else(|error| panic!("{error}"));
    let emulator = target.identity().emulator.clone();
    let machine =
        Machine::new(&described.name, emulator, &session.hello().ids, session.memory_map());
    drop(session);
    (target, machine)
}

fn export(
    file: &Path,
    machine: &Machine,
    described: &Description,
) -> Result<Exported, NotExported> {
    let read = CaseFile::read(file).unwrap_or_else(|error| panic!("{error}"));
    let machine = read.machine.as_ref().unwrap_or(machine);
    let name = file.file_stem().unwrap().to_str().unwrap();
    Exported::new(&read.case.0, machine, described, &format!("export-{name}"))
}

/// Of each kind one that is run, and how it ends on QEMU 10.0.
const RUN: [(&str, &str); 10] = [
    ("qemu-fwb-ignores-cd", "FAIL: this is not allowed"),
    ("qemu-at-s12-permission-abort", "FAIL: the machine died of the question"),
    ("qemu-t0sz-below-40-bit-minimum", "FAIL: this is not allowed"),
    // With a DIMM; at EL3.
    ("qemu-64k-small-root-above-48-bits", "FAIL: this is not allowed"),
    ("qemu-64k-small-root-above-48-bits-at-el2", "FAIL: this is not allowed"),
    // In set-ups of EL2, with E2H and without.
    ("qemu-at-sets-dirty-state-of-a-host", "FAIL: this is not allowed"),
    ("qemu-no-alignment-of-device-memory", "FAIL: this is not allowed"),
    // Guests; of several CPUs.
    ("qemu-atomic-loads-before-it-stores", "FAIL: this is not allowed"),
    ("qemu-atomic-faults-as-a-store", "FAIL: this is not allowed"),
    ("qemu-wxn-forgets-writable-clean-of-el1", "FAIL: this is not allowed"),
];

/// Why the others are refused, and how many.
fn refusals() -> BTreeMap<String, usize> {
    let refused = [(NotExported::Probes(2), 1), (NotExported::Pes, 2), (NotExported::Steps, 1)];
    refused.map(|(why, count)| (why.to_string(), count)).into()
}

#[test]
fn every_reproducer_is_exported_and_assembled_or_refused_for_a_reason_and_some_are_run() {
    let mut refused = BTreeMap::<String, usize>::new();
    let (mut run, mut built) = (0, 0);
    for (target, files) in reproducers() {
        let described = description(&target);
        let (_, machine) = booted(&described);
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let exported = match export(&file, &machine, &described) {
                Ok(exported) => exported,
                Err(why) => {
                    *refused.entry(why.to_string()).or_default() += 1;
                    continue;
                }
            };
            exported.make(&["case.elf"]).is(0, "aarch64-linux-gnu-ld ");
            built += 1;
            if let Some((_, words)) = RUN.iter().find(|(it, _)| *it == name) {
                exported.run().is(1, words);
                run += 1;
            }
        }
    }
    assert_eq!((refused, run), (refusals(), RUN.len()));
    assert!(built >= 59, "{built}");
}

/// Targets, what is drawn for each, and the operations that are looked for there.
fn sources() -> [(&'static str, Source, &'static [Operation]); 6] {
    use Operation::{
        Add, AtS1e0r, AtS1e1w, AtS1e2r, AtS12e0r, AtS12e1w, CompareAndSwap, Fetch, Load,
        LoadAcquire, LoadExclusive, LoadPair, LoadUnprivileged, Store, StoreExclusive, StorePair,
        StoreRelease, Swap,
    };
    const OF_GUESTS: &[Operation] = &[
        Load,
        Store,
        Fetch,
        LoadPair,
        StorePair,
        LoadExclusive,
        StoreExclusive,
        Swap,
        Add,
        CompareAndSwap,
        LoadAcquire,
        StoreRelease,
        LoadUnprivileged,
        AtS1e1w,
        AtS1e0r,
    ];
    let guests = GuestSpace { hardware_updates: 1000, ..GuestSpace::BENIGN };
    let stage2 = Space { hardware_updates: 1000, ..Space::BENIGN };
    let hosts = HypSpace { vhe: 1000, hardware_updates: 1000, ..HypSpace::BENIGN };
    [
        ("qemu-max", Source::Random(stage2), &[AtS12e1w, AtS12e0r]),
        ("qemu-max", Source::Hyp(HypSpace::BENIGN), &[AtS1e2r, Load, Store, Fetch]),
        ("qemu-max", Source::Hyp(hosts), &[AtS1e2r, Store, Fetch]),
        ("qemu-max", Source::Guest(guests), OF_GUESTS),
        // Without FEAT_VHE and much else.
        ("qemu-cortex-a53", Source::Hyp(HypSpace::BENIGN), &[Load, Fetch]),
        ("qemu-cortex-a53", Source::Guest(GuestSpace::BENIGN), &[StorePair]),
    ]
}

/// `case` with its probe `probe` alone, as the one of the PE that is booted.
fn alone(case: &Case, probe: &Probe) -> Case {
    let mut alone = case.clone();
    alone.retain_probes(|_| false);
    alone.push_probe(probe.on(0)).unwrap();
    alone
}

/// Cases with one question of `operation`, drawn from `source` for `machine`.
fn candidates(source: &Source, machine: &Machine, operation: Operation) -> Vec<Case> {
    let map = machine.memory_map().unwrap();
    let cases = (0..40).filter_map(|index| source.draw(&machine.abilities(), &map, 7, index).ok());
    let of_operation = |case: Case| {
        let probes: Vec<Probe> = case.as_ref().probes.to_vec();
        let mut fitting = probes.into_iter().filter(|probe| probe.operation() == Some(operation));
        fitting.next().map(|probe| alone(&case, &probe))
    };
    cases.filter_map(of_operation).collect()
}

/// Those of `cases` that conform on `target`, of which nothing is known.
fn conforming(cases: Vec<Case>, target: &dyn Target, described: &Description) -> Vec<Case> {
    let explicit = cases.iter().map(|case| ExplicitCase::new("drawn", case.clone()));
    let generators = vec![Generator::Explicit(explicit.collect())];
    let established = Established { learned: pinned(described), known: Known::default() };
    let (records, _) = judged_by(established, target, generators);
    let conforms =
        |record: &CaseRecord| record.verdicts.conforms == 1 && record.findings.is_empty();
    cases.into_iter().zip(records).filter(|(_, record)| conforms(record)).map(|it| it.0).collect()
}

/// Runs one of `cases`, which conform, as a program: the first in which something is done, which tells more than a
/// fault. Returns what it says.
fn run_one(cases: &[Case], machine: &Machine, described: &Description, name: &str) -> String {
    let export = |case: &Case| Exported::new(case, machine, described, name).unwrap();
    let is_done = |case: &&Case| export(case).text().contains("expected: done");
    let case = cases.iter().find(is_done).or(cases.first());
    let said = export(case.unwrap_or_else(|| panic!("{name}: none conforms"))).run();
    said.is(0, "PASS: this is allowed");
    said.text
}

#[test]
fn what_conforms_passes_by_every_operation() {
    let (mut asked, mut done, mut changed) = (0, 0, 0);
    for (number, (target, source, operations)) in sources().iter().enumerate() {
        let described = description(target);
        let (target, machine) = booted(&described);
        for operation in *operations {
            let name = format!("export-{number}-{}", operation.name());
            let cases = candidates(source, &machine, *operation).into_iter();
            let can_be = |case: &Case| Exported::new(case, &machine, &described, &name).is_ok();
            let cases = cases.filter(can_be).take(8).collect();
            let cases = conforming(cases, &*target, &described);
            let said = run_one(&cases, &machine, &described, &name);
            asked += 1;
            done += usize::from(said.contains("observed: kind 0000000000000000"));
            changed += usize::from(said.contains("changed: "));
        }
    }
    assert!(asked == 27 && done >= 24 && changed >= 8, "{asked}, {done}, {changed}");
}

/// The text of the shipped reproducer `name`.
fn reproducer(name: &str) -> String {
    let file = suites().join("errata/repro").join(name).with_extension("yaml");
    fs::read_to_string(file).unwrap()
}

/// The exported case of `text`, which is of qemu-max.
fn of_text(text: &str, machine: &Machine, name: &str) -> Exported {
    let read = CaseFile::from_text(text, Path::new("case.yaml")).unwrap();
    Exported::new(&read.case.0, machine, &description("qemu-max"), name).unwrap()
}

#[test]
fn a_test_that_can_not_be_run_is_broken_and_has_not_failed() {
    let (_, machine) = booted(&description("qemu-max"));
    let fwb = of_text(&reproducer("qemu-fwb-ignores-cd"), &machine, "export-broken");
    let lacks = "BROKEN: another answer is allowed on this PE, or it lacks what is used: ID_AA64";
    fwb.make(&["run", "CPU=cortex-a53"]).is(2, lacks);
    let el1 = ["run", "MACHINE=virt,gic-version=3", "LIMIT=10"];
    fwb.make(&el1).is(2, "BROKEN: it is to be entered at EL2, and was at EL 0000000000000001");
    fwb.make(&["run", "MACHINE=none"]).is(2, "BROKEN: the machine ended before the question");
    let own = "BROKEN: an exception that is not the question's: ESR 0000000002000000";
    fwb.changed("        say     \"asked", "        .inst 0\n        say     \"asked")
        .run()
        .is(2, own);
    let endless = of_text(&reproducer("qemu-fwb-ignores-cd"), &machine, "export-hangs");
    let endless =
        endless.changed("        say     \"asked", "        b       .\n        say     \"asked");
    endless.make(&["run", "LIMIT=2"]).is(2, "BROKEN: there is no verdict after 2 s");

    let guest = reproducer("qemu-atomic-loads-before-it-stores");
    let unmapped = guest.replace("input: 0x2000_4000, output: {", "input: 0x2100_4000, output: {");
    assert_ne!(guest, unmapped);
    let unmapped = of_text(&unmapped, &machine, "export-unmapped");
    unmapped.run().is(2, "BROKEN: the code that asks can't be fetched: ESR 0000000082000006");
    let endless = of_text(&guest, &machine, "export-endless");
    let endless = endless.changed("brk     #DONE", "b .").changed("ldaddal x12, x0, [x9]", "nop");
    // What hangs by the question is wrong.
    endless.make(&["run", "LIMIT=2"]).is(1, "FAIL: there is no answer after 2 s");
}

/// What the program does between the question and the look at memory: the tables as they were.
const RESTORE: &str = "        adr     x25, tables
1:      ldp     x0, x1, [x25], #16
        cbz     x0, 2f
        str     x1, [x0]
        b       1b
2:
";

#[test]
fn memory_afterwards_is_judged_too() {
    let described = description("qemu-max");
    let (target, machine) = booted(&described);
    let source = Source::Guest(GuestSpace { hardware_updates: 1000, ..GuestSpace::BENIGN });
    let cases = candidates(&source, &machine, Operation::Store);
    let cases = conforming(cases, &*target, &described);
    let export = |case: &Case, name| Exported::new(case, &machine, &described, name).ok();
    let stores = |case: &&Case| {
        let exported = export(case, "export-memory");
        exported.is_some_and(|exported| {
            let text = exported.text();
            text.contains("        str x12, [x9]") && text.contains("expected: done") && {
                let said = exported.run().text;
                said.matches("changed: ").count() >= 2
            }
        })
    };
    let case = cases.iter().find(stores).expect("there is a store that makes a page dirty");
    let again = || export(case, "export-memory").unwrap();
    again().run().is(0, "PASS: this is allowed");
    let wrong = "FAIL: this is not allowed";
    // Nothing is stored; something else is; something is stored elsewhere, too.
    again().changed("        str x12, [x9]", "        ldr x10, [x9]").run().is(1, wrong);
    again().changed("        str x12, [x9]", "        str x9, [x9]").run().is(1, wrong);
    let twice = "        str x12, [x9]\n        str x12, [x9, #8]";
    again().changed("        str x12, [x9]", twice).run().is(1, wrong);
    // Hardware does not update descriptors.
    let judged = "// Words of tables and data that are not";
    again().changed(judged, &(RESTORE.to_owned() + judged)).run().is(1, wrong);
}

/// Of what LLVM has, as far as it is here.
#[test]
fn llvm_makes_the_same_program() {
    let is_here = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !is_here("clang") || !is_here("ld.lld") {
        eprintln!("clang and ld.lld are not here: nothing is built by them");
        return;
    }
    let (_, machine) = booted(&description("qemu-max"));
    for name in [
        "qemu-fwb-ignores-cd",
        "qemu-atomic-loads-before-it-stores",
        "qemu-at-sets-dirty-state-of-a-host",
    ] {
        let exported = of_text(&reproducer(name), &machine, "export-llvm");
        exported.make(&["LLVM=1", "run"]).is(1, "FAIL: this is not allowed");
    }
}

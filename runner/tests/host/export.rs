//! What stands in an exported case, and in which order: what no emulator tells.

use case::Case;
use case::draw::el2::HypSpace;
use case::draw::el10::GuestSpace;
use case::probe::{Operation, Probe};
use case::source::Source;
use device::Description;
use oracle::learned::Learned;
use runner::export::{Export, NotExported};
use suite::machine::Machine;

use crate::common::machines::{self, DIMMS};
use crate::common::shipped::suites;

/// The first case of `source` with one question of `operation` that can be exported, as a program.
fn program(source: &Source, operation: Operation) -> String {
    let map = machines::with_scratch(&DIMMS[..2]);
    let machine = Machine::new("max", None, &machines::max(), &map);
    let described = Description::read(&suites().join("targets/qemu-max.yaml")).unwrap();
    let learned = Learned::new([]).unwrap();
    let cases = (0..200).filter_map(|index| source.draw(&machine.abilities(), &map, 1, index).ok());
    let is_it = |probe: &&Probe| probe.operation() == Some(operation);
    let alone = |case: Case| {
        let probe = *case.as_ref().probes.iter().find(is_it)?;
        let mut alone = case;
        alone.retain_probes(|_| false);
        alone.push_probe(probe.on(0)).unwrap();
        Some(alone)
    };
    let export = |case: Case| Export::new(&case, &machine, &described, &learned, Vec::new()).ok();
    let export = cases.filter_map(alone).find_map(export).expect("one can be exported");
    export.files().unwrap()[0].1.clone()
}

/// These stand in `text` one behind the other.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut at = 0;
    for part in parts {
        let found = text[at..].find(part);
        at +=
            found.unwrap_or_else(|| panic!("{part} is not where it must be: {text}")) + part.len();
    }
}

#[test]
fn memory_is_cleaned_before_and_after_it_is_written_and_translation_goes_on_last() {
    let text = program(&Source::Guest(GuestSpace::BENIGN), Operation::Store);
    assert_in_order(
        &text,
        &[
            "set     sctlr_el2, SCTLR_OFF\n        isb",
            "set     hcr_el2, HCR_OWN\n        isb",
            "bl      sweep_memory",
            "stp     xzr, xzr, [x0]",
            "str     x1, [x0]",
            "str     x0, [x0]",
            "bl      copy",
            "bl      sweep_memory",
            "ic      iallu",
            "dsb     sy\n        isb",
            "set     vtcr_el2, ",
            "set     tcr_el1, ",
            "isb",
            "set     hcr_el2, 0x",
            "isb",
            "set     sctlr_el1, ",
            "isb\n        dsb     sy\n        tlbi    alle1",
            "dsb     sy\n        isb",
            "eret",
            "judge:",
            "dsb     sy",
            "bl      sweep_memory",
            "bl      note_change",
        ],
    );
    assert!(!text.contains("ttbr1_el2") && !text.contains("set     tcr_el2"));
}

#[test]
fn e2h_is_there_before_what_it_gives_a_meaning_and_ttbr1_el2_with_it_alone() {
    let hosts = HypSpace { vhe: 1000, ..HypSpace::BENIGN };
    let text = program(&Source::Hyp(hosts), Operation::Load);
    assert_in_order(
        &text,
        &[
            "set     ttbr1_el1, ",
            "set     sctlr_el1, ",
            "set     hcr_el2, 0x",
            "isb",
            "set     tcr_el2, ",
            "set     ttbr1_el2, ",
            "isb",
            "tlbi    alle2",
            "dsb     sy\n        isb",
            "world_back:",
            "set     hcr_el2, HCR_OWN\n        isb",
        ],
    );
    assert!(text.contains("// T0SZ ") && text.contains("T1SZ ") && text.contains("RW, E2H"));
    assert!(text.contains("ID_AA64MMFR1_EL1.VH, id_aa64mmfr1_el1, 8, 0xfffe"));
    let text = program(&Source::Hyp(HypSpace::BENIGN), Operation::Load);
    assert!(!text.contains("ttbr1_el2") && !text.contains("MMFR1_EL1.VH"), "{text}");
}

#[test]
fn what_no_program_can_set_up_there_is_refused() {
    let map = machines::with_scratch(&DIMMS[..2]);
    let machine = Machine::new("max", None, &machines::max(), &map);
    let described = |name: &str| {
        Description::read(&suites().join("targets").join(name).with_extension("yaml")).unwrap()
    };
    let source = Source::Hyp(HypSpace { hostile: 1000, ..HypSpace::BENIGN });
    let abilities = machine.abilities().with_monitor(true);
    let cases = (0..40).filter_map(|index| source.draw(&abilities, &map, 1, index).ok());
    let mut case = cases.into_iter().next().unwrap();
    let probe = case.as_ref().probes[0];
    case.retain_probes(|_| false);
    case.push_probe(probe).unwrap();
    let learned = Learned::new([]).unwrap();
    let export = |name| Export::new(&case, &machine, &described(name), &learned, Vec::new());
    let refused = export("qemu-max").map(|_| ());
    assert_eq!(refused, Err(NotExported::Monitor("qemu-max".to_owned())));
    let refused = export("qemu-imx8mp").map(|_| ());
    assert!(matches!(refused, Err(NotExported::Monitor(_) | NotExported::Console(_))));
}

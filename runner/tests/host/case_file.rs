//! A case survives the way through its YAML text, whatever generator drew it.

use std::path::Path;

use case::abilities::{Abilities, Ids};
use case::draw::stage2::exhaustive;
use case::draw::{NotDrawn, Space};
use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, Granule};
use case::guest::Guest;
use case::mapping::{Attributes, Mapping};
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::probe::{El, Operation, Probe};
use case::registers::Registers;
use case::source::Source;
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{Case, Flags, MAX_PROBES};
use judge::verdict::{Finding, Question, Seen, Signature, Verdict, Wanted};
use proptest::prelude::*;
use suite::case_file::{CaseFile, CaseText, Origin};
use suite::hex::Hex;
use suite::machine::{Difference, Machine};
use suite::yaml;

use crate::common::machines::with_tables;

/// A QEMU max, and a Cortex-A53.
fn abilities() -> [Abilities; 2] {
    let max = Ids {
        id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x0020_0111_1001_1011,
        id_aa64isar1_el1: 1 << 56,
        ..Ids::default()
    };
    [max, Ids { id_aa64mmfr0_el1: 0x1122, ..Ids::default() }].map(|ids| Abilities::new(&ids))
}

fn map() -> MemoryMap {
    let mut map = with_tables(&[0x8000_0000, 0x8_1234_0000, 0xf_1234_5640_0000]);
    map.push(Arena { base: 1 << 50, size: 1 << 30, kind: ArenaKind::Void }).unwrap();
    map
}

fn there_and_back(case: &Case) -> Result<(), TestCaseError> {
    let text = CaseText(Box::new(case.clone())).to_string();
    let read = yaml::from_str::<CaseText>(&text, Path::new("case.yaml"));
    let read = read.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    prop_assert!(*read.0 == *case, "{text}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_random_case_is_read_back(
        pe in 0..2usize, seed: u64, index: u64, hostile in 0..=1000u64, probes in 1..80u64,
    ) {
        let space = Space {
            hostile, probes, ipa_bits: u64::MAX, hardware_updates: 500, mappings: [0, 20],
            ..Space::BENIGN
        };
        there_and_back(&Source::Random(space).draw(&abilities()[pe], &map(), seed, index).unwrap())?;
    }

    #[test]
    fn a_case_of_any_shape_is_read_back(pe in 0..2usize, seed: u64, index: u64) {
        let space = Space { ipa_bits: u64::MAX, probes: 8, ..Space::BENIGN };
        there_and_back(&Source::Shapes(space).draw(&abilities()[pe], &map(), seed, index).unwrap())?;
    }

    #[test]
    fn a_text_that_was_damaged_is_refused_or_read_and_never_a_panic(
        index in 0..200u64, at: prop::sample::Index, byte in 0x20..0x7fu8,
    ) {
        let space = Space { hostile: 500, probes: 4, ..Space::BENIGN };
        let case = Source::Random(space).draw(&abilities()[0], &map(), 3, index).unwrap();
        let mut text = CaseText(Box::new(case)).to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        let _ = yaml::from_str::<CaseText>(&text, Path::new("case.yaml"));
    }
}

#[test]
fn every_legality_point_is_read_back() {
    for index in 0..exhaustive::LegalityPoint::COUNT {
        match Source::Legality(Space::BENIGN).draw(&abilities()[0], &map(), 1, index) {
            Ok(case) => there_and_back(&case).unwrap(),
            Err(reason) => assert_eq!(reason, NotDrawn::NoSuchShape),
        }
    }
}

#[test]
fn the_largest_case_is_read_back() {
    let space = Space { probes: MAX_PROBES as u64, mappings: [64, 64], ..Space::BENIGN };
    let mut case = Source::Random(space).draw(&abilities()[0], &map(), 1, 1).unwrap();
    assert_eq!(case.as_ref().probes.len(), MAX_PROBES);
    case.set_flags(Flags(Flags::UPDATES | Flags::AUDIT | Flags::INTENT));
    there_and_back(&case).unwrap();
}

#[test]
fn operations_of_a_self_test_build_are_read_back() {
    let mut case = Source::Random(Space::BENIGN).draw(&abilities()[0], &map(), 1, 1).unwrap();
    case.retain_probes(|_| false);
    for &operation in Operation::ALL {
        case.push_probe(Probe::new(operation, u64::MAX)).unwrap();
    }
    there_and_back(&case).unwrap();
}

/// A case of several trees, with a world switch.
fn of_several_trees() -> Case {
    let registers = Registers {
        sctlr_el2: 1,
        tcr_el2: 2,
        mair_el2: 3,
        ttbr0_el2: 4,
        ttbr1_el2: 5,
        idmap_tcr_el2: 6,
        ttbr0_el1: 7,
        ttbr1_el1: 8,
        ..Registers::default()
    };
    let mut case = Case::new(registers);
    for (number, role) in (0..).zip(Role::ALL) {
        let address = AddressFormat::Bits48;
        let format = Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address };
        let slots = [0x1000, 0x2000].map(|offset| Place::new(number, offset));
        let mut tree = match role.is_in_ipa_space() {
            true => Tree::in_ipa_space(role, format),
            false => Tree::new(role, format, slots[0]),
        };
        let first = tree.slots().len();
        for (slot, ipa) in slots.into_iter().zip([0x8000, 0x4000]).skip(first) {
            let ipa = if role.is_in_ipa_space() { ipa } else { 0 };
            tree.push_slot_at(slot, ipa).unwrap();
        }
        case.push_tree(tree).unwrap();
        let attributes = Attributes {
            mem_attr: 0xf,
            ap: 2,
            sh: 3,
            xn: 3,
            af: 1,
            flags: Attributes::NG,
            ..Attributes::default()
        };
        let mapping = Mapping {
            input: 0x1000,
            output: Place::absolute(0x2000),
            entries: 3,
            level: 3,
            tree: number,
            reserved: [0; 2],
            attributes,
        };
        case.push_mapping(mapping).unwrap();
        let edit = Edit::new(number, 0x1000, 3, Change::Flip(1));
        case.push_edit(if number % 2 == 0 { edit } else { edit.late() }).unwrap();
        let every = Probe::PAN | Probe::INNER_SHAREABLE | Probe::TOGETHER;
        let mut probe = Probe::new(Operation::Load, 8).by(El::El1).of_bytes(1).with(every);
        (probe.number, probe.pe) = (3, 7);
        case.push_probe(probe).unwrap();
        case.push_probe(
            Probe::new(Operation::TlbiVae1, 1).with(Probe::NXS | Probe::OUTER_SHAREABLE),
        )
        .unwrap();
        case.push_probe(Probe::new(Operation::Store, 8).by(El::El0).of_bytes(4)).unwrap();
    }
    let place = |arena| Place::new(arena, 0);
    case.set_world_switch(SwitchPlaces {
        trampoline: place(1),
        exit: place(2),
        code: place(3),
        code_va: 0x1_0000,
        data: place(4),
        data_va: 0x2_0000,
    });
    case.set_guest(Guest { code: place(5), code_va: 0x3_0000 });
    case.set_flags(Flags(Flags::WORLD_SWITCH | Flags::MONITOR | Flags::GUEST));
    case
}

#[test]
fn a_case_of_several_trees_is_read_back() {
    let case = of_several_trees();
    there_and_back(&case).unwrap();
    let text = CaseText(Box::new(case)).to_string();
    let read = |text: &str| yaml::from_str::<CaseText>(text, Path::new("x"));
    let foreign = read(&text.replacen("S2AP: 2", "AP: 2", 1)).unwrap_err();
    assert!(foreign.problem.contains("a leaf of stage 2 has no field `AP`"), "{foreign}");
    let nowhere = read(&text.replacen("  - role: idmap", "  - role: stage3", 1)).unwrap_err();
    assert!(nowhere.problem.contains("stage3"), "{nowhere}");
    let bare = read(&text.replacen("\n        - 0x4000", "", 1)).unwrap_err();
    assert!(bare.problem.contains("2 slots has 2 `ipas`, not 1"), "{bare}");
    let odd = read(&text.replacen("bytes: 4", "bytes: 3", 1)).unwrap_err();
    assert!(odd.problem.contains("1, 2, 4 or 8 bytes, not 3"), "{odd}");
}

#[test]
fn a_machine_whose_scratch_arenas_are_elsewhere_is_told_apart() {
    let mut map = MemoryMap::new();
    for number in 0..8 {
        let kind = if number < 6 { ArenaKind::Tables } else { ArenaKind::Scratch };
        map.push(Arena { base: number << 32, size: 4 << 20, kind }).unwrap();
    }
    let mut case = of_several_trees();
    let lived = SwitchPlaces { trampoline: Place::new(6, 0), ..SwitchPlaces::default() };
    case.set_world_switch(lived);
    let was = machine(&map);
    assert_eq!(was.memory_map(), Some(map));
    let mut smaller = was.clone();
    smaller.memory[6].size = Hex(0x1000);
    assert_eq!(was.differences(&smaller, case.as_ref()), [Difference::Smaller(6)]);
    smaller.memory[6] = was.memory[6];
    smaller.memory[7].size = Hex(0x1000);
    assert_eq!(was.differences(&smaller, case.as_ref()), [], "nobody lives there");
}

fn machine(map: &MemoryMap) -> Machine {
    let ids = link::hello::IdRegisters { midr_el1: 0x410f_d034, ..Default::default() };
    let emulator = Some("QEMU \"10\": a\tb\u{85}\u{2028}#".to_owned());
    Machine::new("qemu-max", emulator, &ids, map)
}

#[test]
fn a_reproducer_is_read_back_with_its_origin() {
    let origin = Origin {
        hypwalk: "0.1.0".to_owned(),
        run: "20261121T100000Z-smoke-qemu-max-0000".to_owned(),
        suite: "smoke".to_owned(),
        seed: Hex(u64::MAX),
        index: 17,
        generators: 1,
    };
    let finding = Finding {
        probe: Some(3),
        verdict: Verdict::Mismatch,
        signature: Signature::Mappings,
        question: Question::Told("at_s12e1r 0x1000".to_owned()),
        expectation: Wanted::Told(vec!["a\nversion: 2".to_owned()]),
        observation: Seen::Told("PAR\u{2028}origin: {}".to_owned()).into(),
        errata: Vec::new(),
        rule: None,
    };
    let case = Source::Random(Space::BENIGN).draw(&abilities()[0], &map(), 1, 17).unwrap();
    let file = CaseFile::new(
        origin.clone(),
        machine(&map()),
        case.clone(),
        vec![runner::record::remark::remark(&finding)],
    );
    let text = file.to_string();
    let read: CaseFile = yaml::from_str(&text, Path::new("001.yaml")).unwrap();
    assert_eq!(read.origin, Some(origin));
    assert_eq!(read.machine, Some(machine(&map())));
    assert_eq!(*read.case.0, case);
    assert!(text.contains("# probe 3: mismatch: at_s12e1r 0x1000\n"), "{text}");
}

#[test]
fn what_no_case_can_be_is_refused_with_its_place() {
    let good = "\
registers: { HCR_EL2: 0x80000001, VTCR_EL2: 0x80023559 }
tables: { granule: 4k, start_level: 1, ia_bits: 39, slots: [{ arena: 0, offset: 0x1000 }] }
mappings:
  - { input: 0x1000, output: { pa: 0x2000 }, level: 3, leaf: { S2AP: 3, AF: 1 } }
edits:
  - { input: 0x1000, level: 2, change: { table: { to: { arena: 1, offset: 0 } } } }
probes:
  - { operation: at_s12e1r, address: 0x1000 }
";
    let read = |text: &str| yaml::from_str::<CaseText>(text, Path::new("x"));
    read(good).unwrap();
    for (from, to, at, problem) in [
        ("VTCR", "VCTR", "VCTR_EL2", "unknown key `VCTR_EL2`: did you mean `VTCR_EL2`?"),
        ("at_s12e1r", "at_s1", "at_s1,", "unknown operation `at_s1`: there are at_s12e1r, "),
        ("ia_bits: 39", "ia_bits: 60", "60", "60 is out of range: it must be from 1 to 56"),
        (
            "ia_bits: 39",
            "ia_bits: 52",
            "registers",
            "no tree of tables resolves 52 bits from level",
        ),
        ("start_level: 1", "start_level: 4", "4", "4 is no level here: -1 to 3 are"),
        ("level: 3", "level: -1", "-1", "-1 is no level here: 0 to 3 are"),
        ("S2AP: 3", "S2AP: 4", "4", "4 is out of range: it must be from 0 to 3"),
        ("{ pa: 0x2000 }", "{ pa: 1, arena: 0 }", "{ pa", "a place has either"),
        ("[{ arena: 0, offset: 0x1000 }]", "[]", "registers", "the tables have no slot"),
        ("{ table: ", "{ flip: 1, table: ", "table", "only one can be chosen"),
    ] {
        let text = good.replacen(from, to, 1);
        let error = read(&text).unwrap_err();
        assert!(error.problem.contains(problem), "{error}");
        let line = text.lines().nth(error.line - 1).unwrap();
        assert!(line[error.column - 1..].starts_with(at), "{error}");
    }
}

#[test]
fn a_machine_with_other_memory_is_told_apart_where_the_case_notices() {
    let case = Source::Random(Space::BENIGN).draw(&abilities()[1], &map(), 1, 1).unwrap();
    let root = case.as_ref().slots().next().unwrap().arena();
    let was = machine(&map());
    assert_eq!(was.differences(&was, case.as_ref()), []);

    let mut moved = was.clone();
    moved.memory[usize::from(root)].base = Hex(0x4000_0000);
    let differences = was.differences(&moved, case.as_ref());
    assert_eq!(differences.len(), 1);
    assert!(matches!(differences[0], Difference::Moved { arena, .. } if arena == root));
    assert!(!differences[0].prevents());

    let mut smaller = was.clone();
    smaller.memory[usize::from(root)].size = Hex(0x1000);
    assert_eq!(was.differences(&smaller, case.as_ref()), [Difference::Smaller(root)]);

    let mut fewer = was.clone();
    fewer.memory.truncate(usize::from(root));
    let differences = was.differences(&fewer, case.as_ref());
    assert!(differences.contains(&Difference::Missing(root)) && differences[0].prevents());
}

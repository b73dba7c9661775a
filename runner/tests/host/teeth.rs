//! A campaign has teeth only if every field of a leaf shows in some answer. For each bit of MemAttr,
//! S2AP, SH and AF of one leaf: with the bit flipped, some probe must be expected to answer otherwise,
//! so that a device (or a builder) that loses the bit is caught.
//!
//! XN does not show in any AT instruction of this suite: it decides over instruction fetches alone.

use case::control::hcr;
use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, Granule};
use case::mapping::{Attributes, Mapping};
use case::memory::{MemoryMap, Place};
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::vtcr::Vtcr;
use case::{Case, Flags};
use link::hello::IdRegisters;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;

use crate::common::machines::with_tables;

const INPUT: u64 = 0x1234_5000;

fn map() -> MemoryMap {
    with_tables(&[0x8000_0000])
}

fn twin() -> Twin {
    let ids = IdRegisters {
        id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x1221_0111_1021_1011,
        ..IdRegisters::default()
    };
    Twin::new(conform::implementation(&ids), Simulation::new(&map()))
}

/// One page with these attributes, read and written as EL1 and EL0, after `flip` of its descriptor.
fn case(hcr_el2: u64, attributes: Attributes, flip: u64) -> Case {
    let vtcr = Vtcr::RES1.t0sz(24).sl0(1).irgn0(1).orgn0(1).sh0(3).ps(5);
    let registers = Registers {
        hcr_el2: hcr_el2 | hcr::RW | hcr::VM,
        vtcr_el2: vtcr.0,
        ..Registers::default()
    };
    let format = Format {
        granule: Granule::K4,
        start_level: 1,
        ia_bits: 40,
        address: AddressFormat::Bits48,
    };
    let mut case = Case::with_tree(registers, Tree::new(Role::Stage2, format, Place::new(0, 0)));
    let mapping = Mapping {
        input: INPUT,
        output: Place::absolute(0x9876_5000),
        entries: 1,
        level: 3,
        tree: 0,
        reserved: [0; 2],
        attributes,
    };
    case.push_mapping(mapping).unwrap();
    case.push_edit(Edit::new(0, INPUT, 3, Change::Flip(flip))).unwrap();
    for operation in Operation::STAGE2 {
        case.push_probe(Probe::new(operation, INPUT | 0x678)).unwrap();
    }
    case.set_flags(Flags::default());
    case
}

/// What is allowed as the answer to each probe of `case`.
fn answers(case: &Case) -> Vec<String> {
    let learned = Learned::new([]).unwrap();
    let answers = twin().with_tables(case, &map(), |tables| {
        let probes = case.as_ref().probes.iter();
        let answer = |probe| {
            let expectation = tables.expect(probe, &learned).unwrap();
            format!("{:?}", expectation.outcomes)
        };
        probes.map(answer).collect()
    });
    answers.unwrap()
}

/// Whether flipping `bit` of the leaf shows under any of the values of DC and FWB that suites draw,
/// for any attributes that they give.
fn shows(bit: u32) -> bool {
    let settings = [0, hcr::DC, hcr::FWB, hcr::DC | hcr::FWB];
    settings.into_iter().any(|hcr_el2| {
        (0..16).any(|mem_attr| {
            let attributes = Attributes { mem_attr, ap: 3, sh: 3, af: 1, ..Default::default() };
            let plain = answers(&case(hcr_el2, attributes, 0));
            plain != answers(&case(hcr_el2, attributes, 1 << bit))
        })
    })
}

#[test]
fn every_bit_of_memattr_s2ap_sh_and_af_shows() {
    for (field, bits) in [("MemAttr", 2..6), ("S2AP", 6..8), ("SH", 8..10), ("AF", 10..11)] {
        for bit in bits {
            assert!(shows(bit), "bit {bit} of {field} changes no answer");
        }
    }
}

#[test]
fn what_at_instructions_can_not_see_does_not_show() {
    for bit in [53, 54, 55, 58] {
        assert!(!shows(bit), "bit {bit} changes an answer, though AT can't see it");
    }
}

/// MemAttr and SH need DC = 1 to show: with DC = 0 stage 1 gives Device-nGnRnE, which hides them.
#[test]
fn attributes_hide_behind_device_memory() {
    let attributes = |mem_attr, sh| Attributes { mem_attr, ap: 3, sh, af: 1, ..Default::default() };
    let answers = |hcr_el2, mem_attr, sh| answers(&case(hcr_el2, attributes(mem_attr, sh), 0));
    assert_eq!(answers(0, 0b1111, 3), answers(0, 0b0101, 0));
    assert_ne!(answers(hcr::DC, 0b1111, 3), answers(hcr::DC, 0b0101, 0));
}

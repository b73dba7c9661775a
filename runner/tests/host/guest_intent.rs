//! Builder and reference walker agree on what the mappings of both stages ask for; and were the builder wrong
//! on host and target alike, it would be seen.

use case::Case;
use case::mapping::Mapping;
use case::probe::{El, Operation, Probe};
use judge::intent::violated;

use crate::common::both_stages::{
    self, Guest, HOLE_VA, READ_ONLY_VA, SLOTS_VA, STAGE1, STAGE2, TAGS_VA, UNMAPPED_VA, map,
};

const PA_BITS: u8 = 48;

/// Everything at every kind of address, by everybody.
fn probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    for va in [TAGS_VA, READ_ONLY_VA, SLOTS_VA, HOLE_VA, UNMAPPED_VA, 1 << 40] {
        for &operation in Operation::ALL {
            for el in [El::El1, El::El0] {
                let probe = Probe::new(operation, va + 0x40).by(el);
                probes.extend([probe, probe.with(Probe::PAN)]);
            }
            if operation.is_at() {
                probes.push(Probe::new(operation, va + 0x40));
            }
        }
    }
    probes
}

/// The first violation of what `meant` asks for, by the tables of `built`.
fn found(built: &Guest, meant: &Case) -> Option<String> {
    probes().into_iter().find_map(|probe| {
        let answer = *built.try_answers(probe)?.first()?;
        let violated = violated(meant.as_ref(), &map(), &probe, &answer, PA_BITS);
        violated.map(|violated| format!("{probe:x?}: {violated}"))
    })
}

/// The same case with each mapping that is chosen as `change` makes it.
fn changed(case: &Case, change: impl Fn(&mut Mapping) -> bool) -> Case {
    let from = case.as_ref();
    let mut other = Case::new(from.header.registers);
    for tree in from.trees {
        other.push_tree(*tree).unwrap();
    }
    let mut done = false;
    for mut mapping in from.mappings.iter().copied() {
        done |= change(&mut mapping);
        other.push_mapping(mapping).unwrap();
    }
    assert!(done, "no such mapping");
    other.set_flags(from.flags());
    other.set_guest(from.header.guest);
    other
}

#[test]
fn what_is_mapped_is_what_is_found() {
    let guest = Guest::new();
    assert_eq!(found(&guest, &guest.case.borrow()), None);
}

#[test]
fn a_builder_that_is_wrong_is_seen() {
    let guest = Guest::new();
    let case = guest.case.borrow();
    let of = |tree: u8, input: u64| {
        move |mapping: &Mapping| mapping.tree == tree && mapping.input == input
    };
    let stage1 = |input| of(STAGE1, input);
    let stage2 = |input| of(STAGE2, input);
    type Change = fn(&mut Mapping);
    let output: Change = |mapping| {
        let place = mapping.output;
        mapping.output = case::memory::Place::new(place.arena(), place.offset() + 0x1000);
    };
    let access_flag: Change = |mapping| mapping.attributes.af = 0;
    let user: Change = |mapping| mapping.attributes.ap ^= 1;
    let write: Change = |mapping| mapping.attributes.ap ^= 2;
    let own_execution: Change = |mapping| mapping.attributes.xn ^= 1;
    let execution: Change = |mapping| mapping.attributes.xn ^= 2;
    let elsewhere: Change = |mapping| mapping.input += 0x10_0000;
    for (number, change) in [output, access_flag, user, write, elsewhere].into_iter().enumerate() {
        for input in [TAGS_VA, READ_ONLY_VA] {
            let is_it = stage1(input);
            let meant = changed(&case, |mapping| {
                is_it(mapping) && {
                    change(mapping);
                    true
                }
            });
            assert!(found(&guest, &meant).is_some(), "stage 1, {input:#x}, change {number}");
        }
        let is_it = stage2(both_stages::TAGS_IPA);
        let meant = changed(&case, |mapping| {
            is_it(mapping) && {
                change(mapping);
                true
            }
        });
        assert!(found(&guest, &meant).is_some(), "stage 2, change {number}");
    }
    for (number, change) in [own_execution, execution].into_iter().enumerate() {
        let is_it = stage1(SLOTS_VA);
        let meant = changed(&case, |mapping| {
            is_it(mapping) && {
                change(mapping);
                true
            }
        });
        assert!(found(&guest, &meant).is_some(), "execution at stage 1, change {number}");
    }
    let is_it = stage2(both_stages::SLOTS_IPA);
    let meant = changed(&case, |mapping| {
        is_it(mapping) && {
            execution(mapping);
            true
        }
    });
    assert!(found(&guest, &meant).is_some(), "execution at stage 2");
}

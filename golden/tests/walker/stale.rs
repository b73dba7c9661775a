//! Descriptors changed while a TLB may hold older values, and TLB conflict aborts.

use std::collections::BTreeSet;

use crate::guest::*;
use golden::{
    Access, AccessOutcome, Answer, At, AtResult, Choice, El, FaultKind, Operation, Profile, Stage,
    Stale,
};

const PAGE: u64 = 0x5000;
const LEAF: u64 = S2_L3 + 8 * 5;

/// Where a load may go, or which stage tells of a conflict.
fn places(outcomes: &[(AccessOutcome, Vec<golden::Asked>)]) -> Vec<Result<u64, Stage>> {
    outcomes
        .iter()
        .map(|(outcome, _)| {
            outcome.result.map(|to| to.pa.0).map_err(|abort| {
                assert_eq!(abort.fault.kind, FaultKind::TlbConflict);
                abort.fault.stage
            })
        })
        .collect()
}

#[test]
fn a_few_old_values_are_held() {
    let stale = (2..=Stale::MAX as u64)
        .fold(Stale::new(1), |stale, old| stale.with(old).expect("there is room"));
    assert_eq!(stale.olds(), [1, 2, 3, 4]);
    assert_eq!(stale.with(5), None);
    assert_eq!(stale.unbroken().olds(), stale.olds());
    assert!(stale.unbroken().is_unbroken() && !stale.is_unbroken());
}

/// What needs no break-before-make gives old or new.
#[test]
fn a_change_in_place_is_seen_or_not() {
    let mut guest = Guest::stage2();
    let read_only = PAGE | S2_PAGE & !(1 << 7);
    guest.memory.stale.insert(LEAF, Stale::new(read_only));
    let store = Access::new(Operation::Store, El::El1);
    let met: Vec<_> = guest
        .allowed_accesses(store, PAGE)
        .into_iter()
        .map(|(outcome, _)| outcome.result.err().map(|abort| abort.fault.kind))
        .collect();
    assert_eq!(met, [None, Some(FaultKind::Permission)]);
}

/// Every older value may be seen, and one that is like the others is no other outcome.
#[test]
fn many_changes_in_place() {
    let mut guest = Guest::stage2();
    let stale = Stale::new(0x9000 | S2_PAGE);
    guest.memory.stale.insert(LEAF, stale.with(0xa000 | S2_PAGE).expect("there is room"));
    assert_eq!(places(&guest.allowed_loads(PAGE)), [Ok(PAGE), Ok(0x9000), Ok(0xa000)]);
    let outcomes = guest.allowed_loads(PAGE);
    let last = outcomes.last().expect("three").1[0];
    assert_eq!(last.choice.answer_name(last.answer).to_string(), "old_2");
    guest.memory.stale.insert(LEAF, Stale::new(PAGE | S2_PAGE).unbroken());
    assert_eq!(places(&guest.allowed_loads(PAGE)), [Ok(PAGE)], "nothing changed");
}

/// Without break-before-make where it is needed: old, new, or a conflict, of either stage.
#[test]
fn a_change_without_break_before_make() {
    let mut guest = Guest::both_stages();
    guest.memory.stale.insert(LEAF, Stale::new(0x9000 | S2_PAGE).unbroken());
    let expected = [Ok(PAGE), Ok(0x9000), Err(Stage::Two), Err(Stage::One)];
    assert_eq!(places(&guest.allowed_loads(PAGE)), expected);
}

/// And any mixture of address, attributes and permissions.
#[test]
fn a_mixture() {
    let mut guest = Guest::both_stages();
    // Elsewhere, Non-cacheable, and not to be read.
    let old = 0x9000 | S2_PAGE & !(0b1010 << 2 | 1 << 6);
    guest.memory.stale.insert(LEAF, Stale::new(old).unbroken());
    let store = Access::new(Operation::Store, El::El1);
    let outcomes = guest.allowed_accesses(store, PAGE);
    let mut found = BTreeSet::new();
    let mut conflicts = 0;
    for (outcome, _) in &outcomes {
        match outcome.result {
            Ok(to) => {
                found.insert((to.pa.0, to.attributes.memory.kind()));
            }
            Err(_) => conflicts += 1,
        }
    }
    assert_eq!((outcomes.len(), conflicts), (10, 2));
    let all = [PAGE, 0x9000].map(|pa| ["NC", "WB"].map(|memory| (pa, memory)));
    assert_eq!(found, all.into_iter().flatten().collect(), "addresses with attributes");

    let readable: BTreeSet<_> = guest
        .allowed_loads(PAGE)
        .iter()
        .filter_map(|(outcome, _)| outcome.result.ok())
        .map(|to| (to.pa.0, to.attributes.memory.kind()))
        .collect();
    assert_eq!(readable, found, "permissions of the one with all else of the other");
    let denied = guest
        .allowed_loads(PAGE)
        .iter()
        .filter(|(outcome, _)| {
            outcome.result.is_err_and(|abort| abort.fault.kind == FaultKind::Permission)
        })
        .count();
    assert_eq!(denied, 4);

    // The same change, as if it needed none: no mixtures.
    guest.memory.stale.insert(LEAF, Stale::new(old));
    assert_eq!(guest.allowed_accesses(store, PAGE).len(), 2);
}

trait MemoryKind {
    fn kind(self) -> &'static str;
}

impl MemoryKind for golden::MemoryType {
    /// Non-cacheable or not.
    fn kind(self) -> &'static str {
        if self == Self::NON_CACHEABLE { "NC" } else { "WB" }
    }
}

/// A block does not mix with the table that it was split into.
#[test]
fn a_block_does_not_mix_with_a_table() {
    let mut guest = Guest::stage2();
    let block = 0x4000_0000 | S2_BLOCK & !(0b1010 << 2);
    guest.memory.stale.insert(S2_L2, Stale::new(block).unbroken());
    let expected = [Ok(PAGE), Ok(0x4000_5000), Err(Stage::Two)];
    assert_eq!(places(&guest.allowed_loads(PAGE)), expected);
}

/// What a table takes away may be the other table's.
#[test]
fn tables_mix_their_limits() {
    let mut guest = Guest::both_stages();
    guest.registers.hcr_el2 &= !HCR_VM;
    // Another table at level 3, whose page 5 is elsewhere; both are writable, but for APTable of the old.
    guest.set(0x4000 + 8 * 5, 0x9000 | S1_PAGE);
    guest.memory.stale.insert(S1_L2, Stale::new(0x4000 | TABLE | 1 << 62).unbroken());
    let store = Access::new(Operation::Store, El::El1);
    let met: Vec<_> = guest
        .allowed_accesses(store, PAGE)
        .into_iter()
        .map(|(outcome, _)| outcome.result.map(|to| to.pa.0).map_err(|abort| abort.fault.kind))
        .collect();
    let denied = Err(FaultKind::Permission);
    // Off, stage 2 reports nothing.
    let conflict = Err(FaultKind::TlbConflict);
    assert_eq!(met, [Ok(PAGE), denied, Ok(0x9000), denied, conflict]);
    let denied: BTreeSet<_> = guest
        .allowed_loads(PAGE)
        .iter()
        .filter_map(|(outcome, _)| outcome.result.map(|to| to.pa.0).ok())
        .collect();
    assert_eq!(denied, [PAGE, 0x9000].into());
}

/// Each descriptor is old or new by itself.
#[test]
fn two_descriptors_changed_in_place() {
    let mut guest = Guest::stage2();
    guest.memory.stale.insert(S2_L2, Stale::new(0x4000 | TABLE));
    guest.set(0x4000 + 8 * 5, 0xa000 | S2_PAGE);
    guest.memory.stale.insert(LEAF, Stale::new(0x9000 | S2_PAGE));
    guest.memory.stale.insert(0x4000 + 8 * 5, Stale::new(0xb000 | S2_PAGE));
    let found = places(&guest.allowed_loads(PAGE));
    assert_eq!(found, [Ok(PAGE), Ok(0x9000), Ok(0xa000), Ok(0xb000)]);
}

/// Old values are words as memory has them: byte-reversed in big-endian tables.
#[test]
fn old_values_of_big_endian_tables() {
    let mut guest = Guest::stage2();
    for word in guest.memory.words.values_mut() {
        *word = word.swap_bytes();
    }
    guest.registers.sctlr_el2 |= 1 << 25;
    guest.memory.stale.insert(LEAF, Stale::new((0x9000 | S2_PAGE).swap_bytes()));
    assert_eq!(places(&guest.allowed_loads(PAGE)), [Ok(PAGE), Ok(0x9000)]);
}

/// Settles that there is a conflict, and by which stage it is told.
fn conflict(stage: &str) -> Profile {
    let mut profile = Profile::pseudocode();
    for (choice, answer) in
        [(Choice::StaleConflict, "tlb_conflict"), (Choice::TlbConflictStage, stage)]
    {
        profile.settle(choice, choice.answer_named(answer).expect("an answer"));
    }
    profile
}

/// The stage that tells of a conflict decides who takes it. HPFAR_EL2 is not valid.
#[test]
fn a_conflict_goes_where_its_stage_says() {
    let mut guest = Guest::both_stages();
    let load = Access::new(Operation::Load, El::El1);
    let told = |guest: &Guest, stage| {
        let outcome = guest.access_with(load, PAGE, &mut conflict(stage));
        let exception = outcome.result.expect_err("a conflict").exception;
        assert_eq!(exception.esr.value & 0x3f, 0b11_0000);
        assert_eq!(exception.hpfar, None);
        (exception.target, exception.esr.value >> 26, exception.esr.value >> 7 & 1)
    };
    let (to_el1, to_el2, to_el2_s1ptw) =
        ((El::El1, 0x25, 0), (El::El2, 0x24, 0), (El::El2, 0x24, 1));
    // Stage 1's own descriptor.
    guest.memory.stale.insert(S1_L3 + 8 * 5, Stale::new(0x9000 | S1_PAGE).unbroken());
    assert_eq!((told(&guest, "as_found"), told(&guest, "other")), (to_el1, to_el2));
    // Stage 2's, for the page.
    guest.memory.stale.clear();
    guest.memory.stale.insert(LEAF, Stale::new(0x9000 | S2_PAGE).unbroken());
    assert_eq!((told(&guest, "as_found"), told(&guest, "other")), (to_el2, to_el1));
    // Stage 2's, for a table of stage 1.
    guest.memory.stale.clear();
    let of_table = S2_L3 + 8 * (S1_L3 >> 12);
    guest.memory.stale.insert(of_table, Stale::new(0x9000 | S2_PAGE).unbroken());
    assert_eq!((told(&guest, "as_found"), told(&guest, "other")), (to_el2_s1ptw, to_el1));
}

/// Where there is one stage there is nothing to choose.
#[test]
fn a_conflict_of_one_stage_is_its_own() {
    let stale = Stale::new(0x9000 | S1_PAGE).unbroken();
    let mut guest = Guest::both_stages();
    guest.memory.stale.insert(S1_L3 + 8 * 5, stale);
    guest.registers.hcr_el2 &= !HCR_VM;
    assert_eq!(places(&guest.allowed_loads(PAGE)), [Ok(PAGE), Ok(0x9000), Err(Stage::One)]);
    // Stage 2 alone.
    let mut guest = Guest::stage2();
    guest.memory.stale.insert(LEAF, Stale::new(0x9000 | S2_PAGE).unbroken());
    assert_eq!(places(&guest.allowed_loads(PAGE)), [Ok(PAGE), Ok(0x9000), Err(Stage::Two)]);
    // EL2's own regime, while a guest's stage 2 is on.
    let mut guest = Guest::both_stages();
    guest.memory.stale.insert(S1_L3 + 8 * 5, stale);
    guest.registers.sctlr_el2 = SCTLR_M | SCTLR_C;
    guest.registers.tcr_el2 = 25 | 0b101 << 16;
    guest.registers.ttbr0_el2 = S1_L1;
    guest.registers.mair_el2 = 0xff;
    let load = Access::new(Operation::Load, El::El2);
    let found = places(&guest.allowed_accesses(load, PAGE));
    assert_eq!(found, [Ok(PAGE), Ok(0x9000), Err(Stage::One)]);
}

/// An address translation instruction tells of it in PAR_EL1: S and FST.
#[test]
fn at_tells_of_a_conflict() {
    let mut guest = Guest::both_stages();
    guest.memory.stale.insert(LEAF, Stale::new(0x9000 | S2_PAGE).unbroken());
    let par_of = |stage| par(&guest.at_with(At::S12E1R, El::El2, PAGE, &mut conflict(stage)));
    assert_eq!(par_of("as_found").value & 0x37f, 1 | 0b11_0000 << 1 | 1 << 9);
    assert_eq!(par_of("other").value & 0x37f, 1 | 0b11_0000 << 1);
    // AT S1E1R does not come to that descriptor, but to that of a table.
    let outcome = guest.at_with(At::S1E1R, El::El2, PAGE, &mut conflict("as_found"));
    assert!(matches!(outcome.result, AtResult::Par { fault: None, .. }));
    assert_eq!(Choice::StaleDescriptor.answer_named("old_4"), Some(Answer(4)));
    assert_eq!(Choice::StaleDescriptor.answer_named("old_5"), None);
}

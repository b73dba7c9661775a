//! What is expected of guests, held against values worked out by hand from the manual.

use case::probe::{El, Operation, Probe};
use case::{guest::piece, scratch};
use oracle::answer::{Answer, Partial, Reach, Taken};

use crate::common::both_stages::{
    self, CODE_VA, Guest, HOLE_IPA, HOLE_VA, READ_ONLY_VA, SCRATCH, SLOTS_VA, TAGS_VA, UNMAPPED_VA,
};

fn load(va: u64) -> Probe {
    Probe::new(Operation::Load, va).by(El::El1)
}

fn store(va: u64) -> Probe {
    Probe::new(Operation::Store, va).by(El::El1)
}

/// The one answer that is allowed.
fn answer(guest: &Guest, probe: Probe) -> Answer {
    let answers = guest.answers(probe);
    assert_eq!(answers.len(), 1, "{answers:#x?}");
    answers[0]
}

fn taken(guest: &Guest, probe: Probe) -> Taken {
    match answer(guest, probe) {
        Answer::Exception(taken) => taken,
        other => panic!("{probe:x?}: {other:#x?}"),
    }
}

/// Target, ESR, FAR, ELR and SPSR of an exception of which all bits are determined, but those of ESR that
/// `open` names.
fn told(taken: &Taken, open: u64) -> (u8, u64, u64, u64, u64) {
    let esr = taken.abort.exception.esr;
    // ISS2 and IL, EC and ISS but SET or LST.
    assert_eq!(esr.mask & 0xffff_e7ff | open, 0xffff_e7ff, "{esr}");
    assert_eq!(taken.spsr.mask, u64::MAX);
    (taken.target, esr.value, taken.abort.exception.far.0, taken.elr.unwrap(), taken.spsr.value)
}

fn at(operation: Operation, bytes: u8) -> u64 {
    CODE_VA + piece(operation, bytes).unwrap()
}

#[test]
fn what_is_mapped_is_reached_through_both_stages() {
    let guest = Guest::new();
    let tag = SCRATCH + scratch::TAGS;
    for probe in [load(TAGS_VA + 0x18), store(TAGS_VA + 0x18).by(El::El0)] {
        assert_eq!(answer(&guest, probe), Answer::Reached(Reach::new(tag + 0x18)));
    }
    let fetch = Probe::new(Operation::Fetch, SLOTS_VA + 0x40).by(El::El1);
    let slot = Reach::new(SCRATCH + scratch::SLOTS + 0x40);
    assert_eq!(answer(&guest, fetch), Answer::Reached(slot));
    let crossing = answer(&guest, load(TAGS_VA + 0xffc));
    assert_eq!(crossing, Answer::Reached(Reach::new(tag + 0xffc)), "the pages follow on");
}

#[test]
fn a_stage_1_fault_goes_to_el1_with_the_state_of_whoever_took_it() {
    let guest = Guest::new();
    // A Data Abort, from the same EL and from below; WnR, Translation fault, level 3.
    let by_el1 = taken(&guest, store(UNMAPPED_VA));
    let elr = at(Operation::Store, 8);
    assert_eq!(told(&by_el1, 0), (1, 0x9600_0047, UNMAPPED_VA, elr, 0x3c5));
    let by_el0 = taken(&guest, store(UNMAPPED_VA).by(El::El0).of_bytes(2));
    let elr = at(Operation::Store, 2);
    assert_eq!(told(&by_el0, 0), (1, 0x9200_0047, UNMAPPED_VA, elr, 0x3c0));
    assert_eq!(by_el1.abort.exception.hpfar, None);
}

#[test]
fn a_stage_2_fault_goes_to_el2_and_describes_the_instruction() {
    let guest = Guest::new();
    // ISV; 4 bytes of W0.
    let loaded = taken(&guest, load(HOLE_VA).of_bytes(4));
    let elr = at(Operation::Load, 4);
    assert_eq!(told(&loaded, 0), (2, 0x9380_0007, HOLE_VA, elr, 0x3c5));
    assert_eq!(loaded.abort.exception.hpfar, Some(HOLE_IPA >> 8));
    // 8 bytes of X12, WnR.
    let stored = taken(&guest, store(HOLE_VA + 8).by(El::El0));
    let elr = at(Operation::Store, 8);
    assert_eq!(told(&stored, 0), (2, 0x93cc_8047, HOLE_VA + 8, elr, 0x3c0));
    // No ISV for pairs and atomics; of an atomic WnR tells that a load would fail too.
    let pair = taken(&guest, Probe::new(Operation::StorePair, HOLE_VA).by(El::El1));
    let elr = at(Operation::StorePair, 8);
    assert_eq!(told(&pair, 0), (2, 0x9200_0047, HOLE_VA, elr, 0x3c5));
    let swap = taken(&guest, Probe::new(Operation::Swap, HOLE_VA).by(El::El1));
    assert_eq!(told(&swap, 0), (2, 0x9200_0007, HOLE_VA, at(Operation::Swap, 8), 0x3c5));
    // It acquires: AR.
    let acquire = taken(&guest, Probe::new(Operation::LoadAcquire, HOLE_VA).by(El::El1));
    let elr = at(Operation::LoadAcquire, 8);
    assert_eq!(told(&acquire, 0), (2, 0x93c0_c007, HOLE_VA, elr, 0x3c5));
}

#[test]
fn a_fault_on_a_stage_1_walk_has_stage_2s_level() {
    let guest = Guest::without_tables_at_stage2();
    // The page of EL1's tables is missing at level 3; the walk was for level 1. WnR is the instruction's.
    let walk = taken(&guest, store(TAGS_VA));
    let elr = at(Operation::Store, 8);
    assert_eq!(told(&walk, 0), (2, 0x9200_00c7, TAGS_VA, elr, 0x3c5));
    assert_eq!(walk.abort.exception.hpfar, Some(0x20_0000));
    // AT at EL1 takes the same exception; CM and WnR are set.
    let translation = taken(&guest, Probe::new(Operation::AtS1e1r, TAGS_VA).by(El::El1));
    let elr = at(Operation::AtS1e1r, 8);
    assert_eq!(told(&translation, 0), (2, 0x9200_01c7, TAGS_VA, elr, 0x3c5));
}

#[test]
fn a_fetch_returns_to_where_it_could_not_go_as_a_call() {
    let guest = Guest::new();
    let fetch = Probe::new(Operation::Fetch, UNMAPPED_VA).by(El::El0);
    let taken = |branch_targets| match guest.with_branch_targets(branch_targets).answers(fetch)[..]
    {
        [Answer::Exception(taken)] => taken,
        ref other => panic!("{other:#x?}"),
    };
    let call = taken(true);
    // An Instruction Abort from below, Translation fault, level 3. EA and S1PTW are all that it has else.
    assert_eq!((call.target, call.abort.exception.esr.value), (1, 0x8200_0007));
    assert_eq!((call.abort.exception.far.0, call.elr), (UNMAPPED_VA, Some(UNMAPPED_VA)));
    assert_eq!((call.spsr.value, call.spsr.mask), (0x3c0 | 0b10 << 10, u64::MAX));
    assert_eq!((taken(false).spsr.value, taken(false).spsr.mask), (0x3c0, u64::MAX));
}

#[test]
fn pan_keeps_el1_out_of_pages_of_el0() {
    let guest = Guest::new();
    let refused = taken(&guest, load(TAGS_VA).with(Probe::PAN));
    let elr = at(Operation::Load, 8);
    // Permission fault, level 3.
    assert_eq!(told(&refused, 0), (1, 0x9600_000f, TAGS_VA, elr, 0x3c5 | 1 << 22));
    let unprivileged = Probe::new(Operation::LoadUnprivileged, TAGS_VA).by(El::El1);
    let reached = Answer::Reached(Reach::new(SCRATCH + scratch::TAGS));
    assert_eq!(answer(&guest, unprivileged.with(Probe::PAN)), reached);
}

#[test]
fn of_a_store_across_pages_the_page_that_fails_is_told() {
    let guest = Guest::new();
    // The last page of the read-only tags, and an unmapped one.
    let last = READ_ONLY_VA + 0xffe;
    let second = taken(&guest, load(last).of_bytes(4));
    let elr = at(Operation::Load, 4);
    assert_eq!(told(&second, 0), (1, 0x9600_0007, READ_ONLY_VA + 0x1000, elr, 0x3c5));
    assert_eq!(second.partial, None, "a load leaves nothing");
    // Both fail: either may be told.
    let both = guest.answers(store(last).of_bytes(4));
    let told: Vec<_> = both
        .iter()
        .map(|answer| match answer {
            Answer::Exception(taken) => told(taken, 0),
            other => panic!("{other:#x?}"),
        })
        .collect();
    let elr = at(Operation::Store, 4);
    let wanted =
        [(1, 0x9600_004f, last, elr, 0x3c5), (1, 0x9600_0047, READ_ONLY_VA + 0x1000, elr, 0x3c5)];
    assert_eq!(told, wanted);
    // The last writable page, and an unmapped one: the first three bytes may be stored.
    let partly = taken(&guest, store(TAGS_VA + 0xfffd));
    let pa = SCRATCH + scratch::TAGS + 0xfffd;
    assert_eq!(partly.partial, Some(Partial { first: 0, bytes: 3, pa }));
    assert_eq!(partly.abort.exception.far.0, TAGS_VA + 0x1_0000);
    // An unmapped page, and the first writable one.
    let partly = taken(&guest, store(TAGS_VA - 2));
    let pa = SCRATCH + scratch::TAGS;
    assert_eq!(partly.partial, Some(Partial { first: 2, bytes: 6, pa }));
    assert_eq!(partly.abort.exception.far.0, TAGS_VA - 2);
    // In one page the lowest address counts alone.
    let once = taken(&guest, store(UNMAPPED_VA + 0x7fd));
    assert_eq!(once.abort.exception.far.0, UNMAPPED_VA + 0x7fd);
}

#[test]
fn of_a_store_exclusive_the_second_instruction_needs_write_permission() {
    let guest = Guest::new();
    let stored = taken(&guest, Probe::new(Operation::StoreExclusive, READ_ONLY_VA).by(El::El1));
    let elr = at(Operation::StoreExclusive, 8) + 4;
    assert_eq!(told(&stored, 0), (1, 0x9600_004f, READ_ONLY_VA, elr, 0x3c5));
    let loaded = taken(&guest, Probe::new(Operation::StoreExclusive, UNMAPPED_VA).by(El::El1));
    let elr = at(Operation::StoreExclusive, 8);
    assert_eq!(told(&loaded, 0), (1, 0x9600_0007, UNMAPPED_VA, elr, 0x3c5));
}

#[test]
fn what_el0_may_not_execute_has_no_answer() {
    let guest = Guest::new();
    for operation in [Operation::AtS1e1r, Operation::DcCvac, Operation::DcIvac] {
        let probe = Probe::new(operation, TAGS_VA).by(El::El0);
        assert_eq!(guest.answers(probe), [], "{operation:?}");
    }
    let clean = Probe::new(Operation::DcCvac, TAGS_VA).by(El::El1);
    let done = Answer::Maintained(Some(Reach::new(SCRATCH + scratch::TAGS)));
    assert_eq!(answer(&guest, clean), done);
    let fault = taken(&guest, Probe::new(Operation::DcCvac, UNMAPPED_VA).by(El::El1));
    // CM and WnR.
    let elr = at(Operation::DcCvac, 8);
    assert_eq!(told(&fault, 0), (1, 0x9600_0147, UNMAPPED_VA, elr, 0x3c5));
}

#[test]
fn steps_change_what_is_expected() {
    let guest = Guest::new();
    let unmap = guest.late(both_stages::STAGE1, TAGS_VA, 0);
    let invalidate = Probe::new(Operation::TlbiAlle1, 0);
    let fault = match guest.after(&[unmap, invalidate], load(TAGS_VA))[..] {
        [Answer::Exception(taken)] => told(&taken, 0).1,
        ref other => panic!("{other:#x?}"),
    };
    assert_eq!(fault, 0x9600_0007);
}

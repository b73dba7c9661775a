//! What no vector has: memory that fails, and the exceptions that follow.

use crate::guest::*;
use golden::{
    Access, Alignment, At, AtQuestion, AtResult, Certainty, Choice, El, Fault, FaultKind, Features,
    Ipa, Level, MemoryAttributes, NotExecuted, Operation, Pa, Profile, Shareability, Stage,
    Stage2Access, Stage2Operation, Stale, Updates, Va,
};

fn fault_of(outcome: &golden::AccessOutcome) -> Fault {
    outcome.result.expect_err("a fault").fault
}

/// DDI 0487: a synchronous External abort on a walk is FSC 0101LL, and names the level.
#[test]
fn void_tables_abort_the_walk_at_each_level() {
    for (pa, level) in [(S2_L1, Level::L1), (S2_L2, Level::L2), (S2_L3 + 8 * 5, Level::L3)] {
        let mut guest = Guest::stage2();
        guest.memory.void.insert(pa);
        let abort = guest.load(0x5000).result.expect_err("an abort");
        assert_eq!(abort.fault.kind, FaultKind::ExternalAbortOnWalk);
        assert_eq!((abort.fault.stage, abort.fault.level), (Stage::Two, level));
        assert_eq!(abort.exception.target, El::El2);
        assert_eq!(abort.exception.esr.value & 0x3f, 0b01_0100 + level.get() as u64);
        assert_eq!(abort.exception.hpfar, None, "HPFAR_EL2 is UNKNOWN after an External abort");
        assert_eq!(abort.exception.esr.mask >> 9 & 1, 0, "EA is IMPLEMENTATION DEFINED");
    }
}

#[test]
fn level_minus_1_has_codes_of_its_own() {
    let code = |kind: FaultKind| kind.status_code(Level::MINUS_1);
    assert_eq!(code(FaultKind::ExternalAbortOnWalk), 0b01_0011);
    assert_eq!(code(FaultKind::AddressSize), 0b10_1001);
    assert_eq!(code(FaultKind::Translation), 0b10_1011);
    assert_eq!(FaultKind::TlbConflict.status_code(Level::L2), 0b11_0000);
    assert_eq!(FaultKind::UnsupportedUpdate.status_code(Level::L2), 0b11_0001);
    assert_eq!(FaultKind::Alignment.status_code(Level::L2), 0b10_0001);
}

/// An External abort on stage 1's own walk goes to EL1, unless HCR_EL2.TEA or TGE says EL2.
#[test]
fn external_aborts_are_routed() {
    let mut guest = Guest::both_stages();
    guest.memory.void.insert(S1_L2);
    let target = |guest: &Guest| guest.load(0x5000).result.expect_err("an abort").exception.target;
    let abort = guest.load(0x5000).result.expect_err("an abort");
    assert_eq!((abort.fault.stage, abort.fault.level), (Stage::One, Level::L2));
    assert_eq!(abort.exception.target, El::El1);
    assert_eq!(abort.exception.esr.value >> 26, 0x25, "from the same exception level");
    guest.registers.hcr_el2 |= HCR_TEA;
    assert_eq!(target(&guest), El::El2);
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_RAS);
    assert_eq!(target(&guest), El::El1, "HCR_EL2.TEA comes with FEAT_RAS");
}

/// HCR_EL2.TEA routes External aborts only.
#[test]
fn tea_leaves_other_faults_alone() {
    let mut guest = Guest::both_stages();
    guest.registers.hcr_el2 |= HCR_TEA;
    guest.set(S1_L2, 0);
    assert_eq!(guest.load(0x5000).result.expect_err("an abort").exception.target, El::El1);
}

/// AT reports faults in PAR_EL1, but takes an exception for an External abort, which leaves PAR_EL1 alone.
#[test]
fn at_takes_external_aborts() {
    let mut guest = Guest::stage2();
    guest.memory.void.insert(S2_L2);
    let outcome = guest.at(At::S12E1R, El::El2, 0x5000);
    let AtResult::Exception(abort) = outcome.result else { panic!("{outcome:?}") };
    assert_eq!(abort.exception.target, El::El2);
    // EC 0x25, CM, WnR, and an External abort on the walk of level 2; as QEMU has it, EA aside.
    assert!(abort.exception.esr.admits(0x9600_0156), "{}", abort.exception.esr);
    assert_eq!(abort.exception.far, Va(0x5000));

    guest.memory.void.clear();
    guest.set(S2_L2, 0);
    assert!(matches!(guest.at(At::S12E1R, El::El2, 0x5000).result, AtResult::Par { .. }));
}

/// A stage 2 fault on the stage 1 walk of AT: PAR_EL1 at EL2, an exception at EL1.
#[test]
fn at_of_el1_takes_stage_2_faults_on_its_walk() {
    let mut guest = Guest::both_stages();
    guest.set(S2_L3 + 8 * (S1_L2 >> 12), 0);
    let outcome = guest.at(At::S1E1R, El::El2, 0x5000);
    // F, FST 0001LL of stage 2's level 3, PTW, S, bit 11.
    assert!(par(&outcome).admits(1 | 0b00_0111 << 1 | 1 << 8 | 1 << 9 | 1 << 11));
    let outcome = guest.at(At::S1E1R, El::El1, 0x5000);
    let AtResult::Exception(abort) = outcome.result else { panic!("{outcome:?}") };
    assert_eq!(abort.exception.target, El::El2);
    assert_eq!(abort.exception.hpfar, Some(S1_L2 >> 12 << 4));
}

#[test]
fn at_is_undefined_or_trapped() {
    let mut guest = Guest::stage2();
    let at = |guest: &Guest, at, el| {
        golden::at(guest.machine(), at, el, false, Va(0), &mut Profile::pseudocode(), &mut ()).err()
    };
    assert_eq!(at(&guest, At::S12E1R, El::El2), None);
    assert_eq!(at(&guest, At::S12E1R, El::El1), Some(NotExecuted::Undefined));
    assert_eq!(at(&guest, At::S1E2R, El::El1), Some(NotExecuted::Undefined));
    assert_eq!(at(&guest, At::S1E1R, El::El0), Some(NotExecuted::Undefined));
    assert_eq!(at(&guest, At::S1E1R, El::El3), Some(NotExecuted::OutOfScope));
    guest.registers.hcr_el2 |= 1 << 42 | 1 << 44;
    assert_eq!(at(&guest, At::S1E1R, El::El1), None, "NV and AT come with FEAT_NV");
    guest.implementation.features = guest.implementation.features.with(Features::FEAT_NV);
    assert_eq!(at(&guest, At::S1E1R, El::El1), Some(NotExecuted::Trapped));
    assert_eq!(at(&guest, At::S12E1R, El::El1), Some(NotExecuted::Trapped));
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_PAN2);
    assert_eq!(at(&guest, At::S1E1RP, El::El2), Some(NotExecuted::Undefined));
}

/// FSC 110001, WnR UNKNOWN.
#[test]
fn unsupported_updates_fault() {
    let page = S2_L3 + 8 * 5;
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    guest.set(page, 0x5000 | S2_PAGE & !AF);
    guest.memory.no_update.insert(page);
    let outcome = guest.load(0x5000);
    let abort = outcome.result.expect_err("an abort");
    assert_eq!(abort.fault.kind, FaultKind::UnsupportedUpdate);
    assert_eq!(abort.exception.esr.value & 0x3f, 0b11_0001);
    assert_eq!(abort.exception.esr.mask >> 6 & 1, 0);
    assert!(outcome.updates.is_empty());
    assert_eq!(abort.exception.hpfar, None);
}

/// A later read of the same walk sees an update: here the page that stage 1's tables lie in.
#[test]
fn updates_are_seen_and_merged() {
    let page_of_l3 = S2_L3 + 8 * (S1_L3 >> 12);
    let mut guest = Guest::both_stages();
    guest.registers.vtcr_el2 |= VTCR_HA | VTCR_HD;
    guest.registers.tcr_el1 |= TCR_HA | TCR_HD;
    // The page of the last stage 1 table has no access flag, and is clean; the leaf in it too.
    guest.set(page_of_l3, S1_L3 | (S2_PAGE & !AF & !(1 << 7)) | DBM);
    guest.set(S1_L3 + 8 * 5, 0x5000 | (S1_PAGE & !AF) | 1 << 7 | DBM);
    let outcome = guest.store(0x5000);
    assert_eq!(pa(&outcome), 0x5000);
    let updates: Vec<_> =
        outcome.updates.iter().map(|update| (update.pa.0, update.new, update.certainty)).collect();
    assert_eq!(
        updates,
        [
            (page_of_l3, S1_L3 | S2_PAGE | DBM, Certainty::Certain),
            (S1_L3 + 8 * 5, 0x5000 | S1_PAGE | DBM, Certainty::Certain),
        ]
    );
    assert_eq!(outcome.updates.value(Pa(page_of_l3)), Some(S1_L3 | S2_PAGE | DBM));
}

/// A list of updates that served other walks holds those of the last one only.
#[test]
fn a_list_of_updates_serves_again() {
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    for page in [5, 6] {
        guest.set(S2_L3 + 8 * page, page << 12 | S2_PAGE & !AF);
    }
    let updates = &mut Updates::new();
    for va in [0x5000, 0x6000, 0x7000] {
        let at = At::S12E1R;
        let question = AtQuestion { at, executed_at: El::El2, pan: false, va: Va(va) };
        let profile = &mut Profile::pseudocode();
        let result = golden::at_noting(guest.machine(), question, profile, &mut (), updates);
        let alone = guest.at(at, El::El2, va);
        assert_eq!((result, &*updates), (Ok(alone.result), &alone.updates), "{va:#x}");
        assert_eq!(updates.is_empty(), va == 0x7000);
    }
}

/// A stage 1 leaf that is the stage 2 leaf of its own page: each stage updates it for itself, one after
/// the other.
#[test]
fn a_word_that_serves_both_stages() {
    let mut guest = Guest::both_stages();
    guest.registers.vtcr_el2 |= VTCR_HA | VTCR_HD;
    guest.registers.tcr_el1 |= TCR_HA | TCR_HD;
    let shared = S2_L3 + 8 * 3;
    guest.set(S1_L2, S2_L3 | TABLE);
    guest.set(shared, S2_L3 | S2_PAGE & !AF | DBM);
    let outcome = guest.store(0x3000);
    assert_eq!(pa(&outcome), 0x3000);
    // Stage 2 sets the access flag, stage 1 clears bit 7 (dirty), and stage 2 sets it again (dirty).
    assert_eq!(outcome.updates.as_slice().len(), 1);
    assert_eq!(outcome.updates.value(Pa(shared)), Some(S2_L3 | S2_PAGE | DBM));
    // A load leaves dirty state alone.
    guest.set(shared, S2_L3 | S2_PAGE & !AF & !(1 << 7) | DBM);
    let outcome = guest.load(0x3000);
    assert_eq!(outcome.updates.value(Pa(shared)), Some(S2_L3 | S2_PAGE & !(1 << 7) | DBM));
}

/// The walk used an old value of the descriptor, which it can't update: it begins again, and gives up in
/// the end.
#[test]
fn a_stale_descriptor_is_not_updated() {
    let leaf = S2_L3 + 8 * 5;
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    guest.memory.stale.insert(leaf, Stale::new(0x9000 | S2_PAGE & !AF));
    let mut profile = Profile::pseudocode();
    let old = Choice::StaleDescriptor.answer_named("old").expect("an answer");
    profile.settle(Choice::StaleDescriptor, old);
    let outcome = guest.access_with(Access::new(Operation::Load, El::El1), 0x5000, &mut profile);
    assert_eq!(pa(&outcome), 0x9000);
    assert!(outcome.updates.is_empty());
}

/// The update of stage 1's leaf need not be made if stage 2 then faults on the output.
#[test]
fn updates_before_a_stage_2_fault_are_permitted() {
    let mut guest = Guest::both_stages();
    guest.registers.tcr_el1 |= TCR_HA;
    let leaf = S1_L3 + 8 * 5;
    guest.set(leaf, 0x5000 | S1_PAGE & !AF);
    let certainty = |guest: &Guest| guest.load(0x5000).updates.as_slice()[0].certainty;
    assert_eq!(certainty(&guest), Certainty::Certain);
    guest.set(S2_L3 + 8 * 5, 0);
    assert_eq!(certainty(&guest), Certainty::Permitted);
    assert_eq!(fault_of(&guest.load(0x5000)).ipa, Some(Ipa(0x5000)));
}

/// A word that is a leaf of both stages at once: stage 1 sets the access flag, which need not be if stage 2 faults, and
/// stage 2 dirty state, which must be by then, or the other way round.
#[test]
fn each_update_of_a_word_keeps_its_certainty() {
    use golden::Update;
    let update = |old: u64, new: u64, certainty| {
        let (stage, pa) = (Stage::One, Pa(0x1000));
        Update { stage, pa, old, new, certainty }
    };
    use Certainty::{Certain, InPart, Permitted};
    for (first, second, both) in [
        (Certain, Certain, Certain),
        (Permitted, Permitted, Permitted),
        (Certain, Permitted, InPart(0x401)),
        (Permitted, Certain, InPart(0x81)),
        (Permitted, InPart(0x481), InPart(0x81)),
    ] {
        let beyond = if second == InPart(0x481) { 0x100 } else { 0 };
        let second = update(0x401, 0x481 | beyond, second);
        let joined = update(1, 0x401, first).joined(&second);
        assert_eq!(joined, update(1, 0x481 | beyond, both), "{first:?}, {second:?}");
    }
    // Neither knows of the other.
    let joined = update(1, 0x401, Certain).joined(&update(1, 0x481, Permitted));
    assert_eq!(joined, update(1, 0x481, InPart(0x401)));
    // What is done and undone is no update.
    assert_eq!(update(1, 0x81, Certain).joined(&update(0x81, 1, Certain)).new, 1);
}

/// The same in a walk: a leaf of stage 2 that the walk uses to read a table and then to write it.
#[test]
fn the_parts_of_an_update_may_differ_in_certainty() {
    const WRITABLE: u64 = 1 << 7;
    let page_of_table = S2_L3 + 8 * (S1_L3 >> 12);
    let mut guest = Guest::both_stages();
    guest.registers.vtcr_el2 |= VTCR_HA | VTCR_HD;
    guest.registers.tcr_el1 |= TCR_HA;
    let clean = S1_L3 | S2_PAGE & !WRITABLE | DBM;
    guest.set(page_of_table, clean & !AF);
    guest.set(S1_L3 + 8 * 5, 0x5000 | S1_PAGE & !AF);
    let updated = |guest: &Guest| {
        let update = guest.load(0x5000).updates.as_slice()[0];
        assert_eq!((update.pa, update.new), (Pa(page_of_table), clean | WRITABLE));
        update.certainty
    };
    assert_eq!(updated(&guest), Certainty::Certain);
    // Stage 2 faults on the output: stage 1 had to read its descriptor, and not to write it.
    guest.set(S2_L3 + 8 * 5, 0);
    assert_eq!(updated(&guest), Certainty::InPart(clean));
}

/// R_FBZPR: of table descriptors, an address translation instruction must set the access flag.
#[test]
fn at_sets_the_access_flag_of_tables() {
    let mut guest = Guest::stage2();
    guest.implementation.features = features().with(Features::FEAT_HAFT);
    // HAFT.
    guest.registers.vtcr_el2 |= VTCR_HA | 1 << 44;
    guest.set(S2_L3 + 8 * 5, 0x5000 | S2_PAGE & !AF);
    let outcomes = guest.allowed_ats(At::S12E1R, 0x5000);
    let leaf = |outcome: &golden::AtOutcome| outcome.updates.value(Pa(S2_L3 + 8 * 5)).is_some();
    assert!(outcomes.iter().any(|(outcome, _)| leaf(outcome)));
    assert!(outcomes.iter().any(|(outcome, _)| !leaf(outcome)), "R_XQSMX");
    for (outcome, _) in outcomes {
        for (table, next) in [(S2_L1, S2_L2), (S2_L2, S2_L3)] {
            assert_eq!(outcome.updates.value(Pa(table)), Some(next | TABLE | AF));
        }
    }
}

/// HPFAR_EL2 for a Permission fault is valid on a stage 1 walk only.
#[test]
fn permission_faults_tell_the_ipa_on_a_walk_only() {
    let mut guest = Guest::both_stages();
    guest.set(S2_L3 + 8 * 5, 0x5000 | S2_PAGE & !(0b11 << 6));
    let abort = guest.load(0x5008).result.expect_err("an abort");
    assert_eq!((abort.fault.kind, abort.exception.hpfar), (FaultKind::Permission, None));
    guest.set(S2_L3 + 8 * (S1_L3 >> 12), S1_L3 | S2_PAGE & !(0b11 << 6));
    let abort = guest.load(0x5008).result.expect_err("an abort");
    assert_eq!(abort.fault.kind, FaultKind::Permission);
    assert_eq!(abort.exception.hpfar, Some(S1_L3 >> 12 << 4));
}

/// HCR_EL2.PTW keeps stage 1's tables out of Device memory, but not while TGE is 1.
#[test]
fn protected_table_walks() {
    let mut guest = Guest::stage2();
    guest.set(S2_L3 + 8 * 5, 0x5000 | S2_PAGE & !(0b1111 << 2));
    let walk = |guest: &Guest| {
        let access = Stage2Access {
            operation: Stage2Operation::Stage1WalkRead,
            el: El::El1,
            aligned: true,
            stage1_attributes: MemoryAttributes::from_mair(0xff, Shareability::Inner, false)
                .expect("not reserved"),
        };
        let profile = &mut Profile::pseudocode();
        golden::stage2_translate(guest.machine(), access, Ipa(0x5000), profile, &mut ()).result
    };
    assert!(walk(&guest).is_ok());
    guest.registers.hcr_el2 |= HCR_PTW;
    assert_eq!(
        walk(&guest).map_err(|fault| (fault.kind, fault.s1_walk)).err(),
        Some((FaultKind::Permission, true))
    );
    guest.registers.hcr_el2 |= HCR_TGE;
    assert!(walk(&guest).is_ok());
}

/// SCTLR_ELx.A checks alignment before anything is translated.
#[test]
fn sctlr_a_comes_first() {
    let mut guest = Guest::both_stages();
    guest.set(S1_L1, 0);
    let unaligned =
        Access::new(Operation::Store, El::El1).with_alignment(Alignment::of(Va(0x5001), 8));
    assert_eq!(fault_of(&guest.access(unaligned, 0x5001)).kind, FaultKind::Translation);
    guest.registers.sctlr_el1 |= SCTLR_A;
    let fault = fault_of(&guest.access(unaligned, 0x5001));
    assert_eq!((fault.kind, fault.stage, fault.write), (FaultKind::Alignment, Stage::One, true));
    let aligned = unaligned.with_alignment(Alignment::of(Va(0x5000), 8));
    assert_eq!(fault_of(&guest.access(aligned, 0x5000)).kind, FaultKind::Translation);
}

/// LDTR at EL1 has the permissions of EL0, but for PSTATE.UAO; at EL2 only in a host.
#[test]
fn unprivileged_accesses() {
    let mut guest = Guest::both_stages();
    let mut access = Access::new(Operation::Load, El::El1);
    assert!(guest.access(access, 0x5000).result.is_ok());
    access.unprivileged = true;
    let abort = guest.access(access, 0x5000).result.expect_err("an abort");
    assert_eq!((abort.fault.kind, abort.exception.target), (FaultKind::Permission, El::El1));
    assert_eq!(abort.exception.esr.value >> 26, 0x25, "the instruction is EL1's own");
    access.uao = true;
    assert!(guest.access(access, 0x5000).result.is_ok());

    let mut access = Access::new(Operation::Load, El::El2);
    access.unprivileged = true;
    guest.registers.sctlr_el2 = SCTLR_M;
    guest.registers.tcr_el2 = TCR;
    guest.registers.ttbr0_el2 = S1_L1;
    guest.registers.hcr_el2 |= HCR_E2H;
    assert!(guest.access(access, 0x5000).result.is_ok());
    guest.registers.hcr_el2 |= HCR_TGE;
    assert_eq!(fault_of(&guest.access(access, 0x5000)).kind, FaultKind::Permission);
}

#[test]
fn el3_is_out_of_scope() {
    let guest = Guest::stage2();
    let access = Access::new(Operation::Load, El::El3);
    let outcome =
        golden::access(guest.machine(), access, Va(0), &mut Profile::pseudocode(), &mut ());
    assert_eq!(outcome, Err(golden::OutOfScope));
}

/// With HCR_EL2.TGE, EL0 of a non-host is stage 1's EL1&0 still, and its faults go to EL2.
#[test]
fn tge_takes_el0_faults_to_el2() {
    let mut guest = Guest::both_stages();
    guest.registers.hcr_el2 = HCR_TGE;
    let access = Access::new(Operation::Load, El::El0);
    // TGE turns stage 1 off.
    assert!(guest.access(access, 0x5000).result.is_ok());
    let abort = guest.access(access, 1 << 50).result.expect_err("beyond the physical addresses");
    assert_eq!((abort.fault.kind, abort.exception.target), (FaultKind::AddressSize, El::El2));
}

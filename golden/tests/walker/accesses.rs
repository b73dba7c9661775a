//! What an instruction is besides a load or a store: how it is aligned, what it promises, and what a
//! syndrome says of it.
#![expect(clippy::unusual_byte_groupings, reason = "grouped by field")]

use crate::guest::*;
use golden::{
    Access, AccessOutcome, Alignment, Choice, El, FaultKind, Features, InstructionSyndrome,
    Operation, Profile, Semantics, Stage, Transfer, Va,
};

const LOAD: Access = Access::new(Operation::Load, El::El1);
const STORE: Access = Access::new(Operation::Store, El::El1);
const ATOMIC: Access = Access::new(Operation::Atomic, El::El1);
const LDXR: Access = LOAD.with_semantics(Semantics::Exclusive);
const STXR: Access = STORE.with_semantics(Semantics::Exclusive);
const LDAR: Access = LOAD.with_semantics(Semantics::Ordered);
const STLR: Access = STORE.with_semantics(Semantics::Ordered);

/// A page whose stage 2 leaf is Device memory, and one that is Non-cacheable.
const DEVICE: u64 = 0x6000;
const NON_CACHEABLE: u64 = 0x7000;

/// Both stages, with memory of all kinds.
fn guest() -> Guest {
    let mut guest = Guest::both_stages();
    guest.set(S2_L3 + 8 * (DEVICE >> 12), DEVICE | S2_PAGE & !(0b1111 << 2));
    guest.set(S2_L3 + 8 * (NON_CACHEABLE >> 12), NON_CACHEABLE | S2_PAGE & !(0b1010 << 2));
    guest
}

fn with_lse2(mut guest: Guest) -> Guest {
    guest.implementation.features = guest.implementation.features.with(Features::FEAT_LSE2);
    guest
}

/// What an access of 8 bytes at this address meets: a fault, if it does.
fn met(guest: &Guest, access: Access, va: u64) -> Option<FaultKind> {
    let access = access.with_alignment(Alignment::of(Va(va), 8));
    guest.access(access, va).result.err().map(|abort| abort.fault.kind)
}

#[test]
fn alignment_is_that_of_the_size() {
    let of = |va, bytes| Alignment::of(Va(va), bytes);
    assert_eq!(of(0x1007, 1), Alignment::Aligned);
    assert_eq!(of(0x1006, 2), Alignment::Aligned);
    assert_eq!(of(0x1007, 2), Alignment::Within16);
    assert_eq!(of(0x100f, 2), Alignment::Across16);
    assert_eq!(of(0x1004, 8), Alignment::Within16);
    assert_eq!(of(0x1008, 8), Alignment::Aligned);
    assert_eq!(of(0x1009, 8), Alignment::Across16);
    assert_eq!(of(0x1008, 16), Alignment::Across16);
    assert_eq!(of(0x1040, 64), Alignment::Aligned);
    assert_eq!(of(0x1010, 64), Alignment::Across16);
    let of_pair = |va, each| Alignment::of_pair(Va(va), each);
    assert_eq!(of_pair(0x1008, 8), Alignment::Aligned);
    assert_eq!(of_pair(0x1004, 8), Alignment::Across16);
    assert_eq!(of_pair(0x1002, 4), Alignment::Within16);
    // The last bytes of 16.
    assert_eq!(of(0x100d, 3), Alignment::Within16);
    assert_eq!(of(0x100d, 4), Alignment::Across16);
    // The end of the address space, and sizes that no instruction has.
    assert_eq!(of(u64::MAX, 8), Alignment::Across16);
    assert_eq!(of(1, u64::MAX), Alignment::Across16);
    assert_eq!(of(1, 0), Alignment::Within16);
}

/// Without FEAT_LSE2, only plain accesses may be unaligned.
#[test]
fn unaligned_atomics_fault() {
    let guest = guest();
    for access in [LOAD, STORE] {
        assert_eq!(met(&guest, access, 0x5001), None);
    }
    for access in [ATOMIC, LDXR, STXR, LDAR, STLR] {
        assert_eq!(met(&guest, access, 0x5001), Some(FaultKind::Alignment), "{access:?}");
        assert_eq!(met(&guest, access, 0x5008), None, "{access:?}");
    }
}

/// With it, within 16 aligned bytes all may; across, SCTLR_ELx.nAA allows acquiring and releasing ones.
#[test]
fn lse2_allows_unaligned_atomics_within_16_bytes() {
    let mut guest = with_lse2(guest());
    for access in [LOAD, STORE, ATOMIC, LDXR, STXR, LDAR, STLR] {
        assert_eq!(met(&guest, access, 0x5008 - 1), None, "{access:?}");
    }
    for access in [ATOMIC, LDXR, STXR, LDAR, STLR] {
        assert_eq!(met(&guest, access, 0x500f), Some(FaultKind::Alignment), "{access:?}");
    }
    guest.registers.sctlr_el2 |= SCTLR_NAA;
    assert_eq!(met(&guest, LDAR, 0x500f), Some(FaultKind::Alignment), "EL2's does not count");
    guest.registers.sctlr_el1 |= SCTLR_NAA;
    for access in [LDAR, STLR] {
        assert_eq!(met(&guest, access, 0x500f), None, "{access:?}");
    }
    for access in [ATOMIC, LDXR, STXR] {
        assert_eq!(met(&guest, access, 0x500f), Some(FaultKind::Alignment), "{access:?}");
    }
    // SCTLR_ELx.A is for all of them.
    guest.registers.sctlr_el1 |= SCTLR_A;
    for access in [LOAD, STORE, ATOMIC, LDXR, STXR, LDAR, STLR] {
        assert_eq!(met(&guest, access, 0x5007), Some(FaultKind::Alignment), "{access:?}");
    }
}

/// SCTLR_ELx.nAA came with FEAT_LSE2, and is nothing without.
#[test]
fn naa_needs_lse2() {
    let mut guest = guest();
    guest.registers.sctlr_el1 |= SCTLR_NAA;
    assert_eq!(met(&guest, LDAR, 0x5007), Some(FaultKind::Alignment));
}

/// The check that needs no memory comes before translation, the one for Device memory after it and before
/// permissions.
#[test]
fn alignment_is_checked_twice() {
    let mut guest = guest();
    let stage2_leaf = S2_L3 + 8 * (DEVICE >> 12);
    assert_eq!(met(&guest, LOAD, DEVICE + 1), Some(FaultKind::Alignment));
    let unaligned = LOAD.with_alignment(Alignment::of(Va(DEVICE + 1), 8));
    let abort = guest.access(unaligned, DEVICE + 1).result.expect_err("an abort");
    assert_eq!((abort.fault.stage, abort.exception.target), (Stage::Two, El::El2));
    guest.set(stage2_leaf, DEVICE | S2_PAGE & !(0b1111 << 2 | 0b11 << 6));
    assert_eq!(met(&guest, LOAD, DEVICE + 1), Some(FaultKind::Alignment), "before permissions");
    guest.set(stage2_leaf, 0);
    assert_eq!(met(&guest, LOAD, DEVICE + 1), Some(FaultKind::Translation), "after the walk");
    let abort = guest
        .access(LDXR.with_alignment(Alignment::of(Va(DEVICE + 1), 8)), DEVICE + 1)
        .result
        .expect_err("an abort");
    assert_eq!((abort.fault.kind, abort.fault.stage), (FaultKind::Alignment, Stage::One));
    assert_eq!(abort.exception.target, El::El1);
}

/// The rest of an access in another page asks only what Device memory says, which may be nothing.
#[test]
fn the_rest_of_an_unaligned_access() {
    let mut guest = guest();
    guest.registers.sctlr_el1 |= SCTLR_A;
    let rest = LOAD.with_alignment(Alignment::Rest);
    let kinds = |guest: &Guest, va| -> Vec<_> {
        let outcomes = guest.allowed_accesses(rest, va).into_iter();
        outcomes.map(|(outcome, _)| outcome.result.err().map(|abort| abort.fault.kind)).collect()
    };
    assert_eq!(kinds(&guest, 0x5000), [None], "SCTLR_ELx.A was asked with the first part");
    assert_eq!(kinds(&guest, DEVICE), [Some(FaultKind::Alignment), None]);
    // What begins there has no choice.
    guest.registers.sctlr_el1 &= !SCTLR_A;
    assert_eq!(allowed(&guest, LOAD, DEVICE + 1), [Some((FaultKind::Alignment, Stage::Two))]);
    guest.registers.mair_el1 = 0;
    // Stage 1 says Device too.
    let fault = Some(FaultKind::Alignment);
    assert_eq!(kinds(&guest, DEVICE), [fault, fault, None]);
}

/// A fetch is aligned or is no fetch, and promises nothing.
#[test]
fn fetches_know_no_alignment() {
    let guest = guest();
    let fetch = Access::new(Operation::Fetch, El::El1).with_alignment(Alignment::Across16);
    for semantics in [Semantics::Plain, Semantics::Ordered, Semantics::Exclusive] {
        assert!(guest.access(fetch.with_semantics(semantics), 0x5000).result.is_ok());
    }
}

/// The kinds of faults that open choices allow an access at this address; `None` for success.
fn allowed(guest: &Guest, access: Access, va: u64) -> Vec<Option<(FaultKind, Stage)>> {
    let access = access.with_alignment(Alignment::of(Va(va), 8));
    guest
        .allowed_accesses(access, va)
        .into_iter()
        .map(|(outcome, _)| outcome.result.err().map(|abort| (abort.fault.kind, abort.fault.stage)))
        .collect()
}

/// FSC 110101, by the stage whose memory type is not good enough.
#[test]
fn memory_need_not_support_atomics() {
    let mut guest = guest();
    let unsupported = |stage| vec![None, Some((FaultKind::UnsupportedAtomic, stage))];
    for access in [ATOMIC, LDXR, STXR] {
        assert_eq!(allowed(&guest, access, 0x5000), [None], "Write-Back, Inner Shareable");
        for va in [DEVICE, NON_CACHEABLE] {
            assert_eq!(allowed(&guest, access, va), unsupported(Stage::Two), "{access:?}");
        }
    }
    for access in [LOAD, STORE, LDAR, STLR] {
        assert_eq!(allowed(&guest, access, DEVICE), [None], "{access:?}");
    }
    // Stage 1 comes first in what it says, and is alone where stage 2 is off.
    guest.registers.mair_el1 = 0x44;
    assert_eq!(allowed(&guest, LDXR, DEVICE), unsupported(Stage::One));
    guest.registers.hcr_el2 &= !HCR_VM;
    assert_eq!(allowed(&guest, LDXR, 0x5000), unsupported(Stage::One));
    // Write-Back, but without read allocation, or transient.
    for mair in [0xdd, 0x77] {
        guest.registers.mair_el1 = mair;
        assert_eq!(allowed(&guest, LDXR, 0x5000), unsupported(Stage::One), "{mair:#x}");
    }
    guest.registers.mair_el1 = 0xff;
    assert_eq!(allowed(&guest, LDXR, 0x5000), [None]);
    // Non-shareable.
    guest.set(S1_L3 + 8 * 5, 0x5000 | S1_PAGE & !(0b11 << 8));
    assert_eq!(allowed(&guest, LDXR, 0x5000), unsupported(Stage::One));
}

#[test]
fn unsupported_atomics_are_reported() {
    let guest = guest();
    let mut profile = Profile::open();
    let fault = Choice::UnsupportedAtomic.answer_named("fault").expect("an answer");
    profile.settle(Choice::UnsupportedAtomic, fault);
    let abort = guest.access_with(STXR, DEVICE, &mut profile).result.expect_err("an abort");
    assert_eq!(abort.exception.target, El::El2);
    assert_eq!(abort.exception.esr.value & 0x3f, 0b11_0101);
    assert_eq!(abort.exception.esr.mask >> 6 & 1, 0, "WnR is UNKNOWN");
    assert_eq!(abort.exception.hpfar, None);
}

/// Unaligned within 16 bytes is for Write-Back memory only.
#[test]
fn unaligned_atomics_want_write_back() {
    let guest = with_lse2(guest());
    let alignment = Some((FaultKind::Alignment, Stage::One));
    assert_eq!(allowed(&guest, LDAR, 0x5007), [None]);
    for access in [LDAR, STLR] {
        assert_eq!(allowed(&guest, access, NON_CACHEABLE + 7), [None, alignment], "{access:?}");
    }
    let unsupported = Some((FaultKind::UnsupportedAtomic, Stage::Two));
    assert_eq!(allowed(&guest, LDXR, NON_CACHEABLE + 7), [None, unsupported, alignment]);
    assert_eq!(allowed(&guest, LOAD, NON_CACHEABLE + 7), [None], "plain");
    assert_eq!(allowed(&guest, LDXR, NON_CACHEABLE), [None, unsupported], "aligned");
}

/// LDRSH W21, acquiring as no real one does.
const TRANSFER: Transfer = Transfer { sas: 1, sse: true, srt: 21, sf: false, ar: true };

/// ISS[24:14] of the exception, value and mask.
fn instruction_syndrome(outcome: &AccessOutcome) -> (u64, u64) {
    let esr = outcome.result.expect_err("an abort").exception.esr;
    (esr.value >> 14 & 0x7ff, esr.mask >> 14 & 0x7ff)
}

/// ISV | SAS | SSE | SRT | SF | AR, each by itself.
#[test]
fn the_syndrome_tells_the_instruction() {
    let mut guest = guest();
    guest.set(S2_L3 + 8 * 5, 0);
    let told = |transfer| {
        let access = LOAD.with_instruction(InstructionSyndrome::Valid(transfer));
        instruction_syndrome(&guest.access(access, 0x5000))
    };
    assert_eq!(told(TRANSFER), (0b1_01_1_10101_0_1, 0x7ff));
    let none = Transfer { sas: 0, sse: false, srt: 0, sf: false, ar: false };
    assert_eq!(told(none), (0b1_00_0_00000_0_0, 0x7ff));
    assert_eq!(told(Transfer { sas: 3, ..none }).0, 0b1_11_0_00000_0_0);
    assert_eq!(told(Transfer { sse: true, ..none }).0, 0b1_00_1_00000_0_0);
    assert_eq!(told(Transfer { srt: 31, ..none }).0, 0b1_00_0_11111_0_0);
    assert_eq!(told(Transfer { sf: true, ..none }).0, 0b1_00_0_00000_1_0);
    assert_eq!(told(Transfer { ar: true, ..none }).0, 0b1_00_0_00000_0_1);
    // What has no place is left out.
    assert_eq!(told(Transfer { sas: 0xfc, srt: 0xe0, ..none }).0, 0b1_00_0_00000_0_0);

    let as_told = |instruction, access: Access| {
        instruction_syndrome(&guest.access(access.with_instruction(instruction), 0x5000))
    };
    let valid = InstructionSyndrome::Valid(TRANSFER);
    assert_eq!(as_told(InstructionSyndrome::NotTold, LOAD), (0, 0));
    assert_eq!(as_told(InstructionSyndrome::Invalid, LOAD), (0, 0x7ff));
    assert_eq!(as_told(valid, LDAR), (0b1_01_1_10101_0_1, 0x7ff));
    for access in [ATOMIC, LDXR, STXR] {
        for instruction in [InstructionSyndrome::NotTold, valid] {
            assert_eq!(as_told(instruction, access), (0, 0x7ff), "{access:?} is never valid");
        }
    }
}

/// Stage 1, stage 1 walks and External aborts have none.
#[test]
fn only_stage_2_tells_the_instruction() {
    let load = LOAD.with_instruction(InstructionSyndrome::Valid(TRANSFER));
    let mut guest = guest();
    guest.set(S1_L3 + 8 * 5, 0);
    assert_eq!(instruction_syndrome(&guest.access(load, 0x5000)), (0, 0x7ff), "stage 1");

    guest.set(S2_L3 + 8 * (S1_L3 >> 12), 0);
    let outcome = guest.access(load, 0x5000);
    assert!(outcome.result.expect_err("an abort").fault.s1_walk);
    assert_eq!(instruction_syndrome(&outcome), (0, 0x7ff), "a stage 1 walk");

    let mut guest = Guest::stage2();
    guest.memory.void.insert(S2_L2);
    assert_eq!(instruction_syndrome(&guest.access(load, 0x5000)), (0, 0x7ff), "External abort");
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_RAS);
    assert_eq!(instruction_syndrome(&guest.access(load, 0x5000)), (0, 0), "without FEAT_RAS");
}

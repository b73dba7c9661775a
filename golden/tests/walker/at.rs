//! Address translation instructions that a guest executes at EL1.

use crate::guest::*;
use golden::{Abort, At, AtOutcome, AtResult, El, Features, Masked, NotExecuted, Profile, Va};

/// What EL1 may execute.
const OF_EL1: [At; 6] = [At::S1E1R, At::S1E1W, At::S1E0R, At::S1E0W, At::S1E1RP, At::S1E1WP];

const PAGE: u64 = 0x5000;
const S1_LEAF: u64 = S1_L3 + 8 * 5;
const AP_EL0: u64 = 1 << 6;
const AP_READ_ONLY: u64 = 1 << 7;
/// The stage 2 leaf of the page in which stage 1's last table lies.
const S2_OF_TABLE: u64 = S2_L3 + 8 * (S1_L3 >> 12);

fn execute(guest: &Guest, at: At, pan: bool) -> AtOutcome {
    let profile = &mut Profile::pseudocode();
    golden::at(guest.machine(), at, El::El1, pan, Va(PAGE + 0x18), profile, &mut ())
        .expect("executed")
}

/// FST of the fault in `PAR_EL1`; `None` for success.
fn fault_status(guest: &Guest, at: At, pan: bool) -> Option<u64> {
    let Masked { value, .. } = par(&execute(guest, at, pan));
    (value & 1 == 1).then_some(value >> 1 & 0x3f)
}

#[track_caller]
fn exception(guest: &Guest, at: At) -> Abort {
    match execute(guest, at, false).result {
        AtResult::Exception(abort) => abort,
        AtResult::Par { par, .. } => panic!("{at}: PAR_EL1 = {par}"),
    }
}

const PERMISSION_L3: Option<u64> = Some(0b00_1111);

/// Each asks as its own exception level, to read or to write, and only two obey PAN.
#[test]
fn each_asks_as_it_is_named() {
    let mut guest = Guest::both_stages();
    let denied = |guest: &Guest, pan: bool| {
        let of = |&at: &At| fault_status(guest, at, pan) == PERMISSION_L3;
        OF_EL1.into_iter().filter(of).collect::<Vec<_>>()
    };
    // For EL1 only.
    assert_eq!(denied(&guest, true), [At::S1E0R, At::S1E0W]);
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_READ_ONLY);
    assert_eq!(denied(&guest, false), [At::S1E1W, At::S1E0R, At::S1E0W, At::S1E1WP]);
    // For EL0 too.
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0);
    assert_eq!(denied(&guest, false), []);
    assert_eq!(denied(&guest, true), [At::S1E1RP, At::S1E1WP]);
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0 | AP_READ_ONLY);
    assert_eq!(denied(&guest, false), [At::S1E1W, At::S1E0W, At::S1E1WP]);
}

/// Stage 1 alone is asked: its output is an IPA, which stage 2 need not map.
#[test]
fn the_answer_is_that_of_stage_1() {
    let mut guest = Guest::both_stages();
    guest.set(S1_LEAF, 0x9000 | S1_PAGE | AP_EL0);
    guest.set(S2_L3 + 8 * 9, 0);
    for at in OF_EL1 {
        let Masked { value, .. } = par(&execute(&guest, at, false));
        assert_eq!((value & 1, value >> 12 & 0xf_ffff), (0, 9), "{at}");
    }
    // A fault of stage 1 is told in PAR_EL1: neither S nor PTW.
    guest.set(S1_LEAF, 0);
    for at in OF_EL1 {
        let Masked { value, .. } = par(&execute(&guest, at, false));
        assert_eq!(value & 0x3ff, 0b00_0111 << 1 | 1, "{at}");
    }
}

/// Stage 2 faults on the walk are taken to EL2, as if by a write, with the IPA of the descriptor.
#[test]
fn stage_2_faults_on_the_walk_go_to_el2() {
    let mut guest = Guest::both_stages();
    // Not mapped, and not to be read.
    for (leaf, status) in [(0, 0b00_0111), (S1_L3 | S2_PAGE & !(0b11 << 6), 0b00_1111)] {
        guest.set(S2_OF_TABLE, leaf);
        for at in OF_EL1 {
            let Abort { fault, exception } = exception(&guest, at);
            assert!(fault.s1_walk);
            assert_eq!(exception.target, El::El2, "{at}");
            // EC 0x24, IL, CM, S1PTW, WnR; no valid instruction syndrome.
            assert_eq!(exception.esr.value, 0x9200_01c0 | status, "{at}");
            assert_eq!(exception.esr.mask >> 14 & 0x7ff, 0x7ff, "{at}");
            assert_eq!(exception.far, Va(PAGE + 0x18));
            assert_eq!(exception.hpfar, Some(S1_L3 >> 12 << 4), "{at}");
        }
    }
    // The same at EL2 is no exception.
    let outcome = guest.at(At::S1E1R, El::El2, PAGE);
    assert_eq!(par(&outcome).value & 0x3ff, 1 << 9 | 1 << 8 | 0b00_1111 << 1 | 1, "S, PTW");
}

/// So are those on the update of a stage 1 descriptor.
#[test]
fn stage_2_faults_on_an_update_go_to_el2() {
    let mut guest = Guest::both_stages();
    guest.registers.tcr_el1 |= TCR_HA;
    guest.set(S1_LEAF, PAGE | AP_EL0 | S1_PAGE & !AF);
    guest.set(S2_OF_TABLE, S1_L3 | S2_PAGE & !(1 << 7));
    for at in OF_EL1 {
        let Abort { exception, .. } = exception(&guest, at);
        assert_eq!(exception.esr.value, 0x9200_01cf, "{at}");
        assert_eq!(exception.hpfar, Some(S1_L3 >> 12 << 4));
    }
}

/// External aborts on the walk go to the exception level of their stage, whoever executes the instruction.
#[test]
fn external_aborts_are_taken() {
    let mut guest = Guest::both_stages();
    guest.memory.void.insert(S1_L2);
    for at in OF_EL1 {
        let Abort { exception, .. } = exception(&guest, at);
        // EC 0x25, IL, CM, WnR, level 2.
        assert_eq!((exception.target, exception.esr.value), (El::El1, 0x9600_0156), "{at}");
        assert_eq!(exception.hpfar, None);
    }
    guest.memory.void.clear();
    guest.memory.void.insert(S2_OF_TABLE);
    for at in OF_EL1 {
        let Abort { exception, .. } = exception(&guest, at);
        assert_eq!((exception.target, exception.esr.value), (El::El2, 0x9200_01d7), "{at}");
        assert_eq!(exception.hpfar, None);
    }
}

/// EL0 executes none of them, EL1 no others, and without FEAT_PAN2 two fewer.
#[test]
fn what_is_undefined() {
    let mut guest = Guest::both_stages();
    let refused = |guest: &Guest, el| {
        let profile = &mut Profile::pseudocode();
        let mut refuses = |&at: &At| {
            let outcome = golden::at(guest.machine(), at, el, false, Va(0), profile, &mut ());
            assert!(matches!(outcome, Ok(_) | Err(NotExecuted::Undefined)));
            outcome.is_err()
        };
        At::ALL.into_iter().filter(&mut refuses).collect::<Vec<_>>()
    };
    assert_eq!(refused(&guest, El::El0), At::ALL);
    let of_el2 = [At::S1E2R, At::S1E2W, At::S12E0R, At::S12E0W, At::S12E1R, At::S12E1W];
    assert_eq!(refused(&guest, El::El1), of_el2);
    assert_eq!(refused(&guest, El::El2), []);
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_PAN2);
    assert_eq!(refused(&guest, El::El2), [At::S1E1RP, At::S1E1WP]);
}

//! Cache maintenance by virtual address, and DC ZVA.

use std::ops::ControlFlow;

use crate::guest::*;
use golden::{
    Abort, Access, Alignment, El, FaultKind, Features, InstructionSyndrome, Maintenance,
    MaintenanceOutcome, Operation, OutOfScope, Profile, Semantics, Stage, Va,
};

const DC: [Maintenance; 4] =
    [Maintenance::DcCvac, Maintenance::DcCvau, Maintenance::DcCivac, Maintenance::DcIvac];
const CLEAN: [Maintenance; 3] = [Maintenance::DcCvac, Maintenance::DcCvau, Maintenance::DcCivac];

const PAGE: u64 = 0x5000;
const S1_LEAF: u64 = S1_L3 + 8 * 5;
const S2_LEAF: u64 = S2_L3 + 8 * 5;
/// AP[2:1] of stage 1, and S2AP of stage 2.
const AP_EL0: u64 = 1 << 6;
const AP_READ_ONLY: u64 = 1 << 7;
const S2AP_READ: u64 = 1 << 6;
const S2AP_WRITE: u64 = 1 << 7;
const SCTLR_CMOW: u64 = 1 << 32;
const HCRX_CMOW: u64 = 1 << 9;

/// Both stages; EL0 may read and write the page.
fn guest() -> Guest {
    let mut guest = Guest::both_stages();
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0);
    guest
}

fn with_feature(mut guest: Guest, feature: Features) -> Guest {
    guest.implementation.features = guest.implementation.features.with(feature);
    guest
}

fn maintain(guest: &Guest, maintenance: Maintenance, el: El) -> MaintenanceOutcome {
    let profile = &mut Profile::pseudocode();
    golden::maintain(guest.machine(), maintenance, el, Va(PAGE), profile, &mut ()).expect("not EL3")
}

fn abort(guest: &Guest, maintenance: Maintenance, el: El) -> Abort {
    maintain(guest, maintenance, el).result.expect_err("an abort")
}

/// The fault, by kind and stage.
fn met(guest: &Guest, maintenance: Maintenance, el: El) -> Option<(FaultKind, Stage)> {
    let result = maintain(guest, maintenance, el).result;
    result.err().map(|abort| (abort.fault.kind, abort.fault.stage))
}

/// What open choices allow: `None` where it is not translated.
fn allowed(
    guest: &Guest,
    maintenance: Maintenance,
    el: El,
) -> Vec<Option<Result<(), (FaultKind, Stage)>>> {
    let mut outcomes = Vec::new();
    golden::allowed(
        &Profile::open(),
        |choices| {
            golden::maintain(guest.machine(), maintenance, el, Va(PAGE), choices, &mut ())
                .expect("not EL3")
        },
        |outcome, _| {
            outcomes.push(match outcome.result {
                Ok(translation) => translation.map(|_| Ok(())),
                Err(abort) => Some(Err((abort.fault.kind, abort.fault.stage))),
            });
            ControlFlow::Continue(())
        },
    );
    outcomes
}

const PERMISSION_1: Option<(FaultKind, Stage)> = Some((FaultKind::Permission, Stage::One));
const PERMISSION_2: Option<(FaultKind, Stage)> = Some((FaultKind::Permission, Stage::Two));

#[test]
fn it_leads_to_the_page() {
    for maintenance in Maintenance::ALL {
        let outcome = maintain(&guest(), maintenance, El::El0);
        let translation = outcome.result.expect("no fault").expect("translated");
        assert_eq!(translation.pa.0, PAGE, "{maintenance}");
    }
}

#[test]
fn el3_is_out_of_scope() {
    let guest = guest();
    let profile = &mut Profile::pseudocode();
    let outcome =
        golden::maintain(guest.machine(), Maintenance::DcCvac, El::El3, Va(0), profile, &mut ());
    assert_eq!(outcome, Err(OutOfScope));
}

/// Reported as Data Aborts with CM and WnR, and no valid instruction syndrome.
#[test]
fn it_is_reported_as_maintenance() {
    let mut guest = guest();
    guest.set(S1_LEAF, 0);
    for maintenance in Maintenance::ALL {
        let abort = abort(&guest, maintenance, El::El1);
        assert_eq!(abort.exception.target, El::El1);
        assert_eq!(abort.exception.far, Va(PAGE));
        // EC 0x25, IL, CM, WnR, Translation fault of level 3.
        assert_eq!(abort.exception.esr.value, 0x9600_0147, "{maintenance}");
    }
    guest.set(S1_LEAF, PAGE | S1_PAGE);
    guest.set(S2_LEAF, 0);
    for maintenance in Maintenance::ALL {
        let abort = abort(&guest, maintenance, El::El1);
        assert_eq!(abort.exception.target, El::El2);
        assert_eq!(abort.exception.hpfar, Some(PAGE >> 12 << 4));
        assert_eq!(abort.exception.esr.value, 0x9200_0147, "{maintenance}");
        assert_eq!(abort.exception.esr.mask >> 14 & 0x7ff, 0x7ff, "ISV is 0 for sure");
    }
    // On the stage 1 walk: S1PTW.
    guest.set(S2_L3 + 8 * (S1_L3 >> 12), 0);
    assert_eq!(abort(&guest, Maintenance::DcCivac, El::El0).exception.esr.value, 0x9200_01c7);
}

/// Above EL0 only DC IVAC wants a permission: to write.
#[test]
fn privileged_maintenance_needs_no_permissions() {
    let mut guest = guest();
    guest.registers.hcr_el2 |= HCR_PTW;
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_READ_ONLY);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !(S2AP_READ | S2AP_WRITE));
    for maintenance in CLEAN.into_iter().chain([Maintenance::IcIvau]) {
        assert_eq!(met(&guest, maintenance, El::El1), None, "{maintenance}");
    }
    assert_eq!(met(&guest, Maintenance::DcIvac, El::El1), PERMISSION_1);
    guest.set(S1_LEAF, PAGE | S1_PAGE);
    assert_eq!(met(&guest, Maintenance::DcIvac, El::El1), PERMISSION_2);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_READ);
    assert_eq!(met(&guest, Maintenance::DcIvac, El::El1), None, "it does not read");
}

/// At EL0, a clean wants to read, at both stages.
#[test]
fn unprivileged_maintenance_needs_to_read() {
    let mut guest = guest();
    guest.set(S1_LEAF, PAGE | S1_PAGE);
    for maintenance in CLEAN {
        assert_eq!(met(&guest, maintenance, El::El0), PERMISSION_1, "{maintenance}");
    }
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0 | AP_READ_ONLY);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_WRITE);
    for maintenance in CLEAN {
        assert_eq!(met(&guest, maintenance, El::El0), None, "{maintenance}: it does not write");
    }
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_READ);
    for maintenance in CLEAN {
        assert_eq!(met(&guest, maintenance, El::El0), PERMISSION_2, "{maintenance}");
    }
}

/// IC IVAU may do without the permission, and without translation.
#[test]
fn instruction_maintenance_is_open() {
    let mut guest = guest();
    let fault = |stage| Some(Err((FaultKind::Permission, stage)));
    let done = Some(Ok(()));
    assert_eq!(allowed(&guest, Maintenance::IcIvau, El::El0), [done, None]);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_READ);
    assert_eq!(allowed(&guest, Maintenance::IcIvau, El::El0), [fault(Stage::Two), done, None]);
    guest.set(S1_LEAF, PAGE | S1_PAGE);
    // One PE has one answer for both stages.
    assert_eq!(allowed(&guest, Maintenance::IcIvau, El::El0), [fault(Stage::One), done, None]);
    assert_eq!(allowed(&guest, Maintenance::IcIvau, El::El1), [done, None]);
    guest.set(S1_LEAF, 0);
    let translation = Some(Err((FaultKind::Translation, Stage::One)));
    assert_eq!(allowed(&guest, Maintenance::IcIvau, El::El1), [translation, None]);
}

/// DC translates, unless there is no cache before the point that it works to.
#[test]
fn data_maintenance_translates_where_there_are_caches() {
    let (loc, louu) = (1 << 24, 1 << 27);
    let with_clidr = |clidr| {
        let mut guest = guest();
        guest.implementation = guest.implementation.with_clidr(clidr);
        guest
    };
    let is_open = |guest: &Guest, maintenance| {
        let outcomes = allowed(guest, maintenance, El::El1);
        assert_eq!(outcomes[0], Some(Ok(())));
        assert!(outcomes.len() == 1 || outcomes[1..] == [None]);
        outcomes.len() == 2
    };
    for maintenance in DC {
        assert!(!is_open(&guest(), maintenance), "{maintenance}");
        assert!(!is_open(&with_clidr(loc | louu), maintenance), "{maintenance}");
        assert!(is_open(&with_clidr(0), maintenance), "{maintenance}");
        let to_unification = maintenance == Maintenance::DcCvau;
        assert_eq!(is_open(&with_clidr(loc), maintenance), to_unification, "{maintenance}");
    }
}

/// With FEAT_CMOW, what may lose data wants to write: at stage 1 for EL0, at stage 2 for all.
#[test]
fn cmow_wants_to_write() {
    let concerned = [Maintenance::DcCivac, Maintenance::IcIvau];
    let others = [Maintenance::DcCvac, Maintenance::DcCvau];
    let mut guest = with_feature(with_feature(guest(), Features::FEAT_CMOW), Features::FEAT_HCX);
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0 | AP_READ_ONLY);
    for maintenance in Maintenance::ALL.into_iter().filter(|&it| it != Maintenance::DcIvac) {
        assert_eq!(met(&guest, maintenance, El::El0), None, "{maintenance}");
    }
    guest.registers.sctlr_el1 |= SCTLR_CMOW;
    for maintenance in concerned {
        assert_eq!(met(&guest, maintenance, El::El0), PERMISSION_1, "{maintenance}");
        assert_eq!(met(&guest, maintenance, El::El1), None, "{maintenance}");
    }
    for maintenance in others {
        assert_eq!(met(&guest, maintenance, El::El0), None, "{maintenance}");
    }
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_WRITE);
    assert_eq!(met(&guest, Maintenance::DcCivac, El::El0), None, "HCRX_EL2.CMOW is 0");
    guest.registers.hcrx_el2 |= HCRX_CMOW;
    for el in [El::El0, El::El1] {
        for maintenance in concerned {
            assert_eq!(met(&guest, maintenance, el), PERMISSION_2, "{maintenance} at {el}");
        }
        for maintenance in others {
            assert_eq!(met(&guest, maintenance, el), None, "{maintenance} at {el}");
        }
    }
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_HCX);
    assert_eq!(met(&guest, Maintenance::DcCivac, El::El0), None, "no HCRX_EL2");
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_EL0 | AP_READ_ONLY);
    guest.implementation.features = guest.implementation.features.without(Features::FEAT_CMOW);
    assert_eq!(met(&guest, Maintenance::DcCivac, El::El0), None, "no FEAT_CMOW");
}

/// A clear access flag may be passed by, on the page but not on the way to it.
#[test]
fn the_access_flag_may_be_passed_by() {
    let flag = |stage| Some(Err((FaultKind::AccessFlag, stage)));
    for maintenance in DC {
        let mut guest = guest();
        guest.set(S2_LEAF, PAGE | S2_PAGE & !AF);
        assert_eq!(allowed(&guest, maintenance, El::El1), [flag(Stage::Two), Some(Ok(()))]);
        guest.set(S1_LEAF, PAGE | (S1_PAGE & !AF));
        assert_eq!(allowed(&guest, maintenance, El::El1), [flag(Stage::One), Some(Ok(()))]);
        guest.set(S2_L3 + 8 * (S1_L3 >> 12), S1_L3 | S2_PAGE & !AF);
        assert_eq!(allowed(&guest, maintenance, El::El1), [flag(Stage::Two)]);
    }
    let mut guest = guest();
    guest.set(S2_LEAF, PAGE | S2_PAGE & !AF);
    let load = guest.allowed_loads(PAGE);
    assert_eq!(load.len(), 1, "a load does not pass it by");
}

/// The access flag is set, dirty state is not, not even where it would allow DC IVAC.
#[test]
fn it_does_not_dirty() {
    let mut guest = guest();
    guest.registers.tcr_el1 |= TCR_HA | TCR_HD;
    let clean = PAGE | S1_PAGE & !AF | AP_EL0 | AP_READ_ONLY | DBM;
    guest.set(S1_LEAF, clean);
    for maintenance in DC {
        let outcome = maintain(&guest, maintenance, El::El1);
        assert!(outcome.result.is_ok(), "{maintenance}");
        let updates: Vec<_> = outcome.updates.iter().map(|update| update.new).collect();
        assert_eq!(updates, [clean | AF], "{maintenance}");
    }
}

/// PSTATE.PAN and alignment are for DC ZVA, which is a store.
#[test]
fn zero_is_a_store() {
    let zero = Access::new(Operation::Zero, El::El1);
    let mut guest = guest();
    assert_eq!(pa(&guest.access(zero, PAGE)), PAGE);
    let fault = |guest: &Guest, access: Access| {
        guest.access(access, PAGE).result.err().map(|abort| (abort.fault.kind, abort.fault.stage))
    };
    assert_eq!(fault(&guest, zero.with_pan(true)), PERMISSION_1);
    guest.set(S1_LEAF, PAGE | S1_PAGE | AP_READ_ONLY);
    assert_eq!(fault(&guest, zero), PERMISSION_1);
    guest.set(S1_LEAF, PAGE | S1_PAGE);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_WRITE);
    assert_eq!(fault(&guest, zero), PERMISSION_2);
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_READ);
    assert_eq!(fault(&guest, zero), None);

    // A store without a valid syndrome, and no cache maintenance.
    guest.set(S2_LEAF, 0);
    let exception = guest.access(zero, PAGE).result.expect_err("an abort").exception;
    assert_eq!((exception.esr.value, exception.target), (0x9200_0047, El::El2));
    assert_eq!(exception.esr.mask >> 14 & 0x7ff, 0x7ff);
    let told = InstructionSyndrome::NotTold;
    let abort = guest.access(zero.with_instruction(told), PAGE).result.expect_err("an abort");
    assert_eq!(abort.exception.esr, exception.esr);

    // Dirty state is set as by a store.
    guest.set(S2_LEAF, PAGE | S2_PAGE & !S2AP_WRITE | DBM);
    guest.registers.vtcr_el2 |= VTCR_HA | VTCR_HD;
    let outcome = guest.access(zero, PAGE);
    let updates: Vec<_> = outcome.updates.iter().map(|update| update.new).collect();
    assert_eq!(updates, [PAGE | S2_PAGE | DBM]);
}

/// It can't zero Device memory, whatever stage calls it so, nor anything while the MMU is off. Else it has
/// no alignment.
#[test]
fn zero_faults_on_device_memory() {
    let zero = Access::new(Operation::Zero, El::El1)
        .with_alignment(Alignment::Across16)
        .with_semantics(Semantics::Exclusive);
    let mut guest = guest();
    guest.registers.sctlr_el1 |= SCTLR_A;
    assert!(guest.access(zero, PAGE + 1).result.is_ok());
    let device = |guest: &Guest, level| {
        let abort = guest.access(zero, PAGE).result.expect_err("an abort");
        assert_eq!((abort.fault.kind, abort.fault.stage), (FaultKind::Alignment, level));
        assert_eq!(abort.exception.esr.value & 0x1ff, 1 << 6 | 0b10_0001, "WnR, not CM");
    };
    guest.set(S2_LEAF, PAGE | S2_PAGE & !(0b1111 << 2));
    device(&guest, Stage::Two);
    guest.registers.mair_el1 = 0;
    device(&guest, Stage::One);
    guest.registers.sctlr_el1 &= !SCTLR_M;
    device(&guest, Stage::One);
    assert_eq!(met(&guest, Maintenance::DcCvac, El::El1), None, "maintenance does not care");
}

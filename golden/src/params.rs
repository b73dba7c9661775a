//! The parameters of a walk, resolved once from the system registers.

mod stage1;
mod stage2;

pub use stage1::Stage1Params;
pub(crate) use stage1::disabled_top_bit;
pub use stage2::Stage2Params;

use crate::choices::{Choice, Choices, OutOfRange, ReservedPs, ask};
use crate::descriptor::{PS_48, PS_52};
use crate::granule::Granule;
use crate::implementation::{Features, Granules, Implementation};
use crate::registers::Registers;

/// A granule field's value, where it is a supported granule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GranuleField {
    /// `TCR_ELx.TG0` and `VTCR_EL2.TG0`: 00 4KB, 01 64KB, 10 16KB.
    Tg0,
    /// `TCR_ELx.TG1`: 10 4KB, 11 64KB, 01 16KB.
    Tg1,
}

/// The granule that a field selects. For a reserved value and for a granule that the stage does not
/// support, the implementation chooses.
///
/// Source: `AArch64.S1DecodeTG0`, `AArch64.S1DecodeTG1`, `AArch64.S2DecodeTG0`.
fn granule<C: Choices + ?Sized>(
    field: GranuleField,
    value: u64,
    supported: Granules,
    otherwise: Choice,
    choices: &mut C,
) -> Granule {
    let selected = match (field, value) {
        (GranuleField::Tg0, 0b00) | (GranuleField::Tg1, 0b10) => Some(Granule::K4),
        (GranuleField::Tg0, 0b01) | (GranuleField::Tg1, 0b11) => Some(Granule::K64),
        (GranuleField::Tg0, 0b10) | (GranuleField::Tg1, 0b01) => Some(Granule::K16),
        _ => None,
    };
    match selected {
        Some(granule) if supported.has(granule) => granule,
        _ => ask(choices, otherwise),
    }
}

/// PS or IPS as it takes effect: the reserved value acts as another one.
///
/// Source: DDI 0487, `TCR_EL1.IPS`.
fn output_size<C: Choices + ?Sized>(
    pe: &Implementation,
    ps: u64,
    (granule, ds): (Granule, bool),
    choices: &mut C,
) -> u64 {
    let can_be_52 = pe.has(Features::FEAT_LPA) && (granule == Granule::K64 || ds);
    if ps <= PS_52 || !can_be_52 {
        return ps;
    }
    match ask(choices, Choice::ReservedOutputSize) {
        ReservedPs::Largest => ps,
        ReservedPs::As52 => PS_52,
        ReservedPs::As48 => PS_48,
    }
}

/// The largest TnSZ.
///
/// Source: `AArch64.MaxTxSZ`.
const fn max_txsz(pe: &Implementation, granule: Granule) -> u64 {
    match granule {
        _ if !pe.has(Features::FEAT_TTST) => 39,
        Granule::K64 => 47,
        _ => 48,
    }
}

/// TnSZ brought into its range, or `None` for a level 0 Translation fault. Below the minimum the fault
/// may be mandatory.
///
/// Source: `AArch64.S1TxSZFaults`, `AArch64.S2TxSZFaults`.
fn checked_txsz<C: Choices + ?Sized>(
    txsz: u64,
    min: u64,
    max: u64,
    must_fault_below: bool,
    choices: &mut C,
) -> Option<u64> {
    let (choice, clamped) = if txsz < min {
        if must_fault_below {
            return None;
        }
        (Choice::TxszBelowMin, min)
    } else if txsz > max {
        (Choice::TxszAboveMax, max)
    } else {
        return Some(txsz);
    };
    match ask(choices, choice) {
        OutOfRange::Fault => None,
        OutOfRange::Clamp => Some(clamped),
    }
}

/// `TCR2_EL1` takes effect.
///
/// Source: `IsTCR2EL1Enabled`.
fn tcr2_el1_enabled(pe: &Implementation, registers: &Registers) -> bool {
    pe.has(Features::FEAT_TCR2) && pe.has(Features::FEAT_HCX) && registers.hcrx_el2().tcr2en()
}

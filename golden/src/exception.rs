//! The exception that a fault is reported by: its target, and the syndrome registers.

use core::fmt;

use crate::address::{Ipa, Va};
use crate::el::{El, Regime};
use crate::fault::{Fault, FaultKind, Stage};
use crate::implementation::{Features, Implementation};
use crate::masked::Masked;
use crate::registers::Registers;
use crate::syndrome::InstructionSyndrome;

/// The instruction that brought the fault about, as far as the syndrome tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A data access that only reads or only writes, and what the syndrome may say of the instruction.
    Data(InstructionSyndrome),
    /// An atomic read-modify-write.
    Atomic,
    /// An instruction fetch.
    Fetch,
    /// An address translation instruction.
    At,
    /// A cache maintenance instruction.
    Maintenance,
}

/// An exception taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exception {
    /// The exception level that takes it.
    pub target: El,
    /// `ESR_ELx` of that level.
    pub esr: Masked,
    /// `FAR_ELx`: always valid for these faults.
    pub far: Va,
    /// `HPFAR_EL2`, if it is valid: bits 47:4 hold IPA\[55:12\]. Where an exception taken to EL2 has none,
    /// the register is UNKNOWN; where one taken to EL1 has none, it keeps its value.
    pub hpfar: Option<u64>,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.target.get();
        write!(f, "taken to EL{n}: ESR_EL{n} = {}, FAR_EL{n} = {}", self.esr, self.far)?;
        match self.hpfar {
            Some(hpfar) => write!(f, ", HPFAR_EL2 = {hpfar:#x}"),
            None => Ok(()),
        }
    }
}

impl Exception {
    /// The exception by which a fault is reported that an instruction at `el` met at this address.
    ///
    /// Source: `AArch64.DataAbort`, `AArch64.InstructionAbort`, `AArch64.AbortSyndrome`,
    /// `AArch64.ReportException`.
    #[must_use]
    pub fn new(
        fault: &Fault,
        cause: Cause,
        el: El,
        va: Va,
        implementation: &Implementation,
        registers: &Registers,
    ) -> Self {
        let target = target(fault, el, implementation, registers);
        let hpfar = fault.ipa.filter(|_| fault.ipa_valid()).map(hpfar);
        Self { target, esr: esr(fault, cause, el == target, implementation), far: va, hpfar }
    }
}

/// The exception level that takes a fault.
///
/// Source: `AArch64.DataAbort`, `AArch64.SyncExternalAbortTarget`. `SCR_EL3.EA` is 0.
fn target(fault: &Fault, el: El, pe: &Implementation, registers: &Registers) -> El {
    if matches!(el, El::El2 | El::El3) {
        return el;
    }
    let hcr = registers.hcr_el2();
    let in_host = Regime::of(el, pe, registers) == Some(Regime::El20);
    let tea = fault.kind.is_external_abort() && pe.has(Features::FEAT_RAS) && hcr.tea();
    if in_host || hcr.tge() || tea || fault.stage == Stage::Two { El::El2 } else { El::El1 }
}

/// Source: `AArch64.FaultSyndrome`, `AArch64.ExceptionClass`.
///
/// ```text
///  63        56 55        32 31    26 25  24                     0
/// |    RES0    |    ISS2    |   EC   |IL|          ISS            |
///
/// ISS of a Data Abort:
///   24 23:14                   13   12:11   10  9  8  7     6   5:0
/// |ISV|SAS SSE SRT SF AR    |VNCR| SET/LST|FnV|EA|CM|S1PTW|WnR|DFSC|
/// ISS of an Instruction Abort:                    9     7        5:0
///                                                |EA|  |S1PTW|  |IFSC|
/// ```
fn esr(fault: &Fault, cause: Cause, same_el: bool, pe: &Implementation) -> Masked {
    let mut value = IL | fault.status_code() | u64::from(fault.s1_walk) << S1PTW;
    let mut mask;
    if cause == Cause::Fetch {
        value |= (EC_INSTRUCTION_ABORT + u64::from(same_el)) << EC;
        mask = EC_AND_IL | ISS2_DIRTY_BIT | 1 << EA | 1 << S1PTW | STATUS_CODE;
    } else {
        value |= (EC_DATA_ABORT + u64::from(same_el)) << EC;
        mask = EC_AND_IL | ISS2 | ISS & !SET_LST;
        if fault.stage == Stage::Two && !fault.s1_walk {
            match instruction_syndrome(fault, cause, pe) {
                Some(bits) => value |= bits,
                None => mask &= !INSTRUCTION_SYNDROME,
            }
        }
        if matches!(cause, Cause::At | Cause::Maintenance) {
            value |= 1 << CM | 1 << WNR;
        } else if matches!(fault.kind, FaultKind::UnsupportedUpdate | FaultKind::UnsupportedAtomic)
            || cause == Cause::Atomic && fault.kind.is_external_abort()
        {
            mask &= !(1 << WNR);
        } else if fault.write {
            value |= 1 << WNR;
        }
    }
    if fault.kind == FaultKind::Permission && fault.dirty_bit {
        value |= ISS2_DIRTY_BIT;
    }
    if fault.kind.is_external_abort() {
        mask &= !(1 << EA);
    }
    Masked::new(value, mask)
}

/// ISS\[24:14\] of a Data Abort from stage 2 that is not on a stage 1 walk, or `None` if it is not
/// determined: where the instruction is not told, and without FEAT_RAS for an External abort.
///
/// Source: `AArch64.FaultSyndrome`; DDI 0487, `ESR_EL2.ISS.ISV`.
fn instruction_syndrome(fault: &Fault, cause: Cause, pe: &Implementation) -> Option<u64> {
    if fault.kind.is_external_abort() {
        return pe.has(Features::FEAT_RAS).then_some(0);
    }
    match cause {
        Cause::Data(instruction) => instruction.bits(),
        Cause::Atomic | Cause::At | Cause::Maintenance | Cause::Fetch => Some(0),
    }
}

const EC: u32 = 26;
const EA: u32 = 9;
const CM: u32 = 8;
pub(crate) const S1PTW: u32 = 7;
pub(crate) const WNR: u32 = 6;
const STATUS_CODE: u64 = 0b11_1111;
pub(crate) const IL: u64 = 1 << 25;
const EC_AND_IL: u64 = 0x7f << 25;
const ISS: u64 = (1 << 25) - 1;
/// ISS\[24:14\], with which ISV describes the instruction.
pub(crate) const INSTRUCTION_SYNDROME: u64 = 0x7ff << 14;
/// Is the instruction described?
pub(crate) const ISV: u32 = 24;
/// ISS\[12:11\]: the error state of an External abort, or the type of a 64-byte access.
const SET_LST: u64 = 0b11 << 11;
/// ISS2 bits 10:5: what kind of permission is missing.
const ISS2: u64 = 0x3f << (32 + 5);
pub(crate) const ISS2_DIRTY_BIT: u64 = 1 << (32 + 5);
const EC_INSTRUCTION_ABORT: u64 = 0x20;
const EC_DATA_ABORT: u64 = 0x24;

/// Source: `AArch64.ReportException`.
const fn hpfar(ipa: Ipa) -> u64 {
    ((ipa.0 >> 12) & ((1 << 44) - 1)) << 4
}

//! Reports that are wrong.

use crate::access::Operation;
use crate::attributes::Shareability;
use crate::errata::{Effect, Erratum, Halves, Instruction};
use crate::exception::{self, Cause, Exception};
use crate::fault::{FaultKind, Stage};
use crate::level::Level;
use crate::masked::Masked;
use crate::par;

/// The same register with these bits as in `value`, where they are determined.
const fn with(register: Masked, bits: u64, value: u64) -> Masked {
    Masked::new(register.value & !bits | value & bits, register.mask)
}

fn esr(register: &mut Exception, bits: u64, value: u64) {
    register.esr = with(register.esr, bits, value);
}

const fn is_fault(par: &Masked) -> bool {
    par.value & 1 != 0
}

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "fault-tells-level-0",
        "every fault tells level 0",
        "AArch64.FaultSyndrome, AArch64.PARFaultStatus",
        Effect::Fault(|_, fault| fault.level = Level::L0),
    ),
    Erratum::new(
        "fault-on-a-walk-tells-level-0",
        "a stage 2 fault on a stage 1 walk tells level 0",
        "AArch64.FaultSyndrome, AArch64.PARFaultStatus",
        Effect::Fault(|_, fault| {
            if fault.s1_walk {
                fault.level = Level::L0;
            }
        }),
    ),
    Erratum::new(
        "fault-on-a-walk-tells-the-level-of-stage-1",
        "a stage 2 fault on a stage 1 walk tells the level of stage 1",
        "AArch64.FaultSyndrome, AArch64.PARFaultStatus",
        Effect::WalkFault(|site, fault| {
            if fault.kind.has_level() {
                fault.level = site.level;
            }
        }),
    ),
    Erratum::new(
        "stage2-fault-tells-the-level-above",
        "a fault of stage 2 tells the level above",
        "AArch64.FaultSyndrome, AArch64.PARFaultStatus",
        Effect::Fault(|_, fault| {
            if fault.stage == Stage::Two && fault.level.get() > 0 {
                fault.level = Level::with_below(fault.level.below() + 1);
            }
        }),
    ),
    Erratum::new(
        "fault-on-a-walk-is-of-the-access",
        "a stage 2 fault on a stage 1 walk is reported as one of the access itself",
        "AArch64.FaultSyndrome",
        Effect::Fault(|_, fault| fault.s1_walk = false),
    ),
    Erratum::new(
        "atomic-faults-as-a-store",
        "an atomic's fault tells a write, where it may not read either",
        "AArch64.FaultSyndrome",
        Effect::Fault(|subject, fault| {
            if subject.instruction == Instruction::Access(Operation::Atomic) {
                fault.write = true;
            }
        }),
    ),
    Erratum::new(
        "atomic-loads-and-then-stores",
        "an atomic is translated as a load, and only then as a store",
        "AArch64.FullTranslate, AArch64.S1CheckPermissions",
        Effect::Halves(Halves::LoadFirst),
    ),
    Erratum::new(
        "atomic-stores-and-then-loads",
        "an atomic is translated as a store, and only then as a load",
        "AArch64.FullTranslate, AArch64.S1CheckPermissions",
        Effect::Halves(Halves::StoreFirst),
    ),
    Erratum::new(
        "atomic-faults-as-a-load",
        "an atomic's fault tells a read, where it may not write",
        "AArch64.FaultSyndrome",
        Effect::Fault(|subject, fault| {
            if subject.instruction == Instruction::Access(Operation::Atomic) {
                fault.write = false;
            }
        }),
    ),
    Erratum::new(
        "stage2-alignment-fault-is-of-stage-1",
        "an Alignment fault of stage 2 is reported as one of stage 1",
        "AArch64.S2HasAlignmentFault",
        Effect::Fault(|_, fault| {
            if fault.kind == FaultKind::Alignment && fault.stage == Stage::Two {
                (fault.stage, fault.ipa) = (Stage::One, None);
            }
        }),
    ),
    Erratum::new(
        "permission-fault-as-access-flag-fault",
        "a Permission fault is told as an Access flag fault",
        "EncodeLDFSC",
        Effect::Fault(|_, fault| {
            if fault.kind == FaultKind::Permission {
                fault.kind = FaultKind::AccessFlag;
            }
        }),
    ),
    Erratum::new(
        "access-flag-fault-as-permission-fault",
        "an Access flag fault is told as a Permission fault",
        "EncodeLDFSC",
        Effect::Fault(|_, fault| {
            if fault.kind == FaultKind::AccessFlag {
                fault.kind = FaultKind::Permission;
            }
        }),
    ),
    Erratum::new(
        "address-size-fault-as-translation-fault",
        "an Address size fault is told as a Translation fault",
        "EncodeLDFSC",
        Effect::Fault(|_, fault| {
            if fault.kind == FaultKind::AddressSize {
                fault.kind = FaultKind::Translation;
            }
        }),
    ),
    Erratum::new(
        "translation-fault-as-address-size-fault",
        "a Translation fault is told as an Address size fault",
        "EncodeLDFSC",
        Effect::Fault(|_, fault| {
            if fault.kind == FaultKind::Translation {
                fault.kind = FaultKind::AddressSize;
            }
        }),
    ),
    Erratum::new(
        "syndrome-tells-no-WnR",
        "ESR's WnR is 0",
        "AArch64.FaultSyndrome",
        Effect::Exception(|subject, _, exception| {
            if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) {
                esr(exception, 1 << exception::WNR, 0);
            }
        }),
    ),
    Erratum::new(
        "syndrome-tells-WnR",
        "ESR's WnR is 1",
        "AArch64.FaultSyndrome",
        Effect::Exception(|subject, _, exception| {
            if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) {
                esr(exception, 1 << exception::WNR, u64::MAX);
            }
        }),
    ),
    Erratum::new(
        "maintenance-faults-as-a-read",
        "a fault of cache maintenance tells a read",
        "AArch64.FaultSyndrome",
        Effect::Exception(|subject, _, exception| {
            if matches!(subject.instruction, Instruction::Maintenance(_)) {
                esr(exception, 1 << exception::WNR, 0);
            }
        }),
    ),
    Erratum::new(
        "syndrome-tells-no-S1PTW",
        "ESR's S1PTW is 0",
        "AArch64.FaultSyndrome",
        Effect::Exception(|_, _, exception| esr(exception, 1 << exception::S1PTW, 0)),
    ),
    Erratum::new(
        "syndrome-describes-no-instruction",
        "ESR's ISV is 0",
        "AArch64.FaultSyndrome",
        Effect::Exception(|_, _, exception| esr(exception, exception::INSTRUCTION_SYNDROME, 0)),
    ),
    Erratum::new(
        "syndrome-describes-the-instruction-of-an-external-abort",
        "ESR's ISV is 1 for an External abort on a walk of stage 2, where it is for other faults",
        "AArch64.FaultSyndrome",
        Effect::Exception(|subject, fault, exception| {
            let Cause::Data(instruction) = subject.cause else { return };
            if fault.kind.is_external_abort() && fault.stage == Stage::Two && !fault.s1_walk {
                let told = exception.esr.mask & exception::INSTRUCTION_SYNDROME;
                match instruction.bits() {
                    Some(bits) => esr(exception, told, bits),
                    None => exception.esr.mask &= !told,
                }
            }
        }),
    ),
    Erratum::new(
        "syndrome-describes-an-instruction-in-any-case",
        "ESR's ISV is 1 for every Data Abort",
        "AArch64.FaultSyndrome",
        Effect::Exception(|subject, _, exception| {
            if !matches!(subject.instruction, Instruction::Access(Operation::Fetch)) {
                esr(exception, 1 << exception::ISV, u64::MAX);
            }
        }),
    ),
    Erratum::new(
        "syndrome-tells-a-short-instruction",
        "ESR's IL is 0",
        "AArch64.ExceptionClass",
        Effect::Exception(|_, _, exception| esr(exception, exception::IL, 0)),
    ),
    Erratum::new(
        "syndrome-tells-no-dirty-bit",
        "ESR's DirtyBit is 0",
        "AArch64.FaultSyndrome",
        Effect::Exception(|_, _, exception| esr(exception, exception::ISS2_DIRTY_BIT, 0)),
    ),
    Erratum::new(
        "HPFAR-is-lost",
        "HPFAR_EL2 is 0",
        "AArch64.ReportException",
        Effect::Exception(|_, _, exception| exception.hpfar = exception.hpfar.map(|_| 0)),
    ),
    Erratum::new(
        "HPFAR-is-not-shifted",
        "HPFAR_EL2 holds the IPA from bit 12",
        "AArch64.ReportException",
        Effect::Exception(|_, _, exception| {
            exception.hpfar = exception.hpfar.map(|hpfar| hpfar << 8 & ((1 << 48) - 16))
        }),
    ),
    Erratum::new(
        "HPFAR-loses-bits-above-48",
        "HPFAR_EL2 holds bits 47:12 of the IPA alone",
        "AArch64.ReportException",
        Effect::Exception(|_, _, exception| {
            exception.hpfar = exception.hpfar.map(|hpfar| hpfar & ((1 << 40) - 1))
        }),
    ),
    Erratum::new(
        "FAR-is-of-the-page",
        "FAR holds the address with zeroes in bits 11:0",
        "AArch64.ReportException",
        Effect::Exception(|_, _, exception| exception.far.0 &= !0xfff),
    ),
    Erratum::new(
        "FAR-loses-the-top-byte",
        "FAR holds copies of bit 55 in its top byte",
        "AArch64.ReportException",
        Effect::Exception(|_, _, exception| {
            exception.far.0 = ((exception.far.0 << 8) as i64 >> 8) as u64
        }),
    ),
    Erratum::new(
        "PAR-tells-no-stage",
        "PAR_EL1.S is 0",
        "AArch64.EncodePAR",
        Effect::Par(|_, par| {
            if is_fault(par) {
                *par = with(*par, par::S, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-no-PTW",
        "PAR_EL1.PTW is 0",
        "AArch64.EncodePAR",
        Effect::Par(|_, par| {
            if is_fault(par) {
                *par = with(*par, par::PTW, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-level-0",
        "PAR_EL1.FST tells level 0",
        "AArch64.PARFaultStatus",
        Effect::Par(|_, par| {
            if is_fault(par) {
                *par = with(*par, 0b11 << 1, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-no-shareability",
        "PAR_EL1.SH is 0",
        "PAREncodeShareability",
        Effect::Par(|_, par| {
            if !is_fault(par) {
                *par = with(*par, par::SH, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-inner-shareable",
        "PAR_EL1.SH is Inner Shareable where it should be Outer Shareable",
        "PAREncodeShareability",
        Effect::Par(|_, par| {
            if !is_fault(par) && par.value & par::SH == 0b10 << 7 {
                *par = with(*par, par::SH, par::SH);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-reserved-shareability",
        "PAR_EL1.SH is the reserved value of a leaf or of TCR, where stage 1 is alone",
        "DecodeShareability, PAREncodeShareability",
        Effect::Par(|sh, par| {
            // Device and Non-cacheable memory is Outer Shareable, whatever was written.
            let is_forced = par.value >> 60 == 0 || matches!(par.value >> 56, 0x40 | 0x44);
            if sh.is_some_and(|sh| Shareability::from_bits(sh).is_none()) && !is_forced {
                *par = with(*par, par::SH, 0b01 << 7);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-the-shareability-of-the-leaf",
        "PAR_EL1.SH is what a leaf or TCR says where stage 1 is alone, for Device and Non-cacheable memory too",
        "PAREncodeShareability",
        Effect::Par(|sh, par| {
            if let Some(sh) = sh.filter(|_| !is_fault(par)) {
                *par = with(*par, par::SH, sh << 7);
            }
        }),
    ),
    Erratum::new(
        "PAR-tells-no-attributes",
        "PAR_EL1.ATTR is 0",
        "EncodePARAttrs",
        Effect::Par(|_, par| {
            if !is_fault(par) {
                *par = with(*par, par::ATTR, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-address-loses-bits-above-48",
        "PAR_EL1.PA has bits 47:12 alone",
        "AArch64.EncodePAR",
        Effect::Par(|_, par| {
            if !is_fault(par) {
                *par = with(*par, 0xff << 48, 0);
            }
        }),
    ),
    Erratum::new(
        "PAR-address-is-of-64K",
        "PAR_EL1.PA has zeroes in bits 15:12",
        "AArch64.EncodePAR",
        Effect::Par(|_, par| {
            if !is_fault(par) {
                *par = with(*par, 0xf << 12, 0);
            }
        }),
    ),
];

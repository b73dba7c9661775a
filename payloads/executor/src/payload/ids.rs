//! ID registers of this PE.

use aarch64_cpu::registers::*;
use link::hello::IdRegisters;

use crate::payload::asm::mrs;

/// Reads all of them. Those that a PE does not have read as zero: the ID space is RAZ.
pub fn read() -> IdRegisters {
    IdRegisters {
        midr_el1: MIDR_EL1.get(),
        mpidr_el1: MPIDR_EL1.get(),
        revidr_el1: mrs!("revidr_el1"),
        ctr_el0: mrs!("ctr_el0"),
        id_aa64pfr0_el1: ID_AA64PFR0_EL1.get(),
        id_aa64pfr1_el1: ID_AA64PFR1_EL1.get(),
        id_aa64dfr0_el1: ID_AA64DFR0_EL1.get(),
        id_aa64isar0_el1: ID_AA64ISAR0_EL1.get(),
        id_aa64isar1_el1: ID_AA64ISAR1_EL1.get(),
        // By encoding: assemblers name the younger ones only with their extension.
        id_aa64isar2_el1: mrs!("S3_0_C0_C6_2"),
        id_aa64mmfr0_el1: ID_AA64MMFR0_EL1.get(),
        id_aa64mmfr1_el1: ID_AA64MMFR1_EL1.get(),
        id_aa64mmfr2_el1: ID_AA64MMFR2_EL1.get(),
        id_aa64mmfr3_el1: mrs!("S3_0_C0_C7_3"),
        id_aa64mmfr4_el1: mrs!("S3_0_C0_C7_4"),
    }
}

/// The affinity fields of this PE's `MPIDR_EL1`.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// The 4-bit field of an ID register that begins at bit `low`.
pub const fn field(register: u64, low: u32) -> u64 {
    register >> low & 0xf
}

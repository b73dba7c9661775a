//! EL2 of a PE: the registers that are set once, before its MMU is on.

use aarch64_cpu::registers::*;

use crate::payload::asm::{self, mrs, msr};
use crate::payload::ids::field;

/// Sets every register of EL2 and EL1 that the executor or a case relies on, except for those that
/// turn the MMU on.
///
/// # Safety
/// The MMU of this PE is off, and no case is asked at it.
pub unsafe fn set_up() {
    let mmfr1 = ID_AA64MMFR1_EL1.get();
    // SAFETY: the caller's promise. None of these registers has to do with how memory is seen while the MMU is off,
    // and optional ones are written where the ID registers have them.
    unsafe {
        // What a case's EL0 may access, EL2 may: PSTATE.PAN counts in the EL2&0 regime, and probes are asked
        // with the executor's.
        if field(mmfr1, 20) != 0 {
            asm::clear_pan();
        }
        quiet_debug_and_timers(mmfr1);
        msr!("vpidr_el2", MIDR_EL1.get());
        VMPIDR_EL2.set(MPIDR_EL1.get());
        msr!("amair_el2", 0);
        clear_fine_grained_traps();
        clear_extensions(mmfr1);
        quiet_interrupts();
    }

    // Stage 1 of EL1&0: tables that a case does not set lie at 0.
    TTBR0_EL1.set(0);
    TTBR1_EL1.set(0);
    AMAIR_EL1.set(0);
    CONTEXTIDR_EL1.set(0);
    asm::isb();
}

/// Traps of the base architecture, debug and the timers.
///
/// # Safety
/// As for [`set_up`].
unsafe fn quiet_debug_and_timers(mmfr1: u64) {
    let dfr0 = ID_AA64DFR0_EL1.get();
    // Floating point, SVE and SME trap: the executor has none, so that using one is a fault of its.
    CPTR_EL2.set(0x37ff);
    // SAFETY: the caller's promise.
    unsafe {
        msr!("hstr_el2", 0);
        msr!("hacr_el2", 0);
    }
    // HPMN must not be larger than the number of counters, and 0 is not always allowed.
    let has_pmu = !matches!(field(dfr0, 8), 0 | 0xf);
    let counters = if has_pmu { mrs!("pmcr_el0") >> 11 & 0x1f } else { 0 };
    MDCR_EL2.set(counters);
    MDSCR_EL1.set(0);
    // EL1 may use the physical counter and timer; the hypervisor's timer is quiet.
    CNTHCTL_EL2.set(3);
    CNTHP_CTL_EL2.set(0);
    CNTVOFF_EL2.set(0);
    // SAFETY: the caller's promise.
    unsafe {
        // So are the others: a loader's may have gone off long ago, and wake nobody but this PE.
        msr!("cntp_ctl_el0", 0);
        msr!("cntv_ctl_el0", 0);
        if field(mmfr1, 8) != 0 {
            msr!("S3_4_C14_C3_1", 0); // CNTHV_CTL_EL2
        }
    }
}

/// Fine-grained traps, which guests would feel.
///
/// # Safety
/// As for [`set_up`].
unsafe fn clear_fine_grained_traps() {
    let fgt = field(ID_AA64MMFR0_EL1.get(), 56);
    // SAFETY: the caller's promise.
    unsafe {
        if fgt != 0 {
            msr!("S3_4_C1_C1_4", 0); // HFGRTR_EL2
            msr!("S3_4_C1_C1_5", 0); // HFGWTR_EL2
            msr!("S3_4_C1_C1_6", 0); // HFGITR_EL2
            msr!("S3_4_C3_C1_4", 0); // HDFGRTR_EL2
            msr!("S3_4_C3_C1_5", 0); // HDFGWTR_EL2
        }
        if fgt > 1 {
            msr!("S3_4_C3_C1_2", 0); // HFGRTR2_EL2
            msr!("S3_4_C3_C1_3", 0); // HFGWTR2_EL2
            msr!("S3_4_C3_C1_7", 0); // HFGITR2_EL2
            msr!("S3_4_C3_C1_0", 0); // HDFGRTR2_EL2
            msr!("S3_4_C3_C1_1", 0); // HDFGWTR2_EL2
        }
    }
}

/// Younger controls, where they exist. As for Linux, EL3 must let EL2 reach them.
///
/// # Safety
/// As for [`set_up`].
unsafe fn clear_extensions(mmfr1: u64) {
    let mmfr3 = mrs!("S3_0_C0_C7_3");
    // SAFETY: the caller's promise.
    unsafe {
        if field(mmfr1, 40) != 0 {
            msr!("S3_4_C1_C2_2", 0); // HCRX_EL2
        }
        if field(mmfr3, 0) != 0 {
            msr!("S3_4_C2_C0_3", 0); // TCR2_EL2
            msr!("S3_0_C2_C0_3", 0); // TCR2_EL1
        }
        if field(mmfr3, 4) != 0 {
            msr!("S3_4_C1_C0_3", 0); // SCTLR2_EL2
            msr!("S3_0_C1_C0_3", 0); // SCTLR2_EL1
        }
    }
}

/// Interrupts through system registers, where there is a GICv3. None comes before `gic` asks for it, none
/// is a guest's.
///
/// # Safety
/// As for [`set_up`].
unsafe fn quiet_interrupts() {
    if field(ID_AA64PFR0_EL1.get(), 24) == 0 {
        return;
    }
    ICC_SRE_EL2.set(0xf);
    asm::isb();
    if ICC_SRE_EL2.get() & 1 != 0 {
        // SAFETY: the caller's promise.
        unsafe {
            msr!("S3_0_C12_C12_7", 0); // ICC_IGRPEN1_EL1
            msr!("S3_4_C12_C11_0", 0); // ICH_HCR_EL2
        }
    }
}

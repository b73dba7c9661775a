//! Where the machine stands between cases: EL2's own registers, and an EL1&0 regime in which nothing
//! can be walked.

use aarch64_cpu::registers::*;

use crate::payload::asm::{self, msr};
use crate::payload::global::Global;
use crate::payload::ids::field;

/// `HCR_EL2` at home: EL1 is AArch64, E2H and TGE are 0, and physical interrupts and SErrors are
/// EL2's.
pub const HCR_EL2_HOME: u64 = RW | HCR_EL2_ROUTING;
/// What the executor adds to the `HCR_EL2` of every case: AMO, IMO and FMO. They do not take part in
/// translation, and without them EL2 neither takes an SError nor wakes from WFI.
pub const HCR_EL2_ROUTING: u64 = 1 << 5 | 1 << 4 | 1 << 3;
const RW: u64 = 1 << 31;
/// What the executor adds to the `HCR_EL2` of a case that has guests. They take no part in translation:
/// they trap what a guest that runs wild could do to the machine, or to its own regime, and what would
/// make it wait.
///
/// | bit | name | traps |
/// |---|---|---|
/// | 13 | TWI | WFI |
/// | 14 | TWE | WFE |
/// | 19 | TSC | SMC |
/// | 20 | TIDCP | registers of the implementation |
/// | 21 | TACR | ACTLR_EL1 |
/// | 22 | TSW | cache maintenance by set and way |
/// | 26 | TVM | writes to the registers of stage 1 |
pub const HCR_EL2_GUEST: u64 = 1 << 13 | 1 << 14 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 26;
/// What `MDCR_EL2` has while guests run: TDE, which routes BRK to EL2 and traps debug registers, and TPM,
/// which traps those of the performance monitors.
pub const MDCR_EL2_GUEST: u64 = 1 << 8 | 1 << 6;

/// `SCTLR_EL2` at home: RES1 bits, MMU, stack alignment check, caches, and no page that is both
/// written and executed.
pub const SCTLR_EL2_HOME: u64 = 0x30c5_0830 | 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;

/// A stage 2 root without a single valid descriptor. Nobody ever writes it.
#[repr(C, align(4096))]
struct Empty([u64; 512]);

static EMPTY: Global<Empty> = Global::new(Empty([0; 512]));

/// The registers of the parked EL1&0 regime.
#[derive(Clone, Copy)]
pub struct Parked {
    vtcr_el2: u64,
    vttbr_el2: u64,
}

impl Parked {
    /// The values for this PE.
    pub fn new() -> Self {
        Self { vtcr_el2: vtcr_el2(), vttbr_el2: EMPTY.pointer().addr() as u64 }
    }

    /// Takes the tables of a case away from the walker. Walks of the EL1&0 regime then end at a
    /// descriptor that is not valid, and nothing of such a walk may be held in a TLB.
    pub fn park(&self) {
        // The VMID stays the case's: a change of it is a flush of the TLB to an emulator, and the TLB
        // is emptied of all VMIDs before the next case anyway.
        const VMID: u64 = 0xffff << 48;
        let vmid = VTTBR_EL2.get() & VMID;
        // The empty root comes first: with the case's own VTCR_EL2, for the moment in which both are
        // mixed, it is still the memory of this image that a walk would find. (There should be none:
        // at EL2 with E2H = 0 the EL1&0 regime is out of context.)
        VTTBR_EL2.set(vmid | self.vttbr_el2);
        VTCR_EL2.set(self.vtcr_el2);
        asm::isb();
    }
}

/// A stage 2 of 32 bits with write-back inner-shareable walks, in a granule that the PE has. In each
/// granule SL0 = 1 makes that one table of at most 1 KB.
fn vtcr_el2() -> u64 {
    let mmfr0 = ID_AA64MMFR0_EL1.get();
    // TGranX_2: 0 means as for stage 1, 1 means none.
    let has = |stage2, stage1| match field(mmfr0, stage2) {
        0 => stage1,
        1 => false,
        _ => true,
    };
    let tg0 = if has(40, field(mmfr0, 28) != 0xf) {
        0b00
    } else if has(36, field(mmfr0, 24) != 0xf) {
        0b01
    } else {
        0b10
    };
    const RES1: u64 = 1 << 31;
    let walks = 0b01 << 8 | 0b01 << 10 | 0b11 << 12;
    let (t0sz, sl0, ps) = (32, 1, field(mmfr0, 0).min(5));
    RES1 | ps << 16 | tg0 << 14 | walks | sl0 << 6 | t0sz
}

/// Sets every register of EL2 and EL1 that the executor or a case relies on, except for those that
/// turn the MMU on.
pub fn set_up() {
    let pfr0 = ID_AA64PFR0_EL1.get();
    let mmfr0 = ID_AA64MMFR0_EL1.get();
    let dfr0 = ID_AA64DFR0_EL1.get();
    let mmfr1 = ID_AA64MMFR1_EL1.get();
    let mmfr3 = asm::mrs!("S3_0_C0_C7_3");

    // What a case's EL0 may access, EL2 may: PSTATE.PAN counts in the EL2&0 regime, and probes are asked
    // with home's.
    if field(mmfr1, 20) != 0 {
        asm::clear_pan();
    }
    // Floating point, SVE and SME trap: the executor has none, so that using one is a fault of its.
    CPTR_EL2.set(0x37ff);
    msr!("hstr_el2", 0);
    msr!("hacr_el2", 0);
    // HPMN must not be larger than the number of counters, and 0 is not always allowed.
    let has_pmu = !matches!(field(dfr0, 8), 0 | 0xf);
    let counters = if has_pmu { asm::mrs!("pmcr_el0") >> 11 & 0x1f } else { 0 };
    MDCR_EL2.set(counters);
    MDSCR_EL1.set(0);
    // EL1 may use the physical counter and timer; the hypervisor's timer is quiet.
    CNTHCTL_EL2.set(3);
    CNTHP_CTL_EL2.set(0);
    CNTVOFF_EL2.set(0);
    // So are the others: a loader's may have gone off long ago, and wake nobody but this PE.
    msr!("cntp_ctl_el0", 0);
    msr!("cntv_ctl_el0", 0);
    if field(mmfr1, 8) != 0 {
        msr!("S3_4_C14_C3_1", 0); // CNTHV_CTL_EL2
    }
    msr!("vpidr_el2", MIDR_EL1.get());
    VMPIDR_EL2.set(MPIDR_EL1.get());
    msr!("amair_el2", 0);
    // Fine-grained traps, which guests would feel.
    if field(mmfr0, 56) != 0 {
        msr!("S3_4_C1_C1_4", 0); // HFGRTR_EL2
        msr!("S3_4_C1_C1_5", 0); // HFGWTR_EL2
        msr!("S3_4_C1_C1_6", 0); // HFGITR_EL2
        msr!("S3_4_C3_C1_4", 0); // HDFGRTR_EL2
        msr!("S3_4_C3_C1_5", 0); // HDFGWTR_EL2
    }
    if field(mmfr0, 56) > 1 {
        msr!("S3_4_C3_C1_2", 0); // HFGRTR2_EL2
        msr!("S3_4_C3_C1_3", 0); // HFGWTR2_EL2
        msr!("S3_4_C3_C1_7", 0); // HFGITR2_EL2
        msr!("S3_4_C3_C1_0", 0); // HDFGRTR2_EL2
        msr!("S3_4_C3_C1_1", 0); // HDFGWTR2_EL2
    }
    // Younger controls, where they exist. As for Linux, EL3 must let EL2 reach them.
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
    // Interrupts through system registers, where there is a GICv3. None comes before `gic` asks for it, none
    // is a guest's.
    if field(pfr0, 24) != 0 {
        ICC_SRE_EL2.set(0xf);
        asm::isb();
        if ICC_SRE_EL2.get() & 1 != 0 {
            msr!("S3_0_C12_C12_7", 0); // ICC_IGRPEN1_EL1
            msr!("S3_4_C12_C11_0", 0); // ICH_HCR_EL2
        }
    }

    // Stage 1 of EL1&0: tables that a case does not set lie at 0.
    TTBR0_EL1.set(0);
    TTBR1_EL1.set(0);
    AMAIR_EL1.set(0);
    CONTEXTIDR_EL1.set(0);
    asm::isb();
}

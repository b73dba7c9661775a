//! Quiesced EL1&0 regime: its state between cases, in which nothing can be walked.

use aarch64_cpu::registers::*;

use crate::payload::asm;
use crate::payload::global::Global;
use crate::payload::ids::field;

/// A stage 2 root without a single valid descriptor. Nobody ever writes it.
#[repr(C, align(4096))]
struct Empty([u64; 512]);

static EMPTY: Global<Empty> = Global::new(Empty([0; 512]));

/// The registers of the EL1&0 regime while nothing can be walked in it.
#[derive(Clone, Copy)]
pub struct Quiesced {
    vtcr_el2: u64,
    vttbr_el2: u64,
}

impl Quiesced {
    /// The values for this PE.
    pub fn new() -> Self {
        Self { vtcr_el2: vtcr_el2(), vttbr_el2: EMPTY.pointer().addr() as u64 }
    }

    /// Takes the tables of a case away from the walker. Walks of the EL1&0 regime then end at a
    /// descriptor that is not valid, and nothing of such a walk may be held in a TLB.
    pub fn load(&self) {
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

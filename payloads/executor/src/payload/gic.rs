//! Interrupt controller, set up so that the hypervisor's timer ends a WFI, and nothing else does.
//!
//! All of it is done once, with the MMU off: registers of a device are then accessed as such, and
//! need no place in the executor's map. No interrupt is ever acknowledged: PSTATE keeps it masked, WFI ends
//! because it is pending, and it goes away with the timer's condition.

use aarch64_cpu::registers::*;
use executor::machine::Gic;

use crate::payload::asm::{self, msr};
use crate::payload::ids::field;
use crate::payload::mmio::Registers;

/// The interrupt of the EL2 physical timer: a PPI, the same on all systems that follow BSA.
const TIMER: u32 = 26;

/// Distributor and redistributor registers, by their common offsets.
const CTLR: u64 = 0x000;
const TYPER: u64 = 0x004;
const IGROUPR: u64 = 0x080;
const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const IPRIORITYR: u64 = 0x400;
const IGRPMODR: u64 = 0xd00;

/// GICR registers.
const GICR_TYPER: u64 = 0x008;
const GICR_WAKER: u64 = 0x014;
const GICR_SGI: u64 = 0x1_0000;

/// CPU interface registers of a GICv2.
const GICC_CTLR: u64 = 0x000;
const GICC_PMR: u64 = 0x004;

/// GICD_CTLR.ARE_NS, or ARE where there is one security state.
const ARE: u32 = 1 << 4;
/// GICD_CTLR.EnableGrp1A, or EnableGrp1.
const ENABLE_GROUP1: u32 = 1 << 1;
/// GICD_CTLR.RWP.
const WRITES_PENDING: u32 = 1 << 31;

/// How often a register is read before it is given up: hardware that never gets ready costs the sleep
/// in idle, not the start.
const PATIENCE: u32 = 100_000;

/// Enables the timer's interrupt, and only that, from Non-secure EL2.
///
/// # Safety
/// The MMU is off, and `gic` is there.
pub unsafe fn wake_on_timer(gic: &Gic) {
    // SAFETY: the caller's promise.
    let distributor = unsafe { distributor(gic) };
    match gic {
        Gic::V2 { .. } => {
            quiet(distributor);
            distributor.write(CTLR, 1);
        }
        Gic::V3 { .. } => {
            // SAFETY: the caller's promise.
            if !has_system_registers() || unsafe { redistributor(gic) }.is_none() {
                return;
            }
            // Groups off first: with affinity routing off it may only be turned on so.
            distributor.write(CTLR, ARE);
            settle(distributor);
            quiet(distributor);
            distributor.write(CTLR, ARE | ENABLE_GROUP1);
            settle(distributor);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { join(gic) };
}

/// Enables the timer's interrupt at this PE; the rest has been done at another.
///
/// # Safety
/// As for [`wake_on_timer`].
pub unsafe fn join(gic: &Gic) {
    match gic {
        Gic::V2 { interface, .. } => {
            // SAFETY: the caller's promise.
            let (distributor, interface) =
                unsafe { (distributor(gic), Registers::new(*interface)) };
            // The registers of private interrupts are this PE's own.
            distributor.write(ICENABLER, u32::MAX);
            enable_timer(distributor);
            interface.write(GICC_PMR, 0xff);
            interface.write(GICC_CTLR, 1);
        }
        Gic::V3 { .. } => {
            // SAFETY: the caller's promise.
            let redistributor = unsafe { redistributor(gic) }.filter(|_| has_system_registers());
            let Some(redistributor) = redistributor else { return };
            wake(redistributor);
            let private = redistributor.behind(GICR_SGI);
            private.write(ICENABLER, u32::MAX);
            private.write(IGROUPR, u32::MAX);
            enable_timer(private);
            // SAFETY: there are system registers; interrupts stay masked.
            unsafe {
                msr!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1
                msr!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
            }
            asm::isb();
        }
    }
    asm::dsb_sy();
}

/// Whether this EL has the CPU interface. A GIC whose system registers EL3 keeps to itself is of no use.
fn has_system_registers() -> bool {
    field(ID_AA64PFR0_EL1.get(), 24) != 0 && ICC_SRE_EL2.get() & 1 != 0
}

/// Gives this PE's own interrupts to the Non-secure state. Called at EL3.
///
/// # Safety
/// As for [`wake_on_timer`].
pub unsafe fn open_to_non_secure(gic: &Gic) {
    // SAFETY: the caller's promise.
    let distributor = unsafe { distributor(gic) };
    match gic {
        Gic::V2 { interface, .. } => {
            // SAFETY: the caller's promise.
            let interface = unsafe { Registers::new(*interface) };
            distributor.write(IGROUPR, u32::MAX);
            // The lowest priority here leaves Non-secure software its half of the range.
            interface.write(GICC_PMR, 0xff);
            interface.write(GICC_CTLR, 1 << 1);
            distributor.write(CTLR, 1 << 1);
        }
        Gic::V3 { .. } => {
            // ARE_S and ARE_NS, then Group 1 Non-secure.
            distributor.write(CTLR, 1 << 4 | 1 << 5);
            settle(distributor);
            distributor.write(CTLR, 1 << 4 | 1 << 5 | ENABLE_GROUP1);
            settle(distributor);
            // SAFETY: the caller's promise.
            let Some(redistributor) = (unsafe { redistributor(gic) }) else { return };
            wake(redistributor);
            let private = redistributor.behind(GICR_SGI);
            private.write(IGROUPR, u32::MAX);
            private.write(IGRPMODR, 0);
        }
    }
    asm::dsb_sy();
}

/// Disables all shared interrupts, and the private ones where they are in the distributor.
fn quiet(distributor: Registers) {
    let words = (distributor.read(TYPER) & 0x1f) + 1;
    for word in 0..u64::from(words) {
        distributor.write(ICENABLER + 4 * word, u32::MAX);
    }
}

/// In the distributor, or in the redistributor's second frame: offsets are the same.
fn enable_timer(registers: Registers) {
    let at = IPRIORITYR + u64::from(TIMER & !3);
    let byte = 8 * (TIMER & 3);
    registers.write(at, registers.read(at) & !(0xff << byte) | 0x80 << byte);
    registers.write(ISENABLER, 1 << TIMER);
}

/// The distributor.
///
/// # Safety
/// As for [`wake_on_timer`].
unsafe fn distributor(gic: &Gic) -> Registers {
    let (Gic::V2 { distributor, .. } | Gic::V3 { distributor, .. }) = gic;
    // SAFETY: the caller's promise.
    unsafe { Registers::new(*distributor) }
}

/// The redistributor of this PE.
///
/// # Safety
/// As for [`wake_on_timer`].
unsafe fn redistributor(gic: &Gic) -> Option<Registers> {
    let Gic::V3 { redistributors, .. } = gic else { return None };
    let mpidr = MPIDR_EL1.get();
    let affinity = mpidr & 0xff_ffff | (mpidr >> 32 & 0xff) << 24;
    for region in redistributors {
        let mut at = region.base;
        while at + 0x2_0000 <= region.base + region.size {
            // SAFETY: the caller's promise.
            let frame = unsafe { Registers::new(at) };
            let low = frame.read(GICR_TYPER);
            if u64::from(frame.read(GICR_TYPER + 4)) == affinity {
                return Some(frame);
            }
            // Last, or with frames for virtual LPIs.
            if low & 1 << 4 != 0 {
                break;
            }
            at += if low & 1 << 1 != 0 { 0x4_0000 } else { 0x2_0000 };
        }
    }
    None
}

fn wake(redistributor: Registers) {
    const PROCESSOR_SLEEP: u32 = 1 << 1;
    const CHILDREN_ASLEEP: u32 = 1 << 2;
    let waker = redistributor.read(GICR_WAKER);
    redistributor.write(GICR_WAKER, waker & !PROCESSOR_SLEEP);
    redistributor.wait_at_most(PATIENCE, GICR_WAKER, CHILDREN_ASLEEP, 0);
}

fn settle(distributor: Registers) {
    distributor.wait_at_most(PATIENCE, CTLR, WRITES_PENDING, 0);
}

//! The interrupt controller, set up so that the hypervisor's timer ends a WFI, and nothing else does.
//!
//! All of it is done once, with the MMU off: registers of a device are then accessed as such, and
//! need no place in the home map. No interrupt is ever acknowledged: PSTATE keeps it masked, WFI ends
//! because it is pending, and it goes away with the timer's condition.

use core::ptr;

use aarch64_cpu::registers::*;
use executor::machine::Gic;

use crate::payload::asm::{self, msr};
use crate::payload::ids::field;

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
pub fn wake_on_timer(gic: &Gic) {
    match gic {
        Gic::V2 { distributor, .. } => {
            quiet(*distributor);
            write(*distributor + CTLR, 1);
        }
        Gic::V3 { distributor, .. } => {
            if !has_system_registers() || redistributor(gic).is_none() {
                return;
            }
            // Groups off first: with affinity routing off it may only be turned on so.
            write(*distributor + CTLR, ARE);
            settle(*distributor);
            quiet(*distributor);
            write(*distributor + CTLR, ARE | ENABLE_GROUP1);
            settle(*distributor);
        }
    }
    join(gic);
}

/// Enables the timer's interrupt at this PE; the rest has been done at another.
pub fn join(gic: &Gic) {
    match gic {
        Gic::V2 { distributor, interface } => {
            // The registers of private interrupts are this PE's own.
            write(*distributor + ICENABLER, u32::MAX);
            enable_timer(*distributor);
            write(*interface + GICC_PMR, 0xff);
            write(*interface + GICC_CTLR, 1);
        }
        Gic::V3 { .. } => {
            let redistributor = redistributor(gic).filter(|_| has_system_registers());
            let Some(redistributor) = redistributor else { return };
            wake(redistributor);
            write(redistributor + GICR_SGI + ICENABLER, u32::MAX);
            write(redistributor + GICR_SGI + IGROUPR, u32::MAX);
            enable_timer(redistributor + GICR_SGI);
            msr!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1
            msr!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
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
pub fn open_to_non_secure(gic: &Gic) {
    match gic {
        Gic::V2 { distributor, interface } => {
            write(*distributor + IGROUPR, u32::MAX);
            // The lowest priority here leaves Non-secure software its half of the range.
            write(*interface + GICC_PMR, 0xff);
            write(*interface + GICC_CTLR, 1 << 1);
            write(*distributor + CTLR, 1 << 1);
        }
        Gic::V3 { distributor, .. } => {
            // ARE_S and ARE_NS, then Group 1 Non-secure.
            write(*distributor + CTLR, 1 << 4 | 1 << 5);
            settle(*distributor);
            write(*distributor + CTLR, 1 << 4 | 1 << 5 | ENABLE_GROUP1);
            settle(*distributor);
            let Some(redistributor) = redistributor(gic) else { return };
            wake(redistributor);
            write(redistributor + GICR_SGI + IGROUPR, u32::MAX);
            write(redistributor + GICR_SGI + IGRPMODR, 0);
        }
    }
    asm::dsb_sy();
}

/// Disables all shared interrupts, and the private ones where they are in the distributor.
fn quiet(distributor: u64) {
    let words = (read(distributor + TYPER) & 0x1f) + 1;
    for word in 0..u64::from(words) {
        write(distributor + ICENABLER + 4 * word, u32::MAX);
    }
}

/// `base` is the distributor, or the redistributor's second frame: offsets are the same.
fn enable_timer(base: u64) {
    let at = base + IPRIORITYR + u64::from(TIMER & !3);
    let byte = 8 * (TIMER & 3);
    write(at, read(at) & !(0xff << byte) | 0x80 << byte);
    write(base + ISENABLER, 1 << TIMER);
}

/// The redistributor of this PE.
fn redistributor(gic: &Gic) -> Option<u64> {
    let Gic::V3 { redistributors, .. } = gic else { return None };
    let mpidr = MPIDR_EL1.get();
    let affinity = mpidr & 0xff_ffff | (mpidr >> 32 & 0xff) << 24;
    for region in redistributors {
        let mut frame = region.base;
        while frame + 0x2_0000 <= region.base + region.size {
            let low = read(frame + GICR_TYPER);
            if u64::from(read(frame + GICR_TYPER + 4)) == affinity {
                return Some(frame);
            }
            // Last, or with frames for virtual LPIs.
            if low & 1 << 4 != 0 {
                break;
            }
            frame += if low & 1 << 1 != 0 { 0x4_0000 } else { 0x2_0000 };
        }
    }
    None
}

fn wake(redistributor: u64) {
    const PROCESSOR_SLEEP: u32 = 1 << 1;
    const CHILDREN_ASLEEP: u32 = 1 << 2;
    let waker = redistributor + GICR_WAKER;
    write(waker, read(waker) & !PROCESSOR_SLEEP);
    wait_until(|| read(waker) & CHILDREN_ASLEEP == 0);
}

fn settle(distributor: u64) {
    wait_until(|| read(distributor + CTLR) & WRITES_PENDING == 0);
}

fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..PATIENCE {
        if condition() {
            return;
        }
    }
}

fn read(address: u64) -> u32 {
    // SAFETY: a register of the interrupt controller, with the MMU off.
    unsafe { ptr::read_volatile(address as *const u32) }
}

fn write(address: u64, value: u32) {
    // SAFETY: as above.
    unsafe { ptr::write_volatile(address as *mut u32, value) }
}

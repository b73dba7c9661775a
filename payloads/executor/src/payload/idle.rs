//! Idle wait: WFI, ended by the hypervisor's timer.
//!
//! A host that shares memory can't ring: it stores, and the executor looks now and then. It looks
//! every 100 us at first, and less often the longer nothing comes.

use aarch64_cpu::registers::*;
use executor::machine::Gic;
use link::mark::Mark;

use crate::payload::asm::{self, mrs, msr};
use crate::payload::gic;
use crate::payload::marks;
use crate::payload::sabotage;

/// The first wait, in microseconds.
const SHORTEST_US: u64 = 100;
/// How long the timer's interrupt may take to show itself at the start.
const PATIENCE_US: u64 = 10_000;

/// The way to wait on this machine.
pub struct Idle {
    /// Counter ticks in 100 us; 0 where the timer wakes nobody.
    shortest: u64,
    next: u64,
}

impl Idle {
    /// Sets up the timer and its interrupt, and tries whether it arrives.
    ///
    /// # Safety
    /// The MMU is off, and `gic` is there.
    pub unsafe fn new(gic: Option<&Gic>) -> Self {
        if let Some(gic) = gic {
            marks::leave(Mark::Gic);
            sabotage::hang_at_gic();
            // SAFETY: the caller's promise.
            unsafe { gic::wake_on_timer(gic) };
        }
        marks::leave(Mark::Timer);
        Self::tried()
    }

    /// The same on a secondary PE, when it has been done on the primary one.
    ///
    /// # Safety
    /// As for [`Idle::new`].
    pub unsafe fn join(gic: Option<&Gic>) -> Self {
        if let Some(gic) = gic {
            // SAFETY: the caller's promise.
            unsafe { gic::join(gic) };
        }
        Self::tried()
    }

    fn tried() -> Self {
        let shortest = CNTFRQ_EL0.get() * SHORTEST_US / 1_000_000;
        let shortest = if arrives(shortest) { shortest } else { 0 };
        Self::with(shortest)
    }

    /// The way to wait of a PE whose shortest wait is `shortest`.
    pub const fn with(shortest: u64) -> Self {
        Self { shortest, next: shortest }
    }

    /// The shortest wait, in ticks of the counter; 0 where the timer wakes nobody.
    pub const fn shortest(&self) -> u64 {
        self.shortest
    }

    /// Something came: the next wait is a short one.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// Waits a little, at most `longest` times the shortest wait, and longer each time.
    pub fn wait(&mut self, longest: u64) {
        if self.shortest == 0 {
            // Without a timer that is known to wake this PE, WFI could last for ever. WFE is no
            // better: its event stream is optional, and emulators do not wait in it.
            asm::yield_hint();
            return;
        }
        start(self.next);
        asm::wait_for_interrupt();
        stop();
        self.next = (2 * self.next).min(longest * self.shortest);
    }
}

/// Whether the timer's interrupt becomes pending at this PE.
fn arrives(ticks: u64) -> bool {
    if ticks == 0 {
        return false;
    }
    start(ticks);
    let begin = CNTPCT_EL0.get();
    let patience = ticks * (PATIENCE_US / SHORTEST_US);
    let mut pending = false;
    while !pending && CNTPCT_EL0.get().wrapping_sub(begin) < patience {
        // ISR_EL1 shows what is pending for this EL, masked or not: bit 7 IRQ, bit 6 FIQ.
        pending = mrs!("isr_el1") & 0b11 << 6 != 0;
        asm::isb();
    }
    stop();
    pending
}

fn start(ticks: u64) {
    // SAFETY: the hypervisor's timer, whose interrupt stays masked.
    unsafe { msr!("cnthp_tval_el2", ticks) };
    CNTHP_CTL_EL2.set(1);
    asm::isb();
}

fn stop() {
    CNTHP_CTL_EL2.set(0);
    // The interrupt goes away before the next WFI.
    asm::isb();
}

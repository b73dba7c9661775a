//! Secondary PE: it waits for orders, and carries them out.
//!
//! It runs beside the primary PE, and touches nothing of that but its own per-CPU area: no static, and no arena
//! unless an order says so.

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::*;

use super::per_cpu::{Order, PerCpu};
use crate::payload::asm;
use crate::payload::el2;
use crate::payload::el2_map;
use crate::payload::guest;
use crate::payload::idle::Idle;
use crate::payload::quiesced::Quiesced;
use crate::payload::regime::Regime;

/// How long it looks for the next order before it waits for its timer, as part of a second.
const SPIN: u64 = 2_000;
/// The longest wait between two looks, in shortest waits.
const LONGEST_WAIT: u64 = 32;

/// How many PEs have come to the rendezvous.
pub static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Waits until `count` PEs have come.
pub fn rendezvous(count: u64) {
    if count > 1 {
        ARRIVED.fetch_add(1, Ordering::AcqRel);
        while ARRIVED.load(Ordering::Acquire) < count {
            asm::yield_hint();
        }
    }
}

/// With the MMU off: sets this PE up, and says its shortest wait.
#[unsafe(no_mangle)]
extern "C" fn secondary_boot(area: &PerCpu) -> u64 {
    // SAFETY: MMU off, and no case is asked here.
    unsafe { el2::set_up() };
    // SAFETY: written before this PE was started, and not since.
    let start = unsafe { &*area.head.start.get() };
    // SAFETY: MMU off, and the primary PE has used it.
    unsafe { Idle::join(start.gic.as_ref()) }.shortest()
}

/// With the executor's own map: carries out orders for ever.
#[unsafe(no_mangle)]
extern "C" fn secondary_serve(area: &'static PerCpu, shortest: u64) -> ! {
    let mut second = Secondary { area, quiesced: Quiesced::new(), regime: Regime::unknown() };
    second.quiesced.load();
    let mut idle = Idle::with(shortest);
    let mut done = 1;
    area.finish(done);
    loop {
        let order = next(area, done, &mut idle);
        idle.reset();
        second.carry_out(order);
        done += 1;
        area.finish(done);
    }
}

/// Waits for the order behind number `done`.
fn next(area: &PerCpu, done: u64, idle: &mut Idle) -> Order {
    let begin = CNTPCT_EL0.get();
    let spin = CNTFRQ_EL0.get() / SPIN;
    loop {
        // SAFETY: this is the PE of the area.
        if let Some(order) = unsafe { area.taken(done) } {
            return order;
        }
        if CNTPCT_EL0.get().wrapping_sub(begin) < spin {
            asm::yield_hint();
        } else {
            idle.wait(LONGEST_WAIT);
        }
    }
}

struct Secondary {
    area: &'static PerCpu,
    quiesced: Quiesced,
    regime: Regime,
}

impl Secondary {
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Nothing => {}
            // SAFETY: the primary PE's promise, which waits for this.
            Order::Map(map) => unsafe { el2_map::switch_to(&map) },
            Order::Enter { controls, roots, guests } => {
                self.regime.prepare(&controls);
                self.regime.enter(&controls, &roots);
                guests.load();
            }
            Order::Quiesce => {
                // What its guests did to memory is done.
                asm::dsb_ish();
                self.quiesced.load();
            }
            Order::RunGuests { together, guests } => {
                rendezvous(together);
                // SAFETY: the run list is this PE's until the order is carried out, and the primary PE wrote it.
                let is_wild =
                    unsafe { guest::run(self.area.head.run_list.get(), guests, &mut self.regime) };
                self.area.is_wild.store(is_wild.into(), Ordering::Relaxed);
            }
            Order::Ask { probe, count, answer, cursor, here } => {
                // SAFETY: the primary PE's promise, which waits for this; and none of them is another
                // operation, so that all are asked.
                unsafe { asm::ask(probe, probe.add(count), answer, cursor, here) };
            }
            Order::UseRoot { root, value } => self.regime.use_root(root, value),
            Order::Tlbi(tlbi) => tlbi.perform(),
            Order::Store { address, value } => {
                // SAFETY: a word of a table, which the primary PE leaves alone meanwhile.
                unsafe { core::ptr::write_volatile(address as *mut u64, value) };
                // It is in memory, and walks see it, from here on.
                asm::clean_line(address);
                asm::dsb_sy();
                asm::isb();
            }
        }
    }
}

//! What another PE does: it waits for orders, and carries them out.
//!
//! It runs beside the first PE, and touches nothing of that but its seat: no static, and no arena unless
//! an order says so.

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::*;

use super::per_cpu::{Order, Seat};
use crate::payload::asm;
use crate::payload::el2::{self, Parked};
use crate::payload::guest;
use crate::payload::idle::Idle;
use crate::payload::regime::Regime;

/// How long it looks for the next order before it waits for its timer, as part of a second.
const SPIN: u64 = 2_000;
/// The longest wait between two looks, in shortest waits.
const LONGEST_WAIT: u64 = 32;

/// How many PEs have come to the start line.
pub static LINE: AtomicU64 = AtomicU64::new(0);

/// Waits until `count` PEs have come.
pub fn line_up(count: u64) {
    if count > 1 {
        LINE.fetch_add(1, Ordering::AcqRel);
        while LINE.load(Ordering::Acquire) < count {
            asm::yield_hint();
        }
    }
}

/// With the MMU off: sets this PE up, and says its shortest wait.
#[unsafe(no_mangle)]
extern "C" fn second_boot(seat: &Seat) -> u64 {
    el2::set_up();
    // SAFETY: written before this PE was started, and not since.
    let start = unsafe { &*seat.start.get() };
    Idle::join(start.gic.as_ref()).shortest()
}

/// At home: carries out orders for ever.
#[unsafe(no_mangle)]
extern "C" fn second_serve(seat: &'static Seat, shortest: u64) -> ! {
    let mut second = Second { seat, parked: Parked::new(), regime: Regime::unknown() };
    second.parked.park();
    let mut idle = Idle::with(shortest);
    let mut done = 1;
    seat.finish(done);
    loop {
        let order = next(seat, done, &mut idle);
        idle.reset();
        second.carry_out(order);
        done += 1;
        seat.finish(done);
    }
}

/// Waits for the order behind number `done`.
fn next(seat: &Seat, done: u64, idle: &mut Idle) -> Order {
    let begin = CNTPCT_EL0.get();
    let spin = CNTFRQ_EL0.get() / SPIN;
    loop {
        if let Some(order) = seat.taken(done) {
            return order;
        }
        if CNTPCT_EL0.get().wrapping_sub(begin) < spin {
            asm::yield_hint();
        } else {
            idle.wait(LONGEST_WAIT);
        }
    }
}

struct Second {
    seat: &'static Seat,
    parked: Parked,
    regime: Regime,
}

impl Second {
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Nothing => {}
            Order::Map(registers) => registers.load(),
            Order::Enter { controls, roots, guests } => {
                self.regime.prepare(&controls);
                self.regime.enter(&controls, &roots);
                guests.load();
            }
            Order::Park => {
                // What its guests did to memory is done.
                asm::dsb_ish();
                self.parked.park();
            }
            Order::Visit { together, guests } => {
                line_up(together);
                // SAFETY: the roster is this PE's while an order is in hand, and the first PE wrote it.
                let is_wild = unsafe { guest::visit(self.seat.roster(), guests, &mut self.regime) };
                self.seat.is_wild.store(is_wild.into(), Ordering::Relaxed);
            }
            Order::Ask { probe, count, answer, cursor, here } => {
                // SAFETY: the first PE's promise, which waits for this; and none of them is another
                // operation, so that all are asked.
                unsafe { asm::ask(probe, probe.add(count), answer, cursor, here) };
            }
            Order::UseRoot { register, value } => self.regime.use_root(register, value),
            Order::Tlbi(tlbi) => tlbi.perform(),
            Order::Store { address, value } => {
                // SAFETY: a word of a table, which the first PE leaves alone meanwhile.
                unsafe { core::ptr::write_volatile(address as *mut u64, value) };
                // It is in memory, and walks see it, from here on.
                asm::clean_line(address);
                asm::dsb_sy();
                asm::isb();
            }
        }
    }
}

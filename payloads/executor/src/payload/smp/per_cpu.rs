//! Per-CPU area: what the primary PE and a secondary one share, its orders among it.
//!
//! ```text
//!   primary PE                      secondary PE
//!     order, run list written
//!     given += 1  ----release---->  acquire
//!                                   does it
//!                 <---release-----  done = given
//! ```

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use case::probe::Probe;
use executor::abi::{MapRegisters, PerCpuHead, Start};
use executor::machine::Gic;

use crate::payload::guest::Guests;
use crate::payload::regime::{Controls, Root, Roots};
use crate::payload::step::Tlbi;

/// Bytes of a PE's stack.
const STACK_BYTES: usize = 16 * 1024;

/// The area of one PE.
#[repr(C)]
pub struct PerCpu {
    /// What assembly knows of it.
    pub head: PerCpuHead,
    /// How many orders were given.
    given: AtomicU64,
    /// How many were carried out. 1 is the start.
    done: AtomicU64,
    /// Whether a guest ran wild when guests were last entered.
    pub is_wild: AtomicU64,
    /// A word for a cursor that nobody looks at.
    pub cursor: AtomicU64,
    order: UnsafeCell<Order>,
    stack: UnsafeCell<Stack>,
}

const _: () = assert!(offset_of!(PerCpu, head) == 0);

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

/// What a PE is told to do.
#[derive(Clone, Copy)]
pub enum Order {
    Nothing,
    /// Switch to another map of the executor's own.
    Map(MapRegisters),
    /// Load a case's regime, with an empty TLB.
    Enter {
        controls: Controls,
        /// Where its tables begin.
        roots: Roots,
        /// Whose code it is.
        guests: Guests,
    },
    /// Quiesce the EL1&0 regime: take the case's tables away from the walker.
    Quiesce,
    /// Enter the guests of the run list, once `together` PEs have reached the rendezvous.
    RunGuests {
        together: u64,
        /// Whose code it is.
        guests: Guests,
    },
    /// Ask AT instructions.
    Ask {
        /// The address of the first probe.
        probe: *const Probe,
        count: usize,
        /// The answer to the first.
        answer: *mut u64,
        cursor: *const u64,
        /// Its value at the first.
        here: u64,
    },
    /// Load the root of another tree.
    UseRoot {
        root: Root,
        value: u64,
    },
    /// TLB maintenance.
    Tlbi(Tlbi),
    /// Store a word of a table.
    Store {
        address: u64,
        value: u64,
    },
}

// SAFETY: the order and the run list are the primary PE's while `given` and `done` are the same, and the
// other's while they are not; the start is written before there is another, and the stack is its own.
unsafe impl Sync for PerCpu {}

impl PerCpu {
    /// Makes it ready for a PE that has not started.
    ///
    /// # Safety
    /// No PE has it.
    pub unsafe fn prepare(&self, map: MapRegisters, gic: Option<Gic>) {
        let top = self.stack.get().addr() + STACK_BYTES;
        // SAFETY: the caller's promise. What is overwritten may be any bytes, and is not dropped.
        unsafe {
            self.head.start.get().write(Start { stack: top as u64, map, gic });
            self.order.get().write(Order::Nothing);
        }
        self.head.lost.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.is_wild.store(0, Ordering::Relaxed);
        self.given.store(1, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// Gives an order.
    ///
    /// # Safety
    /// The one before has been carried out, and what this one names is good until it is, too.
    pub unsafe fn give(&self, order: Order) {
        // SAFETY: the caller's promise.
        unsafe { self.order.get().write(order) };
        self.given.store(self.given.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Whether all that was ordered has been carried out.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.given.load(Ordering::Relaxed)
    }

    /// The order that was given behind number `done`, if there is one.
    ///
    /// # Safety
    /// Called by the PE of this area, which has carried out as many.
    pub unsafe fn taken(&self, done: u64) -> Option<Order> {
        let given = self.given.load(Ordering::Acquire);
        // SAFETY: it stays until this PE says that it is done.
        (given != done).then(|| unsafe { *self.order.get() })
    }

    /// Says, at the PE of this area, that order number `done` has been carried out.
    pub fn finish(&self, done: u64) {
        self.done.store(done, Ordering::Release);
    }
}

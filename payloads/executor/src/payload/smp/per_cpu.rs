//! What the first PE and another one share: the order in hand, and where the other begins.
//!
//! ```text
//!   first PE                        the other
//!     order, roster written
//!     given += 1  ----release---->  acquire
//!                                   does it
//!                 <---release-----  done = given
//! ```

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use case::probe::Probe;
use executor::abi::run_list::Roster;
use executor::machine::Gic;

use crate::payload::el2_map::MapRegisters;
use crate::payload::guest::Guests;
use crate::payload::regime::{Controls, Register, Roots};
use crate::payload::step::Tlbi;

/// Bytes of a PE's stack.
const STACK_BYTES: usize = 16 * 1024;

/// One PE's. Assembly knows the order of the first parts.
#[repr(C, align(128))]
pub struct Seat {
    /// For the start.
    pub start: UnsafeCell<Start>,
    /// ESR, ELR and FAR of an exception that it did not survive, and whether there was one.
    pub lost: [AtomicU64; 4],
    /// How many orders were given.
    given: AtomicU64,
    /// How many were carried out. 1 is the start.
    done: AtomicU64,
    /// Whether a guest ran wild in the last visit.
    pub is_wild: AtomicU64,
    /// A word for a cursor that nobody looks at.
    pub cursor: AtomicU64,
    order: UnsafeCell<Order>,
    roster: UnsafeCell<Roster>,
    stack: UnsafeCell<Stack>,
}

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

/// What a PE needs before it sees what is in caches.
#[repr(C)]
pub struct Start {
    /// The top of its stack.
    pub stack: u64,
    /// Home's map.
    pub map: MapRegisters,
    /// What brings its timer's interrupt.
    pub gic: Option<Gic>,
}

/// What a PE is told to do.
#[derive(Clone, Copy)]
pub enum Order {
    /// Nothing.
    Nothing,
    /// Go over to another map of home.
    Map(MapRegisters),
    /// Load a case's regime, with an empty TLB.
    Enter {
        /// The regime.
        controls: Controls,
        /// Where its tables begin.
        roots: Roots,
        /// Whose code it is.
        guests: Guests,
    },
    /// Take the case's tables away from the walker.
    Park,
    /// Have guests visit the entries of the roster, when so many PEs have come so far.
    Visit {
        /// How many.
        together: u64,
        /// Whose code it is.
        guests: Guests,
    },
    /// Ask AT instructions.
    Ask {
        /// The address of the first probe.
        probe: *const Probe,
        /// How many.
        count: usize,
        /// The answer to the first.
        answer: *mut u64,
        /// The cursor's word.
        cursor: *const u64,
        /// Its value at the first.
        here: u64,
    },
    /// Load the root of another tree: of stage 2, where no register is named.
    UseRoot {
        /// The register of stage 1.
        register: Option<Register>,
        /// Its value, or that of `VTTBR_EL2`.
        value: u64,
    },
    /// TLB maintenance.
    Tlbi(Tlbi),
    /// Store a word of a table.
    Store {
        /// Its address.
        address: u64,
        /// Its new value.
        value: u64,
    },
}

// SAFETY: the order and the roster are the first PE's while `given` and `done` are the same, and the
// other's while they are not; the start is written before there is another, and the stack is its own.
unsafe impl Sync for Seat {}

impl Seat {
    /// Where the roster is in it.
    pub const ROSTER_OFFSET: usize = offset_of!(Self, roster);

    /// Makes it ready for a PE that has not started.
    ///
    /// # Safety
    /// No PE has it.
    pub unsafe fn prepare(&self, map: MapRegisters, gic: Option<Gic>) {
        let top = self.stack.get().addr() + STACK_BYTES;
        // SAFETY: the caller's promise. What is overwritten may be any bytes, and is not dropped.
        unsafe {
            self.start.get().write(Start { stack: top as u64, map, gic });
            self.order.get().write(Order::Nothing);
        }
        self.lost.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.is_wild.store(0, Ordering::Relaxed);
        self.given.store(1, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// The roster, for the first PE while no order is in hand, or for its own PE while one is.
    pub const fn roster(&self) -> *mut Roster {
        self.roster.get()
    }

    /// Gives an order, when the one before has been carried out.
    pub fn give(&self, order: Order) {
        // SAFETY: no order is in hand.
        unsafe { self.order.get().write(order) };
        self.given.store(self.given.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Whether all that was ordered has been carried out.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.given.load(Ordering::Relaxed)
    }

    /// For its own PE: the order that was given behind number `done`, if there is one.
    pub fn taken(&self, done: u64) -> Option<Order> {
        let given = self.given.load(Ordering::Acquire);
        // SAFETY: it stays until this PE says that it is done.
        (given != done).then(|| unsafe { *self.order.get() })
    }

    /// For its own PE: number `done` has been carried out.
    pub fn finish(&self, done: u64) {
        self.done.store(done, Ordering::Release);
    }
}

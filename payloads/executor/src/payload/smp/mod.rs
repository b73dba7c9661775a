//! The other PEs, as the first one knows them.
//!
//! ```text
//!   Configure --> start: CPU_ON --> second.S --> second_boot, MMU off --> second_serve
//!   case      --> Enter, (Visit, Tlbi, Store ..), Park
//! ```
//!
//! The first PE runs cases; others have guests visit, invalidate, and change tables when they are told to.
//! Between orders they wait as the executor does between cases. One that takes an exception of its own
//! ends the executor.

pub mod per_cpu;
pub mod secondary;

use core::sync::atomic::Ordering;

use aarch64_cpu::registers::*;
use arrayvec::ArrayVec;
use case::probe::{El, Operation, Probe};
use case::{CaseRef, Flags};
use executor::abi::run_list::Roster;
use executor::machine::{Gic, Machine, Psci};
use link::hello::{Epitaph, MAX_PES};
use tables::TableMemory;

use self::per_cpu::{Order, Seat};
use crate::payload::asm;
use crate::payload::el2_map::MapRegisters;
use crate::payload::exceptions;
use crate::payload::global::Global;
use crate::payload::idle::Idle;
use crate::payload::ids;
use crate::payload::last_words;
use crate::payload::memory::Arenas;
use crate::payload::monitor;
use crate::payload::psci;
use crate::payload::step;

/// One for each PE, by number. The first PE's has only its roster in use.
#[unsafe(link_section = ".noinit")]
static SEATS: Global<core::mem::MaybeUninit<[Seat; MAX_PES]>> =
    Global::new(core::mem::MaybeUninit::uninit());

/// All PEs but the first.
pub struct Crew {
    /// The affinities of those that may be started.
    others: ArrayVec<u64, MAX_PES>,
    psci: Option<Psci>,
    gic: Option<Gic>,
    /// How many take part, the first included.
    count: usize,
    /// The first PE's, see [`Idle`].
    shortest_wait: u64,
}

impl Crew {
    /// Those of `machine`, whose first PE waits like `idle`. None has started.
    pub fn new(machine: &Machine, idle: &Idle) -> Self {
        let own = ids::affinity();
        let psci = machine.psci.filter(|_| !monitor::is_there());
        let others = machine.pes.iter().copied().filter(|pe| psci.is_some() && *pe != own);
        let others = others.take(MAX_PES - 1).collect();
        let (gic, shortest_wait) = (machine.gic.clone(), idle.shortest());
        Self { others, psci, gic, count: 1, shortest_wait }
    }

    /// How many PEs there are to take part, the first included.
    pub fn most(&self) -> usize {
        1 + self.others.len()
    }

    /// The affinities of all of them, the first one's before the others'.
    pub fn affinities(&self) -> impl Iterator<Item = u64> + '_ {
        core::iter::once(ids::affinity()).chain(self.others.iter().copied())
    }

    /// Whether there is firmware that speaks PSCI.
    pub const fn has_psci(&self) -> bool {
        self.psci.is_some()
    }

    /// The version of the firmware that starts them, 0 where there is none.
    pub fn psci_version(&self) -> u64 {
        // SAFETY: the device tree says that it is there, and no monitor of ours has taken its place.
        self.psci.map_or(0, |_| unsafe { psci::version() })
    }

    /// How many take part, the first included.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Has `count` PEs take part, all of them at home in `map`. Those that have started go over to it.
    pub fn muster(&mut self, count: usize, map: MapRegisters) {
        let running = self.count;
        (1..running).for_each(|pe| self.order(pe, Order::Map(map)));
        for pe in running..count.min(self.most()) {
            self.start(pe, map);
            self.count = pe + 1;
        }
    }

    fn start(&self, pe: usize, map: MapRegisters) {
        let Some(psci) = self.psci else { return };
        let seat = seat(pe);
        // SAFETY: the PE has not started.
        unsafe { seat.prepare(map, self.gic.clone()) };
        // It begins with its MMU off: what it needs then is in memory.
        let start = core::ptr::from_ref(seat).addr() as u64;
        for line in (start..start + size_of::<per_cpu::Start>() as u64).step_by(16) {
            asm::clean_line(line);
        }
        asm::dsb_sy();
        // SAFETY: the firmware is the device tree's, and the code there touches the seat alone.
        let answer =
            unsafe { psci::cpu_on(psci, self.others[pe - 1], asm::second_entry_address(), start) };
        let begin = CNTPCT_EL0.get();
        while answer == 0 && !seat.is_done() {
            lost(seat);
            if CNTPCT_EL0.get().wrapping_sub(begin) > PATIENCE_SECONDS * CNTFRQ_EL0.get() {
                break;
            }
            asm::yield_hint();
        }
        if answer != 0 || !seat.is_done() {
            let (reason, esr, far) = (Epitaph::PE_MISSING, answer as u64, self.others[pe - 1]);
            last_words::speak(Epitaph { reason, esr, elr: 1, far });
        }
    }

    /// Gives PE number `pe`, which is not the first, an order, and waits until it is carried out.
    pub fn order(&self, pe: usize, order: Order) {
        self.give(pe, order);
        self.wait(pe);
    }

    /// Gives all PEs beside the first that take part in `case` an order, and waits until all have carried it
    /// out.
    pub fn order_all(&self, case: &CaseRef<'_>, order: Order) {
        self.taking_part(case).for_each(|pe| self.give(pe, order));
        self.taking_part(case).for_each(|pe| self.wait(pe));
    }

    /// Gives PE number `pe`, which is not the first, an order, when it has done what it has in hand.
    pub fn give(&self, pe: usize, order: Order) {
        self.wait(pe);
        seat(pe).give(order);
    }

    /// Waits until PE number `pe` has carried out what it was told. What takes long is waited for asleep: an
    /// emulator may need the core for that very PE.
    pub fn wait(&self, pe: usize) {
        let seat = seat(pe);
        let mut idle = Idle::with(self.shortest_wait);
        let begin = CNTPCT_EL0.get();
        let spin = CNTFRQ_EL0.get() / SPIN;
        while !seat.is_done() {
            lost(seat);
            if CNTPCT_EL0.get().wrapping_sub(begin) < spin {
                asm::yield_hint();
            } else {
                idle.wait(LONGEST_WAIT);
            }
        }
    }

    /// Whether a guest of PE number `pe` ran wild in its last visit.
    pub fn was_wild(&self, pe: usize) -> bool {
        seat(pe).is_wild.load(Ordering::Relaxed) != 0
    }

    /// The roster of PE number `pe`, which may be the first. It is the caller's while that PE visits nothing.
    pub fn roster(&self, pe: usize) -> *mut Roster {
        seat(pe).roster()
    }

    /// A word for a cursor that nobody looks at.
    pub fn no_cursor(&self, pe: usize) -> *mut u64 {
        seat(pe).cursor.as_ptr()
    }

    /// Calls `work` with the roster of each PE. No PE visits anything now.
    pub fn each_roster(&self, mut work: impl FnMut(&mut Roster)) {
        for pe in 0..self.count {
            // SAFETY: it is the first PE's while that of the seat visits nothing; any bytes make one.
            work(unsafe { &mut *self.roster(pe) });
        }
    }

    /// Whether the PEs that `case` names are there, and what it wants of them can be done: guests, steps and AT
    /// instructions of the EL1&0 regime by any.
    pub fn can(&self, case: &CaseRef<'_>) -> bool {
        let has_guests = case.flags().has(Flags::GUEST);
        let can = |probe: &Probe| {
            let is_own = probe.el() == Some(El::El2);
            let is_mobile = has_guests && (!is_own || step::is_step(probe) || is_asked(probe));
            (is_own || has_guests)
                && usize::from(probe.pe) < self.count
                && (probe.pe == 0 || is_mobile)
        };
        case.probes.iter().all(can)
    }

    /// The PEs, beside the first, that take part in `case`.
    pub fn taking_part(&self, case: &CaseRef<'_>) -> impl Iterator<Item = usize> {
        let probes = case.probes;
        let takes_part = move |pe: &usize| probes.iter().any(|probe| usize::from(probe.pe) == *pe);
        (1..self.count).filter(takes_part)
    }
}

/// Whether `probe` is an AT instruction that is asked at home.
fn is_asked(probe: &Probe) -> bool {
    let is_of_el2 = matches!(probe.operation(), Some(Operation::AtS1e2r | Operation::AtS1e2w));
    probe.operation().is_some_and(Operation::is_at) && !is_of_el2
}

/// The arenas, with each word written by one PE.
pub struct ByPe<'a> {
    arenas: &'a mut Arenas,
    crew: &'a Crew,
    pe: usize,
}

impl<'a> ByPe<'a> {
    /// Writes by PE number `pe`, which may be the first.
    pub const fn new(arenas: &'a mut Arenas, crew: &'a Crew, pe: usize) -> Self {
        Self { arenas, crew, pe }
    }
}

impl TableMemory for ByPe<'_> {
    fn read(&self, pa: u64) -> u64 {
        self.arenas.read(pa)
    }

    fn write(&mut self, pa: u64, value: u64) {
        match self.arenas.address_of(pa) {
            Some(address) if self.pe != 0 => {
                self.crew.order(self.pe, Order::Store { address, value });
            }
            _ => self.arenas.write(pa, value),
        }
    }
}

/// How long another PE is waited for before the first one sleeps, as part of a second.
const SPIN: u64 = 20_000;
/// The longest sleep, in shortest waits.
const LONGEST_WAIT: u64 = 2;
/// How long a PE may take to start.
const PATIENCE_SECONDS: u64 = 2;

fn seat(pe: usize) -> &'static Seat {
    let seats: *const Seat = SEATS.pointer().cast();
    assert!(pe < MAX_PES);
    // SAFETY: one of so many. What any bytes do not make is written before it is read, see `prepare`.
    unsafe { &*seats.add(pe) }
}

/// Tells of an exception that the PE of `seat` did not survive, if there was one.
fn lost(seat: &Seat) {
    let [esr, elr, far, is_lost] = &seat.lost;
    if is_lost.load(Ordering::Acquire) != 0 {
        let value = |word: &core::sync::atomic::AtomicU64| word.load(Ordering::Relaxed);
        last_words::speak(Epitaph {
            reason: Epitaph::PE_LOST,
            esr: value(esr),
            elr: exceptions::relative(value(elr)),
            far: value(far),
        });
    }
}

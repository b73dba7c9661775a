//! Secondary PEs, as the primary one knows them.
//!
//! ```text
//!   Configure --> start: CPU_ON --> secondary.S --> secondary_boot, MMU off --> secondary_serve
//!   case      --> Enter, (RunGuests, Tlbi, Store ..), Quiesce
//! ```
//!
//! The primary PE runs cases; secondary ones enter guests, invalidate, and change tables when they are told to.
//! Between orders they wait as the executor does between cases. One that takes an exception of its own
//! ends the executor.

pub mod per_cpu;
pub mod secondary;

use core::sync::atomic::Ordering;

use aarch64_cpu::registers::*;
use arrayvec::ArrayVec;
use case::probe::{El, Operation, Probe};
use case::{CaseRef, Flags};
use executor::abi::{MapRegisters, RunList, Start};
use executor::machine::{Gic, Machine, Psci};
use link::hello::{Epitaph, MAX_PES};
use tables::TableMemory;

use self::per_cpu::{Order, PerCpu};
use crate::payload::asm::{self, Image};
use crate::payload::global::Global;
use crate::payload::idle::Idle;
use crate::payload::ids;
use crate::payload::last_words;
use crate::payload::memory::Arenas;
use crate::payload::monitor;
use crate::payload::psci;
use crate::payload::step;

/// One for each PE, by number. The primary PE's has only its run list in use.
#[unsafe(link_section = ".noinit")]
static PER_CPU: Global<core::mem::MaybeUninit<[PerCpu; MAX_PES]>> =
    Global::new(core::mem::MaybeUninit::uninit());

/// All PEs but the primary one.
pub struct Secondaries {
    /// The affinities of those that may be started.
    others: ArrayVec<u64, MAX_PES>,
    psci: Option<Psci>,
    gic: Option<Gic>,
    /// How many take part, the primary PE included.
    count: usize,
    /// The primary PE's, see [`Idle`].
    shortest_wait: u64,
}

impl Secondaries {
    /// Those of `machine`, whose primary PE waits like `idle`. None has started. They share memory with the primary one
    /// by the executor's own map: without it there are none.
    pub fn new(machine: &Machine, idle: &Idle, has_map: bool) -> Self {
        let own = ids::affinity();
        let psci = machine.psci.filter(|_| !monitor::is_there());
        let others =
            machine.pes.iter().copied().filter(|pe| has_map && psci.is_some() && *pe != own);
        let others = others.take(MAX_PES - 1).collect();
        let (gic, shortest_wait) = (machine.gic.clone(), idle.shortest());
        Self { others, psci, gic, count: 1, shortest_wait }
    }

    /// How many PEs there are to take part, the primary one included.
    pub fn most(&self) -> usize {
        1 + self.others.len()
    }

    /// The affinities of all of them, the primary one's before the others'.
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

    /// How many take part, the primary PE included.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Has `count` PEs take part, all of them with `map` as the executor's own. Those that have started switch to
    /// it.
    pub fn bring_up(&mut self, count: usize, map: MapRegisters) {
        let running = self.count;
        // SAFETY: it is the map in use here.
        (1..running).for_each(|pe| unsafe { self.order(pe, Order::Map(map)) });
        for pe in running..count.min(self.most()) {
            self.start(pe, map);
            self.count = pe + 1;
        }
    }

    fn start(&self, pe: usize, map: MapRegisters) {
        let Some(psci) = self.psci else { return };
        let area = per_cpu(pe);
        // SAFETY: the PE has not started.
        unsafe { area.prepare(map, self.gic.clone()) };
        // It begins with its MMU off: what it needs then is in memory.
        let start = core::ptr::from_ref(area).addr() as u64;
        for line in (start..start + size_of::<Start>() as u64).step_by(16) {
            asm::clean_line(line);
        }
        asm::dsb_sy();
        // SAFETY: the firmware is the device tree's, and the code there touches the area alone.
        let answer = unsafe {
            psci::cpu_on(psci, self.others[pe - 1], asm::secondary_entry_address(), start)
        };
        let begin = CNTPCT_EL0.get();
        while answer == 0 && !area.is_done() {
            lost(area);
            if CNTPCT_EL0.get().wrapping_sub(begin) > PATIENCE_SECONDS * CNTFRQ_EL0.get() {
                break;
            }
            asm::yield_hint();
        }
        if answer != 0 || !area.is_done() {
            let (reason, esr, far) = (Epitaph::PE_MISSING, answer as u64, self.others[pe - 1]);
            last_words::speak(Epitaph { reason, esr, elr: 1, far });
        }
    }

    /// Gives secondary PE number `pe` an order, and waits until it is carried out.
    ///
    /// # Safety
    /// As for [`Secondaries::give`].
    pub unsafe fn order(&self, pe: usize, order: Order) {
        // SAFETY: the caller's promise.
        unsafe { self.give(pe, order) };
        self.wait(pe);
    }

    /// Gives all secondary PEs that take part in `case` an order, and waits until all have carried it out.
    ///
    /// # Safety
    /// As for [`Secondaries::give`].
    pub unsafe fn order_all(&self, case: &CaseRef<'_>, order: Order) {
        // SAFETY: the caller's promise.
        self.taking_part(case).for_each(|pe| unsafe { self.give(pe, order) });
        self.taking_part(case).for_each(|pe| self.wait(pe));
    }

    /// Gives secondary PE number `pe` an order, when it has done what it was told before.
    ///
    /// # Safety
    /// Until it is carried out, whatever the order names is there and left alone by this PE: maps and addresses,
    /// answers, and the run list of a PE that enters guests.
    pub unsafe fn give(&self, pe: usize, order: Order) {
        self.wait(pe);
        // SAFETY: the caller's promise.
        unsafe { per_cpu(pe).give(order) };
    }

    /// Waits until PE number `pe` has carried out what it was told. What takes long is waited for asleep: an
    /// emulator may need the core for that very PE.
    pub fn wait(&self, pe: usize) {
        let area = per_cpu(pe);
        let mut idle = Idle::with(self.shortest_wait);
        let begin = CNTPCT_EL0.get();
        let spin = CNTFRQ_EL0.get() / SPIN;
        while !area.is_done() {
            lost(area);
            if CNTPCT_EL0.get().wrapping_sub(begin) < spin {
                asm::yield_hint();
            } else {
                idle.wait(LONGEST_WAIT);
            }
        }
    }

    /// Whether a guest of PE number `pe` ran wild when it last entered guests.
    pub fn was_wild(&self, pe: usize) -> bool {
        per_cpu(pe).is_wild.load(Ordering::Relaxed) != 0
    }

    /// The run list of PE number `pe`, which may be the primary one. It is the caller's while that PE enters no guests.
    pub fn run_list(&self, pe: usize) -> *mut RunList {
        per_cpu(pe).head.run_list.get()
    }

    /// A word for a cursor that nobody looks at.
    pub fn no_cursor(&self, pe: usize) -> *mut u64 {
        per_cpu(pe).cursor.as_ptr()
    }

    /// Calls `work` with the run list of each PE.
    ///
    /// # Safety
    /// No PE enters guests.
    pub unsafe fn each_run_list(&self, mut work: impl FnMut(&mut RunList)) {
        for pe in 0..self.count {
            // SAFETY: the caller's promise; any bytes make one.
            work(unsafe { &mut *self.run_list(pe) });
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

    /// The secondary PEs that take part in `case`.
    pub fn taking_part(&self, case: &CaseRef<'_>) -> impl Iterator<Item = usize> {
        let probes = case.probes;
        let takes_part = move |pe: &usize| probes.iter().any(|probe| usize::from(probe.pe) == *pe);
        (1..self.count).filter(takes_part)
    }
}

/// Whether `probe` is an AT instruction that is asked in the executor's own context.
fn is_asked(probe: &Probe) -> bool {
    let is_of_el2 = matches!(probe.operation(), Some(Operation::AtS1e2r | Operation::AtS1e2w));
    probe.operation().is_some_and(Operation::is_at) && !is_of_el2
}

/// The arenas, with each word written by one PE.
pub struct ByPe<'a> {
    arenas: &'a mut Arenas,
    secondaries: &'a Secondaries,
    pe: usize,
}

impl<'a> ByPe<'a> {
    /// Writes by PE number `pe`, which may be the primary one.
    pub const fn new(arenas: &'a mut Arenas, secondaries: &'a Secondaries, pe: usize) -> Self {
        Self { arenas, secondaries, pe }
    }
}

impl TableMemory for ByPe<'_> {
    fn read(&self, pa: u64) -> u64 {
        self.arenas.read(pa)
    }

    fn write(&mut self, pa: u64, value: u64) {
        match self.arenas.address_of(pa) {
            Some(address) if self.pe != 0 => {
                // SAFETY: a word of an arena, which this PE leaves alone meanwhile.
                unsafe { self.secondaries.order(self.pe, Order::Store { address, value }) };
            }
            _ => self.arenas.write(pa, value),
        }
    }
}

/// How long another PE is waited for before the primary one sleeps, as part of a second.
const SPIN: u64 = 20_000;
/// The longest sleep, in shortest waits.
const LONGEST_WAIT: u64 = 2;
/// How long a PE may take to start.
const PATIENCE_SECONDS: u64 = 2;

fn per_cpu(pe: usize) -> &'static PerCpu {
    let areas: *const PerCpu = PER_CPU.pointer().cast();
    assert!(pe < MAX_PES);
    // SAFETY: one of so many. What any bytes do not make is written before it is read, see `prepare`.
    unsafe { &*areas.add(pe) }
}

/// Reports an exception that the PE of `area` did not survive, if there was one.
fn lost(area: &PerCpu) {
    let [esr, elr, far, is_lost] = &area.head.lost;
    if is_lost.load(Ordering::Acquire) != 0 {
        let value = |word: &core::sync::atomic::AtomicU64| word.load(Ordering::Relaxed);
        last_words::speak(Epitaph {
            reason: Epitaph::PE_LOST,
            esr: value(esr),
            elr: Image::relative(value(elr)),
            far: value(far),
        });
    }
}

//! Sequence: the probes of a case in their order, each by the PE that it names. They are AT instructions, guests,
//! and steps between them.

use core::sync::atomic::Ordering;

use case::Flags;
use case::probe::{Operation, Probe};
use case::tree::Role;
use executor::abi::RunList;
use tables::Built;

use super::{Attempt, Runner, Tables};
use crate::payload::asm;
use crate::payload::guest::{self, Guests, Outputs};
use crate::payload::in_flight::Phase;
use crate::payload::regime::Root;
use crate::payload::smp::ByPe;
use crate::payload::smp::per_cpu::Order;
use crate::payload::smp::secondary::{ARRIVED, rendezvous};
use crate::payload::step::{self, Tlbi};

impl Attempt<'_> {
    /// Asks probes from number `first` up to `stop`, as many as one way of asking does. Returns the number of
    /// the first that it did not ask; that is `first` where there is no way.
    pub(super) fn ask_run(&mut self, first: usize, stop: usize, tables: &Tables<'_>) -> usize {
        let probes = &self.case.probes[first..stop];
        let Some(probe) = probes.first() else { return first };
        if step::is_step(probe) {
            return if self.step(first, tables) { first + 1 } else { first };
        }
        let Some(guests) = self.guests else { return self.ask_ats(first, stop) };
        // Behind the first probe that is another's, or asked in another way.
        let behind = |is_other: &dyn Fn(&Probe) -> bool| {
            probes.iter().position(is_other).map_or(stop, |count| first + count)
        };
        if !guest::is_guests(probe) {
            let stop = behind(&|other| {
                guest::is_guests(other) || step::is_step(other) || other.pe != probe.pe
            });
            return self.ask_ats(first, stop);
        }
        let stop = if probe.has(Probe::TOGETHER) {
            first + together(probes)
        } else {
            behind(&|other| {
                !guest::is_guests(other) || other.pe != probe.pe || other.has(Probe::TOGETHER)
            })
        };
        self.run_guests(guests, first, stop);
        stop
    }

    /// Does step number `number`, by the PE that it names; whether it was done.
    fn step(&mut self, number: usize, tables: &Tables<'_>) -> bool {
        self.cursor.store(self.here(number), Ordering::Relaxed);
        let step = &self.case.probes[number];
        let is_done = match step.operation() {
            Some(Operation::Change) => self.change(step, tables),
            Some(Operation::UseTree) => self.use_tree(step, tables.built),
            _ => Tlbi::new(step).map(|tlbi| self.invalidate(step.pe.into(), tlbi)).is_some(),
        };
        // SAFETY: the answers have room for as many as a case can have.
        unsafe { self.body.answers().add(number).write(0) };
        is_done
    }

    fn invalidate(&self, pe: usize, tlbi: Tlbi) {
        if pe == 0 {
            tlbi.perform();
        } else {
            // SAFETY: a TLBI of the EL1&0 regime, which that PE has.
            unsafe { self.runner.secondaries.order(pe, Order::Tlbi(tlbi)) };
        }
    }

    /// Carries out the late edit that `step` names; whether there is one.
    fn change(&mut self, step: &Probe, tables: &Tables<'_>) -> bool {
        let (number, pe) = (usize::from(step.number), usize::from(step.pe));
        let known = self.in_flight.log.words().len();
        let line = tables.built.late.iter().find(|late| late.edit == number);
        let line = line.and_then(|late| self.runner.arenas.address_of(late.pa));
        if let (false, Some(line)) = (tables.is_coherent, line) {
            // What walks wrote past the caches, to this descriptor or to others of its line, is neither
            // missed nor overwritten.
            asm::clean_and_invalidate_line(line);
            asm::dsb_sy();
        }
        self.in_flight.enter(Phase::Building);
        let Runner { arenas, secondaries, map, .. } = &mut *self.runner;
        let mut memory = ByPe::new(arenas, secondaries, pe);
        let log = &mut *self.in_flight.log;
        let changed = tables::change(self.case, map, tables.built, number, &mut memory, log);
        self.in_flight.enter(Phase::Asking);
        if let (false, Some(line)) = (tables.is_coherent, line) {
            asm::clean_and_invalidate_line(line);
            asm::dsb_sy();
        }
        // Walks see it from here on.
        asm::dsb_ish();
        asm::isb();
        if self.in_flight.log.words().len() > known && self.case.flags().has(Flags::UPDATES) {
            self.watch();
        }
        changed.is_ok()
    }

    /// Loads the register of the tree that `step` names; whether there is one.
    fn use_tree(&mut self, step: &Probe, built: &Built) -> bool {
        let number = usize::from(step.number);
        let role = self.case.trees.get(number).and_then(|tree| tree.role());
        let (Some(role), Some(base)) = (role, built.bases.get(number)) else { return false };
        let root = match role {
            Role::Stage2 => Root::Vttbr,
            Role::Ttbr0El1 => Root::Ttbr0,
            Role::Ttbr1El1 => Root::Ttbr1,
            Role::Ttbr0El2 | Role::Ttbr1El2 | Role::Idmap => return false,
        };
        let (pe, value) = (usize::from(step.pe), step.address ^ base);
        if pe == 0 {
            self.runner.regime.use_root(root, value);
        } else {
            // SAFETY: a root of the case's, for the EL1&0 regime.
            unsafe { self.runner.secondaries.order(pe, Order::UseRoot { root, value }) };
        }
        true
    }

    /// Asks the probes from number `first` up to `stop`. Returns the number of the first that it did not
    /// ask: `stop`, or one that is no AT instruction.
    fn ask_ats(&mut self, first: usize, stop: usize) -> usize {
        let probes = self.case.probes;
        let range = probes[first..stop].as_ptr_range();
        let here = self.here(first);
        let cursor = self.cursor.as_ptr();
        // SAFETY: the answers have room for as many as a case can have.
        let answer = unsafe { self.body.answers().add(first) };
        let pe = probes.get(first).map_or(0, |probe| usize::from(probe.pe));
        if pe != 0 {
            let (probe, count) = (range.start, stop - first);
            let order = Order::Ask { probe, count, answer, cursor, here };
            // SAFETY: the probes are a slice, with as many answers, and the cursor is a word.
            unsafe { self.runner.secondaries.order(pe, order) };
            return stop;
        }
        // SAFETY: the probes are a slice, with as many answers, and the cursor is a word. The case's
        // registers are loaded.
        let stopped = unsafe { self.in_flight.ask(range, answer, cursor, here) };
        (stopped.addr() - probes.as_ptr().addr()) / size_of::<Probe>()
    }

    /// Has guests ask the probes from number `first` up to `stop`: those of one PE, or those of several at the
    /// same time.
    fn run_guests(&mut self, guests: Guests, first: usize, stop: usize) {
        let (here, at_first) = (self.here(0), self.here(first));
        let answers = self.body.answers();
        let Runner { secondaries, regime, .. } = &mut *self.runner;
        let probes = || (first..).zip(&self.case.probes[first..stop]);
        let takes_part = |pe: usize| probes().any(|(_, probe)| usize::from(probe.pe) == pe);
        let count = (0..secondaries.count()).filter(|pe| takes_part(*pe)).count();
        let others = || (1..secondaries.count()).filter(|pe| takes_part(*pe));
        for pe in (0..secondaries.count()).filter(|pe| takes_part(*pe)) {
            // Of several PEs none moves the cursor.
            let cursor = if count > 1 { secondaries.no_cursor(pe) } else { self.cursor.as_ptr() };
            let handler =
                if pe == 0 { asm::exception_address() } else { asm::secondary_lost_address() };
            let own_probes = probes().filter(|(_, probe)| usize::from(probe.pe) == pe);
            let outputs = Outputs { cursor, here, answers, handler };
            // SAFETY: the PE enters no guests now.
            guests.queue(unsafe { &mut *secondaries.run_list(pe) }, own_probes, &outputs);
        }
        self.cursor.store(at_first, Ordering::Relaxed);
        ARRIVED.store(0, Ordering::Relaxed);
        let together = count as u64;
        // SAFETY: run list and outputs are left alone until all are waited for, below.
        others().for_each(|pe| unsafe {
            secondaries.give(pe, Order::RunGuests { together, guests });
        });
        if takes_part(0) {
            rendezvous(together);
            // SAFETY: just queued, with answers for as many probes as a case can have; the cursor is a
            // word, and the case's registers are loaded.
            self.is_wild |= unsafe { guest::run(secondaries.run_list(0), guests, regime) };
        }
        others().for_each(|pe| secondaries.wait(pe));
        self.is_wild |= others().any(|pe| secondaries.was_wild(pe));
    }

    /// Quiesces the EL1&0 regimes of the secondary PEs that take part.
    pub(super) fn quiesce_others(&self) {
        // SAFETY: it names nothing.
        unsafe { self.runner.secondaries.order_all(&self.case, Order::Quiesce) };
    }

    /// Puts the exceptions that guests took among those of the case, in the order of the probes.
    pub(super) fn collect_exceptions(&mut self) {
        let exceptions = self.in_flight.exceptions_mut();
        let collect = |run_list: &mut RunList| {
            let room = exceptions.remaining_capacity();
            exceptions.extend(guest::exceptions(run_list).iter().copied().take(room));
            guest::forget_exceptions(run_list);
        };
        // SAFETY: no PE enters guests now.
        unsafe { self.runner.secondaries.each_run_list(collect) };
        if self.guests.is_some() {
            exceptions.sort_unstable_by_key(|taken| (taken.probe, taken.origin));
        }
    }
}

/// How many of `probes`, from the first, are asked at the same time.
pub(super) fn together(probes: &[Probe]) -> usize {
    let goes_on =
        |pair: &&[Probe]| pair[0].has(Probe::TOGETHER) && pair.iter().all(guest::is_guests);
    (probes.windows(2).take_while(goes_on).count() + 1).min(probes.len())
}

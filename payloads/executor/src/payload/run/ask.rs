//! All probes of a case, asked in the executor's own context or by a world switch.

use core::sync::atomic::Ordering;

use case::Flags;
use case::probe::Probe;
use link::mailbox::Cursor;
use link::observations::{Exception, NO_ANSWER, Status, Update};

use super::sequence::together;
use super::{Attempt, Tables};
use crate::payload::asm;
use crate::payload::in_flight::{InFlight, Phase};
use crate::payload::regime::{Controls, Roots};
use crate::payload::smp::per_cpu::Order;
use crate::payload::world_switch::WorldSwitch;

impl Attempt<'_> {
    /// Asks all probes in the executor's own context, with the case's EL1&0 regime loaded.
    pub(super) fn ask_here(&mut self, controls: &Controls, roots: &Roots, tables: &Tables<'_>) {
        if let Some(guests) = self.guests {
            guests.load();
            let order = Order::Enter { controls: *controls, roots: *roots, guests };
            // SAFETY: the case's regime, which is not that of a secondary PE's own memory.
            unsafe { self.runner.secondaries.order_all(&self.case, order) };
        }
        self.in_flight.enter(Phase::Asking);
        for _ in 1..self.rounds {
            self.ask_ahead(tables);
        }
        match self.oracle_run.take() {
            Some(oracle_run) => {
                self.ask_by_oracle(tables, oracle_run);
                self.oracle_run = Some(oracle_run);
            }
            None => self.ask(tables),
        }
    }

    /// Asks all probes and forgets the answers: a round before the last. What probes do to tables is
    /// done in the first round, so the others find tables that stay as they are.
    fn ask_ahead(&mut self, tables: &Tables<'_>) {
        let count = self.case.probes.len();
        let mut at = 0;
        while at < count {
            let next = self.ask_run(at, count, tables);
            if next == at {
                break;
            }
            at = next;
        }
        self.in_flight.exceptions_mut().clear();
        self.runner.forget_guests_exceptions();
    }

    /// Asks all probes, as far as they can be asked.
    fn ask(&mut self, tables: &Tables<'_>) {
        let probes = self.case.probes;
        let may_update = self.case.flags().has(Flags::UPDATES);
        if may_update {
            self.watch();
        }
        let mut at = 0;
        while at < probes.len() {
            let stop = if may_update { at + together(&probes[at..]) } else { probes.len() };
            let next = self.ask_run(at, stop, tables);
            if next > at {
                at = next;
            } else {
                if !inject_fault(&probes[at]) {
                    self.report.set_status(Status::Unsupported);
                    return;
                }
                // SAFETY: the answers have room for as many as a case can have.
                unsafe { self.body.answers().add(at).write(NO_ANSWER) };
                at += 1;
            }
            if may_update {
                self.note_updates(at - 1, tables.is_coherent);
            }
        }
        self.report.answers = at as u32;
    }

    /// Asks all probes by a world switch: one at a time where they may change tables, or else together.
    pub(super) fn ask_by_switch(&mut self, switch: &mut WorldSwitch) {
        let probes = self.case.probes;
        let may_update = self.case.flags().has(Flags::UPDATES);
        let answers = self.body.answers();
        if may_update {
            self.watch();
        }
        let mut at = 0;
        loop {
            let stop = if may_update { probes.len().min(at + 1) } else { probes.len() };
            // Nobody moves the cursor meanwhile: it names a probe that is asked alone.
            let here = if stop - at == 1 { at } else { usize::from(Cursor::NO_PROBE) };
            self.cursor.store(self.here(here), Ordering::Relaxed);
            asm::clean_line(self.cursor.as_ptr().addr() as u64);
            let block = switch.ask(&mut self.in_flight, at, &probes[at..stop], self.rounds);
            self.trace = block.trace;
            let asked = (block.asked as usize).min(stop - at);
            for (number, answer) in (at..at + asked).zip(&block.answers) {
                // SAFETY: the answers have room for as many as a case can have.
                unsafe { answers.add(number).write(*answer) };
            }
            // A list that is full holds one exception a probe already.
            let exceptions = self.in_flight.exceptions_mut();
            let room = exceptions.remaining_capacity();
            exceptions.extend(block.exceptions().iter().copied().take(room));
            at += asked;
            self.report.answers = at as u32;
            if block.exceptions().iter().any(|taken| taken.origin == Exception::EXECUTOR) {
                self.report.set_status(Status::Broken);
                return;
            }
            if at < stop {
                self.report.answers = 0;
                self.report.set_status(Status::Unsupported);
                return;
            }
            if may_update && at > 0 {
                self.note_updates(at - 1, false);
            }
            if at == probes.len() {
                return;
            }
        }
    }

    /// Watches the words that the builder wrote.
    pub(super) fn watch(&mut self) {
        let InFlight { watched, log, .. } = &mut self.in_flight;
        watched.replace(&self.runner.arenas, log.words());
    }

    /// Notes which words probe number `probe` changed.
    pub(super) fn note_updates(&mut self, probe: usize, is_coherent: bool) {
        // The walker's update is done before the word is read.
        asm::dsb_ish();
        if !is_coherent {
            self.invalidate_tables();
        }
        let InFlight { watched, log, updates } = &mut self.in_flight;
        log.refresh(watched.values(), |word, value| {
            let update = Update { probe: probe as u64, pa: word.pa, value };
            if updates.try_push(update).is_err() {
                self.report.truncated = 1;
            }
        });
    }
}

/// Does what a self-test's probe says; whether it says anything.
#[cfg(feature = "self-test")]
fn inject_fault(probe: &Probe) -> bool {
    use case::probe::Operation;

    let at = probe.address;
    match probe.operation() {
        Some(Operation::FaultCode) => {
            // SAFETY: meant to fault.
            unsafe { core::mem::transmute::<u64, extern "C" fn()>(at)() }
        }
        Some(Operation::FaultData) => {
            // SAFETY: meant to fault.
            unsafe { core::ptr::read_volatile(at as *const u64) };
        }
        // SAFETY: meant to fault.
        Some(Operation::FaultStack) => unsafe { asm::push_at(at) },
        Some(Operation::Hang) => loop {
            core::hint::spin_loop();
        },
        _ => return false,
    }
    true
}

/// Does what a self-test's probe says; whether it says anything: it does not, in a real build.
#[cfg(not(feature = "self-test"))]
fn inject_fault(_: &Probe) -> bool {
    false
}

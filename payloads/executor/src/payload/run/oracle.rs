//! On-target oracle at work: one probe after the other is looked at, asked if it may be, and its answer judged, in
//! the tables as the probes before it have left them.

use arrayvec::ArrayVec;
use case::probe::Probe;
use case::{Flags, MAX_PROBES};
use conform::registers;
use executor::oracle::{Answered, Look, Oracle, Walks};
use link::hello::IdRegisters;
use link::observations::{NO_ANSWER, Status};
use link::soak::Totals;

use super::{Attempt, Tables};
use crate::payload::global::Global;
use crate::payload::in_flight::Phase;

/// The probes of the case in flight that are asked.
static PROBES: Global<ArrayVec<Probe, MAX_PROBES>> = Global::new(ArrayVec::new_const());

/// An oracle, and what it made of the last case.
pub struct OracleRun {
    pub oracle: Oracle,
    /// What was not asked.
    pub totals: Totals,
    /// The numbers of the probes that were asked, in the whole case.
    pub numbers: ArrayVec<u16, MAX_PROBES>,
    /// Those among them, by their place there, whose answers do not fit.
    pub misfits: ArrayVec<u16, MAX_PROBES>,
    /// Whether the host has to look at the case before it is asked. It was not asked then, or not as a whole.
    pub is_left: bool,
    /// The digest that the tables have after the last probe, if nothing changed them in secret.
    pub after: u64,
}

impl OracleRun {
    /// For the PE with these ID registers.
    pub fn new(ids: &IdRegisters) -> Self {
        Self {
            oracle: Oracle::new(ids),
            totals: Totals::NONE,
            numbers: ArrayVec::new(),
            misfits: ArrayVec::new(),
            is_left: false,
            after: 0,
        }
    }

    /// Forgets the last case.
    pub fn clear(&mut self) {
        self.totals = Totals::NONE;
        self.numbers.clear();
        self.misfits.clear();
        self.is_left = false;
        self.after = 0;
    }
}

impl Attempt<'_> {
    /// Asks the probes that may be asked.
    pub(super) fn ask_by_oracle(&mut self, tables: &Tables<'_>, oracle_run: &mut OracleRun) {
        let registers = registers(&self.case, tables.built);
        let may_update = self.case.flags().has(Flags::UPDATES);
        if may_update {
            self.watch();
        }
        let words = self.in_flight.log.words();
        let bits = words.iter().fold(0, |bits, word| bits | word.value);
        let asked = PROBES.pointer();
        // SAFETY: it is the case in flight's alone.
        unsafe { (*asked).clear() };
        for (number, probe) in self.case.probes.iter().enumerate() {
            // What goes wrong in here is no probe's fault.
            self.in_flight.enter(Phase::Built);
            let walks = Walks::new(&self.runner.arenas, &self.runner.map, bits);
            match oracle_run.oracle.look(&registers, &walks, probe) {
                Look::Ask => {}
                Look::Skip(why) => {
                    oracle_run.totals.skip(why);
                    continue;
                }
                Look::Left => {
                    oracle_run.is_left = true;
                    break;
                }
            }
            let at = oracle_run.numbers.len();
            // SAFETY: it is the case in flight's alone, and the reference to what was there before is replaced.
            self.case.probes = unsafe {
                // No more are asked than a case has.
                (*asked).push(*probe);
                &*asked
            };
            oracle_run.numbers.push(number as u16);
            self.in_flight.enter(Phase::Asking);
            if self.ask_run(at, at + 1, tables) == at {
                self.report.set_status(Status::Unsupported);
                break;
            }
            self.report.answers = at as u32 + 1;
            if may_update {
                self.note_updates(at, tables.is_coherent);
            }
            if !self.fits(at, oracle_run) {
                oracle_run.misfits.push(at as u16);
            }
        }
        self.in_flight.enter(Phase::Built);
    }

    /// Whether what was answered to probe number `at` of those asked, the last one, is allowed.
    fn fits(&mut self, at: usize, oracle_run: &OracleRun) -> bool {
        // SAFETY: the answer was written just now.
        let answer = unsafe { self.body.answers().add(at).read() };
        let (exceptions, updates) = (self.in_flight.exceptions(), &*self.in_flight.updates);
        let exception = exceptions.iter().rev().find(|exception| exception.probe as usize == at);
        let answered = match exception {
            Some(exception) => Answered::Exception(exception),
            None if answer == NO_ANSWER => return false,
            None => Answered::Par(answer),
        };
        // They come in the order of the probes.
        let first = updates.iter().rposition(|update| update.probe as usize != at);
        oracle_run.oracle.fits(answered, &updates[first.map_or(0, |before| before + 1)..])
    }
}

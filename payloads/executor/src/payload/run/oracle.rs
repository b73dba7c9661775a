//! Asking with the reference walker at hand: one probe after the other is looked at, asked if it may be, and its
//! answer compared, in the tables as the probes before it have left them.

use arrayvec::ArrayVec;
use case::probe::Probe;
use case::{Flags, MAX_PROBES};
use executor::oracle::{Answered, Look, Sieve, Walks, registers};
use link::hello::IdRegisters;
use link::observations::{NO_ANSWER, Status};
use link::soak::Totals;

use super::{Attempt, Tables, UPDATES, WATCHED};
use crate::payload::global::Global;
use crate::payload::in_flight::{self, EXCEPTIONS, Phase};

/// The probes of the case in hand that are asked.
static PROBES: Global<ArrayVec<Probe, MAX_PROBES>> = Global::new(ArrayVec::new_const());

/// A sieve, and what came of the last case in it.
pub struct Sifting {
    /// The sieve.
    pub sieve: Sieve,
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

impl Sifting {
    /// For the PE with these ID registers.
    pub fn new(ids: &IdRegisters) -> Self {
        Self {
            sieve: Sieve::new(ids),
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
    pub(super) fn ask_sifted(&mut self, tables: &mut Tables<'_>, sifting: &mut Sifting) {
        let registers = registers(&self.case, tables.built);
        let may_update = self.case.flags().has(Flags::UPDATES);
        // SAFETY: a case is in hand: nobody else uses them.
        let asked = unsafe {
            if may_update {
                (*WATCHED.pointer()).replace(&self.runner.arenas, tables.log.words());
            }
            (*PROBES.pointer()).clear();
            PROBES.pointer()
        };
        for (number, probe) in self.case.probes.iter().enumerate() {
            // What goes wrong in here is no probe's fault.
            in_flight::enter(Phase::Built);
            let walks = Walks::new(&self.runner.arenas, &self.runner.map);
            match sifting.sieve.look(&registers, &walks, probe) {
                Look::Ask => {}
                Look::Skip(why) => {
                    sifting.totals.skip(why);
                    continue;
                }
                Look::Left => {
                    sifting.is_left = true;
                    break;
                }
            }
            let at = sifting.numbers.len();
            // SAFETY: a case is in hand: nobody else uses it, and the reference to what was there before
            // is replaced.
            self.case.probes = unsafe {
                // No more are asked than a case has.
                (*asked).push(*probe);
                &*asked
            };
            sifting.numbers.push(number as u16);
            in_flight::enter(Phase::Asking);
            if self.ask_run(at, at + 1, tables) == at {
                self.report.set_status(Status::Unsupported);
                break;
            }
            self.report.answers = at as u32 + 1;
            if may_update {
                self.note_updates(tables.log, at, tables.is_coherent);
            }
            if !self.fits(at, sifting) {
                sifting.misfits.push(at as u16);
            }
        }
        in_flight::enter(Phase::Built);
    }

    /// Whether what was answered to probe number `at` of those asked, the last one, is allowed.
    fn fits(&mut self, at: usize, sifting: &Sifting) -> bool {
        // SAFETY: the answer was written just now; no probe is asked, so that nobody writes the others.
        let (answer, exceptions, updates) = unsafe {
            let answer = self.body.answers().add(at).read();
            (answer, &*EXCEPTIONS.pointer(), &*UPDATES.pointer())
        };
        let exception = exceptions.iter().rev().find(|exception| exception.probe as usize == at);
        let answered = match exception {
            Some(exception) => Answered::Exception(exception),
            None if answer == NO_ANSWER => return false,
            None => Answered::Par(answer),
        };
        // They come in the order of the probes.
        let first = updates.iter().rposition(|update| update.probe as usize != at);
        sifting.sieve.fits(answered, &updates[first.map_or(0, |before| before + 1)..])
    }
}

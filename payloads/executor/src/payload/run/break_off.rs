//! Recovery from an exception of the executor's own: the case is broken off, and its tables are undone.

use link::hello::Epitaph;
use link::observations::Status;

use super::Attempt;
use crate::payload::asm;
use crate::payload::in_flight::{self, Phase};
use crate::payload::last_words;

impl Attempt<'_> {
    /// Undoes the tables, and reports the case as broken.
    pub(super) fn break_off(&mut self) {
        let phase = in_flight::phase();
        let probe = in_flight::probe();
        let this: *mut u8 = (&raw mut *self).cast();
        // SAFETY: not in a guarded call; `self` is not used meanwhile.
        let guarded = |function| unsafe { asm::guarded(function, this) } == 0;
        self.quiesce_others();
        // A log that was being changed may miss a word.
        let is_log_whole = phase != Phase::Building;
        self.in_flight.enter(Phase::Built);
        let is_clean = is_log_whole && guarded(Self::undo_by_log)
            || guarded(Self::zero_slots)
            || guarded(Self::zero_all);
        if !is_clean {
            last_words::speak(self.epitaph());
        }
        // The answers of the probes before the one that broke are there.
        if phase == Phase::Asking {
            self.report.answers = probe.into();
        }
        self.collect_exceptions();
        self.report.set_status(Status::Broken);
        self.body.list_exceptions_and_updates(&mut self.report, &self.in_flight);
    }

    extern "C" fn undo_by_log(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.runner.quiesced.load();
        this.runner.undo(this.in_flight.log);
    }

    extern "C" fn zero_slots(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.runner.quiesced.load();
        let case = this.case;
        this.runner.zero(|arena| case.slots().any(|slot| slot.arena() == arena));
    }

    extern "C" fn zero_all(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.runner.quiesced.load();
        this.runner.zero(|_| true);
    }

    /// The last exception, which could not be survived.
    fn epitaph(&self) -> Epitaph {
        let last = self.in_flight.exceptions().last().copied().unwrap_or_default();
        Epitaph { reason: Epitaph::EXCEPTION, esr: last.esr, elr: last.elr, far: last.far }
    }
}

//! One case: its tables built, its probes asked, its tables gone again.
//!
//! ```text
//!   parked on the empty root, all arenas zero
//!     |  HCR_EL2, SCTLR_EL1, TCR_EL1, MAIR_EL1 where they differ; ISB
//!     |  DSB; TLBI ALLE1; DSB       nothing is left of the case before
//!     |  build, digest, clean       the log of words grows
//!     |  VTCR_EL2, VTTBR_EL2, TTBR0_EL1, TTBR1_EL1; ISB
//!     |  TLBI ALLE1; DSB            where stage 1 of EL1&0 is on
//!     |  the probes                 cursor, AT, ISB, PAR_EL1; each AT may take an exception
//!     |                             or a guest's visit, see `guest`
//!     |  park; ISB
//!     |  tags mended, audit, undo, clean
//!   parked on the empty root, all arenas zero
//! ```
//!
//! **Coherency.** The executor's own map has all arenas as Normal Write-Back Inner-shareable. A walk
//! with the same attributes is coherent with the executor's stores: a DSB makes them visible. A walk
//! with any other (a different cacheability or shareability in VTCR_EL2, or HCR_EL2.CD) is a
//! mismatched alias: what it reads may come from the point of coherency. So the lines of the tables
//! are cleaned there before such a walk, and invalidated before what it may have written is read. The
//! zeroes that the executor leaves behind are always cleaned, since the next case may be such a one,
//! and its walks read more words than were written for it.
//!
//! A case that is asked away from home (see [`world_switch`]) is always taken for such a one, and so is one with
//! stage 1 of EL1&0 on: its walks have the attributes that TCR_EL1, SCTLR_EL1.C and the leaves of stage 2
//! make together.
//!
//! **TLB.** One TLBI ALLE1 a case, while the empty root is loaded, and after the registers that an
//! entry may depend on: what would be made between it and the case's own root can only be the result
//! of a walk of the empty root, and faults are not held in a TLB. Where stage 1 of EL1&0 is on, its roots
//! and perhaps no stage 2 at all are left of the case before while the registers are loaded: a second one,
//! with all of the case's registers loaded and its tables built, drops what may have been made of both. (At
//! EL2 with E2H = 0 that regime is out of context, and nothing should be; but there are PEs whose
//! speculative AT instructions walk all the same.) None is needed between the probes of a case, even where
//! they change tables: an entry is never made of a descriptor whose Access flag is 0, and one that is made
//! of a writable-clean descriptor says so, so that a write looks again. Where the executor itself changes
//! tables or roots between probes (see [`step`]), stale entries are what the case is about.

mod body;
pub mod oracle;
mod sequence;

use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use case::memory::{ArenaKind, MemoryMap};
use case::probe::Probe;
use case::registers::Registers;
use case::{CaseRef, Flags};
use executor::windows::Windows;
use link::hello::Epitaph;
use link::mailbox::Cursor;
use link::observations::{Audited, Changed, Exception, Life, NO_ANSWER, Report, Status, Update};
use tables::{Built, WordLog};

use self::body::Body;
use self::oracle::Sifting;
use self::sequence::together;
use crate::payload::asm;
use crate::payload::el2::{HCR_EL2_GUEST, Parked};
use crate::payload::el2_map::MapRegisters;
use crate::payload::global::Global;
use crate::payload::guest::{self, Guests};
use crate::payload::in_flight::{self, EXCEPTIONS, Phase};
use crate::payload::last_words;
use crate::payload::memory::{Arenas, Cleaned, Watched};
use crate::payload::regime::{Controls, HCR_EL2_REFUSED, Regime, Roots, has_stage1};
use crate::payload::scratch;
use crate::payload::smp::Crew;
use crate::payload::smp::per_cpu::Order;
use crate::payload::step;
use crate::payload::world_switch::{self, Away};

/// The most changed words that one case reports.
const MAX_UPDATES: usize = 1024;

static LOG: Global<WordLog> = Global::new(WordLog::new());
static WATCHED: Global<Watched> = Global::new(Watched::none());
static UPDATES: Global<ArrayVec<Update, MAX_UPDATES>> = Global::new(ArrayVec::new_const());

/// Runs cases.
pub struct Runner {
    map: MemoryMap,
    arenas: Arenas,
    parked: Parked,
    regime: Regime,
    crew: Crew,
    /// Size of a data cache line.
    line: u64,
}

/// A case under way: all that must survive an exception in it.
struct Attempt<'a> {
    runner: &'a mut Runner,
    case: CaseRef<'a>,
    /// Its guests, if it has any.
    guests: Option<Guests>,
    /// Whether one of them ran wild.
    is_wild: bool,
    /// How often the probes are asked, at least once.
    rounds: u64,
    request: u64,
    cursor: &'a AtomicU64,
    body: Body<'a>,
    report: Report,
    /// What became of the last stay.
    life: Life,
    /// Whether its answers are looked at here.
    sifting: Option<&'a mut Sifting>,
}

/// The tables of a case under way.
struct Tables<'a> {
    built: &'a Built,
    log: &'a mut WordLog,
    /// Whether walks see what the executor's stores left in the caches.
    is_coherent: bool,
}

impl Runner {
    /// Without arenas, on this PE alone.
    pub fn new(crew: Crew) -> Self {
        let parked = Parked::new();
        parked.park();
        let line = asm::line_bytes();
        let regime = Regime::unknown();
        Self { map: MemoryMap::new(), arenas: Arenas::none(), parked, regime, crew, line }
    }

    /// Takes the arenas of `map` into use, and zeroes them.
    ///
    /// # Safety
    /// `windows` are mapped, and nobody else uses the memory behind them.
    pub unsafe fn configure(&mut self, map: MemoryMap, windows: Windows) {
        self.map = map;
        // SAFETY: the caller's promise.
        unsafe { self.arenas.replace(windows) };
        self.zero(|_| true);
        scratch::furnish(&self.arenas, self.line);
    }

    /// The arenas.
    pub const fn map(&self) -> &MemoryMap {
        &self.map
    }

    /// Has `pes` PEs take part in cases, at home in `map`.
    pub fn muster(&mut self, pes: usize, map: MapRegisters) {
        self.crew.muster(pes, map);
    }

    /// Runs the case in `bytes`, writes the body of the response to `body`, and returns its size. Its
    /// probes are asked `rounds` times in a row; what is answered is of the last round.
    pub fn run(
        &mut self,
        bytes: &[u8],
        rounds: u64,
        request: u64,
        cursor: &AtomicU64,
        body: &mut [u8],
    ) -> usize {
        match CaseRef::from_bytes(bytes) {
            Some(case) => self.run_case(case, rounds, request, cursor, body, None),
            None => Body::new(body).finish(&Report::new(Status::BadCase)),
        }
    }

    /// The same of a case that is no message's. With `sifting` only those probes are asked that may be, each
    /// answer is looked at, and what is said of a probe by its number is of those that were asked.
    pub fn run_case(
        &mut self,
        case: CaseRef<'_>,
        rounds: u64,
        request: u64,
        cursor: &AtomicU64,
        body: &mut [u8],
        sifting: Option<&mut Sifting>,
    ) -> usize {
        let mut body = Body::new(body);
        let is_away = case.flags().0 & (Flags::STAY | Flags::MONITOR) != 0;
        let has_guests = case.flags().has(Flags::GUEST);
        let is_refused = case.header.registers.hcr_el2 & HCR_EL2_REFUSED != 0;
        if !is_away && is_refused || is_away && has_guests {
            return body.finish(&Report::new(Status::Unsupported));
        }
        if !self.crew.can(&case) {
            return body.finish(&Report::new(Status::Unsupported));
        }
        let has_steps = case.probes.iter().any(step::is_step);
        let steps =
            if is_away || rounds > 1 { Err(Status::Unsupported) } else { step::check(&case) };
        if let (true, Err(status)) = (has_steps, steps) {
            return body.finish(&Report::new(status));
        }
        let guests = match has_guests.then(|| Guests::new(&case, &self.map)).transpose() {
            Ok(guests) => guests,
            Err(status) => return body.finish(&Report::new(status)),
        };
        cursor.store(Cursor::new(request, Cursor::NO_PROBE).0, Ordering::Relaxed);
        asm::clean_line(cursor.as_ptr().addr() as u64);
        // SAFETY: nothing is in hand: no handler and no other code uses them.
        unsafe {
            (*EXCEPTIONS.pointer()).clear();
            (*UPDATES.pointer()).clear();
            (*LOG.pointer()).clear();
        }
        self.crew.each_roster(guest::forget_exceptions);
        // They are awake when their registers can be loaded.
        self.crew.taking_part(&case).for_each(|pe| self.crew.give(pe, Order::Nothing));

        let report = Report::new(Status::Done);
        let life = Life::default();
        let (runner, is_wild) = (self, false);
        let mut attempt = Attempt {
            runner,
            case,
            guests,
            is_wild,
            rounds,
            request,
            cursor,
            body,
            report,
            life,
            sifting,
        };
        let pointer = (&raw mut attempt).cast();
        // SAFETY: not in a guarded call; `attempt` outlives it, and is used only after it.
        let is_broken = unsafe { asm::guarded(Attempt::guarded, pointer) } != 0;
        if is_broken {
            attempt.break_off();
        }
        in_flight::enter(Phase::Idle);
        attempt.body.finish(&attempt.report)
    }

    /// Zeroes what the log says was written; returns the digest of what was there.
    fn undo(&mut self, log: &mut WordLog) -> u64 {
        let mut memory = Cleaned::new(&mut self.arenas, self.line);
        let after = log.undo(&mut memory);
        memory.finish();
        asm::dsb_sy();
        after
    }

    /// Zeroes the arenas that `wanted` picks by number.
    fn zero(&self, wanted: impl Fn(u8) -> bool) {
        let windows = self.arenas.windows(ArenaKind::Tables);
        windows
            .filter(|window| wanted(window.arena))
            .for_each(|window| self.arenas.zero(window, self.line));
    }
}

impl Attempt<'_> {
    extern "C" fn guarded(this: *mut u8) {
        // SAFETY: `run` passes an attempt that it does not touch meanwhile.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        // SAFETY: a case is in hand: nobody else uses it.
        let log = unsafe { &mut *LOG.pointer() };
        in_flight::enter(Phase::Building);
        this.carry_out(log);
    }

    fn carry_out(&mut self, log: &mut WordLog) {
        let registers = &self.case.header.registers;
        let runner = &mut *self.runner;
        let controls =
            Controls::new(registers, if self.guests.is_some() { HCR_EL2_GUEST } else { 0 });
        runner.regime.prepare(&controls);

        let built = tables::build(self.case, &runner.map, &mut runner.arenas, log);
        in_flight::enter(Phase::Built);
        let (false, Ok(built)) = (runner.arenas.strayed(), built) else {
            runner.undo(log);
            self.report.set_status(Status::BuildFailed);
            return;
        };
        self.report.built = log.digest();
        self.report.vttbr_el2 = built.vttbr_el2;
        self.report.ttbr0_el1 = built.ttbr0_el1;
        self.report.ttbr1_el1 = built.ttbr1_el1;
        let way = world_switch::way(&self.case, &runner.map, &runner.arenas, &built, runner.line);
        let away = match way {
            Ok(away) => away,
            Err(status) => {
                runner.undo(log);
                self.report.set_status(status);
                return;
            }
        };
        if away.is_some() {
            self.report.ttbr0_el2 = built.ttbr0_el2;
            self.report.ttbr1_el2 = built.ttbr1_el2;
            self.report.idmap_ttbr0_el2 = built.idmap_ttbr0_el2;
        }
        let is_coherent = away.is_none() && walks_are_coherent(registers);
        if is_coherent {
            // The walker sees the stores from here on.
            asm::dsb_ish();
        } else {
            runner.arenas.each_line(log.words(), runner.line, asm::clean_line);
            // The lines have reached the point of coherency from here on.
            asm::dsb_sy();
        }

        let roots = Roots::new(&built);
        runner.regime.enter(&controls, &roots);
        if let Some(away) = &away {
            self.ask_away(away, log);
        } else {
            if let Some(guests) = self.guests {
                guests.load();
                let crew = &self.runner.crew;
                crew.order_all(&self.case, Order::Enter { controls, roots, guests });
            }
            in_flight::enter(Phase::Asking);
            let mut tables = Tables { built: &built, log, is_coherent };
            for _ in 1..self.rounds {
                self.ask_ahead(&mut tables);
            }
            match self.sifting.take() {
                Some(sifting) => {
                    self.ask_sifted(&mut tables, sifting);
                    self.sifting = Some(sifting);
                }
                None => self.ask(&mut tables),
            }
        }
        // What the probes did to tables is done, and what they did asynchronously is taken.
        asm::dsb_ish();
        in_flight::enter(Phase::Built);
        self.runner.parked.park();
        self.park_others();

        self.cursor.store(self.here(usize::from(Cursor::NO_PROBE)), Ordering::Relaxed);
        self.collect_exceptions();
        self.body.list_exceptions_and_updates(&mut self.report);
        let flags = self.case.flags();
        if away.is_some() || self.guests.is_some() {
            self.mend();
        }
        if away.as_ref().is_some_and(Away::is_stay) && self.body.push(&self.life) {
            self.report.lives = 1;
        }
        if flags.has(Flags::AUDIT) {
            self.audit(is_coherent);
        } else if away.is_some() || !is_coherent && walks_may_write(registers, flags) {
            self.forget(log);
        }
        if let Some(sifting) = &mut self.sifting {
            sifting.after = log.digest();
        }
        self.report.after = self.runner.undo(log);
    }

    /// Asks all probes and forgets the answers: a round before the last. What probes do to tables is
    /// done in the first round, so the others find tables that stay as they are.
    fn ask_ahead(&mut self, tables: &mut Tables<'_>) {
        let count = self.case.probes.len();
        let mut at = 0;
        while at < count {
            let next = self.ask_run(at, count, tables);
            if next == at {
                break;
            }
            at = next;
        }
        // SAFETY: no probe is asked: the handler does not write it, nor does anybody else.
        unsafe { (*EXCEPTIONS.pointer()).clear() };
        self.runner.crew.each_roster(guest::forget_exceptions);
    }

    /// Asks all probes, as far as they can be asked.
    fn ask(&mut self, tables: &mut Tables<'_>) {
        let probes = self.case.probes;
        let may_update = self.case.flags().has(Flags::UPDATES);
        if may_update {
            // SAFETY: a case is in hand: nobody else uses it.
            let watched = unsafe { &mut *WATCHED.pointer() };
            watched.replace(&self.runner.arenas, tables.log.words());
        }
        let mut at = 0;
        while at < probes.len() {
            let stop = if may_update { at + together(&probes[at..]) } else { probes.len() };
            let next = self.ask_run(at, stop, tables);
            if next > at {
                at = next;
            } else {
                if !hurt(&probes[at]) {
                    self.report.set_status(Status::Unsupported);
                    return;
                }
                // SAFETY: the answers have room for as many as a case can have.
                unsafe { self.body.answers().add(at).write(NO_ANSWER) };
                at += 1;
            }
            if may_update {
                self.note_updates(tables.log, at - 1, tables.is_coherent);
            }
        }
        self.report.answers = at as u32;
    }

    /// Asks all probes away from home: one at a time where they may change tables, or else together.
    fn ask_away(&mut self, away: &Away, log: &mut WordLog) {
        let probes = self.case.probes;
        let may_update = self.case.flags().has(Flags::UPDATES);
        let answers = self.body.answers();
        // SAFETY: a case is in hand, and no exception of a probe comes to home's handler.
        let exceptions = unsafe { &mut *EXCEPTIONS.pointer() };
        if may_update {
            // SAFETY: a case is in hand: nobody else uses it.
            let watched = unsafe { &mut *WATCHED.pointer() };
            watched.replace(&self.runner.arenas, log.words());
        }
        let mut at = 0;
        loop {
            let stop = if may_update { probes.len().min(at + 1) } else { probes.len() };
            // Nobody moves the cursor meanwhile: it names a probe that is asked alone.
            let here = if stop - at == 1 { at } else { usize::from(Cursor::NO_PROBE) };
            self.cursor.store(self.here(here), Ordering::Relaxed);
            asm::clean_line(self.cursor.as_ptr().addr() as u64);
            let ledger = away.ask(at, &probes[at..stop], self.rounds);
            self.life = ledger.life;
            let asked = (ledger.asked as usize).min(stop - at);
            for (number, answer) in (at..at + asked).zip(&ledger.answers) {
                // SAFETY: the answers have room for as many as a case can have.
                unsafe { answers.add(number).write(*answer) };
            }
            // A list that is full holds one exception a probe already.
            let room = exceptions.remaining_capacity();
            exceptions.extend(ledger.exceptions().iter().copied().take(room));
            at += asked;
            self.report.answers = at as u32;
            if ledger.exceptions().iter().any(|taken| taken.origin == Exception::EXECUTOR) {
                self.report.set_status(Status::Broken);
                return;
            }
            if at < stop {
                self.report.answers = 0;
                self.report.set_status(Status::Unsupported);
                return;
            }
            if may_update && at > 0 {
                self.note_updates(log, at - 1, false);
            }
            if at == probes.len() {
                return;
            }
        }
    }

    /// Lists the tags that stores changed, and mends them.
    fn mend(&mut self) {
        let is_store =
            |probe: &Probe| probe.operation().is_some_and(|operation| operation.is_store());
        let is_looked_for = self.case.flags().has(Flags::AUDIT) || self.is_wild;
        if !is_looked_for && !self.case.probes.iter().any(is_store) {
            return;
        }
        // An edit may lead to where no mapping does, and without tables addresses are physical.
        let is_untold = !self.case.edits.is_empty() || self.case.trees.is_empty();
        let is_astray = self.guests.is_some() && is_untold;
        let all = is_looked_for || is_astray;
        let Self { runner, case, body, report, .. } = self;
        scratch::mend(&runner.arenas, runner.line, case, &runner.map, all, |pa, value| {
            if body.push(&Changed { pa, value }) {
                report.changed += 1;
            } else {
                report.truncated = 1;
            }
        });
    }

    /// Notes which words probe number `probe` changed.
    fn note_updates(&mut self, log: &mut WordLog, probe: usize, is_coherent: bool) {
        // The walker's update is done before the word is read.
        asm::dsb_ish();
        if !is_coherent {
            self.forget(log);
        }
        // SAFETY: a case is in hand: nobody else uses them.
        let (watched, updates) = unsafe { (&*WATCHED.pointer(), &mut *UPDATES.pointer()) };
        log.refresh(watched.values(), |word, value| {
            let update = Update { probe: probe as u64, pa: word.pa, value };
            if updates.try_push(update).is_err() {
                self.report.truncated = 1;
            }
        });
    }

    /// Drops what the caches hold of the tables. No line of theirs is dirty: all were cleaned before
    /// the walker saw them, and nobody has stored there since.
    fn forget(&self, log: &WordLog) {
        let runner = &self.runner;
        runner.arenas.each_line(log.words(), runner.line, asm::clean_and_invalidate_line);
        asm::dsb_sy();
    }

    /// Lists every word of the arenas that is not zero.
    fn audit(&mut self, is_coherent: bool) {
        let runner = &self.runner;
        for window in runner.arenas.windows(ArenaKind::Tables) {
            if !is_coherent {
                // Whatever the walker wrote, it wrote behind the caches.
                runner.arenas.clean(window, runner.line, asm::clean_and_invalidate_line);
                asm::dsb_sy();
            }
            runner.arenas.each_word_set(window, |pa, value| {
                if self.body.push(&Audited { pa, value }) {
                    self.report.audited += 1;
                } else {
                    self.report.truncated = 1;
                }
            });
        }
    }

    /// The executor's own exception ended the case: makes everything as it was before it.
    fn break_off(&mut self) {
        let phase = in_flight::phase();
        let probe = in_flight::probe();
        let this: *mut u8 = (&raw mut *self).cast();
        // SAFETY: not in a guarded call; `self` is not used meanwhile.
        let guarded = |function| unsafe { asm::guarded(function, this) } == 0;
        self.park_others();
        // A log that was being changed may miss a word.
        let is_log_whole = phase != Phase::Building;
        in_flight::enter(Phase::Built);
        let is_clean = is_log_whole && guarded(Self::undo_by_log)
            || guarded(Self::zero_slots)
            || guarded(Self::zero_all);
        if !is_clean {
            last_words::speak(epitaph());
        }
        // The answers of the probes before the one that broke are there.
        if phase == Phase::Asking {
            self.report.answers = probe.into();
        }
        self.collect_exceptions();
        self.report.set_status(Status::Broken);
        self.body.list_exceptions_and_updates(&mut self.report);
    }

    extern "C" fn undo_by_log(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let (this, log) = unsafe { (&mut *this.cast::<Attempt<'_>>(), &mut *LOG.pointer()) };
        this.runner.parked.park();
        this.runner.undo(log);
    }

    extern "C" fn zero_slots(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.runner.parked.park();
        let case = this.case;
        this.runner.zero(|arena| case.slots().any(|slot| slot.arena() == arena));
    }

    extern "C" fn zero_all(this: *mut u8) {
        // SAFETY: as for `guarded`.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.runner.parked.park();
        this.runner.zero(|_| true);
    }

    /// The cursor's word at probe number `probe`.
    fn here(&self, probe: usize) -> u64 {
        Cursor::new(self.request, probe as u16).0
    }
}

/// The last exception, which could not be survived.
fn epitaph() -> Epitaph {
    // SAFETY: no probe is asked: the handler does not write it, nor does anybody else.
    let exceptions = unsafe { &*EXCEPTIONS.pointer() };
    let last = exceptions.last().copied().unwrap_or_default();
    Epitaph { reason: Epitaph::EXCEPTION, esr: last.esr, elr: last.elr, far: last.far }
}

/// Whether walks with these registers see what the executor's stores left in the caches.
fn walks_are_coherent(registers: &Registers) -> bool {
    const CD: u64 = 1 << 32;
    if has_stage1(registers.sctlr_el1) {
        return false;
    }
    let field = |low: u32| registers.vtcr_el2 >> low & 0b11;
    // IRGN0 and ORGN0: 0b01 and 0b11 are Write-Back. SH0: 0b11 is Inner-shareable.
    let is_write_back = |cacheability| cacheability & 1 != 0;
    is_write_back(field(8))
        && is_write_back(field(10))
        && field(12) == 0b11
        && registers.hcr_el2 & CD == 0
}

/// Whether a walk with these registers may write to the tables.
fn walks_may_write(registers: &Registers, flags: Flags) -> bool {
    const VTCR_HA: u64 = 1 << 21;
    const TCR_HA: u64 = 1 << 39;
    flags.has(Flags::UPDATES)
        || registers.vtcr_el2 & VTCR_HA != 0
        || registers.tcr_el1 & TCR_HA != 0
}

/// Does what a self-test's probe says; whether it says anything.
#[cfg(feature = "self-test")]
fn hurt(probe: &Probe) -> bool {
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
fn hurt(_: &Probe) -> bool {
    false
}

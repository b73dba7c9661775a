//! Run of one case: its tables are built, its probes asked, and its tables undone.
//!
//! ```text
//!   EL1&0 regime quiesced on the empty root, all arenas zero
//!     |  HCR_EL2, SCTLR_EL1, TCR_EL1, MAIR_EL1 where they differ; ISB
//!     |  DSB; TLBI ALLE1; DSB       nothing is left of the case before
//!     |  build, digest, clean       the log of words grows
//!     |  VTCR_EL2, VTTBR_EL2, TTBR0_EL1, TTBR1_EL1; ISB
//!     |  TLBI ALLE1; DSB            where stage 1 of EL1&0 is on
//!     |  the probes                 cursor, AT, ISB, PAR_EL1; each AT may take an exception
//!     |                             or the entry of a guest, see `guest`
//!     |  quiesce; ISB
//!     |  tags restored, audit, undo, clean
//!   EL1&0 regime quiesced on the empty root, all arenas zero
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
//! Where the executor has no map and its MMU is off, its stores are the ones that go past the caches: then all walks
//! are taken for such.
//!
//! A case that is asked by a world switch (see `world_switch`) is always taken for such a one, and so is one
//! with stage 1 of EL1&0 on: its walks have the attributes that TCR_EL1, SCTLR_EL1.C and the leaves of stage 2
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
//! tables or roots between probes (see `step`), stale entries are what the case is about.

mod ask;
mod body;
mod break_off;
pub mod oracle;
mod sequence;

use core::sync::atomic::{AtomicU64, Ordering};

use case::memory::{ArenaKind, MemoryMap};
use case::probe::Probe;
use case::registers::Registers;
use case::{CaseRef, Flags};
use executor::abi::MapRegisters;
use executor::windows::Windows;
use link::mailbox::Cursor;
use link::observations::{Audited, Changed, Report, Status, SwitchTrace};
use tables::{Built, WordLog};

use self::body::Body;
use self::oracle::OracleRun;
use crate::payload::asm;
use crate::payload::guest::{self, Guests, HCR_EL2_GUEST};
use crate::payload::in_flight::{InFlight, Phase};
use crate::payload::memory::{Arenas, Cleaned};
use crate::payload::quiesced::Quiesced;
use crate::payload::regime::{Controls, HCR_EL2_REFUSED, Regime, Roots, has_stage1};
use crate::payload::scratch;
use crate::payload::smp::Secondaries;
use crate::payload::smp::per_cpu::Order;
use crate::payload::step;
use crate::payload::world_switch::WorldSwitch;

/// Runs cases.
pub struct Runner {
    map: MemoryMap,
    arenas: Arenas,
    quiesced: Quiesced,
    regime: Regime,
    secondaries: Secondaries,
    /// Size of a data cache line.
    line: u64,
}

/// A case under way: all that must survive an exception in it.
struct Attempt<'a> {
    runner: &'a mut Runner,
    in_flight: InFlight,
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
    /// What became of the last world switch.
    trace: SwitchTrace,
    /// Whether its answers are judged here.
    oracle_run: Option<&'a mut OracleRun>,
}

/// The tables of a case under way.
struct Tables<'a> {
    built: &'a Built,
    /// Whether walks see what the executor's stores left in the caches.
    is_coherent: bool,
}

impl Runner {
    /// Without arenas, on this PE alone.
    pub fn new(secondaries: Secondaries) -> Self {
        let quiesced = Quiesced::new();
        quiesced.load();
        let line = asm::line_bytes();
        let regime = Regime::unknown();
        Self { map: MemoryMap::new(), arenas: Arenas::none(), quiesced, regime, secondaries, line }
    }

    /// Takes the arenas of `map` into use, and zeroes them.
    ///
    /// # Safety
    /// `windows` are mapped, and nobody else uses the memory behind them.
    pub unsafe fn configure(&mut self, map: MemoryMap, windows: Windows) {
        self.map = map;
        // SAFETY: the caller's promise.
        unsafe { self.arenas.replace(windows) };
        if asm::is_past_caches() {
            // What others left dirty must not be written back over what is stored past it.
            self.arenas.each_window(|window| {
                self.arenas.clean(window, self.line, asm::clean_and_invalidate_line);
            });
            asm::dsb_sy();
        }
        self.zero(|_| true);
        scratch::fill(&self.arenas, self.line);
    }

    pub const fn map(&self) -> &MemoryMap {
        &self.map
    }

    /// Has `pes` PEs take part in cases, with `map` as the executor's own.
    pub fn bring_up(&mut self, pes: usize, map: MapRegisters) {
        self.secondaries.bring_up(pes, map);
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

    /// The same of a case that is no message's. With `oracle_run` only those probes are asked that may be, each
    /// answer is judged, and what is said of a probe by its number is of those that were asked.
    pub fn run_case(
        &mut self,
        case: CaseRef<'_>,
        rounds: u64,
        request: u64,
        cursor: &AtomicU64,
        body: &mut [u8],
        oracle_run: Option<&mut OracleRun>,
    ) -> usize {
        let mut body = Body::new(body);
        let guests = match self.check(&case, rounds) {
            Ok(guests) => guests,
            Err(status) => return body.finish(&Report::new(status)),
        };
        cursor.store(Cursor::new(request, Cursor::NO_PROBE).0, Ordering::Relaxed);
        asm::clean_line(cursor.as_ptr().addr() as u64);
        let in_flight = InFlight::begin();
        self.forget_guests_exceptions();
        // They are awake when their registers can be loaded.
        // SAFETY: it names nothing.
        let wake = |pe| unsafe { self.secondaries.give(pe, Order::Nothing) };
        self.secondaries.taking_part(&case).for_each(wake);

        let mut attempt = Attempt {
            runner: self,
            in_flight,
            case,
            guests,
            is_wild: false,
            rounds,
            request,
            cursor,
            body,
            report: Report::new(Status::Done),
            trace: SwitchTrace::default(),
            oracle_run,
        };
        let pointer = (&raw mut attempt).cast();
        // SAFETY: not in a guarded call; `attempt` outlives it, and is used only after it.
        let is_broken = unsafe { asm::guarded(Attempt::guarded, pointer) } != 0;
        if is_broken {
            attempt.break_off();
        }
        let Attempt { in_flight, mut body, report, .. } = attempt;
        drop(in_flight);
        body.finish(&report)
    }

    /// The guests of `case`, if it has any, when all that it wants can be done; or else why not.
    fn check(&self, case: &CaseRef<'_>, rounds: u64) -> Result<Option<Guests>, Status> {
        let switches = case.flags().0 & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0;
        let has_guests = case.flags().has(Flags::GUEST);
        if (switches || has_guests) && asm::is_past_caches() {
            return Err(Status::NoOwnMap);
        }
        let is_refused = case.header.registers.hcr_el2 & HCR_EL2_REFUSED != 0;
        if !switches && is_refused || switches && has_guests || !self.secondaries.can(case) {
            return Err(Status::Unsupported);
        }
        if case.probes.iter().any(step::is_step) {
            if switches || rounds > 1 {
                return Err(Status::Unsupported);
            }
            step::check(case)?;
        }
        has_guests.then(|| Guests::new(case, &self.map)).transpose()
    }

    /// Forgets the exceptions that guests took.
    fn forget_guests_exceptions(&self) {
        // SAFETY: no PE enters guests between runs of them.
        unsafe { self.secondaries.each_run_list(guest::forget_exceptions) };
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
        // SAFETY: `run_case` passes an attempt that it does not touch meanwhile.
        let this = unsafe { &mut *this.cast::<Attempt<'_>>() };
        this.in_flight.enter(Phase::Building);
        this.carry_out();
    }

    fn carry_out(&mut self) {
        let registers = &self.case.header.registers;
        let traps = if self.guests.is_some() { HCR_EL2_GUEST } else { 0 };
        let controls = Controls::new(registers, traps);
        self.runner.regime.prepare(&controls);

        let (built, mut switch) = match self.build() {
            Ok(built) => built,
            Err(status) => {
                self.runner.undo(self.in_flight.log);
                self.report.set_status(status);
                return;
            }
        };
        let is_coherent =
            switch.is_none() && walks_are_coherent(registers) && !asm::is_past_caches();
        if is_coherent {
            // The walker sees the stores from here on.
            asm::dsb_ish();
        } else {
            let words = self.in_flight.log.words();
            self.runner.arenas.each_line(words, self.runner.line, asm::clean_line);
            // The lines have reached the point of coherency from here on.
            asm::dsb_sy();
        }

        let roots = Roots::new(&built);
        self.runner.regime.enter(&controls, &roots);
        match &mut switch {
            Some(switch) => self.ask_by_switch(switch),
            None => self.ask_here(&controls, &roots, &Tables { built: &built, is_coherent }),
        }
        // What the probes did to tables is done, and what they did asynchronously is taken.
        asm::dsb_ish();
        self.in_flight.enter(Phase::Built);
        self.runner.quiesced.load();
        self.quiesce_others();
        self.wind_up(switch.as_ref(), is_coherent);
    }

    /// Builds the tables, and says how they are asked.
    fn build(&mut self) -> Result<(Built, Option<WorldSwitch>), Status> {
        let Runner { map, arenas, line, .. } = &mut *self.runner;
        let built = tables::build(self.case, map, arenas, self.in_flight.log);
        self.in_flight.enter(Phase::Built);
        let (false, Ok(built)) = (arenas.strayed(), built) else {
            return Err(Status::BuildFailed);
        };
        let report = &mut self.report;
        report.built = self.in_flight.log.digest();
        report.vttbr_el2 = built.vttbr_el2;
        report.ttbr0_el1 = built.ttbr0_el1;
        report.ttbr1_el1 = built.ttbr1_el1;
        let switch = WorldSwitch::new(&self.case, map, arenas, &built, *line)?;
        if switch.is_some() {
            report.ttbr0_el2 = built.ttbr0_el2;
            report.ttbr1_el2 = built.ttbr1_el2;
            report.idmap_ttbr0_el2 = built.idmap_ttbr0_el2;
        }
        Ok((built, switch))
    }

    /// Reports what the probes left, and undoes the tables.
    fn wind_up(&mut self, switch: Option<&WorldSwitch>, is_coherent: bool) {
        self.cursor.store(self.here(usize::from(Cursor::NO_PROBE)), Ordering::Relaxed);
        self.collect_exceptions();
        self.body.list_exceptions_and_updates(&mut self.report, &self.in_flight);
        if switch.is_some() || self.guests.is_some() {
            self.restore_tags();
        }
        if switch.is_some_and(WorldSwitch::is_resident) && self.body.push(&self.trace) {
            self.report.traces = 1;
        }
        let flags = self.case.flags();
        let may_write = || walks_may_write(&self.case.header.registers, flags);
        if flags.has(Flags::AUDIT) {
            self.audit(is_coherent);
        } else if switch.is_some() || !is_coherent && may_write() {
            self.invalidate_tables();
        }
        if let Some(oracle_run) = &mut self.oracle_run {
            oracle_run.after = self.in_flight.log.digest();
        }
        self.report.after = self.runner.undo(self.in_flight.log);
    }

    /// Lists the tags that stores changed, and restores them.
    fn restore_tags(&mut self) {
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
        scratch::restore(&runner.arenas, runner.line, case, &runner.map, all, |pa, value| {
            if body.push(&Changed { pa, value }) {
                report.changed += 1;
            } else {
                report.truncated = 1;
            }
        });
    }

    /// Drops what the caches hold of the tables. No line of theirs is dirty: all were cleaned before
    /// the walker saw them, and nobody has stored there since.
    fn invalidate_tables(&self) {
        let runner = &self.runner;
        let words = self.in_flight.log.words();
        runner.arenas.each_line(words, runner.line, asm::clean_and_invalidate_line);
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

    /// The cursor's word at probe number `probe`.
    fn here(&self, probe: usize) -> u64 {
        Cursor::new(self.request, probe as u16).0
    }
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

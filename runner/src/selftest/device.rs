//! A device in software: golden with errata, behind the session of any other target.
//!
//! Its tables, registers and TLBs are those of an oracle's twin that has the errata. Of what its errata and the
//! architecture leave open it takes golden's first answer, but that its TLBs hold all that they may, and that walks use
//! the oldest of it: maintenance that is missing shows.

use std::cell::RefCell;

use case::memory::{MemoryMap, Place};
use case::probe::{Operation, Probe};
use case::tree::Role;
use case::{Case, CaseRef, Flags, scratch};
use device::kind::scripted::{Reply, Scripted};
use golden::errata::Erratum;
use golden::{Choice, Features};
use link::hello::IdRegisters;
use link::observations::{
    Audited, Exception, NO_ANSWER, Point, Report, Status, SwitchTrace, Update,
};
use oracle::answer::{Answer, Taken};
use oracle::expectation::{Allowed, Expectation};
use oracle::learned::Learned;
use oracle::playback::Playback;
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};
use tables::BuildError;
use zerocopy::IntoBytes;

use super::memory::Memory;
use super::pe;

/// So many cases may be in flight.
const WINDOW: usize = 2;
/// AMO, IMO and FMO: an executor adds them to what a case says.
const HCR_EL2_ROUTING: u64 = 7 << 3;

/// A device with these ID registers and errata. It can be booted as often as need be.
pub fn target(ids: &IdRegisters, errata: &[&'static Erratum]) -> Scripted {
    type Device = (IdRegisters, Vec<&'static Erratum>);
    thread_local! {
        /// The twin that was used last, and whose it is: memory is kept from case to case.
        static LAST: RefCell<Option<(Device, Twin)>> = const { RefCell::new(None) };
    }
    let (device, map) = ((*ids, errata.to_vec()), pe::map());
    let script = move |_, case: CaseRef<'_>| {
        LAST.with_borrow_mut(|last| {
            drop(last.take_if(|(of, _)| *of != device));
            let new = || (device.clone(), twin(&device.0, &device.1, &map));
            let (_, twin) = last.get_or_insert_with(new);
            Reply::Observations(observe(twin, &map, case))
        })
    };
    Scripted::new(pe::hello(ids), pe::map(), WINDOW, script)
}

fn twin(ids: &IdRegisters, errata: &[&'static Erratum], map: &MemoryMap) -> Twin {
    Twin::new(conform::implementation(ids), Simulation::new(map))
        .with_branch_targets(conform::has_branch_targets(ids))
        .with_errata(errata)
}

/// The observations of `case`, as words.
fn observe(twin: &mut Twin, map: &MemoryMap, case: CaseRef<'_>) -> Vec<u64> {
    let case = Case::from_ref(case);
    let observed = twin.with_tables(&case, map, |tables| {
        let case = case.as_ref();
        // Nothing that a device does tells it what others have learned of it.
        let learned = Learned::new([]).map_err(|_| BuildError::NoSuchTree { tree: 0 })?;
        let mut observed = Observed::new(map, tables);
        observed.trace(case, map, tables, &learned);
        observed.ask(case, tables, &learned)?;
        observed.report.after = tables.digest_now();
        if case.flags().has(Flags::AUDIT) {
            let words = tables.memory.words();
            observed.audited.extend(words.map(|(pa, value)| Audited { pa, value }));
        }
        Ok(observed.words())
    });
    let failed = || words(&[Report::new(Status::BuildFailed).as_bytes()]);
    observed.and_then(|observed: Result<_, BuildError>| observed).unwrap_or_else(|_| failed())
}

/// What is observed of a case.
struct Observed<'a> {
    report: Report,
    answers: Vec<u64>,
    exceptions: Vec<Exception>,
    updates: Vec<Update>,
    memory: Memory<'a>,
    trace: Option<SwitchTrace>,
    audited: Vec<Audited>,
}

impl<'a> Observed<'a> {
    /// Before the first probe.
    fn new(map: &'a MemoryMap, tables: &mut Tables<'_>) -> Self {
        let mut report = Report::new(Status::Done);
        report.built = tables.digest_now();
        let built = &tables.built;
        report.vttbr_el2 = built.vttbr_el2;
        report.ttbr0_el2 = built.ttbr0_el2;
        report.ttbr1_el2 = built.ttbr1_el2;
        report.idmap_ttbr0_el2 = built.idmap_ttbr0_el2;
        report.ttbr0_el1 = built.ttbr0_el1;
        report.ttbr1_el1 = built.ttbr1_el1;
        Self {
            report,
            answers: Vec::new(),
            exceptions: Vec::new(),
            updates: Vec::new(),
            memory: Memory::new(map),
            trace: None,
            audited: Vec::new(),
        }
    }

    /// Asks all probes in their order.
    fn ask(
        &mut self,
        case: CaseRef<'_>,
        tables: &mut Tables<'_>,
        learned: &Learned,
    ) -> Result<(), BuildError> {
        self.answers = vec![0; case.probes.len()];
        let mut playback = Playback::of_all(tables, learned, case.probes);
        while let Some(turn) = playback.next() {
            let turn = turn?;
            for (place, expected) in turn.asked() {
                let number = usize::from(turn.first) + place;
                let Some(allowed) = done(expected.expectation) else {
                    self.stop(number, Exception::default());
                    continue;
                };
                self.answer(number, expected.probe, allowed);
                for update in &allowed.updates {
                    let (pa, value) = (update.pa.0, update.new);
                    playback.tables().update(pa, value);
                    // Where nobody expects any, nobody looks.
                    if case.flags().has(Flags::UPDATES) {
                        self.updates.push(Update { probe: number as u64, pa, value });
                    }
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, number: usize, probe: &Probe, allowed: &Allowed) {
        match allowed.answer {
            Answer::Par { par, .. } => self.answers[number] = par.value,
            Answer::Maintained(_) => self.answers[number] = 0,
            Answer::Exception(taken) => self.stop(number, exception(&taken)),
            Answer::Reached(reach) => match self.memory.access(probe, number as u16, reach) {
                Some(word) => self.answers[number] = word,
                // Whatever is there is no code.
                None => {
                    let origin = Exception::RUNAWAY;
                    self.stop(number, Exception { origin, elr: reach.pa, ..Exception::default() });
                }
            },
        }
    }

    fn stop(&mut self, number: usize, exception: Exception) {
        self.answers[number] = NO_ANSWER;
        self.exceptions.push(Exception { probe: number as u32, ..exception });
    }

    /// Notes what a world switch sees, if `case` has one.
    fn trace(
        &mut self,
        case: CaseRef<'_>,
        map: &MemoryMap,
        tables: &mut Tables<'_>,
        learned: &Learned,
    ) {
        if !case.flags().has(Flags::WORLD_SWITCH) {
            return;
        }
        let (registers, places) = (&case.header.registers, &case.header.world_switch);
        let has_ttbr1 = tables.pe().has(Features::FEAT_VHE);
        let built = &tables.built;
        let own = Point {
            pc: places.code_va,
            sctlr_el2: registers.sctlr_el2,
            tcr_el2: registers.tcr_el2,
            ttbr0_el2: built.ttbr0_el2,
            ttbr1_el2: if has_ttbr1 { built.ttbr1_el2 } else { 0 },
            hcr_el2: registers.hcr_el2 | HCR_EL2_ROUTING,
        };
        let page = |place: Place| map.resolve(place).unwrap_or_default() + scratch::CODE;
        let trampoline = page(places.trampoline);
        let mut entered = Point { pc: trampoline, ..own };
        let mut arrival = Exception::default();
        if case.tree(Role::Idmap).is_some() {
            entered.tcr_el2 = registers.idmap_tcr_el2;
            entered.ttbr0_el2 = built.idmap_ttbr0_el2;
            let fetch = Probe::new(Operation::Fetch, trampoline);
            let expectation = tables.expect(&fetch, learned);
            if let Some(Answer::Exception(taken)) =
                expectation.as_ref().and_then(done).map(|allowed| allowed.answer)
            {
                arrival = exception(&taken);
            }
        }
        let exit = Point { pc: page(places.exit), ..own };
        self.trace = Some(SwitchTrace { trampoline: entered, runtime: own, exit, arrival });
    }

    fn words(mut self) -> Vec<u64> {
        let changed = self.memory.changed();
        self.report.answers = self.answers.len() as u32;
        self.report.exceptions = self.exceptions.len() as u32;
        self.report.updates = self.updates.len() as u32;
        self.report.changed = changed.len() as u32;
        self.report.traces = self.trace.is_some().into();
        self.report.audited = self.audited.len() as u32;
        words(&[
            self.report.as_bytes(),
            self.answers.as_bytes(),
            self.exceptions.as_bytes(),
            self.updates.as_bytes(),
            changed.as_bytes(),
            self.trace.as_ref().map_or(&[], IntoBytes::as_bytes),
            self.audited.as_bytes(),
        ])
    }
}

/// What the device does of what it may do; `None` where the instruction is not executed.
fn done(expectation: &Expectation) -> Option<&Allowed> {
    let rank = |allowed: &&Allowed| {
        let is_other = |stale: bool| {
            let asked = allowed.asked.iter().filter(move |asked| {
                asked.answer.0 != 0 && (asked.choice == Choice::StaleDescriptor) == stale
            });
            asked.count()
        };
        (is_other(false), usize::MAX - is_other(true))
    };
    expectation.outcomes.iter().min_by_key(rank)
}

/// An exception, as the executor tells of it.
fn exception(taken: &Taken) -> Exception {
    let golden::Exception { esr, far, hpfar, .. } = taken.abort.exception;
    Exception {
        probe: 0,
        origin: Exception::PROBE,
        target: taken.target.into(),
        esr: esr.value,
        far: far.0,
        hpfar: hpfar.unwrap_or_default(),
        elr: taken.elr.unwrap_or_default(),
        spsr: taken.spsr.value,
    }
}

/// These pieces as the words of a body.
fn words(pieces: &[&[u8]]) -> Vec<u64> {
    let bytes = pieces.concat();
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    bytes.chunks(8).map(word).collect()
}

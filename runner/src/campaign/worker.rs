//! One worker of a campaign: it has a machine of its own, puts cases to it, and judges the answers.
//!
//! ```text
//!            +------------------- again, without the probe that died ------------------+
//!            v                                                                         |
//!  Block --> Part --prepare--> Prepared --send--> [in flight] --receive--> Observations | Death
//!            |                  host's tables,      as many as the target      |
//!            |                  expectations        has slots                  v
//!            +--> Open case <------------------- verdicts -----------------  judge
//!                    |
//!                    v  (all parts done)
//!                 Outbox
//! ```
//!
//! A *part* is a case with some of its probes: all of them at first. When the target dies, the probe
//! that killed it is charged, and the others of its case are asked again as a new part.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use case::Case;
use case::probe::{Operation, Probe};
use link::hello::IdRegisters;
use link::observations::Observations;
use zerocopy::IntoBytes as _;

use super::dispenser::{Dispenser, Given};
use super::forecast::Forecaster;
use super::open::OpenCase;
use super::outbox::Outbox;
use super::samples::Samples;
use super::soak::{Brief, Soak, Soaking, Task, judge_told};
use super::{CampaignError, MOST_DEATHS_IN_A_ROW};
use crate::plan::{Plan, Shard};
use device::wire::Wear;
use device::{Death, Event, HowDied, Session, Target};
use judge::dossier::Dossier;
use judge::prepared::{Bench, Prepared};
use judge::quarantine::Quarantine;
use judge::sign::Sign;
use judge::verdict::{
    self, CaseRecord, Demise, Expected, Finding, NotAsked, ProbeKind, Question, Reason, Seen,
    Signature, Verdict,
};
use judge::verdicts::{Judged, judge};
use oracle::pe;
use oracle::simulation::Simulation;

/// What all workers of a campaign share.
#[derive(Debug)]
pub struct Shared<'a> {
    /// What the machine said of itself when it was started first.
    pub ids: IdRegisters,
    /// The cases.
    pub plan: &'a Plan,
    /// Which of them are this campaign's.
    pub shard: Shard,
    /// Deals them out.
    pub dispenser: &'a Dispenser<'a>,
    /// How often the target was started.
    pub boots: &'a AtomicU64,
    /// What the lines to it did to messages.
    pub wear: &'a Mutex<Wear>,
    /// Whether the target asks and compares by itself.
    pub soak: Option<Soak>,
}

/// A case with some of its probes.
#[derive(Clone, Debug)]
struct Part {
    index: u64,
    probes: Vec<u16>,
    /// Whether the target was reset while it was asked.
    saw_reset: bool,
}

/// A part that was sent.
struct InFlight {
    sequence: u64,
    part: Part,
    prepared: Prepared,
}

/// A message that was sent to a target that soaks.
enum Solo {
    /// Its plan, or its terms.
    Brief,
    /// Which cases it is to ask.
    Stretch(link::soak::Soak),
}

/// A worker.
pub struct Worker<'a> {
    target: &'a dyn Target,
    shared: &'a Shared<'a>,
    outbox: Outbox,
    bench: Bench,
    dossier: Dossier,
    quarantine: Quarantine,
    forecaster: Forecaster,
    samples: Samples,
    /// Cases that were dealt out to it and not drawn yet, by ordinal.
    block: Range<u64>,
    next_sequence: u64,
    /// Parts to be asked again, before new cases.
    again: VecDeque<Part>,
    in_flight: VecDeque<InFlight>,
    /// What it knows of the target's soak, if that asks and compares by itself.
    soaking: Option<Soaking>,
    /// What a soaking target was sent, and did not answer yet. No part is in flight meanwhile.
    solo: Option<(u64, Solo)>,
    /// Cases that the target has left to the host, or that it can't be left alone with.
    in_full: VecDeque<u64>,
    /// Cases of which parts are still to come.
    open: BTreeMap<u64, Box<OpenCase>>,
    /// How many parts are to be sent one at a time, to see which of them kills the target.
    alone: usize,
    deaths_in_a_row: u32,
}

impl Shared<'_> {
    /// Counts what a session's line did.
    fn count(&self, wear: Wear) {
        self.wear.lock().unwrap_or_else(PoisonError::into_inner).add(wear);
    }
}

impl<'a> Worker<'a> {
    /// A worker that puts cases to the machine of `session`, and to others like it when it dies.
    pub fn new(
        target: &'a dyn Target,
        shared: &'a Shared<'a>,
        session: &dyn Session,
        dossier: Dossier,
        outbox: Outbox,
    ) -> Self {
        let ids = &session.hello().ids;
        let profile = *dossier.learned.profile();
        let soaking = shared.soak.map(|soak| Soaking::new(soak, profile, &dossier.known));
        let bench = Bench::new(pe::implementation(ids), Simulation::new(shared.plan.map()));
        Self {
            target,
            shared,
            outbox,
            bench: bench.with_branch_targets(pe::has_branch_targets(ids)),
            dossier,
            quarantine: Quarantine::default(),
            forecaster: Forecaster::default(),
            samples: Samples::default(),
            block: 0..0,
            next_sequence: 0,
            again: VecDeque::new(),
            in_flight: VecDeque::new(),
            soaking,
            solo: None,
            in_full: VecDeque::new(),
            open: BTreeMap::new(),
            alone: 0,
            deaths_in_a_row: 0,
        }
    }

    /// Asks until nothing is dealt out any more.
    pub fn run(mut self, session: Box<dyn Session>) -> Result<(), CampaignError> {
        self.work(session)?;
        self.outbox.flush();
        Ok(())
    }

    fn work(&mut self, mut session: Box<dyn Session>) -> Result<(), CampaignError> {
        loop {
            if self.solo.is_none() {
                self.fill(session.as_mut())?;
                self.soak_on(session.as_mut())?;
            }
            if self.in_flight.is_empty() && self.solo.is_none() {
                self.shared.count(session.wear());
                return Ok(());
            }
            let death = match session.receive()? {
                Event::Observations { sequence, body } => self.answer(sequence, body).map(babble),
                Event::Planned { is_kept: false, .. } => return Err(CampaignError::Refused),
                Event::Planned { sequence, .. } => self.briefed(sequence).map(babble),
                Event::Progress { sequence, body } => self.progress(sequence, body).map(babble),
                Event::Died(death) => Some(death),
            };
            let Some(death) = death else { continue };
            self.died(death)?;
            self.shared.count(session.wear());
            // The old machine goes before the new one comes: there may be only one board.
            drop(session);
            if self.shared.dispenser.is_stopped() {
                return Ok(());
            }
            session = boot(self.target, self.shared)?;
        }
    }

    /// Sends parts until the target has all that it can take.
    fn fill(&mut self, session: &mut dyn Session) -> Result<(), CampaignError> {
        loop {
            let window = if self.alone > 0 { 1 } else { session.window() };
            if self.in_flight.len() >= window {
                return Ok(());
            }
            let Some(part) = self.next_part() else { return Ok(()) };
            if let Some(prepared) = self.prepare(&part) {
                let sequence = self.next_sequence;
                self.next_sequence += 1;
                let case = Case::as_ref(&prepared.case);
                match self.forecaster.forecast(&prepared) {
                    Some(forecast) => session.send_forecast(sequence, case, forecast)?,
                    None => session.send_case(sequence, case)?,
                }
                self.in_flight.push_back(InFlight { sequence, part, prepared });
            }
        }
    }

    /// The next part: one that is to be asked again, or all of the next case.
    fn next_part(&mut self) -> Option<Part> {
        if !self.again.is_empty() && !self.shared.dispenser.is_stopped() {
            return self.again.pop_front();
        }
        loop {
            let index = self.next_index()?;
            match self.shared.plan.case(index)? {
                Ok(case) => {
                    let map = self.shared.plan.map();
                    let probes = (0..case.as_ref().probes.len() as u16).collect();
                    let open = OpenCase::new(index, case, map, &self.dossier);
                    self.open.insert(index, Box::new(open));
                    return Some(Part { index, probes, saw_reset: false });
                }
                Err(not_drawn) => {
                    let not_asked = NotAsked::from([(Reason::NotDrawn(not_drawn), 1)]);
                    self.outbox.push(CaseRecord { index, not_asked, ..CaseRecord::default() });
                }
            }
        }
    }

    /// The next case that is to be asked in full.
    fn next_index(&mut self) -> Option<u64> {
        if self.soaking.is_some() && self.shared.dispenser.is_stopped() {
            return None;
        }
        if let Some(index) = self.in_full.pop_front() {
            return Some(index);
        }
        if self.soaking.as_ref().is_some_and(|soaking| !soaking.is_idle()) {
            return None;
        }
        let ordinal = self.next_ordinal()?;
        let index = self.shared.shard.index(ordinal);
        match &mut self.soaking {
            Some(soaking) if !soaking.is_prelude(index) => {
                // All behind it is the target's own.
                soaking.take(ordinal..self.block.end);
                self.block = 0..0;
                None
            }
            _ => Some(index),
        }
    }

    /// The next case that it may draw, by ordinal.
    fn next_ordinal(&mut self) -> Option<u64> {
        let dispenser = self.shared.dispenser;
        if self.block.is_empty() {
            // Others wait for what is in hand here: it must be on its way before this one waits.
            let idle = self.in_flight.is_empty();
            if idle {
                self.outbox.flush();
            }
            match dispenser.take(idle) {
                Given::Block(block) => self.block = block,
                Given::Later | Given::Over => return None,
            }
        }
        let ordinal = self.block.start;
        dispenser.draw(ordinal).then(|| {
            self.block.start += 1;
            ordinal
        })
    }

    /// Makes a part ready; `None` when nothing of it is to be sent.
    fn prepare(&mut self, part: &Part) -> Option<Prepared> {
        let open = self.open.get_mut(&part.index)?;
        let map = self.shared.plan.map();
        let (bench, dossier) = (&mut self.bench, &self.dossier);
        let mut prepare = |case: &Case, probes: &[u16], samples: &[u16], quarantine: &mut _| {
            bench.prepare(case, map, probes, samples, dossier, quarantine)
        };
        let mut prepared = prepare(&open.case, &part.probes, &[], &mut self.quarantine);
        // A target that soaks is not killed for a sample.
        if let (Ok(first), None) = (&prepared, &self.soaking) {
            let samples = self.samples.of_case(part.index, &first.held, |other| {
                let Some(Ok(case)) = self.shared.plan.case(other) else { return Vec::new() };
                let probes: Vec<u16> = (0..case.as_ref().probes.len() as u16).collect();
                let looked = prepare(&case, &probes, &[], &mut Quarantine::default());
                looked.map_or_else(|_| Vec::new(), |looked| looked.held)
            });
            if !samples.is_empty() {
                prepared = prepare(&open.case, &part.probes, &samples, &mut self.quarantine);
            }
        }
        match prepared {
            // What is not asked is counted when the part is answered: it may have to be asked again.
            Ok(prepared) if !prepared.numbers.is_empty() => return Some(prepared),
            Ok(prepared) => open.skip(&prepared.not_asked),
            Err(error) => {
                let reason = Reason::BuildError(error.to_string());
                let probes = part.probes.iter();
                let not_asked: Vec<_> = probes.map(|number| (*number, reason.clone())).collect();
                open.skip(&not_asked);
            }
        }
        self.part_done(part.index);
        None
    }

    /// Has the target go on by itself, where nothing else is in hand.
    fn soak_on(&mut self, session: &mut dyn Session) -> Result<(), CampaignError> {
        let Some(soaking) = &mut self.soaking else { return Ok(()) };
        if !self.in_flight.is_empty() || soaking.is_idle() {
            return Ok(());
        }
        if !self.shared.dispenser.draw(soaking.next()) {
            let record = soaking.stop(&self.dossier.known);
            record.into_iter().for_each(|record| self.outbox.push(record));
            return Ok(());
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let solo = match soaking.brief(self.shared.plan)? {
            Some(brief) => {
                match brief {
                    Brief::Plan(words) => session.send_plan(sequence, words.as_bytes())?,
                    Brief::Terms(words) => session.send_terms(sequence, words.as_bytes())?,
                }
                Solo::Brief
            }
            None => {
                let message = soaking.message();
                session.send_soak(sequence, &message)?;
                Solo::Stretch(message)
            }
        };
        self.solo = Some((sequence, solo));
        Ok(())
    }

    /// The target has what it was told. Returns what is wrong with its answer when it makes no sense.
    fn briefed(&mut self, sequence: u64) -> Option<String> {
        match (&self.solo, &mut self.soaking) {
            (Some((sent, Solo::Brief)), Some(soaking)) if *sent == sequence => {
                soaking.was_told();
                self.solo = None;
                None
            }
            _ => Some(format!("an answer to plan {sequence}, which nobody sent")),
        }
    }

    /// Takes what a target says of a stretch. Returns what is wrong with it when it makes no sense.
    fn progress(&mut self, sequence: u64, body: &[u8]) -> Option<String> {
        let (Some((sent, Solo::Stretch(asked))), Some(soaking)) = (&self.solo, &mut self.soaking)
        else {
            return Some(format!("progress on message {sequence}, which nobody sent"));
        };
        let tasks =
            (*sent == sequence).then(|| soaking.progress(*asked, body, &self.dossier.known));
        let Some(tasks) = tasks.flatten() else {
            return Some("progress that makes no sense".into());
        };
        self.solo = None;
        self.deaths_in_a_row = 0;
        self.shared.dispenser.drew(soaking.next() - 1);
        self.take_up(tasks);
        None
    }

    /// Takes up what a target has left to do.
    fn take_up(&mut self, tasks: VecDeque<Task>) {
        for task in tasks {
            match task {
                Task::Record(record) => self.outbox.push(record),
                Task::Ask(index) => self.in_full.push_back(index),
                Task::Judge { index, told } => {
                    let (bench, plan) = (&mut self.bench, self.shared.plan);
                    match judge_told(bench, plan, &self.dossier, index, &told) {
                        Some(record) => self.outbox.push(record),
                        None => self.in_full.push_back(index),
                    }
                }
            }
        }
    }

    /// Takes the answer to the oldest part in flight. Returns what is wrong with it when it makes no
    /// sense.
    fn answer(&mut self, sequence: u64, body: &[u8]) -> Option<String> {
        let Some(first) = self.in_flight.front().filter(|first| first.sequence == sequence) else {
            return Some(format!("an answer to message {sequence}, which is not the next"));
        };
        let Some(observations) = Observations::from_bytes(body) else {
            return Some("an answer that is no list of observations".into());
        };
        self.forecaster.learn(&first.prepared, &observations);
        let open = self.open.get_mut(&first.part.index)?;
        let (bench, map, dossier) = (&mut self.bench, self.shared.plan.map(), &self.dossier);
        let (case, learned) = (&open.case, &mut open.learned);
        let judged = judge(bench, map, case, &first.prepared, &observations, dossier, learned);
        let flight = self.in_flight.pop_front()?;
        self.deaths_in_a_row = 0;
        self.alone = self.alone.saturating_sub(1);
        open.skip(&flight.prepared.not_asked);
        // It was built once already, for sending it.
        if let Ok(mut judged) = judged {
            let index = flight.part.index;
            let left = std::mem::take(&mut judged.left);
            if !left.is_empty() {
                open.parts += 1;
                self.again.push_front(Part { index, probes: left, saw_reset: false });
            }
            open.add(judged);
        }
        self.part_done(flight.part.index);
        None
    }

    /// Charges a death, and arranges for the rest to be asked again.
    fn died(&mut self, death: Death) -> Result<(), CampaignError> {
        self.deaths_in_a_row += 1;
        if self.deaths_in_a_row >= MOST_DEATHS_IN_A_ROW {
            return Err(CampaignError::KeepsDying(death.to_string()));
        }
        if let Some(soaking) = &mut self.soaking {
            soaking.forget();
            if let Some((_, Solo::Stretch(asked))) = self.solo.take() {
                let tasks = soaking.died(asked, &self.dossier.known);
                self.take_up(tasks);
            }
        }
        let mut parts: VecDeque<InFlight> = std::mem::take(&mut self.in_flight);
        let is_reset = matches!(death.how, HowDied::Reset { .. });
        if is_reset && !parts.iter().any(|flight| flight.part.saw_reset) {
            // Boards have reasons of their own to start anew: a case has done it if it does it again.
            let again = parts.into_iter().map(|flight| Part { saw_reset: true, ..flight.part });
            again.rev().for_each(|part| self.again.push_front(part));
            return Ok(());
        }
        let guilty = match death.cursor {
            // The cable went, and the target may have done nothing wrong.
            _ if matches!(death.how, HowDied::Lost { .. }) => None,
            Some(cursor) => parts.iter().position(|flight| flight.sequence == cursor.sequence),
            None => (parts.len() == 1).then_some(0),
        };
        let guilty = guilty.and_then(|at| parts.remove(at));
        // What was not in hand is innocent, or not known to be guilty: ask it again. Where nobody
        // can tell, ask one part at a time until it shows.
        if guilty.is_none() {
            self.alone = parts.len();
        }
        for flight in parts.into_iter().rev() {
            self.again.push_front(flight.part);
        }
        let Some(flight) = guilty else { return Ok(()) };
        let probe = death.cursor.map(|cursor| cursor.probe);
        let Part { index, saw_reset, .. } = flight.part;
        if let Some(open) = self.open.get_mut(&index) {
            open.skip(&flight.prepared.not_asked);
        }
        let numbers = &flight.prepared.numbers;
        // Steps come with whatever probes are behind them.
        let probes = flight.prepared.case.as_ref().as_ref().probes;
        let is_step = |probe: &Probe| probe.operation().is_some_and(Operation::is_step);
        let asked = (0..).zip(numbers).zip(probes).filter(|(_, probe)| !is_step(probe));
        let asked: Vec<(usize, u16)> = asked.map(|((at, number), _)| (at, *number)).collect();
        match (probe, asked.as_slice()) {
            // The cursor names the probe, or there is but one.
            (Some(Some(at)), _) if usize::from(at) < numbers.len() => {
                let number = numbers[usize::from(at)];
                let rest = numbers.iter().copied().filter(|other| *other != number).collect();
                self.charge(&flight, Some((usize::from(at), number)), &death);
                self.ask_again(index, rest, saw_reset);
            }
            (None, &[only]) => self.charge(&flight, Some(only), &death),
            // Nobody can tell which: ask each half.
            (None, asked) if asked.len() > 1 => {
                let numbers: Vec<u16> = asked.iter().map(|(_, number)| *number).collect();
                let (one, other) = numbers.split_at(numbers.len() / 2);
                self.ask_again(index, other.to_vec(), saw_reset);
                self.ask_again(index, one.to_vec(), saw_reset);
            }
            // It died while it built or undid the tables.
            _ => self.charge(&flight, None, &death),
        }
        self.part_done(index);
        Ok(())
    }

    fn ask_again(&mut self, index: u64, probes: Vec<u16>, saw_reset: bool) {
        if let Some(open) = self.open.get_mut(&index).filter(|_| !probes.is_empty()) {
            open.parts += 1;
            self.again.push_front(Part { index, probes, saw_reset });
        }
    }

    /// Charges a death to a probe, given by its index in what was sent and its number in the case, or
    /// to the case as a whole.
    fn charge(&mut self, flight: &InFlight, probe: Option<(usize, u16)>, death: &Death) {
        let Some(open) = self.open.get_mut(&flight.part.index) else { return };
        let hung = matches!(death.how, HowDied::Hung { .. });
        let verdict = if hung { Verdict::Hung } else { Verdict::Aborted };
        let mut judged = Judged::default();
        let asked = probe.and_then(|(index, number)| {
            let asked = open.case.as_ref().probes.get(usize::from(number))?;
            Some((asked, flight.prepared.expectations.get(index)?.as_ref()))
        });
        let sign = if hung { Sign::Hung } else { Sign::Died };
        let number = probe.map(|(_, number)| u32::from(number));
        let kind = match asked {
            Some((asked, Some(expectation))) => {
                let Dossier { known, .. } = &self.dossier;
                let (prepared, index) = (&flight.prepared, probe.map_or(0, |(index, _)| index));
                judged.ask(known, prepared, index);
                let signs = |_: &_| [sign].into_iter();
                let explained = prepared.explain(known, &open.learned, asked, expectation, signs);
                if let Some(rules) = explained {
                    judged.show(known, prepared, index, &rules);
                    judged.findings.extend(known.is_in_full().then(|| Finding {
                        probe: number,
                        verdict: Verdict::Known,
                        signature: Signature::Known(known.names(&rules)),
                        question: Question::of(asked),
                        expectation: Expected::of(expectation),
                        observation: seen(death).into(),
                    }));
                    open.add(judged);
                    return;
                }
                let kind = ProbeKind::of(asked, Some(expectation));
                kind.iter().for_each(|kind| self.quarantine.died(kind));
                kind
            }
            Some((probe, None)) => ProbeKind::of(probe, None),
            None => None,
        };
        if asked.is_some() {
            judged.verdicts.add(verdict);
        } else {
            let numbers = flight.prepared.numbers.iter();
            judged.not_asked.extend(numbers.map(|number| (*number, Reason::DiedBuilding)));
        }
        let expected = asked.and_then(|(_, expectation)| expectation);
        judged.findings.push(Finding {
            probe: number,
            verdict,
            signature: Signature::Died { kind, hung },
            question: asked.map_or(Question::Case, |(probe, _)| Question::of(probe)),
            expectation: expected.map_or(Expected::Answer, Expected::of),
            observation: seen(death).into(),
        });
        open.add(judged);
    }

    /// A part of a case is done; when it was the last, the case is recorded.
    fn part_done(&mut self, index: u64) {
        let Some(open) = self.open.get_mut(&index) else { return };
        open.parts -= 1;
        if open.parts == 0
            && let Some(open) = self.open.remove(&index)
        {
            let mut record = open.close();
            if let Some(soaking) = &mut self.soaking {
                soaking.learn(&record);
                soaking.check(&mut record);
            }
            self.outbox.push(record);
        }
    }
}

/// A death, as a finding has it.
fn seen(death: &Death) -> Seen {
    let how = match death.how {
        HowDied::Exited { .. } => Demise::Exited,
        HowDied::Hung { .. } => Demise::Hung,
        HowDied::Reset { .. } => Demise::Reset,
        HowDied::Lost { .. } => Demise::Lost,
        HowDied::Epitaph(_) => Demise::GaveUp,
        HowDied::Garbage { .. } => Demise::Garbage,
        HowDied::OtherVersion { .. } => Demise::OtherVersion,
    };
    Seen::Death(verdict::Death { how, told: death.to_string() })
}

/// A target that says what makes no sense.
const fn babble(what: String) -> Death {
    Death { how: HowDied::Garbage { what }, cursor: None, answers_before: Vec::new() }
}

/// Starts the target, and makes sure that it is the machine that the plan was made for.
pub fn boot(target: &dyn Target, shared: &Shared<'_>) -> Result<Box<dyn Session>, CampaignError> {
    shared.boots.fetch_add(1, Ordering::Relaxed);
    let session = target.boot()?;
    let same = session.hello().ids == shared.ids && session.memory_map() == shared.plan.map();
    if same { Ok(session) } else { Err(CampaignError::Changed) }
}

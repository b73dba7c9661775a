//! A campaign: the cases of a plan, put to a target, judged, and recorded.
//!
//! ```text
//!            +------------------- again, without the probe that died ------------------+
//!            v                                                                         |
//!  Plan --> Part --prepare--> Prepared --send--> [in flight] --receive--> Observations | Death
//!            |                  host's tables,      as many as the target      |
//!            |                  expectations        has slots                  v
//!            +--> Open case <------------------- verdicts -----------------  judge
//!                    |
//!                    v  (all parts done)
//!                 Recorder
//! ```
//!
//! A *part* is a case with some of its probes: all of them at first. When the target dies, the probe
//! that killed it is charged, and the others of its case are asked again as a new part.

mod dossier;
mod open;
mod prepared;
mod quarantine;
mod verdicts;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use case::probe::Operation;
use case::{Case, Flags};
use link::hello::Hello;
use link::observations::Observations;

use crate::judge::words;
use crate::known::Shown;
use crate::pe;
use crate::plan::Plan;
use crate::simulation::Simulation;
use crate::suite::generator::Generator;
use crate::target::{Death, Event, HowDied, Session, Target, TargetError};
use crate::verdict::{CaseRecord, Counts, Finding, NotAsked, Verdict};
pub use dossier::Dossier;
use open::OpenCase;
pub use prepared::{Bench, Prepared, Tables};
use quarantine::Quarantine;
use verdicts::{Judged, judge};

/// One case in so many is audited: the target lists every word of its arenas that is not zero.
const AUDIT_EVERY: u64 = 1 << 15;
/// So many deaths in a row without an answer between them end the campaign: more than one case can
/// bring about, by four operations, each held back after three deaths of a kind.
const MOST_DEATHS_IN_A_ROW: u32 = 64;

/// What a campaign is to do.
#[derive(Debug)]
pub struct Campaign {
    /// Where cases come from.
    pub generators: Vec<Generator>,
    /// The seed of all that is random.
    pub seed: u64,
    /// The most cases, if there is a limit beside the generators' own.
    pub cases: Option<u64>,
    /// The longest time, if there is a limit.
    pub time: Option<Duration>,
    /// What is known of the target.
    pub dossier: Dossier,
}

/// Takes down what a campaign finds.
pub trait Recorder {
    /// The target has booted for the first time.
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError>;

    /// A case is done. `case` is the case as drawn, for a reproducer.
    fn case(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RecordError>;

    /// Called now and then with what was done so far.
    fn progress(&mut self, totals: &Totals);
}

/// A record could not be written.
pub type RecordError = Box<dyn std::error::Error + Send + Sync>;

/// The sums of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Cases recorded.
    pub cases: u64,
    /// Probes that got a verdict.
    pub verdicts: Counts,
    /// Probes and cases that were not asked, by reason.
    pub not_asked: NotAsked,
    /// Findings: probes and cases that somebody has to look at.
    pub findings: u64,
    /// How often the target was started.
    pub boots: u64,
    /// Time since the target was ready for the first time.
    pub elapsed: Duration,
    /// The target's IMPLEMENTATION DEFINED choices as far as they were learned or pinned.
    pub profile: BTreeMap<String, String>,
    /// How the target's known issues showed.
    pub known: BTreeMap<String, Shown>,
}

/// Why a campaign could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The target can't be run.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target dies whatever it is asked.
    #[error("the target died {MOST_DEATHS_IN_A_ROW} times in a row without an answer, last: {0}")]
    KeepsDying(String),
    /// A record could not be written.
    #[error("failed to record a case: {0}")]
    Record(#[source] RecordError),
}

/// Runs a campaign on `target`.
///
/// # Errors
/// When the target can't be run at all, or what it says can't be recorded. Whatever the target does
/// wrong with a case is a finding.
pub fn run(
    target: &dyn Target,
    campaign: Campaign,
    recorder: &mut dyn Recorder,
) -> Result<Totals, CampaignError> {
    let session = target.boot()?;
    let hello = *session.hello();
    let map = session.memory_map().clone();
    let plan = Plan::new(campaign.generators, pe::abilities(&hello.ids), map, campaign.seed);
    recorder.started(&hello, &plan).map_err(CampaignError::Record)?;
    let bench = Bench::new(pe::implementation(&hello.ids), Simulation::new(plan.map()));
    let begun = Instant::now();
    let mut engine = Engine {
        target,
        plan,
        recorder,
        bench,
        dossier: campaign.dossier,
        quarantine: Quarantine::default(),
        limit: Limit { cases: campaign.cases, end: campaign.time.map(|time| begun + time) },
        next_case: 0,
        next_sequence: 0,
        again: VecDeque::new(),
        in_flight: VecDeque::new(),
        open: BTreeMap::new(),
        alone: 0,
        deaths_in_a_row: 0,
        totals: Totals { boots: 1, ..Totals::default() },
        begun,
    };
    engine.run(session)?;
    engine.totals.profile = engine.dossier.learned.settled();
    engine.totals.known = engine.dossier.known.shown().clone();
    engine.totals.elapsed = begun.elapsed();
    Ok(engine.totals)
}

struct Limit {
    cases: Option<u64>,
    end: Option<Instant>,
}

/// A case with some of its probes.
#[derive(Clone, Debug)]
struct Part {
    index: u64,
    probes: Vec<u16>,
}

struct InFlight {
    sequence: u64,
    part: Part,
    prepared: Prepared,
}

struct Engine<'a> {
    target: &'a dyn Target,
    plan: Plan,
    recorder: &'a mut dyn Recorder,
    bench: Bench,
    dossier: Dossier,
    quarantine: Quarantine,
    limit: Limit,
    next_case: u64,
    next_sequence: u64,
    /// Parts to be asked again, before new cases.
    again: VecDeque<Part>,
    in_flight: VecDeque<InFlight>,
    /// Cases of which parts are still to come.
    open: BTreeMap<u64, OpenCase>,
    /// How many parts are to be sent one at a time, to see which of them kills the target.
    alone: usize,
    deaths_in_a_row: u32,
    totals: Totals,
    begun: Instant,
}

impl Engine<'_> {
    fn run(&mut self, mut session: Box<dyn Session>) -> Result<(), CampaignError> {
        loop {
            self.fill(session.as_mut())?;
            if self.in_flight.is_empty() {
                return Ok(());
            }
            match session.receive()? {
                Event::Observations { sequence, body } => {
                    let babble = self.answer(sequence, body)?;
                    if let Some(what) = babble {
                        let how = HowDied::Garbage { what };
                        self.died(Death { how, cursor: None, answers_before: Vec::new() })?;
                        session = self.boot(session)?;
                    }
                }
                Event::Died(death) => {
                    self.died(death)?;
                    session = self.boot(session)?;
                }
            }
        }
    }

    fn boot(&mut self, dead: Box<dyn Session>) -> Result<Box<dyn Session>, CampaignError> {
        // The old machine goes before the new one comes: there may be only one board.
        drop(dead);
        self.totals.boots += 1;
        Ok(self.target.boot()?)
    }

    /// Sends parts until the target has all that it can take.
    fn fill(&mut self, session: &mut dyn Session) -> Result<(), CampaignError> {
        loop {
            let window = if self.alone > 0 { 1 } else { session.window() };
            if self.in_flight.len() >= window {
                return Ok(());
            }
            let Some(part) = self.next_part()? else { return Ok(()) };
            if let Some(prepared) = self.prepare(&part)? {
                let sequence = self.next_sequence;
                self.next_sequence += 1;
                session.send_case(sequence, prepared.case.as_ref())?;
                self.in_flight.push_back(InFlight { sequence, part, prepared });
            }
        }
    }

    /// The next part: one that is to be asked again, or all of the next case.
    fn next_part(&mut self) -> Result<Option<Part>, CampaignError> {
        if let Some(part) = self.again.pop_front() {
            return Ok(Some(part));
        }
        loop {
            let index = self.next_case;
            let full = self.limit.cases.is_some_and(|most| index >= most);
            let late = self.limit.end.is_some_and(|end| Instant::now() >= end);
            if full || late {
                return Ok(None);
            }
            let Some(drawn) = self.plan.case(index) else { return Ok(None) };
            self.next_case += 1;
            match drawn {
                Ok(mut case) => {
                    if index.is_multiple_of(AUDIT_EVERY) {
                        case.set_flags(Flags(case.as_ref().flags().0 | Flags::AUDIT));
                    }
                    let probes = (0..case.as_ref().probes.len() as u16).collect();
                    self.open.insert(index, OpenCase::new(index, case));
                    return Ok(Some(Part { index, probes }));
                }
                Err(not_drawn) => {
                    let not_asked = NotAsked::from([(not_drawn.reason().to_owned(), 1)]);
                    self.record(&CaseRecord { index, not_asked, ..CaseRecord::default() }, None)?;
                }
            }
        }
    }

    /// Makes a part ready; `None` when nothing of it is to be sent.
    fn prepare(&mut self, part: &Part) -> Result<Option<Prepared>, CampaignError> {
        let Some(open) = self.open.get_mut(&part.index) else { return Ok(None) };
        let map = self.plan.map();
        let (learned, quarantine) = (&self.dossier.learned, &mut self.quarantine);
        let prepared = self.bench.prepare(&open.case, map, &part.probes, learned, quarantine);
        match prepared {
            // What is not asked is counted when the part is answered: it may have to be asked again.
            Ok(prepared) if !prepared.numbers.is_empty() => {
                self.dossier.case_asked(&open.case, &prepared.registers);
                return Ok(Some(prepared));
            }
            Ok(prepared) => open.skip(&prepared.not_asked),
            Err(error) => {
                let reason = format!("the case can't be built here: {error}");
                open.skip(&NotAsked::from([(reason, part.probes.len() as u64)]));
            }
        }
        self.part_done(part.index)?;
        Ok(None)
    }

    /// Takes the answer to the oldest part in flight. Returns what is wrong with it when it makes no
    /// sense.
    fn answer(&mut self, sequence: u64, body: &[u8]) -> Result<Option<String>, CampaignError> {
        let Some(first) = self.in_flight.front().filter(|first| first.sequence == sequence) else {
            return Ok(Some(format!("an answer to message {sequence}, which is not the next")));
        };
        let Some(observations) = Observations::from_bytes(body) else {
            return Ok(Some("an answer that is no list of observations".into()));
        };
        let Some(open) = self.open.get_mut(&first.part.index) else { return Ok(None) };
        let map = self.plan.map();
        let (bench, dossier) = (&mut self.bench, &mut self.dossier);
        let judged = judge(bench, map, &open.case, &first.prepared, &observations, dossier);
        let Some(flight) = self.in_flight.pop_front() else { return Ok(None) };
        self.deaths_in_a_row = 0;
        self.alone = self.alone.saturating_sub(1);
        open.skip(&flight.prepared.not_asked);
        // It was built once already, for sending it.
        if let Ok(mut judged) = judged {
            let index = flight.part.index;
            let left = std::mem::take(&mut judged.left);
            if !left.is_empty() {
                open.parts += 1;
                self.again.push_front(Part { index, probes: left });
            }
            open.add(judged);
        }
        self.part_done(flight.part.index)?;
        Ok(None)
    }

    /// Charges a death, and arranges for the rest to be asked again.
    fn died(&mut self, death: Death) -> Result<(), CampaignError> {
        self.deaths_in_a_row += 1;
        if self.deaths_in_a_row >= MOST_DEATHS_IN_A_ROW {
            return Err(CampaignError::KeepsDying(death.to_string()));
        }
        let mut parts: VecDeque<InFlight> = std::mem::take(&mut self.in_flight);
        let guilty = match death.cursor {
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
        let index = flight.part.index;
        if let Some(open) = self.open.get_mut(&index) {
            open.skip(&flight.prepared.not_asked);
        }
        match (probe, flight.prepared.numbers.as_slice()) {
            // The cursor names the probe, or there is but one.
            (Some(Some(at)), numbers) if usize::from(at) < numbers.len() => {
                let number = numbers[usize::from(at)];
                let rest = numbers.iter().copied().filter(|other| *other != number).collect();
                self.charge(&flight, Some((usize::from(at), number)), &death);
                self.ask_again(index, rest);
            }
            (None, &[number]) => self.charge(&flight, Some((0, number)), &death),
            // Nobody can tell which: ask each half.
            (None, numbers) if numbers.len() > 1 => {
                let (one, other) = numbers.split_at(numbers.len() / 2);
                self.ask_again(index, other.to_vec());
                self.ask_again(index, one.to_vec());
            }
            // It died while it built or undid the tables.
            _ => self.charge(&flight, None, &death),
        }
        self.part_done(index)
    }

    fn ask_again(&mut self, index: u64, probes: Vec<u16>) {
        if let Some(open) = self.open.get_mut(&index).filter(|_| !probes.is_empty()) {
            open.parts += 1;
            self.again.push_front(Part { index, probes });
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
        let what = if hung { "the target hung" } else { "the target died" };
        let kind = match asked {
            Some((probe, Some(expectation))) => {
                let registers = &flight.prepared.registers;
                let dossier = &mut self.dossier;
                let mut name =
                    |expected: &String| dossier.name(&open.case, registers, probe, expected, what);
                let name = prepared::classes(expectation).iter().find_map(&mut name);
                let kind = prepared::kind(probe, expectation);
                self.quarantine.died(&kind, name.is_some());
                if let Some(name) = name {
                    judged.known(name);
                    open.add(judged);
                    return;
                }
                kind
            }
            Some((probe, None)) => probe.operation().map_or("?", Operation::name).to_owned(),
            None => "building".to_owned(),
        };
        if asked.is_some() {
            judged.verdicts.add(verdict);
        } else {
            let reason = "the target died while it built or undid the case's tables";
            let count = flight.prepared.numbers.len() as u64;
            judged.not_asked.insert(reason.into(), count);
        }
        let expected = asked.and_then(|(_, expectation)| expectation);
        judged.findings.push(Finding {
            probe: probe.map(|(_, number)| number.into()),
            verdict,
            signature: format!("{kind}: {what}"),
            question: asked.map_or_else(|| "the case".into(), |(probe, _)| words::question(probe)),
            expectation: expected.map_or_else(
                || vec!["an answer".to_owned()],
                |expectation| expectation.outcomes.iter().map(words::allowed).collect(),
            ),
            observation: death.to_string(),
        });
        open.add(judged);
    }

    /// A part of a case is done; when it was the last, the case is recorded.
    fn part_done(&mut self, index: u64) -> Result<(), CampaignError> {
        let Some(open) = self.open.get_mut(&index) else { return Ok(()) };
        open.parts -= 1;
        if open.parts > 0 {
            return Ok(());
        }
        let Some(open) = self.open.remove(&index) else { return Ok(()) };
        self.record(&open.record, Some(&open.case))
    }

    fn record(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), CampaignError> {
        self.totals.cases += 1;
        self.totals.verdicts.merge(&record.verdicts);
        self.totals.findings += record.findings.len() as u64;
        for (reason, count) in &record.not_asked {
            *self.totals.not_asked.entry(reason.clone()).or_default() += count;
        }
        self.recorder.case(record, case).map_err(CampaignError::Record)?;
        self.totals.elapsed = self.begun.elapsed();
        self.recorder.progress(&self.totals);
        Ok(())
    }
}

//! One worker of a campaign: it has a machine of its own, puts cases to it, and has the answers judged.
//!
//! ```text
//!            +------------------- again, without the probe that died ------------------+
//!            v                                                                         |
//!  Parts --> Part --prepare--> Prepared --send--> [Flight] ----receive--> observations | death
//!            |                                     as many as the target      |
//!            v                                     has slots                  v
//!          Cases <-------------------------- verdicts ---------------------  Judge
//!            |
//!            v  (all parts done)
//!         Outbox
//! ```
//!
//! A *part* is a case with some of its probes: all of them at first. When the target dies, the probe
//! that killed it is charged, and the others of its case are asked again as a new part.

use case::Case;
use device::{Death, Event, HowDied, Session, Target};
use judge::Judge;
use judge::established::Established;
use judge::offer::Offer;
use judge::prepare::Selection;
use judge::prepared::Prepared;
use judge::verdict::{self, CaseRecord, Demise, NotAsked, Reason};

use super::cases::Cases;
use super::flight::{Flight, Sent, Wreck};
use super::outbox::Outbox;
use super::parts::{CasePart, Next, Parts};
use super::samples::Samples;
use super::shared::Shared;
use super::soaking::Soaking;
use super::solo::Solo;
use super::{CampaignError, MOST_DEATHS_IN_A_ROW};

pub struct Worker<'a> {
    target: &'a dyn Target,
    pub(super) shared: &'a Shared<'a>,
    pub(super) outbox: Outbox,
    pub(super) judge: Judge,
    samples: Samples,
    pub(super) parts: Parts<'a>,
    cases: Cases,
    pub(super) flight: Flight,
    next_sequence: u64,
    /// What it knows of the target's soak, if that asks and compares by itself.
    pub(super) soaking: Option<Soaking>,
    /// What a soaking target was sent, and did not answer yet. No part is in flight meanwhile.
    pub(super) solo: Option<Solo>,
    pub(super) deaths_in_a_row: u32,
}

impl<'a> Worker<'a> {
    /// A worker that puts cases to the machine of `session`, and to others like it when it dies.
    pub fn new(
        target: &'a dyn Target,
        shared: &'a Shared<'a>,
        session: &dyn Session,
        established: Established,
        outbox: Outbox,
    ) -> Self {
        let soaking = shared.soak.map(|soak| Soaking::new(soak, &established));
        Self {
            target,
            shared,
            outbox,
            judge: Judge::new(&session.hello().ids, shared.plan.map().clone(), established)
                .with_offer(Offer::new(session.hello())),
            samples: Samples::default(),
            parts: Parts::new(shared),
            cases: Cases::default(),
            flight: Flight::default(),
            next_sequence: 0,
            soaking,
            solo: None,
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
            if self.flight.is_empty() && self.solo.is_none() {
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
            self.died(&death)?;
            self.shared.count(session.wear());
            // The old machine goes before the new one comes: there may be only one board.
            drop(session);
            if self.shared.dispenser.is_stopped() {
                return Ok(());
            }
            session = self.shared.boot(self.target)?;
        }
    }

    /// The number of the next message.
    pub(super) const fn sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// Sends parts until the target has all that it can take.
    fn fill(&mut self, session: &mut dyn Session) -> Result<(), CampaignError> {
        while self.flight.has_room(session.window())
            && let Some(part) = self.next_part()
        {
            if let Some(prepared) = self.prepare(&part) {
                let sequence = self.sequence();
                let case = Case::as_ref(&prepared.case);
                match self.judge.forecast(&prepared) {
                    Some(forecast) => session.send_forecast(sequence, case, forecast)?,
                    None => session.send_case(sequence, case)?,
                }
                self.flight.push(Sent { sequence, part, prepared });
            }
        }
        Ok(())
    }

    /// The next part: one that is to be asked again, or all of the next case.
    fn next_part(&mut self) -> Option<CasePart> {
        loop {
            let is_idle = self.flight.is_empty();
            let next = self.parts.next(self.soaking.as_mut(), &mut self.outbox, is_idle);
            let index = match next? {
                Next::Again(part) => return Some(part),
                Next::Case(index) => index,
            };
            match self.shared.plan.case(index)? {
                Ok(case) => {
                    let open = self.judge.open(index, case);
                    let probes = open.probes();
                    self.cases.open(index, open);
                    return Some(CasePart { index, probes, pardons: Vec::new() });
                }
                Err(not_drawn) => {
                    let not_asked = NotAsked::from([(Reason::NotDrawn(not_drawn), 1)]);
                    self.outbox.push(CaseRecord { index, not_asked, ..CaseRecord::default() });
                }
            }
        }
    }

    /// Makes a part ready; `None` when nothing of it is to be sent.
    fn prepare(&mut self, part: &CasePart) -> Option<Prepared> {
        let Self { judge, cases, samples, shared, .. } = self;
        let open = cases.get(part.index)?;
        let wanted = &part.probes[..];
        let mut prepared = judge.prepare(&open.case, Selection { wanted, samples: &[] });
        // A target that soaks is not killed for a sample.
        if let (Ok(first), None) = (&prepared, &self.soaking) {
            let samples = samples.of_case(part.index, &first.held, |other| {
                let case = shared.plan.case(other).and_then(Result::ok);
                case.map_or_else(Vec::new, |case| judge.held_back(case))
            });
            if !samples.is_empty() {
                prepared = judge.prepare(&open.case, Selection { wanted, samples: &samples });
            }
        }
        match prepared {
            // What is not asked is counted when the part is answered: it may have to be asked again.
            Ok(prepared) if !prepared.is_empty() => return Some(prepared),
            Ok(prepared) => open.skip(&prepared.not_asked),
            Err(not_asked) => open.skip(&not_asked),
        }
        self.part_done(part.index);
        None
    }

    /// Takes the answer to the oldest part in flight. Returns what is wrong with it when it makes no
    /// sense.
    fn answer(&mut self, sequence: u64, body: &[u8]) -> Option<String> {
        let Some(first) = self.flight.first(sequence) else {
            return Some(format!("an answer to message {sequence}, which is not the next"));
        };
        let index = first.part.index;
        let open = self.cases.get(index)?;
        let Some(left) = self.judge.judge(open, &first.prepared, body) else {
            return Some("an answer that is no list of observations".into());
        };
        self.flight.answered();
        self.deaths_in_a_row = 0;
        self.ask_again(CasePart { index, probes: left, pardons: Vec::new() });
        self.part_done(index);
        None
    }

    /// Charges a death, and arranges for the rest to be asked again.
    fn died(&mut self, death: &Death) -> Result<(), CampaignError> {
        self.deaths_in_a_row += 1;
        if self.deaths_in_a_row >= MOST_DEATHS_IN_A_ROW {
            return Err(CampaignError::KeepsDying(death.to_string()));
        }
        self.solo_died(death);
        let Wreck { guilty, again } = self.flight.died(death);
        again.into_iter().rev().for_each(|part| self.parts.again(part));
        if let Some(sent) = guilty {
            self.charge(&sent, death);
        }
        Ok(())
    }

    /// Charges a death to the part that was in flight, and has the rest of it asked again.
    fn charge(&mut self, sent: &Sent, death: &Death) {
        let Sent { part: CasePart { index, pardons, .. }, prepared, .. } = sent;
        let (index, numbers) = (*index, &prepared.numbers);
        let Some(open) = self.cases.get(index) else { return };
        open.skip(&prepared.not_asked);
        let told = told(death);
        let mut charge = |probe| self.judge.died(open, prepared, probe, &told);
        let ask_again = |probes| CasePart { index, probes, pardons: pardons.clone() };
        let again = match (death.cursor.map(|cursor| cursor.probe), &prepared.questions()[..]) {
            // The cursor names the probe, or there is but one.
            (Some(Some(at)), _) if usize::from(at) < numbers.len() => {
                let at = usize::from(at);
                charge(Some(at));
                let others = numbers.iter().copied().filter(|number| *number != numbers[at]);
                vec![ask_again(others.collect())]
            }
            (None, &[(only, _)]) => {
                charge(Some(only));
                Vec::new()
            }
            // Nobody can tell which: ask each half.
            (None, asked) if asked.len() > 1 => {
                let numbers: Vec<u16> = asked.iter().map(|(_, number)| *number).collect();
                let (one, other) = numbers.split_at(numbers.len() / 2);
                vec![ask_again(other.to_vec()), ask_again(one.to_vec())]
            }
            // It died while it built or undid the tables.
            _ => {
                charge(None);
                Vec::new()
            }
        };
        again.into_iter().for_each(|part| self.ask_again(part));
        self.part_done(index);
    }

    /// Has `part` of an open case asked, if it has any probes.
    fn ask_again(&mut self, part: CasePart) {
        if !part.probes.is_empty() {
            self.cases.add_part(part.index);
            self.parts.again(part);
        }
    }

    /// A part of a case is done; when it was the last, the case is recorded.
    fn part_done(&mut self, index: u64) {
        let Some(mut record) = self.cases.part_done(index) else { return };
        if let Some(soaking) = &mut self.soaking {
            soaking.learn(&record);
            soaking.check(&mut record);
        }
        self.outbox.push(record);
    }
}

/// A death, as findings have it.
fn told(death: &Death) -> verdict::DeathRecord {
    let how = match death.how {
        HowDied::Exited { .. } | HowDied::Killed { .. } => Demise::Exited,
        HowDied::Hung { .. } => Demise::Hung,
        HowDied::Reset { .. } => Demise::Reset,
        HowDied::Lost { .. } => Demise::Lost,
        HowDied::Epitaph(_) => Demise::GaveUp,
        HowDied::Garbage { .. } => Demise::Garbage,
        HowDied::OtherVersion { .. } => Demise::OtherVersion,
    };
    verdict::DeathRecord { how, told: death.to_string() }
}

/// A target that says what makes no sense.
const fn babble(what: String) -> Death {
    Death::of(HowDied::Garbage { what })
}

//! The target's own rate: what is left when nothing is drawn, built, judged or recorded.
//!
//! The first cases of the campaign are prepared, and then sent again and again, each with so many rounds
//! that its tables are built once in thousands of probes. What remains is the loop that asks: AT, ISB, read
//! `PAR_EL1`, store the answer.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use case::Case;
use case::probe::{El, Operation, Probe};
use device::{Event, Session, Target};
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};
use suite::{Overrides, Suite};

use super::{PerSubject, Subject};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Plan;

/// At most so many cases are sent in turn.
const CASES: u64 = 256;
/// So many probes are asked by one message: a few milliseconds, against which building counts for nothing.
const PROBES_A_MESSAGE: u64 = 16_384;

/// A target whose own rate is measured.
pub struct Device<'a> {
    pub target: &'a dyn Target,
    /// The suites whose cases are asked.
    pub suites: &'a PerSubject<Suite>,
    /// What is known of the target's choices.
    pub learned: &'a Learned,
}

/// What the target is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// The cases' own probes.
    Probes,
    /// Those of guests alone.
    Guests,
    /// In the place of those nothing: guests are entered, and left at once.
    RoundTrips,
}

impl Asked {
    /// Leaves in `case` what is asked.
    fn change(self, case: &mut Case) {
        if self == Self::Probes {
            return;
        }
        let of_guests = |probe: &&Probe| probe.el().is_some_and(|el| el != El::El2);
        let probes: Vec<_> = case.as_ref().probes.iter().filter(of_guests).copied().collect();
        case.retain_probes(|_| false);
        for probe in probes {
            let round_trip = Probe::new(Operation::RoundTrip, 0).by(probe.el().unwrap_or(El::El1));
            // There were as many before.
            let _ = case.push_probe(if self == Self::Guests { probe } else { round_trip });
        }
    }
}

impl Device<'_> {
    /// Probes a second that the targets of `bench` answer together; `None` where they can be asked nothing of
    /// the `subject`.
    pub(super) fn rate(
        &self,
        subject: Subject,
        asked: Asked,
        bench: &super::Plan,
    ) -> Result<Option<f64>, Failure> {
        let (processes, most) = (bench.processes, bench.most_cases.min(CASES));
        let mut suite = self.suites.of(subject).clone();
        suite.apply(&Overrides { granule: subject.granule(), ..Overrides::default() });
        let suite = &suite;
        let start = &Barrier::new(processes.get());
        let span = Duration::from_secs_f64(bench.device_seconds);
        thread::scope(|scope| {
            let measure =
                |_| scope.spawn(move || self.rate_of_one(suite, asked, most, start, span));
            let threads: Vec<_> = (0..processes.get()).map(measure).collect();
            let rates = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            rates.sum()
        })
    }

    fn rate_of_one(
        &self,
        suite: &Suite,
        asked: Asked,
        most: u64,
        start: &Barrier,
        span: Duration,
    ) -> Result<Option<f64>, Failure> {
        let ready = self.target.boot().map(|session| {
            let cases = self.cases(suite, asked, most, session.as_ref());
            (session, cases)
        });
        // All wait for all, also those that can't go on: nobody is left waiting.
        start.wait();
        let (mut session, cases) = ready?;
        if cases.is_empty() {
            return Ok(None);
        }
        // The first messages find an emulator that has yet to translate the executor's code.
        ask(session.as_mut(), &cases, span / 8)?;
        ask(session.as_mut(), &cases, span).map(Some)
    }

    /// The first cases of the suite, at `most` so many, with the probes that a campaign would ask.
    fn cases(&self, suite: &Suite, asked: Asked, most: u64, session: &dyn Session) -> Vec<Case> {
        let (ids, map) = (&session.hello().ids, session.memory_map().clone());
        let plan = Plan::new(suite.generators.clone(), ids.abilities(), map, 1);
        let mut twin = Twin::new(conform::implementation(ids), Simulation::new(plan.map()));
        let drawn = (0..most).map_while(|index| plan.case(index)).filter_map(Result::ok);
        let wanted = drawn.filter_map(|mut case| {
            let stays = |tables: &mut Tables<'_>| -> Vec<bool> {
                let probes = case.as_ref().probes.iter();
                let expected = probes.map(|probe| tables.expect(probe, self.learned));
                expected.map(|expected| expected.is_some_and(|it| it.strays_to.is_none())).collect()
            };
            let stays = twin.with_tables(&case, plan.map(), stays).ok()?;
            case.retain_probes(|index| stays[index]);
            asked.change(&mut case);
            (!case.as_ref().probes.is_empty()).then_some(case)
        });
        wanted.collect()
    }
}

/// Asks `cases` in turn for about `span`, with the window kept full; probes a second.
fn ask(session: &mut dyn Session, cases: &[Case], span: Duration) -> Result<f64, Failure> {
    let probes = |number: u64| cases[number as usize % cases.len()].as_ref().probes.len() as u64;
    let rounds = |number: u64| (PROBES_A_MESSAGE / probes(number)).max(1);
    let (mut sent, mut received, mut asked) = (0, 0, 0);
    let mut begun: Option<Instant> = None;
    loop {
        let over = begun.is_some_and(|begun| begun.elapsed() >= span);
        while !over && sent - received < session.window() as u64 {
            let case = &cases[sent as usize % cases.len()];
            session.send_repeat(sent, rounds(sent), case.as_ref())?;
            sent += 1;
        }
        if over {
            break;
        }
        match session.receive()? {
            // The clock starts with the first answer: the target is at work from then on.
            Event::Observations { .. } if begun.is_none() => begun = Some(Instant::now()),
            Event::Observations { .. } => asked += probes(received) * rounds(received),
            // It was sent no plan, and a session knows what it sent.
            Event::Planned { .. } | Event::Progress { .. } => continue,
            Event::Died(death) => {
                let error = format!("the target died while it was measured: {death}");
                return Err(Failure::new(Exit::Target, error));
            }
        }
        received += 1;
    }
    let took = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
    // What is still in flight is not counted, but has to be taken.
    while received < sent {
        session.receive()?;
        received += 1;
    }
    Ok(asked as f64 / took.max(f64::MIN_POSITIVE))
}

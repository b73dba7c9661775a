//! A campaign: the cases of a plan, put to a target, judged, and recorded in the order of the plan.
//!
//! ```text
//!               +--> worker: machine, judge --+
//!   Plan        |                             |
//!     |         |                             v
//!   Dispenser --+--> worker: machine, judge --+--> Order --> Personality --> Recorder
//!     ^  blocks |                             ^     in order    the same       |
//!     |         +--> worker: machine, judge --+     of cases    choices?       |
//!     |                                                                        |
//!     +------- how far the records are: nobody runs away from the slowest -----+
//! ```
//!
//! A record depends on its case and on the target, and on nothing that other cases brought: records
//! are the same, however many workers there are, and wherever a campaign was interrupted. The one
//! exception are probes held back after deaths that nobody expected.

mod asking;
pub mod batch;
mod cases;
mod clerk;
mod dispenser;
mod error;
mod flight;
mod order;
mod outbox;
mod parts;
mod samples;
mod shared;
mod soaking;
mod solo;
mod worker;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use case::Case;
use device::wire::Wear;
use device::{Session, Target};
use link::hello::Hello;

use crate::plan::{BLOCK, Plan, Shard};
pub use asking::{Asked, ask};
use clerk::Clerk;
use dispenser::Dispenser;
pub use error::CampaignError;
use judge::established::Established;
use judge::personality::Personality;
use judge::verdict::{Answers, CaseRecord, Counts, NotAsked};
use order::Order;
use outbox::Outbox;
use shared::Shared;
pub use soaking::Soak;
use suite::generator::Generator;
use worker::Worker;

/// So many deaths in a row without an answer between them end the campaign: more than one case can
/// bring about, by four operations, each held back after three deaths of a kind.
const MOST_DEATHS_IN_A_ROW: u32 = 64;
/// So many batches of records may wait for the recorder.
const MOST_BATCHES: usize = 64;

/// What a campaign is to do.
#[derive(Debug)]
pub struct Campaign {
    /// Where cases come from.
    pub generators: Vec<Generator>,
    /// The seed of all that is random.
    pub seed: u64,
    /// What is known of the target.
    pub established: Established,
    /// The most cases of the plan, if there is a limit beside the generators' own.
    pub cases: Option<u64>,
    /// The longest time, if there is a limit.
    pub time: Option<Duration>,
    /// Which cases of the plan.
    pub shard: Shard,
    /// How many machines at once. Fewer are started where there is less to do, or the target can't.
    pub workers: NonZeroUsize,
    /// What was done of it before.
    pub past: Past,
    /// Whether the target asks and compares by itself: one machine, and the whole plan.
    pub soak: Option<Soak>,
    /// Set, by a signal for one, to interrupt the campaign: what is in flight is waited for, and
    /// nothing more is asked.
    pub interrupt: Arc<AtomicBool>,
}

/// What was done of a campaign before it was interrupted.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How many of its cases, the first ones, are recorded.
    pub cases: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// What they told of the target's choices.
    pub personality: Personality,
}

impl Campaign {
    /// A campaign of all that `generators` draw from `seed`, with one machine.
    pub fn new(generators: Vec<Generator>, seed: u64, established: Established) -> Self {
        Self {
            generators,
            seed,
            established,
            cases: None,
            time: None,
            shard: Shard::WHOLE,
            workers: NonZeroUsize::MIN,
            past: Past::default(),
            soak: None,
            interrupt: Arc::default(),
        }
    }
}

/// Takes down what a campaign finds.
pub trait Recorder {
    /// The target has booted for the first time.
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError>;

    /// A case is done; cases come in the order of the plan. `case` is the case as drawn, for a
    /// reproducer, where there are findings.
    fn case(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RecordError>;

    /// Called several times a second with what was done so far.
    fn progress(&mut self, totals: &Totals) -> Result<(), RecordError>;
}

/// A record could not be written.
pub type RecordError = Box<dyn std::error::Error + Send + Sync>;

/// The sums of a campaign, without what was done of it before.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub cases: u64,
    /// Probes that got a verdict.
    pub verdicts: Counts,
    /// Probes and cases that were not asked, by reason.
    pub not_asked: NotAsked,
    /// Findings: probes and cases that somebody has to look at.
    pub findings: u64,
    /// How many machines were at work at once.
    pub workers: u64,
    /// How often the target was started, in sum over all of them.
    pub boots: u64,
    /// What the line to the target did to messages.
    pub wear: Wear,
    /// Time since the target was ready for the first time, and what was used before.
    pub elapsed: Duration,
    /// What was used before.
    pub before: Duration,
    /// The target's IMPLEMENTATION DEFINED choices as far as they were learned, before too, or pinned.
    pub profile: Answers,
    /// Whether it came to its end, and was not interrupted.
    pub complete: bool,
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
    let Campaign {
        generators,
        seed,
        established,
        cases,
        time,
        shard,
        workers,
        past,
        soak,
        interrupt,
    } = campaign;
    let session = target.boot()?;
    let hello = *session.hello();
    let plan = Plan::new(generators, hello.abilities(), session.memory_map().clone(), seed);
    recorder.started(&hello, &plan).map_err(CampaignError::Record)?;

    let begun = Instant::now();
    let end = shard.count(plan.count().min(cases.unwrap_or(u64::MAX)));
    let deadline = time.map(|time| begun + time.saturating_sub(past.elapsed));
    let dispenser = Dispenser::new(past.cases..end, deadline, &interrupt);
    let dispenser =
        if soak.is_some() { dispenser.in_blocks_of(soaking::STRETCH) } else { dispenser };
    let (boots, wear) = (AtomicU64::new(1), Mutex::default());
    let shared = Shared {
        ids: hello.ids,
        plan: &plan,
        shard,
        dispenser: &dispenser,
        boots: &boots,
        wear: &wear,
        soak,
    };
    let workers = workers_for(past.cases..end, workers.min(target.most_at_once()), soak);
    let mut clerk = Clerk {
        order: Order::new(shard, past.cases),
        personality: past.personality,
        plan: &plan,
        recorder,
        totals: Totals { workers: workers as u64, before: past.elapsed, ..Totals::default() },
        begun,
        boots: &boots,
    };
    work_all(target, &shared, session, workers, &established, &mut clerk)?;
    clerk.tick();
    clerk.totals.wear = *wear.lock().unwrap_or_else(PoisonError::into_inner);
    clerk.totals.profile = established.learned.settled();
    clerk.totals.profile.extend(clerk.personality.answers());
    clerk.totals.complete = dispenser.is_complete();
    Ok(clerk.totals)
}

/// How many of at most `most` workers there is something to do for.
fn workers_for(cases: Range<u64>, most: NonZeroUsize, soak: Option<Soak>) -> usize {
    // What the first cases settle goes into the terms of all others.
    let most = if soak.is_some() { 1 } else { most.get() };
    let blocks = cases.end.saturating_sub(cases.start).div_ceil(BLOCK);
    usize::try_from(blocks).unwrap_or(usize::MAX).clamp(1, most)
}

/// Has so many workers ask, and the `clerk` take down what they hand in, until there is nothing left to do;
/// `session` is the machine that is up already, for the first of them.
fn work_all(
    target: &dyn Target,
    shared: &Shared<'_>,
    session: Box<dyn Session>,
    workers: usize,
    established: &Established,
    clerk: &mut Clerk<'_>,
) -> Result<(), CampaignError> {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(MOST_BATCHES);
        let mut session = Some(session);
        let mut threads = Vec::new();
        for _ in 0..workers {
            let (session, established) = (session.take(), established.clone());
            let outbox = Outbox::new(sender.clone());
            threads.push(scope.spawn(move || {
                let _end = StopAtPanic(shared.dispenser);
                let worked = work(target, shared, session, established, outbox);
                if worked.is_err() {
                    shared.dispenser.stop();
                }
                worked
            }));
        }
        drop(sender);
        let _end = StopAtPanic(shared.dispenser);
        let recorded = clerk.take(receiver, shared.dispenser);
        if recorded.is_err() {
            shared.dispenser.stop();
        }
        let mut worked = Ok(());
        for thread in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => worked = worked.and(Err(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        recorded.and(worked)
    })
}

/// What one worker does; `session` is the machine that is up already, for the first.
fn work(
    target: &dyn Target,
    shared: &Shared<'_>,
    session: Option<Box<dyn Session>>,
    established: Established,
    outbox: Outbox,
) -> Result<(), CampaignError> {
    let session = match session {
        Some(session) => session,
        None => shared.boot(target)?,
    };
    Worker::new(target, shared, session.as_ref(), established, outbox).run(session)
}

/// Stops the campaign when whoever holds it panics: nobody waits for him then.
struct StopAtPanic<'a>(&'a Dispenser<'a>);

impl Drop for StopAtPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

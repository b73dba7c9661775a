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

pub mod batch;
mod dispenser;
mod forecast;
mod open;
mod order;
mod outbox;
mod personality;
mod samples;
mod soak;
mod worker;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use case::Case;
use link::hello::Hello;

use crate::plan::{BLOCK, Plan, Shard};
use device::wire::Wear;
use device::{Target, TargetError};
use dispenser::Dispenser;
use judge::dossier::Dossier;
use judge::verdict::{Answers, CaseRecord, Counts, NotAsked};
use order::Order;
use outbox::Outbox;
pub use personality::Personality;
pub use soak::Soak;
use suite::generator::Generator;
use worker::{Shared, Worker};

/// So many deaths in a row without an answer between them end the campaign: more than one case can
/// bring about, by four operations, each held back after three deaths of a kind.
const MOST_DEATHS_IN_A_ROW: u32 = 64;
/// So many batches of records may wait for the recorder.
const MOST_BATCHES: usize = 64;
/// How often progress is told where no records come.
const TICK: Duration = Duration::from_millis(100);

/// What a campaign is to do.
#[derive(Debug)]
pub struct Campaign {
    /// Where cases come from.
    pub generators: Vec<Generator>,
    /// The seed of all that is random.
    pub seed: u64,
    /// What is known of the target.
    pub dossier: Dossier,
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
    pub fn new(generators: Vec<Generator>, seed: u64, dossier: Dossier) -> Self {
        Self {
            generators,
            seed,
            dossier,
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
    /// Cases recorded.
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

/// Why a campaign could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The target can't be run.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target dies whatever it is asked.
    #[error("the target died {MOST_DEATHS_IN_A_ROW} times in a row without an answer, last: {0}")]
    KeepsDying(String),
    /// The target came up as another machine.
    #[error("the target was started again, and has other ID registers or other memory than before")]
    Changed,
    /// The suite is too large for a target that draws by itself.
    #[error(
        "the suite spells out more cases than a target that draws by itself has room for, or has more than {} \
         generators",
        link::plan::MAX_SHARES
    )]
    PlanTooLarge,
    /// There is more that it should go by than it has room for.
    #[error("the target's known issues are too many for one that goes on by itself")]
    TooManyTerms,
    /// The target refuses plan or terms.
    #[error("the executor refuses to draw by itself: it is of another version")]
    Refused,
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
    let Campaign { generators, seed, dossier, cases, time, shard, workers, past, soak, interrupt } =
        campaign;
    let session = target.boot()?;
    let hello = *session.hello();
    let map = session.memory_map().clone();
    let abilities = hello.abilities();
    let plan = Plan::new(generators, abilities, map, seed);
    recorder.started(&hello, &plan).map_err(CampaignError::Record)?;

    let begun = Instant::now();
    let end = shard.count(plan.count().min(cases.unwrap_or(u64::MAX)));
    let deadline = time.map(|time| begun + time.saturating_sub(past.elapsed));
    let dispenser = Dispenser::new(past.cases..end, deadline, &interrupt);
    let dispenser = if soak.is_some() { dispenser.in_blocks_of(soak::STRETCH) } else { dispenser };
    let boots = AtomicU64::new(1);
    let wear = Mutex::default();
    let shared = Shared {
        ids: hello.ids,
        plan: &plan,
        shard,
        dispenser: &dispenser,
        boots: &boots,
        wear: &wear,
        soak,
    };
    let blocks = end.saturating_sub(past.cases).div_ceil(BLOCK);
    let workers = workers.get().min(target.most_at_once().get());
    // What the first cases settle goes into the terms of all others.
    let workers = if soak.is_some() { 1 } else { workers };
    let workers = usize::try_from(blocks).unwrap_or(usize::MAX).clamp(1, workers);

    let mut clerk = Clerk {
        order: Order::new(shard, past.cases),
        personality: past.personality,
        plan: &plan,
        recorder,
        totals: Totals { workers: workers as u64, before: past.elapsed, ..Totals::default() },
        begun,
        boots: &boots,
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(MOST_BATCHES);
        let mut session = Some(session);
        let mut hands = Vec::new();
        for _ in 0..workers {
            let (session, dossier) = (session.take(), dossier.clone());
            let (shared, outbox) = (&shared, Outbox::new(sender.clone()));
            hands.push(scope.spawn(move || {
                let _end = StopAtPanic(shared.dispenser);
                let worked = work(target, shared, session, dossier, outbox);
                if worked.is_err() {
                    shared.dispenser.stop();
                }
                worked
            }));
        }
        drop(sender);
        let _end = StopAtPanic(&dispenser);
        let recorded = clerk.take(receiver, &dispenser);
        if recorded.is_err() {
            dispenser.stop();
        }
        let mut worked = Ok(());
        for hand in hands {
            match hand.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => worked = worked.and(Err(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        recorded.and(worked)
    })?;
    clerk.tick();
    clerk.totals.wear = *wear.lock().unwrap_or_else(PoisonError::into_inner);
    clerk.totals.profile = dossier.learned.settled();
    clerk.totals.profile.extend(clerk.personality.answers());
    clerk.totals.complete = dispenser.is_complete();
    Ok(clerk.totals)
}

/// What one worker does; `session` is the machine that is up already, for the first.
fn work(
    target: &dyn Target,
    shared: &Shared<'_>,
    session: Option<Box<dyn device::Session>>,
    dossier: Dossier,
    outbox: Outbox,
) -> Result<(), CampaignError> {
    let session = match session {
        Some(session) => session,
        None => worker::boot(target, shared)?,
    };
    Worker::new(target, shared, session.as_ref(), dossier, outbox).run(session)
}

/// Takes in what workers hand in, and has it recorded in order.
struct Clerk<'a> {
    order: Order,
    personality: Personality,
    plan: &'a Plan,
    recorder: &'a mut dyn Recorder,
    totals: Totals,
    begun: Instant,
    boots: &'a AtomicU64,
}

impl Clerk<'_> {
    /// Works until all workers have gone.
    fn take(
        &mut self,
        records: Receiver<Vec<CaseRecord>>,
        dispenser: &Dispenser<'_>,
    ) -> Result<(), CampaignError> {
        let mut told = Instant::now();
        loop {
            match records.recv_timeout(TICK) {
                Ok(batch) => batch.into_iter().for_each(|record| self.order.push(record)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Some(record) = self.order.pop() {
                self.record(record).map_err(CampaignError::Record)?;
            }
            dispenser.recorded(self.order.next());
            if told.elapsed() >= TICK {
                told = Instant::now();
                self.tick();
                self.recorder.progress(&self.totals).map_err(CampaignError::Record)?;
            }
        }
    }

    fn record(&mut self, mut record: CaseRecord) -> Result<(), RecordError> {
        self.personality.take(&mut record);
        self.totals.cases += record.cases;
        self.totals.verdicts.merge(&record.verdicts);
        self.totals.findings += record.findings.len() as u64;
        self.totals.not_asked.merge(&record.not_asked);
        // Drawing it again costs less than keeping all cases until their turn.
        let case = match record.findings.is_empty() {
            true => None,
            false => self.plan.case(record.index).and_then(Result::ok),
        };
        self.recorder.case(&record, case.as_ref())
    }

    fn tick(&mut self) {
        self.totals.elapsed = self.totals.before + self.begun.elapsed();
        self.totals.boots = self.boots.load(Ordering::Relaxed);
    }
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

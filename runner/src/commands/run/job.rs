//! One suite on one target: run, and taken down.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use case::Case;
use device::{Identity, Target};
use jiff::Timestamp;
use judge::established::Established;
use judge::known;
use judge::verdict::CaseRecord;
use link::hello::Hello;
use suite::Suite;
use suite::machine::Machine;

use super::bar::{Bar, Limit};
use crate::campaign::{self, Campaign, CampaignError, Past, RecordError, Recorder, Soak, Totals};
use crate::diagnosis::Live;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::remark;
use crate::plan::{Plan, Shard};
use crate::record::resume::{ResumeError, Resumed};
use crate::record::{
    Header, Host, Request, RunEnd, RunError, RunFolder, RunId, RunWriter, Summary,
};
use crate::report::causes::so_far;

/// What is to be run, and how.
pub struct Job<'a> {
    pub target: &'a dyn Target,
    /// What is known of it.
    pub established: Established,
    /// The suite, as it is wanted.
    pub suite: &'a Suite,
    pub seed: u64,
    /// Which part of its cases.
    pub shard: Shard,
    /// How many machines at once.
    pub workers: NonZeroUsize,
    /// Whether nobody wants to see how it goes on.
    pub quiet: bool,
    /// Whether causes are told while it goes on.
    pub live: bool,
    /// Whether the target asks and compares by itself.
    pub soak: Option<Soak>,
    /// Set to stop it.
    pub interrupt: Arc<AtomicBool>,
}

/// Where what is found is taken down.
#[derive(Debug)]
pub enum Book<'a> {
    New(Box<NewRun<'a>>),
    /// A run that goes on.
    Resumed(Box<Resumed>),
}

/// A run of which nothing is written yet.
#[derive(Debug)]
pub struct NewRun<'a> {
    pub folder: RunFolder,
    pub id: RunId,
    pub time: Timestamp,
    pub asked: Request<'a>,
}

/// How a job ended.
#[derive(Debug)]
pub enum Done {
    /// It came to its end.
    Ended {
        /// What it came to.
        summary: Box<Summary>,
        /// The folder of the run.
        folder: PathBuf,
    },
    Interrupted {
        /// The folder of the run.
        folder: PathBuf,
    },
}

impl Job<'_> {
    /// Runs it, and takes down in `book` what is found.
    pub fn run(self, book: Book<'_>) -> Result<Done, Failure> {
        let past = match &book {
            Book::New(_) => {
                let cases = self.soak.map_or(0, |soak| soak.first);
                Past { cases, ..Past::default() }
            }
            Book::Resumed(resumed) => resumed.past.clone(),
        };
        let mut scribe = Scribe {
            name: format!("{} on {}", self.suite.name, self.target.identity().name),
            identity: self.target.identity(),
            known_issues: self.established.known.record(),
            limit: Limit {
                cases: self.suite.cases,
                time: self.suite.seconds.map(Duration::from_secs),
            },
            shard: self.shard,
            past: past.cases,
            is_quiet: self.quiet,
            live: self.live.then(Live::new),
            told: (Instant::now(), String::new()),
            bar: Bar::hidden(),
            stage: Stage::Waiting(book),
        };
        let campaign = Campaign {
            cases: self.suite.cases,
            time: self.suite.seconds.map(Duration::from_secs),
            shard: self.shard,
            workers: self.workers,
            past,
            soak: self.soak,
            interrupt: self.interrupt,
            ..Campaign::new(self.suite.generators.clone(), self.seed, self.established)
        };
        let done = campaign::run(self.target, campaign, &mut scribe);
        scribe.bar.clear();
        match (done, scribe.stage) {
            (Ok(totals), Stage::Writing(writer)) => finish(totals, *writer),
            (Ok(_), Stage::Waiting(_) | Stage::Failed) => {
                let error = "the campaign ended without having begun";
                Err(Failure::new(Exit::Bug, error))
            }
            (Err(error), Stage::Waiting(Book::New(new))) => {
                new.folder.discard();
                Err(error.into())
            }
            (Err(error), Stage::Writing(writer)) => {
                let folder = writer.folder().to_owned();
                remark(format_args!("note: what was recorded is in {}", folder.display()));
                let failure = Failure::from(error);
                if self.soak.is_some() {
                    return Err(failure);
                }
                Err(failure.help(format!("once that is mended: {}", how_to_resume(&folder))))
            }
            (Err(error), Stage::Waiting(Book::Resumed(_)) | Stage::Failed) => Err(error.into()),
        }
    }
}

/// The command that goes on with the run in `folder`.
pub fn how_to_resume(folder: &Path) -> String {
    format!("hypwalk run --resume {}", folder.display())
}

fn finish(totals: Totals, writer: RunWriter) -> Result<Done, Failure> {
    let folder = writer.folder().to_owned();
    let seconds = totals.elapsed.as_secs_f64();
    if !totals.complete {
        writer.interrupt(seconds)?;
        return Ok(Done::Interrupted { folder });
    }
    let summary = writer.finish(RunEnd {
        seconds,
        host: Some(Host::this()),
        workers: totals.workers,
        boots: totals.boots,
        wear: totals.wear,
        profile: totals.profile,
    })?;
    Ok(Done::Ended { summary: Box::new(summary), folder })
}

/// Takes a campaign down.
struct Scribe<'a> {
    name: String,
    identity: &'a Identity,
    known_issues: known::Record,
    limit: Limit,
    shard: Shard,
    past: u64,
    is_quiet: bool,
    /// The causes of what was found, where they are told while it goes on.
    live: Option<Live>,
    /// When they were told last, and in which words.
    told: (Instant, String),
    bar: Bar,
    stage: Stage<'a>,
}

/// Causes are told again after this time at the earliest.
const LIVE: Duration = Duration::from_secs(5);

impl Scribe<'_> {
    /// Tells the causes so far, where they are others than were told last.
    fn tell_causes(&mut self) {
        let Self { live: Some(live), told: (when, told), bar, .. } = self else { return };
        if when.elapsed() < LIVE {
            return;
        }
        let causes = live.causes();
        let text = so_far(&causes);
        if text != *told && causes.explained() + causes.left() > 0 {
            bar.tell(&text);
            *told = text;
        }
        *when = Instant::now();
    }
}

/// How far the files of a run are.
enum Stage<'a> {
    /// The target has not said yet who it is.
    Waiting(Book<'a>),
    /// The header is written.
    Writing(Box<RunWriter>),
    /// The header could not be written.
    Failed,
}

impl Recorder for Scribe<'_> {
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError> {
        if !hello.own_map.is_on() {
            remark(format_args!(
                "note: the device is defective: {}. The executor asks what AT instructions of EL1&0 can tell.",
                hello.own_map
            ));
        }
        let Identity { name, emulator, .. } = self.identity;
        let machine = Machine::new(name, emulator.clone(), &hello.ids, plan.map());
        let machine = machine.with_monitor(hello.has_monitor());
        let writer = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Waiting(Book::New(new)) => {
                let NewRun { folder, id, time, asked } = *new;
                folder.begin(Header::new(id, time, asked, machine, self.known_issues.clone()))?
            }
            Stage::Waiting(Book::Resumed(resumed)) => resumed.go_on(&machine, plan)?,
            Stage::Writing(_) | Stage::Failed => return Ok(()),
        };
        self.stage = Stage::Writing(Box::new(writer));
        let count = plan.count().min(self.limit.cases.unwrap_or(u64::MAX));
        let cases = (count < u64::MAX).then(|| self.shard.count(count));
        if !self.is_quiet {
            self.bar = Bar::new(&self.name, Limit { cases, ..self.limit }, self.past);
        }
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RecordError> {
        if let Some(live) = &mut self.live {
            live.add(record);
        }
        match &mut self.stage {
            Stage::Writing(writer) => Ok(writer.record(record, case)?),
            Stage::Waiting(_) | Stage::Failed => Ok(()),
        }
    }

    fn progress(&mut self, totals: &Totals) -> Result<(), RecordError> {
        self.tell_causes();
        self.bar.show(totals);
        match &mut self.stage {
            Stage::Writing(writer) => Ok(writer.pace(totals.elapsed.as_secs_f64())?),
            Stage::Waiting(_) | Stage::Failed => Ok(()),
        }
    }
}

impl From<CampaignError> for Failure {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Target(error) => error.into(),
            CampaignError::Record(error) => match error.downcast::<RunError>() {
                Ok(error) => (*error).into(),
                Err(error) => match error.downcast::<ResumeError>() {
                    Ok(error) => (*error).into(),
                    Err(error) => Self::new(Exit::Results, error),
                },
            },
            error @ (CampaignError::PlanTooLarge | CampaignError::TooManyTerms) => {
                Self::new(Exit::Usage, error).help("hypwalk run asks such a suite case by case")
            }
            CampaignError::Refused => Self::new(Exit::Target, error),
            error @ (CampaignError::KeepsDying(_) | CampaignError::Changed) => {
                Self::new(Exit::Target, error)
                    .help("see that the target runs the smoke suite, and what its emulator says")
            }
        }
    }
}

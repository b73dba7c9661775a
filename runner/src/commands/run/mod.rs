//! `hypwalk run`: suites on a target.

mod bar;
mod each;
pub(super) mod job;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;
use device::Target;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use judge::established::Established;
use judge::known::Known;
use suite::granule::GranuleName;
use suite::space::Probes;
use suite::{Overrides, Suite, SuiteError};

use super::known_errata::{self, ErrataArgs};
use super::lookup::Shelf;
use super::results::Results;
use super::target::{HowToRun, Opened};
use crate::diagnosis::Causes;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{print, remark};
use crate::plan::Shard;
use crate::record::resume::Resumed;
use crate::record::{Request, Run as PastRun, RunFolder, RunId};
use crate::reduce::Reducer;
use crate::reduce::reproducers::{self, Bound, Reproducer, ReproducerError};
use crate::report::terminal::Table;
use each::Each;
use job::{Book, Done, Job, NewRun, how_to_resume};

/// What `--resume` takes from the run, and nobody else can say.
const OF_THE_RUN: [&str; 11] = [
    "suites",
    "target",
    "seed",
    "cases",
    "seconds",
    "probes",
    "granule",
    "shard",
    "ErrataArgs",
    "pe",
    "each",
];

/// Run suites on a target, and judge every answer.
#[derive(Debug, Args)]
pub struct Run {
    /// Suites: paths, or names of files in suites/.
    #[arg(required_unless_present = "resume", value_name = "SUITE")]
    suites: Vec<PathBuf>,
    /// The target: a path, or the name of a file in suites/targets/.
    #[arg(long, required_unless_present = "resume", value_name = "TARGET")]
    target: Option<PathBuf>,
    /// Go on with a run that was interrupted or killed: its folder, or its id in the results folder.
    #[arg(long, value_name = "RUN", conflicts_with_all = OF_THE_RUN)]
    resume: Option<PathBuf>,
    /// Begin the random numbers elsewhere than the suite says.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Ask so many cases in all; a suite that ends with a random generator goes on until then.
    #[arg(long, value_name = "NUMBER")]
    cases: Option<NonZeroU64>,
    /// Stop each suite after so many seconds.
    #[arg(long, value_name = "NUMBER")]
    seconds: Option<NonZeroU64>,
    /// Give each case that is drawn so many probes.
    #[arg(long, value_name = "NUMBER", value_parser = probes)]
    probes: Option<Probes>,
    /// Draw this granule alone. Cases that are spelled out, and legality points, stay as they are.
    #[arg(long, value_name = "GRANULE")]
    granule: Option<GranuleName>,
    /// Ask one part of the cases, such as 3/16: others ask the others, and `hypwalk merge` joins them.
    #[arg(long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,
    /// Run the suites on each PE of the target in turn, or on one of each kind.
    #[arg(long, value_name = "WHAT", conflicts_with = "pe")]
    each: Option<Each>,
    /// Run so many machines at once. Default: one for each core, less one.
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// Make no small case of each cause of what was found.
    #[arg(long)]
    no_reduce: bool,
    /// End with one line of JSON for each suite.
    #[arg(long)]
    json: bool,
    /// Show no progress, and print no table.
    #[arg(long)]
    quiet: bool,
    /// Tell the causes of what is found while it goes on: when they change, and every five seconds at most. Of a run that
    /// goes on it is what is found from there on.
    #[arg(long, conflicts_with = "quiet")]
    live: bool,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    errata: ErrataArgs,
    #[command(flatten)]
    how: HowToRun,
}

/// Reads a number of probes.
pub(super) fn probes(text: &str) -> Result<Probes, String> {
    let number = text.parse().ok().and_then(Probes::new);
    number.ok_or_else(|| format!("a case has 1 to {} probes", case::MAX_PROBES))
}

impl Run {
    /// Does it. The exit code is the worst of the suites'.
    pub fn run(self) -> Result<Exit, Failure> {
        let interrupt = interrupt::on_signals()?;
        match (&self.resume, &self.target) {
            (Some(run), _) => self.go_on(run, interrupt),
            (None, Some(target)) => self.begin(target, &interrupt),
            (None, None) => Err(Failure::new(Exit::Bug, "neither a target nor a run is named")),
        }
    }

    fn begin(&self, target: &Path, interrupt: &Arc<AtomicBool>) -> Result<Exit, Failure> {
        let overrides = Overrides {
            seed: self.seed,
            cases: self.cases.map(NonZeroU64::get),
            seconds: self.seconds.map(NonZeroU64::get),
            probes: self.probes,
            granule: self.granule,
        };
        // All suites are read before the first is run.
        let mut suites = Vec::new();
        for suite in &self.suites {
            let mut suite = Suite::read(&Shelf::Suites.find(suite)?)?;
            suite.apply(&overrides);
            suites.push(suite);
        }
        let errata = self.errata.read()?;
        let opened = match self.each {
            None => vec![self.how.open(target)?],
            Some(which) => each::open(&self.how, target, which)?,
        };
        let mut worst = Exit::Conforms;
        for opened in &opened {
            let known = known_errata::of_tried(errata.as_ref(), opened, interrupt)?;
            for suite in &suites {
                if interrupt.load(Ordering::Relaxed) {
                    return Ok(Exit::Interrupted);
                }
                worst = worst.or_worse(self.new_run(suite, overrides, &known, opened, interrupt)?);
            }
        }
        Ok(worst)
    }

    fn new_run(
        &self,
        suite: &Suite,
        overrides: Overrides,
        known: &Known,
        opened: &Opened,
        interrupt: &Arc<AtomicBool>,
    ) -> Result<Exit, Failure> {
        let identity = opened.target.identity();
        let time = Timestamp::now();
        let seed = suite.seed.number(time.to_zoned(TimeZone::UTC).date());
        let salt = std::process::id() ^ time.subsec_nanosecond().unsigned_abs();
        let pe = opened.file.pe.map_or(String::new(), |pe| format!(".pe{pe}"));
        let id = RunId::new(time, &suite.name, &format!("{}{pe}", identity.name), salt as u16);
        let established = Established { learned: opened.learned.clone(), known: known.clone() };
        let job = Job {
            target: opened.target.as_ref(),
            established: established.clone(),
            suite,
            seed,
            shard: self.shard.unwrap_or_default(),
            workers: self.workers(opened.target.as_ref())?,
            quiet: self.quiet,
            live: self.live,
            soak: None,
            interrupt: Arc::clone(interrupt),
        };
        let folder = RunFolder::create(self.results.folder(), &id)?;
        let shard = job.shard;
        let target = opened.file.clone();
        let asked = Request { suite, overrides, seed, shard, soak: None, target };
        let done = job.run(Book::New(Box::new(NewRun { folder, id, time, asked })))?;
        let reducer = Reducer::new(opened.target.as_ref(), established).with_interrupt(interrupt);
        self.tell(&done, Some(reducer))
    }

    /// Goes on with `run`.
    fn go_on(&self, run: &Path, interrupt: Arc<AtomicBool>) -> Result<Exit, Failure> {
        let run = self.results.open(run)?;
        let folder = run.folder().to_owned();
        if let Some(summary) = run.ended()? {
            remark("note: the run came to its end, and nothing of it is left");
            return self.tell(&Done::Ended { summary: Box::new(summary), folder }, None);
        }
        let resumed = Resumed::open(&folder)?;
        let header = resumed.header();
        let suite = Suite::from_text(&header.suite.text, &folder.join("header.json"));
        let mut suite = suite.map_err(SuiteError::from)?;
        suite.apply(&header.suite.overrides);
        let opened = self.how.open_text(header.target.clone())?;
        let known = known_errata::of_run(header, opened.target.identity())?;
        let established = Established { learned: opened.learned.clone(), known };
        let job = Job {
            target: opened.target.as_ref(),
            established: established.clone(),
            suite: &suite,
            seed: header.seed,
            shard: header.shard,
            workers: self.workers(opened.target.as_ref())?,
            quiet: self.quiet,
            live: self.live,
            soak: None,
            interrupt: Arc::clone(&interrupt),
        };
        let done = job.run(Book::Resumed(Box::new(resumed)))?;
        let reducer = Reducer::new(opened.target.as_ref(), established).with_interrupt(&interrupt);
        self.tell(&done, Some(reducer))
    }

    /// Makes a small case of each of `causes` of the run in `folder`. The run is over: whatever goes wrong here changes
    /// nothing of it.
    fn reduce(&self, folder: &Path, causes: &Causes, reducer: &mut Reducer<'_>) {
        let mut tell = |reproducer: &Reproducer| {
            if !self.quiet {
                // Nobody is left to be told when standard output is gone.
                let _ = print(format_args!("{reproducer}\n"));
            }
        };
        let written = PastRun::open(folder)
            .map_err(ReproducerError::from)
            .and_then(|run| reproducers::write(&run, causes, reducer, Bound::OF_A_RUN, &mut tell));
        let why = match written {
            Err(error) => error.to_string(),
            Ok(()) if reducer.is_interrupted() => "interrupted".to_owned(),
            Ok(()) => return,
        };
        remark(format_args!("note: not all causes have a small case: {why}"));
        remark(format_args!("for all of them: hypwalk reduce {}", folder.display()));
    }

    /// How many machines at once: as asked for, or one for each core but the one that the runner needs.
    fn workers(&self, target: &dyn Target) -> Result<NonZeroUsize, Failure> {
        let most = target.most_at_once();
        match self.jobs {
            Some(jobs) if jobs > most => {
                let name = &target.identity().name;
                let error = format!("there can't be {jobs} of {name} at once: it is {most}");
                Err(Failure::new(Exit::Usage, error)
                    .help(format!("leave -j out, or say -j {most}")))
            }
            Some(jobs) => Ok(jobs),
            None => {
                let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
                Ok(NonZeroUsize::new(cores - 1).map_or(NonZeroUsize::MIN, |jobs| jobs.min(most)))
            }
        }
    }

    /// Tells what came of a run. Where something was found in it, its causes are reduced, if there is a `reducer`.
    fn tell(&self, done: &Done, reducer: Option<Reducer<'_>>) -> Result<Exit, Failure> {
        let (summary, folder) = match done {
            Done::Ended { summary, folder } => (summary, folder),
            Done::Interrupted { folder } => {
                remark("note: interrupted; what was asked is recorded");
                remark(format_args!("to go on: {}", how_to_resume(folder)));
                return Ok(Exit::Interrupted);
            }
        };
        if !self.quiet {
            print(format_args!("{}\n", Table { summary, folder, is_verbose: false }))?;
        }
        let mut reducer = reducer.filter(|_| !self.no_reduce);
        if let (Some(reducer), Some(causes)) = (&mut reducer, &summary.causes) {
            self.reduce(folder, causes, reducer);
        }
        if self.json {
            print(format_args!("{}\n", summary.json_line()))?;
        }
        let is_interrupted = reducer.is_some_and(|reducer| reducer.is_interrupted());
        Ok(if is_interrupted { Exit::Interrupted } else { summary.exit() })
    }
}

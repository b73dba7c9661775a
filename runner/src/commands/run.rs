//! `hypwalk run`: suites on a target.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use case::Case;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use link::hello::Hello;

use super::known_issues::{self, KnownIssues};
use super::lookup::Shelf;
use super::target::{HowToRun, Opened};
use crate::campaign::{self, Campaign, CampaignError, Dossier, RecordError, Recorder, Totals};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::known::{self, Rules};
use crate::output::{print, remark};
use crate::plan::Plan;
use crate::report::terminal::Table;
use crate::report::{Ending, Header, Host, ReportError, RunFolder, RunId, RunWriter};
use crate::suite::granule::GranuleName;
use crate::suite::machine::Machine;
use crate::suite::space::Probes;
use crate::suite::{Overrides, Suite};
use crate::target::{Identity, Target};
use crate::verdict::CaseRecord;

/// Run suites on a target, and judge every answer.
#[derive(Debug, Args)]
pub struct Run {
    /// Suites: paths, or names of files in suites/.
    #[arg(required = true, value_name = "SUITE")]
    suites: Vec<PathBuf>,
    /// The target: a path, or the name of a file in suites/targets/.
    #[arg(long, value_name = "TARGET")]
    target: PathBuf,
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
    /// Run so many machines at once. Default: one for each core, less one.
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// End with one line of JSON for each suite.
    #[arg(long)]
    json: bool,
    /// Print no table.
    #[arg(long)]
    quiet: bool,
    /// The folder of all runs.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    #[command(flatten)]
    known_issues: KnownIssues,
    #[command(flatten)]
    how: HowToRun,
}

fn probes(text: &str) -> Result<Probes, String> {
    let number = text.parse().ok().and_then(Probes::new);
    number.ok_or_else(|| format!("a case has 1 to {} probes", case::MAX_PROBES))
}

impl Run {
    /// Does it. The exit code is the worst of the suites'.
    pub fn run(self) -> Result<Exit, Failure> {
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
        let rules = self.known_issues.read()?;
        let opened = self.how.open(&self.target)?;
        let mut worst = Exit::Conforms;
        for suite in &suites {
            worst = worst.max(self.run_suite(suite, overrides, rules.as_ref(), &opened)?);
        }
        Ok(worst)
    }

    fn run_suite(
        &self,
        suite: &Suite,
        overrides: Overrides,
        rules: Option<&Rules>,
        opened: &Opened,
    ) -> Result<Exit, Failure> {
        let Opened { target, learned, .. } = opened;
        let known = known_issues::of(rules, target.identity());
        let known_issues = known.record();
        let time = Timestamp::now();
        let seed = suite.seed.number(time.to_zoned(TimeZone::UTC).date());
        let salt = std::process::id() ^ time.subsec_nanosecond().unsigned_abs();
        let id = RunId::new(time, &suite.name, &target.identity().name, salt as u16);
        let folder = RunFolder::create(&self.results, &id)?;
        let dossier = Dossier { learned: learned.clone(), known };
        let campaign = Campaign {
            cases: suite.cases,
            time: suite.seconds.map(Duration::from_secs),
            workers: self.workers(target)?,
            ..Campaign::new(suite.generators.clone(), seed, dossier)
        };
        let identity = target.identity();
        let at = Stage::Waiting(folder);
        let mut scribe = Scribe { suite, overrides, seed, time, id, identity, known_issues, at };
        let done = campaign::run(target, campaign, &mut scribe);
        let totals = match (done, scribe.at) {
            (Ok(totals), Stage::Writing(writer)) => (totals, writer),
            (Ok(_), _) => {
                let error = "the campaign ended without having begun";
                return Err(Failure::new(Exit::Bug, error));
            }
            (Err(error), Stage::Waiting(folder)) => {
                folder.discard();
                return Err(error.into());
            }
            (Err(error), Stage::Writing(writer)) => {
                remark(format_args!("note: what was recorded is in {}", writer.folder().display()));
                return Err(error.into());
            }
            (Err(error), Stage::Failed) => return Err(error.into()),
        };
        self.tell(totals)
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

    fn tell(&self, (totals, writer): (Totals, Box<RunWriter>)) -> Result<Exit, Failure> {
        let folder = writer.folder().to_owned();
        let summary = writer.finish(Ending {
            seconds: totals.elapsed.as_secs_f64(),
            host: Some(Host::this()),
            workers: totals.workers,
            boots: totals.boots,
            profile: totals.profile,
        })?;
        if !self.quiet {
            print(format_args!("{}\n", Table { summary: &summary, folder: &folder }))?;
        }
        if self.json {
            print(format_args!("{}\n", summary.json_line()))?;
        }
        Ok(summary.exit())
    }
}

/// Takes a campaign down.
struct Scribe<'a> {
    suite: &'a Suite,
    overrides: Overrides,
    seed: u64,
    time: Timestamp,
    id: RunId,
    identity: &'a Identity,
    known_issues: known::Record,
    at: Stage,
}

/// How far the files of a run are.
enum Stage {
    /// The target has not said yet who it is.
    Waiting(RunFolder),
    /// The header is written.
    Writing(Box<RunWriter>),
    /// The header could not be written.
    Failed,
}

impl Recorder for Scribe<'_> {
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError> {
        let Identity { name, emulator, .. } = self.identity;
        let machine = Machine::new(name, emulator.clone(), &hello.ids, plan.map());
        let (id, time) = (self.id.clone(), self.time);
        let (seed, known) = (self.seed, self.known_issues.clone());
        let header = Header::new(id, time, self.suite, self.overrides, seed, machine, known);
        if let Stage::Waiting(folder) = std::mem::replace(&mut self.at, Stage::Failed) {
            self.at = Stage::Writing(Box::new(folder.begin(header)?));
        }
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RecordError> {
        match &mut self.at {
            Stage::Writing(writer) => Ok(writer.record(record, case)?),
            Stage::Waiting(_) | Stage::Failed => Ok(()),
        }
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

impl From<CampaignError> for Failure {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Target(error) => error.into(),
            CampaignError::Record(error) => match error.downcast::<ReportError>() {
                Ok(error) => (*error).into(),
                Err(error) => Self::new(Exit::Results, error),
            },
            error @ (CampaignError::KeepsDying(_) | CampaignError::Changed) => {
                Self::new(Exit::Target, error)
                    .help("see that the target runs the smoke suite, and what its emulator says")
            }
        }
    }
}

//! `hypwalk soak`: a suite whose cases the target draws, asks and compares by itself.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use case::source::Source;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use judge::established::Established;
use suite::generator::Generator;
use suite::space::Probes;
use suite::{Overrides, Suite};

use super::known_errata::{self, ErrataArgs};
use super::lookup::Shelf;
use super::results::Results;
use super::run::job::{Book, Done, Job, NewRun};
use super::target::HowToRun;
use crate::campaign;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{print, remark};
use crate::plan::Shard;
use crate::record::{Request, RunFolder, RunId, SoakHeader};
use crate::report::terminal::Table;

/// Have the target draw, ask and compare by itself, at its own speed.
///
/// The cases are those that `run` asks of the same suite and seed. The target holds each answer against the
/// reference walker; what does not fit comes here, and is judged like any other answer. It asks stage 2 by AT
/// instructions; cases that are spelled out and ask something else are asked by the host, as always.
#[derive(Debug, Args)]
pub struct Soak {
    /// The suite: a path, or the name of a file in suites/.
    #[arg(value_name = "SUITE")]
    suite: PathBuf,
    /// The target: a path, or the name of a file in suites/targets/.
    #[arg(long, value_name = "TARGET")]
    target: PathBuf,
    /// Begin the random numbers elsewhere than the suite says.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Begin with the case of this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// Ask so many cases; a suite that ends with a random generator goes on until then.
    #[arg(long, value_name = "NUMBER")]
    cases: Option<NonZeroU64>,
    /// Stop after so many seconds.
    #[arg(long, value_name = "NUMBER")]
    seconds: Option<NonZeroU64>,
    /// Give each case that is drawn so many probes.
    #[arg(long, value_name = "NUMBER", value_parser = super::run::probes)]
    probes: Option<Probes>,
    /// Ask every so many-th case in full too, and see that it comes to the same digest.
    #[arg(long, value_name = "NUMBER")]
    check: Option<NonZeroU64>,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress, and print no table.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    errata: ErrataArgs,
    #[command(flatten)]
    how: HowToRun,
}

impl Soak {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let interrupt = interrupt::on_signals()?;
        let cases = self.cases.map(|cases| self.first.saturating_add(cases.get()));
        let overrides = Overrides {
            seed: self.seed,
            cases,
            seconds: self.seconds.map(NonZeroU64::get),
            probes: self.probes,
            granule: None,
        };
        let mut suite = Suite::read(&Shelf::Suites.find(&self.suite)?)?;
        suite.apply(&overrides);
        suite.generators.iter().try_for_each(judged)?;
        let errata = self.errata.read()?;
        let opened = self.how.open(&self.target)?;
        let identity = opened.target.identity();
        let time = Timestamp::now();
        let seed = suite.seed.number(time.to_zoned(TimeZone::UTC).date());
        let salt = std::process::id() ^ time.subsec_nanosecond().unsigned_abs();
        let id = RunId::new(time, &suite.name, &identity.name, salt as u16);
        let job = Job {
            target: &*opened.target,
            established: Established {
                learned: opened.learned.clone(),
                known: known_errata::of_tried(errata.as_ref(), &opened, &interrupt)?,
            },
            suite: &suite,
            seed,
            shard: Shard::WHOLE,
            workers: NonZeroUsize::MIN,
            quiet: self.quiet,
            live: false,
            soak: Some(campaign::Soak {
                first: self.first,
                check: self.check.map(NonZeroU64::get),
            }),
            interrupt,
        };
        let folder = RunFolder::create(self.results.folder(), &id)?;
        let soak = Some(SoakHeader { first: self.first });
        let target = opened.file.clone();
        let asked = Request { suite: &suite, overrides, seed, shard: Shard::WHOLE, soak, target };
        match job.run(Book::New(Box::new(NewRun { folder, id, time, asked })))? {
            Done::Ended { summary, folder } => {
                if !self.quiet {
                    print(format_args!(
                        "{}\n",
                        Table { summary: &summary, folder: &folder, is_verbose: false }
                    ))?;
                }
                if self.json {
                    print(format_args!("{}\n", summary.json_line()))?;
                }
                Ok(summary.exit())
            }
            Done::Interrupted { folder } => {
                let folder = folder.display();
                remark(format_args!("note: interrupted; what was asked is recorded in {folder}"));
                remark("to go on: hypwalk soak with --first, one behind the last case recorded");
                Ok(Exit::Interrupted)
            }
        }
    }
}

/// Refuses a generator whose answers the target can't judge.
pub(super) fn judged(generator: &Generator) -> Result<(), Failure> {
    let is_of_stage2 = match generator {
        Generator::Drawn { source, .. } => match source {
            Source::Random(_) | Source::Shapes(_) | Source::Legality(_) => true,
            Source::Hyp(_) | Source::Placements(_) | Source::Guest(_) | Source::Tlbi(_) => false,
        },
        Generator::Explicit(_) => true,
    };
    if is_of_stage2 {
        return Ok(());
    }
    let name = generator.name();
    let error = format!(
        "the generator `{name}` can't be soaked: by itself a target judges stage 2 alone, \
         asked by AT instructions"
    );
    Err(Failure::new(Exit::Usage, error).help("hypwalk run asks it case by case"))
}

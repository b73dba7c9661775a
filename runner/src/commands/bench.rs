//! `hypwalk bench`: how fast it all is.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

use clap::Args;
use suite::Suite;

use super::lookup::Shelf;
use super::target::{HowToRun, Opened};
use crate::bench::{Device, Emulated, Paths, PerSubject, Plan, Runs, measure};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use crate::record::Host;

/// Measure how fast a target answers, and how much of that a campaign reaches.
#[derive(Debug, Args)]
pub struct Bench {
    /// The target: a path, or the name of a file in suites/targets/.
    #[arg(long, value_name = "TARGET")]
    target: PathBuf,
    /// How many emulators run at a time. Default: the processors less one, at least 1.
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// Print one line of JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Measure each figure once, and briefly.
    #[arg(long)]
    quick: bool,
    /// End each campaign after so many cases at the latest, to see that all works: too few give no figures.
    #[arg(long, value_name = "NUMBER")]
    cases: Option<NonZeroU64>,
    #[command(flatten)]
    how: HowToRun,
}

impl Bench {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let find = |name| Shelf::Suites.find(Path::new(name));
        let files = PerSubject {
            stage2: find("bench")?,
            hyp: find("bench-hyp")?,
            guest: find("bench-guest")?,
        };
        let suites = &PerSubject {
            stage2: Suite::read(&files.stage2)?,
            hyp: Suite::read(&files.hyp)?,
            guest: Suite::read(&files.guest)?,
        };
        let Opened { target, learned, executor, .. } = self.how.open(&self.target)?;
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(Exit::Bug, format!("this program can't be found: {error}"))
        })?;
        let runs = Runs::new(Paths {
            program,
            suites: files,
            long_suite: find("stage2-random")?,
            target: Shelf::Targets.find(&self.target)?,
            executor,
            emulator: self.how.emulator(),
        })?;
        let fitting = NonZeroUsize::new(Host::this().processors.saturating_sub(1));
        let processes = self.jobs.or(fitting).unwrap_or(NonZeroUsize::MIN);
        let plan = if self.quick { Plan::quick(processes) } else { Plan::full(processes) };
        let plan = match self.cases {
            Some(cases) => plan.shortened(cases.get()),
            None => plan,
        };
        let identity = target.identity();
        let emulated =
            Emulated { target: identity.name.clone(), emulator: identity.emulator.clone() };
        let device = Device { target: target.as_ref(), suites, learned: &learned };
        let report = measure(&plan, &device, &runs, emulated)?;
        if self.json {
            print(format_args!("{}\n", report.json_line()))?;
        } else {
            print(report)?;
        }
        Ok(Exit::Conforms)
    }
}

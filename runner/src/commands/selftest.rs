//! `hypwalk selftest`: are devices that are wrong found out?

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use device::TargetError;
use golden::errata::{self, Erratum};
use suite::Suite;

use super::lookup::Shelf;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, save};
use crate::selftest::{Exam, Machine, Table, Trial, Verdict};

/// The suites that a device is asked, in this order: stages by themselves, both together, then sequences and what is rarer.
const SUITES: [&str; 16] = [
    "two-stage-hostile",
    "two-stage-random",
    "hafdbs",
    "stage2-random",
    "stage2-hostile",
    "vhe-random",
    "hyp-random",
    "hyp-beside",
    "hyp-hostile",
    "tlbi",
    "smp",
    "hyp-lpa2",
    "hyp-idmap",
    "ipa-sizes",
    "stage2-legality",
    "smoke",
];

/// Put Hypwalk itself to the test: devices in software that are wrong, each in one way.
///
/// For each erratum that `hypwalk errata` lists there is a device: the reference walker with that erratum, behind the same
/// session as any target, with no emulator. Its machine has every feature; where no suite finds the erratum there, another
/// one has none. Suites are put to it until the findings have the erratum as their first cause. The table
/// tells by which suite it was found first, after how many probes, and how it was named. A device
/// without errata is asked all of them before, and has to conform.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when all errata were found and named, alone or with others that explain the same, and the \
    device without errata conforms; 1 when not. 2 when a name is none of an erratum or a suite, 4 when the table can't be \
    written."
)]
pub struct Selftest {
    /// Errata by their names, or all whose names have this text in them. Default: all.
    #[arg(value_name = "ERRATUM")]
    errata: Vec<String>,
    /// A suite, in place of the shipped ones: a path, or the name of a file in suites/. Can be given several times.
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<PathBuf>,
    /// The most cases of each generator of a suite.
    #[arg(long, value_name = "N", default_value_t = 100)]
    cases: u64,
    /// Ask all suites, also when an erratum is named first.
    #[arg(long)]
    all: bool,
    /// So many devices at once. Default: one for each processor.
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Write a line of JSON of the device without errata, and one an erratum, with what each suite showed.
    #[arg(long)]
    json: bool,
    /// Write the table to a file as well.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Selftest {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let errata = self.errata()?;
        let (suites, most) = (self.suites()?, self.cases);
        let on = |machine| suites.iter().map(move |suite| Exam::new(suite, machine, most));
        let exams: Vec<Exam> = on(Machine::Full).chain(on(Machine::Plain)).collect();
        let trial = Trial { exams: &exams, all: self.all };
        let jobs = self.jobs.or_else(|| thread::available_parallelism().ok());
        let sound = trial.of_none()?;
        let verdicts = try_all(&trial, &errata, jobs.unwrap_or(NonZeroUsize::MIN).get())?;
        let is_good = sound.conforms() && verdicts.iter().all(Verdict::is_named);
        let table = Table { sound, verdicts };
        if let Some(file) = &self.output {
            save(file, &table.to_string())?;
        }
        if self.json {
            print(format_args!("{}\n", table.sound.json_line()))?;
            for verdict in &table.verdicts {
                print(format_args!("{}\n", serde_json::to_string(verdict).unwrap_or_default()))?;
            }
        } else {
            print(&table)?;
        }
        Ok(if is_good { Exit::Conforms } else { Exit::Findings })
    }

    /// The errata that are wanted, in the order of the table.
    fn errata(&self) -> Result<Vec<&'static Erratum>, Failure> {
        let is_meant = |erratum: &Erratum, text: &String| match errata::named(text) {
            Some(named) => named == erratum,
            None => erratum.name.to_lowercase().contains(&text.to_lowercase()),
        };
        let unknown =
            self.errata.iter().find(|text| !errata::all().any(|erratum| is_meant(erratum, text)));
        if let Some(text) = unknown {
            let error = Failure::new(Exit::Usage, format!("no erratum has {text:?} in its name"));
            return Err(error.help("`hypwalk errata` lists all"));
        }
        let is_wanted = |erratum: &&Erratum| {
            self.errata.is_empty() || self.errata.iter().any(|text| is_meant(erratum, text))
        };
        Ok(errata::all().filter(is_wanted).collect())
    }

    fn suites(&self) -> Result<Vec<Suite>, Failure> {
        let names = match &self.suites[..] {
            [] => SUITES.map(PathBuf::from).to_vec(),
            named => named.to_vec(),
        };
        names.iter().map(|name| Ok(Suite::read(&Shelf::Suites.find(name)?)?)).collect()
    }
}

/// Tries `errata`, so many at once; the verdicts are in their order, and don't depend on that.
fn try_all(
    trial: &Trial<'_>,
    errata: &[&'static Erratum],
    jobs: usize,
) -> Result<Vec<Verdict>, Failure> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<_, TargetError> {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(erratum) = errata.get(number) else { return Ok(done) };
            done.push((number, trial.of(erratum)?));
        }
    };
    let mut done: Vec<(usize, Verdict)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(done) => all.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, Failure>(all)
    })?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, verdict)| verdict).collect())
}

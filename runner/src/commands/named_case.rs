//! The case that a command line names.

use std::path::{Path, PathBuf};

use case::Case;
use clap::Args;
use device::Target;
use suite::case_file::{CaseFile, Origin};
use suite::machine::Machine;

use super::results::Results;
use super::target::{HowToRun, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::remark;
use crate::record::Header;
use crate::record::redraw::redraw;

/// Where cases of runs come from, and what they are put to.
#[derive(Debug, Args)]
pub struct OnTarget {
    /// The target: a path, or the name of a file in suites/targets/; where it is left out, the one
    /// that the case was drawn for.
    #[arg(long, value_name = "TARGET")]
    target: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    how: HowToRun,
}

/// A case that was found.
#[derive(Clone, Debug)]
pub struct FoundCase {
    /// Which it is, in words.
    pub what: String,
    pub case: Case,
    /// The machine that it was drawn for, if that is known.
    pub machine: Option<Machine>,
    /// Where it came from, if that is known.
    pub origin: Option<Origin>,
    /// What the run began with that it is of, where it was named by one.
    pub header: Option<Box<Header>>,
}

/// The case that is called `name`: a case file, or RUN:INDEX, a case of one of these runs.
pub fn find(name: &str, results: &Results) -> Result<FoundCase, Failure> {
    let file = Path::new(name);
    let of_run = name
        .rsplit_once(':')
        .and_then(|(run, index)| Some((Path::new(run), index.parse::<u64>().ok()?)));
    match of_run.filter(|_| !file.exists()) {
        Some((run, index)) => {
            let run = results.open(run)?;
            FoundCase::draw(&run.header, run.folder(), index)
        }
        None => FoundCase::read(file),
    }
}

impl OnTarget {
    /// The case that is called `name`: a case file, or RUN:INDEX.
    pub fn find(&self, name: &str) -> Result<FoundCase, Failure> {
        find(name, &self.results)
    }

    pub const fn results(&self) -> &Results {
        &self.results
    }

    /// The target of the run that `header` begins, as it describes it, or another that is named.
    pub fn open_for(&self, header: &Header) -> Result<Opened, Failure> {
        match &self.target {
            Some(target) => self.how.open(target),
            None => self.how.open_text(header.target.clone()),
        }
    }

    /// The target that `found` is put to.
    ///
    /// # Errors
    /// Where nobody says which, or it can't be opened, or the case would be another one there.
    pub fn open(&self, found: &FoundCase) -> Result<Opened, Failure> {
        let opened = match (&self.target, &found.header, &found.machine) {
            (_, Some(header), _) => self.open_for(header)?,
            (Some(target), None, _) => self.how.open(target)?,
            (None, None, Some(machine)) => self.how.open(Path::new(&machine.target))?,
            (None, None, None) => {
                let error = format!("{} does not say on which target it is to be run", found.what);
                return Err(Failure::new(Exit::Usage, error).help("name one with --target"));
            }
        };
        if let Some(machine) = &found.machine {
            compare(machine, opened.target.as_ref(), &found.case)?;
        }
        Ok(opened)
    }
}

impl FoundCase {
    /// Where it came from, for a report.
    pub fn found_in(&self) -> String {
        let Some(Origin { run, suite, seed, index, .. }) = &self.origin else {
            return self.what.clone();
        };
        format!("case {index} of {suite}, seed {}, {run}", seed.0)
    }

    /// Reads a case file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let CaseFile { origin, machine, case, .. } = CaseFile::read(file)?;
        let of_origin = |origin: &Origin| case_of(origin.index, &origin.suite, origin.seed.0);
        let what = origin.as_ref().map_or_else(|| file.display().to_string(), of_origin);
        Ok(Self { what, case: *case.0, machine, origin, header: None })
    }

    /// Draws case number `index` of the run in `folder`, which `header` begins, again.
    pub fn draw(header: &Header, folder: &Path, index: u64) -> Result<Self, Failure> {
        let case = redraw(header, index, folder)?;
        let what = case_of(index, &header.suite.name, header.seed);
        let (machine, origin) = (Some(header.machine.clone()), Some(header.origin(index)));
        let header = Some(Box::new(header.clone()));
        Ok(Self { what, case, machine, origin, header })
    }
}

fn case_of(index: u64, suite: &str, seed: u64) -> String {
    format!("case {index} of {suite}, seed {seed},")
}

/// Refuses a target on which `case` would be another one, and says where it differs from the machine
/// that the case was drawn for.
fn compare(was: &Machine, target: &dyn Target, case: &Case) -> Result<(), Failure> {
    let session = target.boot()?;
    let identity = target.identity();
    let (ids, map) = (&session.hello().ids, session.memory_map());
    let is = Machine::new(&identity.name, identity.emulator.clone(), ids, map);
    let differences = was.differences(&is, case.as_ref());
    for difference in &differences {
        remark(format_args!("note: on {} {difference}", is.target));
    }
    if differences.iter().any(|difference| difference.prevents()) {
        let error = format!("the case can't be run on {}: it needs other memory", is.target);
        let help = if was.target == is.target {
            "the target's description has changed since the case was drawn".to_owned()
        } else {
            format!("run it on {}, for which it was drawn", was.target)
        };
        return Err(Failure::new(Exit::Usage, error).help(help));
    }
    for (name, value) in &was.ids {
        if let Some(here) = is.ids.get(name).filter(|here| *here != value) {
            remark(format_args!("note: on {} {name} is {here} and not {value}", is.target));
        }
    }
    Ok(())
}

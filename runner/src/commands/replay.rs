//! `hypwalk replay`: one case again, told step by step.

use std::path::{Path, PathBuf};

use case::Case;
use clap::Args;
use device::{Identity, Target};
use judge::established::Established;
use suite::case_file::CaseFile;
use suite::machine::Machine;

use super::known_errata::{self, ErrataArgs};
use super::target::HowToRun;
use crate::exit::Exit;
use crate::explain::replay::{Which, replay};
use crate::failure::Failure;
use crate::output::{print, remark};
use crate::record::Run;
use crate::record::redraw::redraw;

/// Run one case again, and tell it step by step.
///
/// For each probe: the walk of the reference walker, what the architecture allows, and what was
/// observed. No probe is held back, and an answer that is a known issue is told in full too. Of a case with more
/// than 8 probes those with findings are shown.
#[derive(Debug, Args)]
pub struct Replay {
    /// A case file, or RUN:INDEX for case number INDEX of a run.
    #[arg(value_name = "FILE|RUN:INDEX")]
    case: String,
    /// Show the probe of this number, too; it can be said several times.
    #[arg(long = "probe", value_name = "NUMBER", conflicts_with = "all")]
    probes: Vec<u16>,
    /// Show all probes, however many there are.
    #[arg(long)]
    all: bool,
    /// The target: a path, or the name of a file in suites/targets/; where it is left out, the one
    /// that the case was drawn for.
    #[arg(long, value_name = "TARGET")]
    target: Option<PathBuf>,
    /// The folder of all runs.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    #[command(flatten)]
    errata: ErrataArgs,
    #[command(flatten)]
    how: HowToRun,
}

/// The case that is to be run again.
struct Found {
    /// Which it is, in words.
    what: String,
    case: Case,
    /// The machine that it was drawn for, if that is known.
    machine: Option<Machine>,
}

impl Replay {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let Found { what, case, machine } = self.find()?;
        let count = case.as_ref().probes.len();
        if let Some(number) = self.probes.iter().find(|number| usize::from(**number) >= count) {
            let error = format!("{what} has no probe {number}: it has {count}");
            return Err(Failure::new(Exit::Usage, error));
        }
        let target = match (&self.target, &machine) {
            (Some(target), _) => target.clone(),
            (None, Some(machine)) => PathBuf::from(&machine.target),
            (None, None) => {
                let error = format!("{} does not say on which target it is to be run", self.case);
                return Err(Failure::new(Exit::Usage, error).help("name one with --target"));
            }
        };
        let errata = self.errata.read()?;
        let opened = self.how.open(&target)?;
        if let Some(machine) = machine {
            compare(&machine, opened.target.as_ref(), &case)?;
        }
        let Identity { name, emulator, .. } = opened.target.identity();
        let emulator =
            emulator.as_ref().map_or(String::new(), |emulator| format!(", emulator {emulator}"));
        print(format_args!("{what} on {name}{emulator}\n"))?;
        let known = known_errata::of(errata.as_ref(), opened.target.identity());
        let which = match (self.all, self.probes) {
            (true, _) => Which::All,
            (false, probes) if probes.is_empty() => Which::Few,
            (false, probes) => Which::These(probes),
        };
        let established = Established { learned: opened.learned, known };
        let replayed = replay(opened.target.as_ref(), &case, established, &which)?;
        print(&replayed.text)?;
        let mut findings = replayed.record.findings.iter();
        let clean = !findings.any(|finding| finding.verdict.is_finding());
        Ok(if clean { Exit::Conforms } else { Exit::Findings })
    }

    fn find(&self) -> Result<Found, Failure> {
        let file = Path::new(&self.case);
        let of_run = self
            .case
            .rsplit_once(':')
            .and_then(|(run, index)| Some((Path::new(run), index.parse::<u64>().ok()?)));
        match of_run.filter(|_| !file.exists()) {
            Some((run, index)) => self.draw(run, index),
            None => {
                let CaseFile { origin, machine, case, .. } = CaseFile::read(file)?;
                let what = origin.map_or_else(
                    || self.case.clone(),
                    |origin| case_of(origin.index, &origin.suite, origin.seed.0),
                );
                Ok(Found { what, case: *case.0, machine })
            }
        }
    }

    /// Draws case number `index` of a run again.
    fn draw(&self, run: &Path, index: u64) -> Result<Found, Failure> {
        let folder = if run.is_dir() { run.to_owned() } else { self.results.join(run) };
        let header = Run::open(&folder)?.header;
        let case = redraw(&header, index, &folder)?;
        let what = case_of(index, &header.suite.name, header.seed);
        Ok(Found { what, case, machine: Some(header.machine) })
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

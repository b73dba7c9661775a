//! Whole campaigns, as a user runs them: `hypwalk run` in a process of its own.
//!
//! A process of its own is also what tells the memory that a campaign takes: its high-water mark is of
//! nothing else.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use device::Child;

use super::{Paths, Plan, Subject};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::record::{Run, Summary};

/// How often a campaign is looked at while it runs.
const LOOK: Duration = Duration::from_millis(5);

/// Campaigns of one target.
#[derive(Debug)]
pub struct Runs {
    paths: Paths,
    folder: Folder,
}

/// What a campaign came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rate {
    /// Probes judged a second.
    pub probes_per_second: f64,
    /// Cases recorded a second.
    pub cases_per_second: f64,
    /// How often the target had to be started again.
    pub restarts: u64,
}

/// The most memory that a campaign had at any time, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bill {
    /// The runner's own.
    pub runner_bytes: u64,
    /// All its emulators', guest RAM that was touched included.
    pub emulator_bytes: u64,
}

impl Runs {
    /// Campaigns that find all they need at `paths`.
    pub fn new(paths: Paths) -> Result<Self, Failure> {
        Ok(Self { paths, folder: Folder::new()? })
    }

    /// The rate of a campaign of so many `probes` a case.
    pub(super) fn rate(&self, subject: Subject, probes: u64, plan: &Plan) -> Result<Rate, Failure> {
        let Plan { processes, campaign_seconds, most_cases, .. } = plan;
        let mut command = self.command(self.paths.suites.of(subject), *processes);
        if let Some(granule) = subject.granule() {
            command.args(["--granule", granule.name()]);
        }
        command.args(["--probes", &probes.to_string(), "--cases", &most_cases.to_string()]);
        command.args(["--seconds", &campaign_seconds.to_string()]);
        let (summary, _) = self.start(command)?.end()?;
        let ending = summary.ending.unwrap_or_default();
        let seconds = ending.seconds.max(f64::MIN_POSITIVE);
        Ok(Rate {
            probes_per_second: summary.tally.probes as f64 / seconds,
            cases_per_second: summary.tally.cases as f64 / seconds,
            restarts: ending.restarts(),
        })
    }

    /// The memory that a default campaign of so many cases on `processes` emulators takes.
    pub(super) fn memory(&self, cases: u64, processes: NonZeroUsize) -> Result<Bill, Failure> {
        let mut command = self.command(&self.paths.long_suite, processes);
        command.args(["--cases", &cases.to_string()]);
        let (_, bill) = self.start(command)?.end()?;
        Ok(bill)
    }

    fn command(&self, suite: &Path, processes: NonZeroUsize) -> Command {
        let Paths { program, target, executor, emulator, .. } = &self.paths;
        let mut command = Command::new(program);
        command.arg("run").arg(suite).arg("--target").arg(target);
        command.arg("--payload").arg(executor).arg("--quiet");
        command.args(["--jobs", &processes.to_string()]);
        if let Some(emulator) = emulator {
            command.arg("--qemu").arg(emulator);
        }
        command
    }

    fn start(&self, mut command: Command) -> Result<Campaign, Failure> {
        let results = self.folder.0.join("results");
        command.arg("--results").arg(&results);
        let child = Child::start(command).map_err(|error| {
            Failure::new(Exit::Bug, format!("a campaign can't be started: {error}"))
        })?;
        Ok(Campaign { child, results })
    }
}

/// A campaign that runs.
struct Campaign {
    child: Child,
    results: PathBuf,
}

impl Campaign {
    /// Waits for its end, and takes its records away.
    fn end(mut self) -> Result<(Summary, Bill), Failure> {
        let mut bill = Bill::default();
        let status = loop {
            bill.look(self.child.id());
            if let Some(status) = self.child.ended() {
                break status;
            }
            thread::sleep(LOOK);
        };
        let summary = self.summary();
        let said = self.child.end();
        // What can't be removed goes with the whole folder.
        let _ = fs::remove_dir_all(&self.results);
        match summary {
            Some(summary) => Ok((summary, bill)),
            None => {
                let error = format!("a campaign did not come to its end ({status}): {said}");
                Err(Failure::new(Exit::Target, error))
            }
        }
    }

    fn summary(&self) -> Option<Summary> {
        let run = fs::read_dir(&self.results).ok()?.next()?.ok()?.path();
        let (summary, _) = Run::open(&run).ok()?.summary().ok()?;
        summary.ending.is_some().then_some(summary)
    }
}

impl Bill {
    /// Looks at process `runner` and its children.
    fn look(&mut self, runner: u32) {
        self.runner_bytes = self.runner_bytes.max(high_water(runner).unwrap_or(0));
        let emulators = children(runner).into_iter().filter_map(high_water).sum();
        self.emulator_bytes = self.emulator_bytes.max(emulators);
    }
}

/// The most memory that process `pid` has had resident, in bytes.
fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The processes that threads of process `pid` have started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let numbers = lists.flat_map(|list| {
        list.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect::<Vec<_>>()
    });
    numbers.collect()
}

/// A folder for records that nobody keeps; dropping it removes it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("hypwalk-bench-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| {
            let error = format!("the folder {} can't be made: {error}", path.display());
            Failure::new(Exit::Results, error).help("set TMPDIR to a folder that can be written")
        })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in the folder for what may be lost.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(high_water(std::process::id()).expect("it is told") > 1 << 20);
        assert_eq!(high_water(u32::MAX), None);
    }

    #[test]
    fn a_child_is_found_by_its_parent() {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("it can be started");
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().expect("it lives");
        child.wait().expect("it is ours");
    }
}

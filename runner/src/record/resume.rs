//! A run that was interrupted, made ready to go on.
//!
//! ```text
//!   records.jsonl   case 0 | case 1 | ... | case n | torn
//!                   +--------- the past ---------+ +cut+
//!                                                   ^ from here on
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use suite::machine::Machine;

use crate::campaign::Past;
use crate::plan::Plan;
use crate::record::pace::Course;
use crate::record::{Header, Run, RunError, RunWriter, VERSION};

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// What was done of it.
    pub past: Past,
    run: Run,
    writer: RunWriter,
}

/// Why a run can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Its files can't be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It was begun by a version whose cases or judgement differ.
    #[error("{} was begun by {what} {was}, and this is {is}", folder.display())]
    Version {
        /// The folder of the run.
        folder: PathBuf,
        /// Of what the version is.
        what: &'static str,
        was: String,
        /// This program's.
        is: String,
    },
    /// Its records are not those of its first cases.
    #[error("{}:{line}: here is case {found}, and case {expected} should be", path.display())]
    Order {
        /// The file of records.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The case that should be there.
        expected: u64,
        /// The case that is.
        found: u64,
    },
    /// A soak does not go on: it is begun again, further on.
    #[error("{} is a soak, and does not go on", folder.display())]
    Soak {
        /// The folder of the run.
        folder: PathBuf,
    },
    /// The target is another machine now.
    #[error("the target is another machine than the one that the run was begun with: {0} differs")]
    Machine(&'static str),
}

impl Resumed {
    /// Takes up the run in `folder`: cuts a torn record off, and reads the others.
    pub fn open(folder: &Path) -> Result<Self, ResumeError> {
        let run = Run::open(folder)?;
        same_version(folder, &run.header)?;
        if run.header.soak.is_some() {
            return Err(ResumeError::Soak { folder: folder.to_owned() });
        }
        let writer = RunWriter::reopen(folder, run.header.clone())?;
        let mut past = Past::default();
        let mut records = run.records()?;
        for record in &mut records {
            let mut record = record?;
            let (expected, found) = (run.header.shard.index(past.cases), record.index);
            if found != expected {
                let (path, line) = (run.records_path(), past.cases + 1);
                return Err(ResumeError::Order { path, line, expected, found });
            }
            past.personality.take(&mut record);
            past.cases += 1;
        }
        let pace = Course::read(folder)?.and_then(|course| course.last());
        let seconds = pace.map_or(0.0, |pace| pace.seconds);
        past.elapsed = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Ok(Self { past, run, writer })
    }

    /// What it was begun with.
    pub const fn header(&self) -> &Header {
        &self.run.header
    }

    /// Tells the writer of what is recorded, so that it can go on. The target has said that it is
    /// `machine`, and its cases are those of `plan`.
    pub fn go_on(self, machine: &Machine, plan: &Plan) -> Result<RunWriter, ResumeError> {
        let was = &self.run.header.machine;
        let differences = [
            (was.target != machine.target, "its name"),
            (was.emulator != machine.emulator, "its emulator"),
            (was.ids != machine.ids, "its ID registers"),
            (was.memory != machine.memory, "its memory"),
        ];
        if let Some((_, what)) = differences.into_iter().find(|(differs, _)| *differs) {
            return Err(ResumeError::Machine(what));
        }
        let mut writer = self.writer;
        for record in self.run.records()? {
            let record = record?;
            let case = match record.findings.is_empty() {
                true => None,
                false => plan.case(record.index).and_then(Result::ok),
            };
            writer.recall(&record, case.as_ref())?;
        }
        Ok(writer)
    }
}

/// Refuses a run whose cases would be drawn or judged otherwise now.
fn same_version(folder: &Path, header: &Header) -> Result<(), ResumeError> {
    let revision = |revision: Option<&str>| revision.unwrap_or("unknown").to_owned();
    let versions = [
        ("record format", header.format.to_string(), VERSION.to_string()),
        ("generators", header.generators.to_string(), case::draw::VERSION.to_string()),
        ("executor protocol", header.link.to_string(), link::VERSION.to_string()),
        ("Hypwalk", header.hypwalk.clone(), env!("CARGO_PKG_VERSION").to_owned()),
        (
            "Hypwalk revision",
            revision(header.revision.as_deref()),
            revision(option_env!("HYPWALK_REVISION")),
        ),
    ];
    let differs = versions.into_iter().find(|(_, was, is)| was != is);
    differs.map_or(Ok(()), |(what, was, is)| {
        Err(ResumeError::Version { folder: folder.to_owned(), what, was, is })
    })
}

//! `hypwalk report`: what runs came to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::results::Results;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark, save};
use crate::record::{Run, RunError, Summary};
use crate::report::Checklist;
use crate::report::html::{PageError, html};
use crate::report::junit::junit;
use crate::report::tap::tap;
use crate::report::terminal::Table;

/// Show what runs came to, also those that were interrupted.
#[derive(Debug, Args)]
pub struct Report {
    /// The runs: their folders, or their ids in the results folder.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    results: Results,
    /// What is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write one line of JSON a run: --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Tell causes in full, each with its first example, and the texts of known errata.
    #[arg(short, long)]
    verbose: bool,
    /// The file to write, in place of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A form of report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Format {
    /// A table, for a terminal.
    #[default]
    Table,
    /// One line of JSON a run.
    Json,
    /// JUnit XML, for Jenkins, GitLab and GitHub.
    Junit,
    /// TAP, the Test Anything Protocol, version 14.
    Tap,
    /// A page for a browser, in one file.
    Html,
}

impl Report {
    /// Does it. The exit code is the worst of the runs'.
    pub fn run(self) -> Result<Exit, Failure> {
        let mut worst = Exit::Conforms;
        let mut runs = Vec::new();
        for name in &self.runs {
            let run = self.results.open(name)?;
            let (summary, torn) = run.summary()?;
            if let Some(bytes) = torn {
                remark(format_args!(
                    "note: the last record is torn: {bytes} bytes of it are left out"
                ));
            }
            worst = worst.or_worse(summary.exit());
            runs.push((run, summary));
        }
        let format = if self.json { Format::Json } else { self.format };
        let text = format.write(&runs, self.verbose)?;
        match &self.output {
            Some(file) => save(file, &text)?,
            None => print(text)?,
        }
        Ok(worst)
    }
}

impl Format {
    fn write(self, runs: &[(Run, Summary)], is_verbose: bool) -> Result<String, PageError> {
        let checklists = || -> Result<Vec<Checklist>, RunError> {
            runs.iter().map(|(run, summary)| Checklist::new(run, summary.clone())).collect()
        };
        Ok(match self {
            Self::Table => {
                let table = |(run, summary): &(Run, Summary)| {
                    Table { summary, folder: run.folder(), is_verbose }.to_string()
                };
                runs.iter().map(table).collect::<Vec<_>>().join("\n")
            }
            Self::Json => runs.iter().map(|(_, summary)| summary.json_line() + "\n").collect(),
            Self::Junit => junit(&checklists()?),
            Self::Tap => tap(&checklists()?),
            Self::Html => html(runs)?,
        })
    }
}

//! `hypwalk report`: what a run came to.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark};
use crate::report::Run;
use crate::report::terminal::Table;

/// Show what a run came to, also of one that was interrupted.
#[derive(Debug, Args)]
pub struct Report {
    /// The run: its folder, or its id in the results folder.
    run: PathBuf,
    /// The folder of all runs.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Report {
    /// Does it. The exit code is that of the run.
    pub fn run(self) -> Result<Exit, Failure> {
        let folder = if self.run.is_dir() { self.run } else { self.results.join(self.run) };
        let run = Run::open(&folder)?;
        let (summary, torn) = run.summary()?;
        if let Some(bytes) = torn {
            remark(format_args!("note: the last record is torn: {bytes} bytes of it are left out"));
        }
        if self.json {
            print(format_args!("{}\n", summary.json_line()))?;
        } else {
            print(Table { summary: &summary, folder: &folder })?;
        }
        Ok(summary.exit())
    }
}

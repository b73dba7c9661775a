//! `hypwalk merge`: the shards of a campaign, joined.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::results::Results;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use crate::record::merge;
use crate::record::{Run, RunId};
use crate::report::terminal::Table;

/// Join the shards of a campaign into the run that one machine would have made.
#[derive(Debug, Args)]
pub struct Merge {
    /// The runs, one of each shard: their folders, or their ids in the results folder.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    results: Results,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Print no table.
    #[arg(long)]
    quiet: bool,
}

impl Merge {
    /// Does it. The exit code is that of the campaign.
    pub fn run(self) -> Result<Exit, Failure> {
        let folders: Vec<PathBuf> = self.runs.iter().map(|run| self.results.of(run)).collect();
        let first = Run::open(&folders[0])?.header;
        let time = Timestamp::now();
        let salt = std::process::id() ^ time.subsec_nanosecond().unsigned_abs();
        let id = RunId::new(time, &first.suite.name, &first.machine.target, salt as u16);
        let (summary, folder) = merge::merge(&folders, self.results.folder(), id)?;
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
}

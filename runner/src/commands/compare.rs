//! `hypwalk compare`: a run beside another one.

use std::path::{Path, PathBuf};

use clap::Args;

use super::results::Results;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark};
use crate::report::comparison::{Compared, Comparison, Incomparable, Tolerance};

/// Tell whether a run is worse than another one of the same suite on the same target.
///
/// Worse is: a kind of finding or a cause of findings that the baseline has not, fewer cases or probes, a choice that the
/// target settled differently, or less speed on a machine of the same kind. The seeds may differ.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 when RUN is no worse than BASELINE, 1 when it is worse.")]
pub struct Compare {
    /// The run: its folder, or its id in the results folder.
    run: PathBuf,
    /// The run that it is compared with, named likewise.
    baseline: PathBuf,
    #[command(flatten)]
    results: Results,
    /// Print one line of JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Call a run worse that is slower by more than so much of the baseline's speed.
    #[arg(long, value_name = "PERCENT", default_value = "20", value_parser = tolerance)]
    slower: Tolerance,
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    let percent = text.parse().ok().and_then(Tolerance::percent);
    percent.ok_or_else(|| "it must be a whole number of percent from 1 to 99".to_owned())
}

impl Compare {
    /// Does it. The exit code is that of the comparison.
    pub fn run(self) -> Result<Exit, Failure> {
        let run = self.read(&self.run)?;
        let baseline = self.read(&self.baseline)?;
        let comparison = Comparison::new(&run, &baseline, self.slower)?;
        if self.json {
            print(format_args!("{}\n", comparison.json_line()))?;
        } else {
            print(&comparison)?;
        }
        Ok(comparison.exit())
    }

    fn read(&self, run: &Path) -> Result<Compared, Failure> {
        let (compared, torn) = Compared::read(&self.results.open(run)?)?;
        if let Some(bytes) = torn {
            let run = run.display();
            remark(format_args!(
                "note: the last record of {run} is torn: {bytes} bytes of it are left out"
            ));
        }
        Ok(compared)
    }
}

impl From<Incomparable> for Failure {
    fn from(error: Incomparable) -> Self {
        Self::new(Exit::Usage, error)
            .help("compare runs of one suite on one target; their seeds may differ")
    }
}

//! `hypwalk diagnose`: what is wrong with a device.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, remark};
use crate::record::Run;
use crate::report::causes::Causes;

/// Tell the causes behind the findings of runs, also of those that were interrupted.
///
/// A cause is an erratum: a named way in which a device breaks a rule of the architecture. It is named where the
/// reference walker with that erratum alone predicts the answers bit by bit. That is a hypothesis: the numbers say
/// how many findings it predicts, and how many answers in the same cases conform where it predicts otherwise.
/// Findings that no erratum predicts, or only such that as many answers contradict, are listed by kind; so are deaths,
/// which none predicts.
#[derive(Debug, Args)]
pub struct Diagnose {
    /// The runs: their folders, or their ids in the results folder.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The folder of all runs.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Write one line of JSON a run.
    #[arg(long)]
    json: bool,
}

impl Diagnose {
    /// Does it. The exit code is the worst of the runs'.
    pub fn run(self) -> Result<Exit, Failure> {
        let mut worst = Exit::Conforms;
        for (number, name) in self.runs.iter().enumerate() {
            let folder = if name.is_dir() { name.clone() } else { self.results.join(name) };
            let causes = Causes::new(&Run::open(&folder)?)?;
            if let Some(bytes) = causes.torn() {
                remark(format_args!(
                    "note: the last record is torn: {bytes} bytes of it are left out"
                ));
            }
            if !causes.is_empty() {
                worst = Exit::Findings;
            }
            if self.json {
                print(format_args!("{}\n", serde_json::to_string(&causes).unwrap_or_default()))?;
            } else {
                print(format_args!("{}{causes}", if number == 0 { "" } else { "\n" }))?;
            }
        }
        Ok(worst)
    }
}

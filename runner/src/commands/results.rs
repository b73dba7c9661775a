//! The folder of all runs, and those in it.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::record::{Run, RunError};

/// Where runs are.
#[derive(Clone, Debug, Args)]
pub struct Results {
    /// The folder of all runs.
    #[arg(long = "results", value_name = "FOLDER", default_value = "results")]
    folder: PathBuf,
}

impl Results {
    /// The folder of all runs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of `run`, which is named by it, or by its id.
    pub fn of(&self, run: &Path) -> PathBuf {
        if run.is_dir() { run.to_owned() } else { self.folder.join(run) }
    }

    /// Opens the run that is named so.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(&self, run: &Path) -> Result<Run, RunError> {
        Run::open(&self.of(run))
    }
}

//! `hypwalk probe`: what a target is.

use std::path::{Path, PathBuf};

use clap::Args;
use suite::Suite;

use super::lookup::Shelf;
use super::target::{HowToRun, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::machine::MachineDescription;
use crate::output::print;

/// Start a target, and tell what it is and what it can be asked.
#[derive(Debug, Args)]
pub struct Probe {
    /// The target: a path, or the name of a file in suites/targets/.
    target: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    how: HowToRun,
}

impl Probe {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let mut suites = Vec::new();
        for name in Shelf::Suites.names() {
            suites.push(Suite::read(&Shelf::Suites.find(Path::new(&name))?)?);
        }
        let Opened { target, .. } = self.how.open(&self.target)?;
        let session = target.boot()?;
        let description = MachineDescription::new(
            target.identity(),
            session.hello(),
            session.memory_map(),
            &suites,
        );
        if self.json {
            print(format_args!("{}\n", description.json_line()))?;
        } else {
            print(description)?;
        }
        Ok(Exit::Conforms)
    }
}

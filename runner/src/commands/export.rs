//! `hypwalk export`: a case as a program of its own.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use oracle::learned::Learned;
use suite::machine::Machine;

use super::lookup::Shelf;
use super::named_case::{FoundCase, find};
use super::results::Results;
use super::target;
use crate::exit::Exit;
use crate::export::{Export, NotExported};
use crate::failure::Failure;
use crate::output::print;
use crate::record::RunError;

/// Write a case as an assembly file that needs no Hypwalk.
///
/// The file sets up the tables and the registers of the case, asks its question, and says PASS or FAIL on a PL011 with
/// what the architecture allows and what was observed; a Makefile beside it builds and runs it, with QEMU and with GNU
/// binutils or LLVM alone. It is for cases with one question, asked by AT at EL2, in a set-up of EL2, or by a guest:
/// `hypwalk reduce` makes such of larger ones. A case that can't be written so is refused with exit code 2.
#[derive(Debug, Args)]
pub struct ExportCase {
    /// A case file, or RUN:INDEX for case number INDEX of a run.
    #[arg(value_name = "FILE|RUN:INDEX")]
    case: String,
    /// The folder that it is written to.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The target whose choices are known, where the architecture leaves something open: a path, or the name of a file
    /// in suites/targets/. Default: the one that the case was found on.
    #[arg(long, value_name = "TARGET")]
    target: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
}

impl ExportCase {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let found = find(&self.case, &self.results)?;
        let machine = found.machine.as_ref().filter(|machine| !machine.ids.is_empty());
        let Some(machine) = machine else { return Err(self.refused(&NotExported::Machine)) };
        let learned = self.learned(machine)?;
        let export = Export::new(&found.case, machine, &learned, about(&found, machine));
        let export = export.map_err(|why| self.refused(&why))?;
        let files = export.files().map_err(|error| Failure::new(Exit::Bug, error))?;
        fs::create_dir_all(&self.output).map_err(RunError::not_written(&self.output))?;
        for (name, text) in files {
            let path = self.output.join(name);
            fs::write(&path, text).map_err(RunError::not_written(&path))?;
        }
        let folder = self.output.display();
        print(format_args!("make -C {folder} run\n"))?;
        Ok(Exit::Conforms)
    }

    fn refused(&self, why: &NotExported) -> Failure {
        Failure::new(Exit::Usage, format!("{} can't be exported: {why}", self.case))
    }

    /// What is settled of the target's choices by its file: that which is named or, where there is one, that of the machine
    /// on which the case was found.
    fn learned(&self, machine: &Machine) -> Result<Learned, Failure> {
        let own = PathBuf::from(&machine.target);
        let is_delivered = Shelf::Targets.names().contains(&machine.target);
        match &self.target {
            Some(target) => target::choices(target),
            None if is_delivered => target::choices(&own),
            None => Learned::new([]).map_err(|error| Failure::new(Exit::Bug, error)),
        }
    }
}

fn about(found: &FoundCase, machine: &Machine) -> Vec<String> {
    let Machine { target, emulator, .. } = machine;
    let emulator =
        emulator.as_ref().map_or(String::new(), |emulator| format!(", emulator {emulator}"));
    vec![
        format!("found by: Hypwalk {}, {}", env!("CARGO_PKG_VERSION"), found.found_in()),
        format!("found on: {target}{emulator}"),
    ]
}

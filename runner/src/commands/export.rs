//! `hypwalk export`: a case as a program of its own.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use suite::machine::Machine;

use super::named_case::{FoundCase, find};
use super::results::Results;
use super::target::{self, HowToRun};
use crate::exit::Exit;
use crate::export::{Export, NotExported};
use crate::failure::Failure;
use crate::output::print;
use crate::record::RunError;

/// Write a case as an assembly file that needs no Hypwalk.
///
/// The file sets up the tables and the registers of the case, asks its question, and says PASS, FAIL or BROKEN (the test
/// itself could not be run) on a PL011, with what the architecture allows and what was observed; a Makefile beside it builds
/// and runs it, with GNU binutils or LLVM, on a QEMU like that of the target. It is for cases with one question, asked by
/// AT at EL2, in a set-up of EL2, by a monitor at EL3, or by a guest: `hypwalk reduce` makes such of larger ones. A case
/// that can't be written so is refused with exit code 2.
#[derive(Debug, Args)]
pub struct ExportCase {
    /// A case file, or RUN:INDEX for case number INDEX of a run.
    #[arg(value_name = "FILE|RUN:INDEX")]
    case: String,
    /// The folder that it is written to.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The target that it is for: a path, or the name of a file in suites/targets/. It says which machine QEMU is to be,
    /// and what is settled where the architecture leaves something open; where the case does not say for which machine it
    /// is, the target is booted and asked. Default: the one that the case was found on.
    #[arg(long, value_name = "TARGET")]
    target: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    how: HowToRun,
}

impl ExportCase {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        let found = find(&self.case, &self.results)?;
        let target = self.target_of(&found)?;
        let (description, learned) = target::described(&target)?;
        let machine = match found.machine.clone().filter(|machine| !machine.ids.is_empty()) {
            Some(machine) => machine,
            None => self.booted(&target)?,
        };
        let about = self.about(&found, &machine);
        let export = Export::new(&found.case, &machine, &description, &learned, about);
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

    /// The target that it is for.
    fn target_of(&self, found: &FoundCase) -> Result<PathBuf, Failure> {
        let own = found.machine.as_ref().map(|machine| PathBuf::from(&machine.target));
        let none = || self.refused(&NotExported::Machine).help("name a target with --target");
        self.target.clone().or(own).ok_or_else(none)
    }

    /// The machine that `target` is when it is booted.
    fn booted(&self, target: &Path) -> Result<Machine, Failure> {
        let opened = self.how.open(target)?;
        let session = opened.target.boot()?;
        let identity = opened.target.identity();
        let (ids, map) = (&session.hello().ids, session.memory_map());
        Ok(Machine::new(&identity.name, identity.emulator.clone(), ids, map))
    }

    /// What it shows and where it was found: what a case file says at its head, too.
    fn about(&self, found: &FoundCase, machine: &Machine) -> Vec<String> {
        let Machine { target, emulator, .. } = machine;
        let emulator =
            emulator.as_ref().map_or(String::new(), |emulator| format!(", emulator {emulator}"));
        let text = fs::read_to_string(&self.case).unwrap_or_default();
        let head = text.lines().map_while(|line| line.strip_prefix('#'));
        let head = head.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned());
        let origin = [
            String::new(),
            format!("found by: Hypwalk {}, {}", env!("CARGO_PKG_VERSION"), found.found_in()),
            format!("found on: {target}{emulator}"),
        ];
        head.chain(origin).skip_while(String::is_empty).collect()
    }
}

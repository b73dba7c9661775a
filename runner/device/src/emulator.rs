//! The program QEMU: whichever kind of device has it run.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// QEMU's program, as a path or a name on `PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program(PathBuf);

/// A program that is no emulator.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// It could not be started.
    #[error(
        "the emulator {} can't be started: {source}; install QEMU (scripts/setup does), or name \
         another with --qemu or HYPWALK_QEMU", program.display()
    )]
    NotStarted {
        /// What was to be run.
        program: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
    /// It is no QEMU.
    #[error(
        "{} does not answer --version as QEMU does ({said:?}): name a qemu-system-aarch64 with \
         --qemu or HYPWALK_QEMU", program.display()
    )]
    NotQemu { program: PathBuf, said: String },
}

/// Whether QEMU says by `said`, on its standard error, that the host ended it: it takes signals such as SIGTERM for
/// an order to end in peace, and aborts where it gets no memory.
pub fn was_ended_by_host(said: &str) -> bool {
    ["terminating on signal", "failed to allocate", "Cannot allocate memory"]
        .iter()
        .any(|words| said.contains(words))
}

impl Program {
    /// The name of the program that is run where nobody names another.
    pub const USUAL: &str = "qemu-system-aarch64";

    /// The program `named`, or the usual one.
    pub fn new(named: Option<PathBuf>) -> Self {
        Self(named.unwrap_or_else(|| Self::USUAL.into()))
    }

    /// Its path or name.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its version, as it states it.
    ///
    /// # Errors
    /// It can't be run, or is no QEMU.
    pub fn version(&self) -> Result<String, EmulatorError> {
        let output = Command::new(&self.0).arg("--version").output();
        let output = output.map_err(|source| self.not_started(source))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or_default();
        match first.strip_prefix("QEMU emulator version ") {
            Some(version) => Ok(version.to_owned()),
            None => Err(EmulatorError::NotQemu { program: self.0.clone(), said: first.to_owned() }),
        }
    }

    /// It could not be started, for the reason `source`.
    pub fn not_started(&self, source: io::Error) -> EmulatorError {
        EmulatorError::NotStarted { program: self.0.clone(), source }
    }
}

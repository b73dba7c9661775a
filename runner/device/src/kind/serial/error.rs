//! What can go wrong before a board's executor runs.

use std::fmt;

use super::port::PortError;
use super::ymodem::TransferFault;
use crate::error::TargetError;

/// A board that was up before, and does not come up again.
#[derive(Debug, thiserror::Error)]
#[error(
    "the board was up before, and did not come up again, {attempts} times in a row; the last time: {last}"
)]
pub struct Gone {
    /// How often its recipe was tried.
    pub attempts: u32,
    /// What went wrong in the end.
    pub last: TargetError,
}

/// A board that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// Its console can't be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Its console can't be had, though the recipe is done.
    #[error("the boot recipe is done, and the board's console is not there: {0}")]
    NoConsole(StepFault),
    /// The host failed.
    #[error("{what}: {source}")]
    Host {
        /// What was being done.
        what: &'static str,
        source: std::io::Error,
    },
    /// A step of its recipe failed.
    #[error("step {number} of the boot recipe failed ({action}): {fault}{}", told(heard))]
    Step {
        /// Which, from 1.
        number: usize,
        /// What it was to do.
        action: String,
        fault: StepFault,
        /// The last lines that the board said.
        heard: String,
    },
}

/// What can go wrong with a step.
#[derive(Debug, thiserror::Error)]
pub enum StepFault {
    /// What was waited for did not come.
    #[error("it did not come within {0} s")]
    NotSaid(u32),
    /// The console took no more.
    #[error("the console did not take it within {0} s")]
    NotTaken(u32),
    /// The command did not end, and was killed.
    #[error("the command did not end within {seconds} s{}", saying(said))]
    NotEnded {
        seconds: u32,
        /// The end of what it said.
        said: String,
    },
    #[error("the command failed, {status}{}", saying(said))]
    Failed {
        /// Exit code or signal, in words.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// The command could not be started.
    #[error("the command can't be started: {0}")]
    NotStarted(std::io::Error),
    /// The emulator in the place of a board ended.
    #[error("the emulator ended, {status}{}", saying(said))]
    EmulatorEnded {
        /// Exit code or signal, in words.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// The console is gone.
    #[error("the way to the console was lost: {0}")]
    Lost(String),
    /// The console never came to be there.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The image did not get through.
    #[error(transparent)]
    Transfer(#[from] TransferFault),
}

fn saying(said: &str) -> String {
    match said.trim() {
        "" => ", and said nothing".to_owned(),
        said => format!(", and said:{}", Indented(said)),
    }
}

fn told(heard: &str) -> String {
    match heard.trim() {
        "" => "; the board said nothing".to_owned(),
        heard => format!("; the last that the board said:{}", Indented(heard)),
    }
}

/// Lines of their own, indented.
struct Indented<'a>(&'a str);

impl fmt::Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| write!(f, "\n    | {line}"))
    }
}

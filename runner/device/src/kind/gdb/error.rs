//! What can go wrong between the runner and a debugger.

use std::io;
use std::time::Duration;

use super::packet::shown;

/// A machine that could not be loaded and run by its debugger.
#[derive(Debug, thiserror::Error)]
#[error(
    "the target could not be loaded and run by its debugger: {source}{}\n  the debugger: {command}",
    saying(said)
)]
pub struct DebuggerError {
    pub source: GdbError,
    /// The end of what the debugger said on its standard error.
    pub said: String,
    /// Where it is, and the command that starts it.
    pub command: String,
}

fn saying(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!("\n  and said: {}", said.replace('\n', "\n    ")),
    }
}

/// A debugger that does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GdbError {
    /// Nobody listens.
    #[error("nobody answers at {address}: {source}")]
    Connect { address: String, source: io::Error },
    /// The command can't be started.
    #[error("the command can't be started: {0}")]
    Command(io::Error),
    /// The command ended before anybody could connect.
    #[error("the command ended ({status}){}", if said.is_empty() { String::new() } else { format!(", and said: {said}") })]
    Ended {
        status: String,
        /// The end of what it said on its standard error.
        said: String,
    },
    /// The other end is gone.
    #[error("the connection is gone{}", because(.0))]
    Gone(Option<io::Error>),
    /// No answer came.
    #[error("it does not answer {asked:?} within {} s", patience.as_secs_f32())]
    Silent {
        asked: String,
        /// How long it had.
        patience: Duration,
    },
    /// It says that it can't.
    #[error("it can't {what}: it answers {answer:?} to {asked:?}")]
    Refused {
        /// What was to be done.
        what: String,
        asked: String,
        answer: String,
    },
    /// It answers something that makes no sense.
    #[error("its answer to {asked:?} makes no sense: {answer:?}")]
    Nonsense { asked: String, answer: String },
    /// The line damages packet after packet.
    #[error("{0} packets in a row were damaged")]
    Damaged(u32),
    /// It is no debugger of such a machine.
    #[error("it debugs a machine of architecture {0}, and not aarch64")]
    Architecture(String),
    /// The core is in AArch32 state.
    #[error("the core is in AArch32 state (CPSR {0:#x}): let it be reset into AArch64")]
    Aarch32(u64),
    /// A register is not there.
    #[error("it knows no register {0:?}")]
    NoRegister(String),
    /// The core does not stop.
    #[error(
        "the core does not stop: name the monitor commands that reset and halt it in `reset`, \
         such as `reset halt`"
    )]
    NotHalted,
    /// The core stops where nobody asked it to.
    #[error("the core has stopped {stops} times without an answer, the last time at PC {pc:#x}")]
    KeepsStopping { stops: u32, pc: u64 },
    /// What stands in the mailbox makes no sense.
    #[error("{0}")]
    Babble(String),
    /// What was written is not there.
    #[error(
        "what was written to {address:#x} is not there: is it RAM, and is it set up when the core is \
         halted?"
    )]
    NotWritten { address: u64 },
}

fn because(error: &Option<io::Error>) -> String {
    error.as_ref().map_or_else(String::new, |error| format!(": {error}"))
}

impl GdbError {
    /// The stub answered `answer` to `asked`, which was to do `what`.
    pub fn refused(what: impl Into<String>, asked: &[u8], answer: &[u8]) -> Self {
        Self::Refused { what: what.into(), asked: shown(asked), answer: shown(answer) }
    }

    /// The stub answered `answer` to `asked`, and nobody knows what it means.
    pub fn nonsense(asked: &[u8], answer: &[u8]) -> Self {
        Self::Nonsense { asked: shown(asked), answer: shown(answer) }
    }
}

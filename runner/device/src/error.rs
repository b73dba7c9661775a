//! What can go wrong with a target, as opposed to what a target can do wrong.

use std::error::Error;
use std::{fmt, io};

use link::mark::Mark;
use payload::PayloadError;

use crate::death::Death;
use crate::description::DescriptionError;
use crate::map::MapError;

/// A target that can't be run.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its file is unusable.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The executor's image is unusable.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Its memory can't be laid out.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It can't be opened or started, for a reason that its kind of device knows.
    #[error(transparent)]
    Device(Box<dyn Error + Send + Sync>),
    /// It died, hung or babbled before the first case.
    #[error(
        "the target did not come up: {death}{mark}\n  it was started by: {command}\n  {remedy}"
    )]
    Boot {
        /// What happened to it.
        death: Box<Death>,
        /// How far it had come.
        mark: LastMark,
        command: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The executor speaks another version.
    #[error(
        "the executor speaks version {found} and this runner version {}: build it again with \
         `hypwalk payload build`",
        link::VERSION
    )]
    Version { found: u32 },
    /// The target's file says that there is a monitor, and there is none.
    #[error(
        "the target file says that there is a monitor, but the executor was entered at EL{entry_el}: \
         let the target start it at EL3 (QEMU: machine option `secure: 'on'`), or say `monitor: false`"
    )]
    NoMonitor {
        /// Where it was entered.
        entry_el: u32,
    },
    /// The target's file says how many PEs take part, and there are not so many.
    #[error(
        "the target file has {wanted} PEs take part, but the executor can start {found} in all, its own \
         included: it starts others by PSCI, as the device tree says, up to {}",
        link::hello::MAX_PES
    )]
    TooFewPes {
        /// How many there are.
        found: u64,
        /// How many are wanted.
        wanted: u64,
    },
    /// A session was used after its target had died.
    #[error("the session is over: its target died before")]
    Over,
    /// More cases were sent than the window allows, or one that is larger than a message.
    #[error("the runner misused a session: {0}")]
    Misuse(&'static str),
    /// The host failed.
    #[error("{what}: {source}")]
    Host {
        /// What was being done.
        what: &'static str,
        source: io::Error,
    },
}

/// The last mark that a target left on its start, if it left one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastMark(pub Option<Mark>);

impl fmt::Display for LastMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(mark) => {
                write!(f, "\n  the last mark that its executor left is `{}`", mark.name())
            }
            None => Ok(()),
        }
    }
}

impl TargetError {
    /// For `map_err`: the error of a kind of device.
    pub(crate) fn device(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Device(Box::new(error))
    }

    /// For `map_err`: the host failed at `what`.
    pub(crate) fn host<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Host { what, source: source.into() }
    }
}

//! How a target died, and which probe is charged with it.

use std::fmt;

use link::hello::Epitaph;

/// How a target ended, and what it was doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    pub how: HowDied,
    /// Where it was, if the transport can tell and it was at a case.
    pub cursor: Option<CaseCursor>,
    /// The answers to the probes before the one at the cursor, if the transport can tell.
    pub answers_before: Vec<u64>,
    /// The number of the case that it had drawn by itself, if the transport can tell.
    pub drawn: Option<u64>,
}

impl Death {
    /// A death of which nothing else is known.
    pub const fn of(how: HowDied) -> Self {
        Self { how, cursor: None, answers_before: Vec::new(), drawn: None }
    }
}

/// Where a target was when it died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaseCursor {
    /// The number that the case was sent with.
    pub sequence: u64,
    /// The number of the probe; `None` while tables are built or undone.
    pub probe: Option<u16>,
}

/// How a target ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HowDied {
    /// The process ended: an emulator, also one in the place of a board.
    Exited {
        /// Exit code or signal, in words.
        status: String,
        /// The end of what it said on its standard error.
        stderr: String,
    },
    /// Somebody else ended the process: a signal that nobody sends to himself, or a host without memory.
    Killed {
        /// The signal or exit code, in words.
        status: String,
        /// The end of what it said on its standard error.
        stderr: String,
    },
    /// It stopped making progress.
    Hung {
        reason: HungReason,
        /// The end of what it said: an emulator on its standard error, a board on its console.
        said: String,
    },
    /// It started again by itself, or by what it was asked.
    Reset {
        /// What showed it, in words.
        sign: String,
        /// The end of what it said on its console.
        said: String,
    },
    /// The way to it was lost: a cable or an adapter. It may be as well as ever.
    Lost {
        /// What was lost, and how that showed.
        what: String,
    },
    /// The executor gave up and said why.
    Epitaph(Epitaph),
    /// It said something that makes no sense.
    Garbage { what: String },
    /// It started anew, and speaks another version.
    OtherVersion { found: u32 },
}

impl HowDied {
    /// Whether it may have nothing to do with what the target was asked: boards have reasons of their own to start
    /// anew, and hosts to end a process.
    pub const fn may_be_of_others(&self) -> bool {
        matches!(self, Self::Killed { .. } | Self::Reset { .. })
    }
}

/// Why a target is held to hang.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HungReason {
    /// It used processor time to no effect.
    Busy {
        /// Milliseconds of processor time without progress.
        milliseconds: u64,
    },
    /// It sat idle with cases in flight.
    Idle {
        /// Milliseconds for which it was watched doing nothing.
        milliseconds: u64,
    },
    /// Nothing came from it.
    Silent {
        /// Milliseconds for which it was listened to.
        milliseconds: u64,
    },
}

impl fmt::Display for HungReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { milliseconds } => {
                write!(f, "it used {milliseconds} ms of processor time without progress")
            }
            Self::Idle { milliseconds } => {
                write!(f, "it sat idle for {milliseconds} ms with cases in flight")
            }
            Self::Silent { milliseconds } => {
                write!(f, "nothing came from it for {milliseconds} ms")
            }
        }
    }
}

impl fmt::Display for HowDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self {
            Self::Exited { status, stderr } => {
                write!(f, "the emulator ended: {status}")?;
                stderr
            }
            Self::Killed { status, stderr } => {
                write!(f, "the emulator was ended from outside: {status}")?;
                stderr
            }
            Self::Hung { reason, said } => {
                write!(f, "it hung: {reason}")?;
                said
            }
            Self::Reset { sign, said } => {
                write!(f, "it was reset: {sign}")?;
                said
            }
            Self::Lost { what } => return write!(f, "the way to it was lost: {what}"),
            Self::Epitaph(epitaph) => return write_epitaph(f, epitaph),
            Self::Garbage { what } => return write!(f, "it babbled: {what}"),
            Self::OtherVersion { found } => {
                let own = link::VERSION;
                return write!(
                    f,
                    "its executor speaks version {found} and this runner version {own}"
                );
            }
        };
        match said.trim() {
            "" => f.write_str(", and said nothing"),
            said => write!(f, ", and said:\n    {}", said.replace('\n', "\n    ")),
        }
    }
}

/// Writes what the executor said when it gave up.
fn write_epitaph(f: &mut fmt::Formatter<'_>, epitaph: &Epitaph) -> fmt::Result {
    write!(f, "{}", epitaph.reason_name())?;
    let Epitaph { reason, esr, elr, far } = *epitaph;
    match reason {
        Epitaph::PANIC => write!(f, " (line {esr})"),
        Epitaph::EXCEPTION => {
            write!(f, " (ESR_EL2 {esr:#x}, at image + {elr:#x}, FAR_EL2 {far:#x})")
        }
        Epitaph::PE_MISSING => {
            write!(f, " (affinity {far:#x}, ")?;
            match (elr, esr.cast_signed()) {
                (0, _) => f.write_str("and there is no PSCI)"),
                (_, 0) => f.write_str("and after CPU_ON nothing was heard of it)"),
                (_, answer) => write!(f, "CPU_ON answered {answer})"),
            }
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.how.fmt(f)?;
        match self.cursor {
            Some(CaseCursor { sequence, probe: Some(probe) }) => {
                write!(f, "; it was at probe {probe} of message {sequence}")
            }
            Some(CaseCursor { sequence, probe: None }) => {
                write!(f, "; it was building or undoing the case of message {sequence}")
            }
            None => Ok(()),
        }
    }
}

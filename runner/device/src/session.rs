//! The way in which a campaign talks to a target, whatever it is.
//!
//! ```text
//!   Target::boot ──> Session ── send_case 0, 1, 2 ..  (up to `window` ahead)
//!                       │
//!                       └────── receive ──> Observations 0 │ Observations 1 │ ..
//!                                       └─> Died: charge the case at its cursor, boot anew,
//!                                                 send again what was in flight
//! ```

use std::fmt;
use std::num::NonZeroUsize;

use case::CaseRef;
use case::memory::MemoryMap;
use link::hello::{Epitaph, Hello};
use link::soak::Soak;

use super::error::TargetError;
use super::wire::Wear;

/// Something that can be started as often as needed.
pub trait Target: Send + Sync {
    /// Starts it and waits until it is ready for cases.
    fn boot(&self) -> Result<Box<dyn Session>, TargetError>;

    /// What it is.
    fn identity(&self) -> &Identity;

    /// How many of it can be up at once: one where it is a board.
    fn most_at_once(&self) -> NonZeroUsize;
}

/// What a target is, for records and for sharing boots.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The name in its description.
    pub name: String,
    /// The emulator's version, where there is one.
    pub emulator: Option<String>,
    /// The command line that starts it, where there is one. `/proc/self/fd/N` in it is memory that
    /// the runner hands to the emulator.
    pub command: String,
    /// The machine's fixed facts: cases that need the same shape can share a boot.
    pub shape: String,
}

/// One booted machine. Dropping it ends the machine.
pub trait Session: Send {
    /// The target's first words.
    fn hello(&self) -> &Hello;

    /// The arenas, as the target was told them.
    fn memory_map(&self) -> &MemoryMap;

    /// How many cases may be sent and not yet answered.
    fn window(&self) -> usize;

    /// What the line to it has done to messages so far.
    fn wear(&self) -> Wear {
        Wear::default()
    }

    /// Sends a case; its observations will carry `sequence`.
    ///
    /// Sending to a target that died is no error: [`Session::receive`] tells of the death.
    fn send_case(&mut self, sequence: u64, case: CaseRef<'_>) -> Result<(), TargetError>;

    /// Sends a case of whose observations `forecast` is probably the body, as words. Where a line is slow, the target
    /// answers by a digest first; what [`Session::receive`] gives is the same.
    fn send_forecast(
        &mut self,
        sequence: u64,
        case: CaseRef<'_>,
        forecast: Vec<u64>,
    ) -> Result<(), TargetError> {
        drop(forecast);
        self.send_case(sequence, case)
    }

    /// Sends a case whose probes are asked `rounds` times in a row while its tables stand: it measures
    /// the target. The answer is [`Event::Observations`] like any other, of the last round.
    fn send_repeat(
        &mut self,
        sequence: u64,
        rounds: u64,
        case: CaseRef<'_>,
    ) -> Result<(), TargetError>;

    /// Sends the cases of a plan, as [`link::plan::write`] writes them, for a target that draws by itself.
    /// The answer is [`Event::Planned`].
    fn send_plan(&mut self, sequence: u64, plan: &[u8]) -> Result<(), TargetError>;

    /// Sends what a target goes by while it soaks. The answer is [`Event::Planned`].
    fn send_terms(&mut self, sequence: u64, terms: &[u8]) -> Result<(), TargetError>;

    /// Has the target ask and compare cases of its plan by itself. The answer is [`Event::Progress`].
    fn send_soak(&mut self, sequence: u64, soak: &Soak) -> Result<(), TargetError>;

    /// Waits until the target answers, in the order in which it was asked, or is found dead.
    ///
    /// Nothing that the target does makes this fail or panic: whatever it does wrong is a
    /// [`Death`]. After one, only [`TargetError::Over`] comes.
    fn receive(&mut self) -> Result<Event<'_>, TargetError>;
}

/// What [`Session::receive`] waited for.
#[derive(Debug)]
pub enum Event<'a> {
    /// The answer to a case.
    Observations {
        /// The number that the case was sent with.
        sequence: u64,
        /// The body, for [`link::observations::Observations::from_bytes`]; it is 8-byte aligned.
        body: &'a [u8],
    },
    /// The answer to a plan, or to terms.
    Planned {
        /// The number that they were sent with.
        sequence: u64,
        /// Whether the target keeps them: a plan of another version of the generators it can't read.
        is_kept: bool,
    },
    /// How far a target came by itself.
    Progress {
        /// The number that its cases were sent with.
        sequence: u64,
        /// The body, for [`link::soak::Progress::from_bytes`]; it is 8-byte aligned.
        body: &'a [u8],
    },
    /// The target is of no more use.
    Died(Death),
}

/// How a target ended, and what it was doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    /// How it ended.
    pub how: HowDied,
    /// Where it was, if the transport can tell and it was at a case.
    pub cursor: Option<CaseCursor>,
    /// The answers to the probes before the one at the cursor, if the transport can tell.
    pub answers_before: Vec<u64>,
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
    /// It stopped making progress.
    Hung {
        /// What was seen.
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
    Garbage {
        /// What.
        what: String,
    },
    /// It started anew, and speaks another version.
    OtherVersion {
        /// The executor's version.
        found: u32,
    },
}

/// Why a target is held to hang.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HungReason {
    /// It used processor time to no effect.
    Busy {
        /// Milliseconds of processor time without progress.
        milliseconds: u64,
    },
    /// It sat idle with work in hand.
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
                write!(f, "it sat idle for {milliseconds} ms with work in hand")
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
            Self::Hung { reason, said } => {
                write!(f, "it hung: {reason}")?;
                said
            }
            Self::Reset { sign, said } => {
                write!(f, "it was reset: {sign}")?;
                said
            }
            Self::Lost { what } => return write!(f, "the way to it was lost: {what}"),
            Self::Epitaph(epitaph) => {
                write!(f, "{}", epitaph.reason_name())?;
                return match epitaph.reason {
                    Epitaph::PANIC => write!(f, " (line {})", epitaph.esr),
                    Epitaph::EXCEPTION => write!(
                        f,
                        " (ESR_EL2 {:#x}, at image + {:#x}, FAR_EL2 {:#x})",
                        epitaph.esr, epitaph.elr, epitaph.far
                    ),
                    Epitaph::PE_MISSING => {
                        write!(f, " (affinity {:#x}, ", epitaph.far)?;
                        match (epitaph.elr, epitaph.esr.cast_signed()) {
                            (0, _) => f.write_str("and there is no PSCI)"),
                            (_, 0) => f.write_str("and after CPU_ON nothing was heard of it)"),
                            (_, answer) => write!(f, "CPU_ON answered {answer})"),
                        }
                    }
                    _ => Ok(()),
                };
            }
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

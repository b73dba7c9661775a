//! The way in which a campaign talks to a target, whatever it is.
//!
//! ```text
//!   Target::boot ──> Session ── send_case 0, 1, 2 ..  (up to `window` ahead)
//!                       │
//!                       └────── receive ──> Observations 0 │ Observations 1 │ ..
//!                                       └─> Died: charge the case at its cursor, boot anew,
//!                                                 send again what was in flight
//! ```

use std::num::NonZeroUsize;

use case::CaseRef;
use case::memory::MemoryMap;
use link::hello::Hello;
use link::soak::Soak;

use crate::death::Death;
use crate::error::TargetError;
use crate::wire::Wear;

/// Something that can be started as often as needed.
pub trait Target: Send + Sync {
    /// Starts it and waits until it is ready for cases.
    fn boot(&self) -> Result<Box<dyn Session>, TargetError>;

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

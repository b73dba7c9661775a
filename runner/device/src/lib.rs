//! Devices: machines that answer cases, started, talked to and watched, whatever they are.
//!
//! A campaign knows a [`Target`], which can be booted as often as need be, and a [`Session`], which takes cases and
//! answers with observations or a [`Death`]. What is behind them is said by a target file, and by it alone.
//!
//! ```text
//!   target file ── Description ── open ──> Target ── boot ──> Session     what a campaign sees
//!                                            │                   │
//!                       kind: qemu, gdb, serial, scripted        │        how each kind is started
//!                                            └──────────────> booted      handshake, cases in flight, watchdog
//!                                                              │    │
//!                     mailbox, frames, gdb's mailbox ── wire ──┘  handle ── process, board
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`description`] | the target file |
//! | [`kind`]        | the kinds of device, and the list of them |
//! | [`session`]     | what every target can do |
//! | [`death`]       | how a target died |
//! | [`error`]       | why a target can't be run |
//! | `booted`        | a booted device behind any wire |
//! | [`map`]         | which memory cases may use |
//! | [`watchdog`]    | progress, and the lack of it |
//! | [`wire`]: [`mailbox`], [`frames`] | how messages travel |
//! | `counters`      | what a mailbox may say |
//! | [`stream`]      | the bytes below frames |
//! | [`memory`], `memory_file` | memory that is shared with a target |
//! | `handle`: `process` | what runs behind a wire, and how it is ended |
//! | [`emulator`]    | QEMU's program |
//! | `child`         | a process beside the targets that ends with the runner |

pub mod death;
pub mod description;
pub mod emulator;
pub mod error;
pub mod frames;
pub mod kind;
pub mod mailbox;
pub mod map;
pub mod memory;
pub mod session;
pub mod stream;
pub mod watchdog;
pub mod wire;

mod booted;
mod child;
mod counters;
mod handle;
mod memory_file;
mod process;

use std::path::PathBuf;

use payload::Executor;

use emulator::Program;

pub use child::Child;
pub use death::{CaseCursor, Death, HowDied, HungReason};
pub use description::Description;
pub use error::TargetError;
pub use session::{Event, Identity, Session, Target};

/// The target that `description` describes, with `executor` on it; `emulator` is the QEMU to run in place
/// of the usual one, where it is emulated.
///
/// # Errors
/// What the target needs is not there, or does not fit. Nothing is started yet.
pub fn open(
    description: Description,
    executor: &Executor,
    emulator: Option<PathBuf>,
) -> Result<Box<dyn Target>, TargetError> {
    description.start.kind().open(&description, executor, Program::new(emulator))
}

//! Targets: starting a machine, moving messages to and from it, noticing that it died.
//!
//! | module | noun |
//! |---|---|
//! | [`description`] | the target file |
//! | [`session`]     | what every target can do, and how one ends |
//! | [`map`]         | which memory cases may use |
//! | [`watchdog`]    | progress, and the lack of it |
//! | [`wire`]: [`mailbox`], [`frames`] | how messages travel |
//! | [`stream`]      | the bytes below frames |
//! | [`memory`]      | memory that the target writes at any moment |
//! | `life`: `process` | what is behind a wire, and how it is ended |
//! | `bad_line`      | a serial line that harms what it carries |
//! | `child`         | a process of another kind that ends with the runner |
//! | `machine`        | a booted machine behind any wire |
//! | [`qemu`]        | a machine that QEMU emulates |
//! | [`gdb`]         | a machine behind a debugger |
//! | [`serial`]      | a board on a serial line, started by a recipe |
//! | [`scripted`]    | a target that answers from a closure, for tests |

pub mod description;
pub mod error;
pub mod frames;
pub mod gdb;
pub mod mailbox;
pub mod map;
pub mod memory;
pub mod qemu;
pub mod scripted;
pub mod serial;
pub mod session;
pub mod stream;
pub mod watchdog;
pub mod wire;

mod bad_line;
mod child;
mod life;
mod machine;
mod process;

use std::path::PathBuf;

use description::Start;
use gdb::GdbTarget;
use qemu::QemuTarget;
use serial::SerialTarget;

use payload::Executor;

pub use child::Child;
pub use description::Description;
pub use error::TargetError;
pub use session::{CaseCursor, Death, Event, HowDied, HungReason, Identity, Session, Target};

/// The target that `description` describes, with `executor` on it; `emulator` is the QEMU to run in place
/// of the default one, where it is emulated.
pub fn open(
    description: Description,
    executor: &Executor,
    emulator: Option<PathBuf>,
) -> Result<Box<dyn Target>, TargetError> {
    Ok(match description.start {
        Start::Qemu(_) => Box::new(QemuTarget::new(description, executor, emulator)?),
        Start::Gdb(_) => Box::new(GdbTarget::new(description, executor, emulator)?),
        Start::Serial(_) => Box::new(SerialTarget::new(description, executor, emulator)?),
    })
}

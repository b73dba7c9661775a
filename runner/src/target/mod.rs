//! Targets: starting a machine, moving messages to and from it, noticing that it died.
//!
//! | module | noun |
//! |---|---|
//! | [`description`] | the target file |
//! | [`session`]     | what every target can do, and how one ends |
//! | [`map`]         | which memory cases may use |
//! | [`watchdog`]    | progress, and the lack of it |
//! | `wire`: `mailbox`, `frames` | how messages travel |
//! | `life`: `process` | what is behind a wire, and how it is ended |
//! | `machine`        | a booted machine behind any wire |
//! | [`qemu`]        | a machine that QEMU emulates |
//! | [`scripted`]    | a target that answers from a closure, for tests |

pub mod description;
pub mod error;
pub mod map;
pub mod qemu;
pub mod scripted;
pub mod session;
pub mod watchdog;

mod frames;
mod life;
mod machine;
mod mailbox;
mod memory;
mod process;
mod wire;

pub use description::Description;
pub use error::TargetError;
pub use session::{CaseCursor, Death, Event, HowDied, HungReason, Identity, Session, Target};

//! The kinds of device: each says how it is described under `start:` of a target file, checked, and opened.
//!
//! ```text
//!                 target file
//!   Description ── start: Start ──> dyn DeviceKind ── open ──> dyn Target ── boot ──> dyn Session
//!                          │
//!            ┌─────────────┼─────────────┐
//!          qemu           gdb          serial      the kinds; none imports another
//!            └─────────────┼─────────────┘
//!     booted, wires, process, watchdog, emulator   what they share, which knows no kind
//! ```
//!
//! A new kind is a module beside these and its entry in the list below; its errors, its messages and its part of
//! the target file's schema live in its module.

pub mod gdb;
pub mod qemu;
pub mod scripted;
pub mod serial;

use std::fmt::Debug;

use payload::Executor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::description::{Description, Dimm, Range, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::session::Target;

/// A kind of device, with what a target file says of one.
pub trait DeviceKind: Debug {
    /// How many PEs take part in cases.
    fn pes(&self) -> u8 {
        1
    }

    /// The main RAM, where the target file says where it is.
    fn main_ram(&self) -> Option<Range> {
        None
    }

    /// RAM that is plugged at addresses of its own.
    fn dimms(&self) -> &[Dimm] {
        &[]
    }

    /// Whether the host reaches the mailbox past the caches of the PE that runs the executor.
    fn is_behind_caches(&self) -> bool {
        false
    }

    /// Whether the host can see what the device is at. Where it can't, silence alone tells that it hangs.
    fn shows_activity(&self) -> bool {
        true
    }

    /// Whether its parts fit together, and to `transport`.
    ///
    /// # Errors
    /// What does not fit, and what would; the message begins with the key in question.
    fn check(&self, transport: &Transport) -> Result<(), String>;

    /// The target that `description` describes, with `executor` on it; `emulator` is the QEMU to run, where one
    /// takes part.
    ///
    /// # Errors
    /// What it needs is not there. Nothing is started yet.
    fn open(
        &self,
        description: &Description,
        executor: &Executor,
        emulator: Program,
    ) -> Result<Box<dyn Target>, TargetError>;
}

/// Declares [`Start`] from the list of kinds.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($kind:ty),)+) => {
        /// How a target is started.
        #[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Start {
            $($(#[$doc])* $name($kind),)+
        }

        impl Start {
            /// The kind of device, whichever it is.
            pub fn kind(&self) -> &dyn DeviceKind {
                match self {
                    $(Self::$name(kind) => kind,)+
                }
            }
        }
    };
}

kinds! {
    /// By QEMU, as a process on this host.
    Qemu(qemu::Qemu),
    /// By a debugger, which loads and runs it.
    Gdb(gdb::Gdb),
    /// By a recipe, as a board on a serial line.
    Serial(serial::Serial),
}

#[cfg(test)]
mod walls;

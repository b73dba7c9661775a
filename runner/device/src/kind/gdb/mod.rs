//! Machines behind a debugger that speaks the GDB remote serial protocol.
//!
//! | module | noun |
//! |---|---|
//! | `description` | what a target file says of one |
//! | `target`      | a machine that can be started |
//! | [`packet`]    | a packet on the stream |
//! | [`socket`]    | the connection |
//! | [`client`]    | questions and their answers |
//! | [`stub`]      | the debugger: features, memory, its own commands |
//! | `registers`   | the description of the core's registers |
//! | `core`        | the core: halted, read, set going |
//! | `wire`        | the mailbox, by way of a debugger |
//! | `debuggee`    | what runs behind it |

pub mod client;
pub mod error;
pub mod packet;
pub mod socket;
pub mod stub;

mod core;
mod debuggee;
mod description;
mod registers;
mod target;
mod wire;

#[cfg(test)]
mod independent;

use payload::Executor;

use self::target::GdbTarget;
use super::DeviceKind;
use crate::description::{Description, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::session::Target;

pub use description::Gdb;
pub use error::GdbError;

impl DeviceKind for Gdb {
    fn is_behind_caches(&self) -> bool {
        self.behind_caches
    }

    fn check(&self, transport: &Transport) -> Result<(), String> {
        self.fits(transport)
    }

    fn open(
        &self,
        description: &Description,
        executor: &Executor,
        emulator: Program,
    ) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(GdbTarget::new(self, description, executor, emulator)?))
    }
}

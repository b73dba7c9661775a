//! Boards on a serial line, and the recipes that start the executor on them.
//!
//! | module | noun |
//! |---|---|
//! | `description` | what a target file says of one |
//! | `step`        | a step of a boot recipe, as the file says it |
//! | `text`        | variables and escapes in the texts of a recipe |
//! | `target`      | a board that can be started |
//! | `port`        | the way to the console: tty, socket, terminal server, pseudo-terminal |
//! | `console`     | the console as the host hears it |
//! | `board`       | a board that is plugged in |
//! | `recipe`      | what starts the executor |
//! | `ymodem`      | sending the image over the console |

mod board;
mod console;
mod description;
mod error;
mod port;
mod recipe;
mod step;
mod target;
mod text;
mod ymodem;

use payload::Executor;

use self::target::SerialTarget;
use super::DeviceKind;
use crate::description::{Description, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::session::Target;

pub use description::{Emulator, Port, Serial, Tty};
pub use error::{BoardError, StepFault};
pub use port::PortError;
pub use step::{Action, Form, Pattern, Step};
pub use ymodem::TransferFault;

impl DeviceKind for Serial {
    fn pes(&self) -> u8 {
        self.cpus
    }

    /// Into a board nobody can look.
    fn shows_activity(&self) -> bool {
        false
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
        Ok(Box::new(SerialTarget::new(self, description, executor, emulator)?))
    }
}

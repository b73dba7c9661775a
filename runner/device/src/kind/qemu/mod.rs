//! Emulated machines: QEMU as a process on this host.
//!
//! | module | noun |
//! |---|---|
//! | `description` | what a target file says of one |
//! | `target`      | a machine that can be started |
//! | `command`     | its command line |
//! | `stub`        | the firmware that enters the executor where there are DIMMs |
//! | `bad_line`    | a serial line that harms what it carries |

mod bad_line;
mod command;
mod description;
mod stub;
mod target;

use payload::Executor;

use self::target::QemuTarget;
use super::DeviceKind;
use crate::description::{Description, Dimm, Range, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::session::Target;

pub use bad_line::BadLine;
pub use description::Qemu;

impl DeviceKind for Qemu {
    fn pes(&self) -> u8 {
        self.cpus
    }

    fn main_ram(&self) -> Option<Range> {
        Some(Range { address: self.ram, size: self.memory })
    }

    fn dimms(&self) -> &[Dimm] {
        &self.dimms
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
        Ok(Box::new(QemuTarget::new(self, description, executor, emulator)?))
    }
}

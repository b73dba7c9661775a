//! A board on a serial line, and the recipe that starts the executor on it.
//!
//! ```text
//!                 Board::plug        recipe::follow               Machine::boot
//!   boot ──> port, emulator ──> run, press-until, loady .. ──> Hello, Configure, Ready ──> Session
//!     ^                                                                                      │
//!     └──────────────── dead, hung, reset, or lost: all of it again ─────────────────────────┘
//! ```
//!
//! | module | noun |
//! |---|---|
//! | `port`   | the way to the console: tty, socket, terminal server, pseudo-terminal |
//! | `line`   | the console as the host hears it |
//! | `board`  | a board that is plugged in |
//! | `recipe` | what starts the executor |
//! | `ymodem` | sending the image over the console |

mod board;
mod error;
mod line;
mod port;
mod recipe;
mod ymodem;

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use self::board::{Board, Facts};
use super::description::{Action, Description, Port, Serial};
use super::error::TargetError;
use super::frames::Frames;
use super::machine::Machine;
use super::qemu;
use super::session::{Death, HowDied, Identity, Session, Target};
use payload::{Executor, esp};

pub use error::{BoardError, StepFault};
pub use port::PortError;
pub use ymodem::Fault as TransferFault;

/// A board on a serial line, and the executor for it.
#[derive(Debug)]
pub struct SerialTarget {
    description: Description,
    serial: Serial,
    /// What takes the board's place, where something does.
    program: PathBuf,
    image: Vec<u8>,
    /// What the recipe's variables name, as long as the target is there.
    _files: Vec<File>,
    facts: Facts,
    identity: Identity,
    /// Whether it has come up before: then a recipe that fails is tried again.
    was_up: AtomicBool,
}

impl SerialTarget {
    /// The board that `description` describes, with `executor` for it; `program` is the QEMU to run in place
    /// of the default one, where an emulator takes the board's place.
    pub fn new(
        description: Description,
        executor: &Executor,
        program: Option<PathBuf>,
    ) -> Result<Self, TargetError> {
        let serial = description.serial().cloned();
        let serial = serial.ok_or(TargetError::Misuse("a recipe is to start what has none"))?;
        let program = program.unwrap_or_else(|| qemu::QemuTarget::PROGRAM.into());
        let version = serial.emulator.as_ref().map(|_| qemu::version(&program)).transpose()?;
        let image = executor.image(&description.config())?;
        let mut files = Vec::new();
        let mut share = |bytes: &[u8]| {
            let file =
                in_memory(bytes).map_err(TargetError::host("no memory file for the image"))?;
            // Every process of this user can open it there, as long as the runner lives.
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            files.push(file);
            Ok::<_, TargetError>(path)
        };
        let esp = match serial.names("esp") {
            true => {
                let application = executor.efi(&description.config())?;
                share(&esp::image(&application, esp::USUAL_BYTES)?)?
            }
            false => String::new(),
        };
        let facts = Facts {
            image: share(&image)?,
            image_bytes: image.len(),
            esp,
            load_address: serial.load_address.map_or_else(String::new, |at| at.to_string()),
        };
        let command = match &serial.emulator {
            Some(emulator) => format!("{} {}", program.display(), emulator.args.join(" ")),
            None => format!("{}, {} steps", serial.port, serial.boot.len()),
        };
        let identity = Identity {
            name: description.name.clone(),
            emulator: version,
            shape: format!("a board on {}", serial.port),
            command,
        };
        let was_up = AtomicBool::new(false);
        Ok(Self { description, serial, program, image, _files: files, facts, identity, was_up })
    }

    /// Starts it by its recipe, once.
    fn start(&self) -> Result<Box<dyn Session>, TargetError> {
        let begins_with_a_command =
            matches!(self.serial.boot.first().map(|step| &step.action), Some(Action::Run(_)));
        let coming = begins_with_a_command
            || self.serial.emulator.is_some()
            || self.was_up.load(Ordering::Relaxed);
        let mut board = Board::plug(&self.serial, &self.program, &self.facts, coming)?;
        recipe::follow(&self.serial.boot, &mut board, &self.image)?;
        let patience = Duration::from_secs(self.description.limits.boot_silent_seconds.into());
        let (line, running) = board.started(Instant::now() + patience)?;
        let heard = running.heard();
        let frames = Frames::new(line).map_err(TargetError::host("the console can't be set up"))?;
        let frames = match &self.serial.port {
            // A byte takes ten bits.
            Port::Tty(tty) => frames.with_rate(tty.baud / 10),
            Port::Socket(_) | Port::Tcp(_) | Port::Pty => frames,
        };
        let machine = Machine::boot(&self.description, frames, Box::new(running), |death| {
            self.boot_error(death)
        })?;
        // What the board says while it starts is no reset.
        board::watch_for(&heard, self.serial.reset_sign.as_deref());
        Ok(Box::new(machine))
    }

    fn boot_error(&self, death: Death) -> TargetError {
        let remedy = match death.how {
            HowDied::Hung { .. } | HowDied::Reset { .. } => {
                "the executor never spoke: see that the recipe loads and enters it at EL2 or EL3, at \
                 `load-address`, and that its console is the one of `port`; `limits` tell how long it may take"
            }
            HowDied::Lost { .. } => "see to the cable, the adapter, or whatever offers the console",
            HowDied::Exited { .. } => {
                "see what the emulator says, and its `args` in the target file"
            }
            HowDied::Epitaph(_) => {
                "the executor can't run there: see at which EL it is entered, and the arenas in the \
                 target file"
            }
            HowDied::OtherVersion { .. } => {
                "the recipe starts an executor of another version: let it load `{image}`"
            }
            HowDied::Garbage { .. } => "see that the port's baud rate is the board's",
        };
        let command = self.identity.command.clone();
        TargetError::Boot { death: Box::new(death), command, remedy }
    }
}

impl Target for SerialTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let was_up = self.was_up.load(Ordering::Relaxed);
        let most = if was_up { self.serial.attempts } else { 1 };
        let mut attempt = 1;
        loop {
            match self.start() {
                Ok(session) => {
                    self.was_up.store(true, Ordering::Relaxed);
                    return Ok(session);
                }
                // Of another kind are errors that would come again: another machine, another version.
                Err(error @ (TargetError::Board(_) | TargetError::Boot { .. })) => {
                    if attempt == most {
                        return Err(match most {
                            1 => error,
                            attempts => TargetError::Gone { attempts, last: Box::new(error) },
                        });
                    }
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("hypwalk-image", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

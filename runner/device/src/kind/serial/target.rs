//! A board on a serial line, started by its recipe as often as need be.
//!
//! ```text
//!             PluggedBoard::plug     recipe::follow               Booted::new
//!   boot ──> port, emulator ──> run, press-until, loady .. ──> Hello, Configure, Ready ──> Session
//!     ^                                                                                      │
//!     └──────────────── dead, hung, reset, or lost: all of it again ─────────────────────────┘
//! ```

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use payload::{Executor, esp};

use super::board::{self, BoardHandle, Facts, PluggedBoard};
use super::console::ConsoleLine;
use super::description::{Port, Serial};
use super::error::{BoardError, Gone};
use super::recipe;
use super::step::Action;
use crate::booted::Booted;
use crate::death::HowDied;
use crate::description::Description;
use crate::emulator::Program;
use crate::error::TargetError;
use crate::frames::Frames;
use crate::memory_file;
use crate::session::{Identity, Session, Target};

/// A board on a serial line, and the executor for it.
#[derive(Debug)]
pub struct SerialTarget {
    description: Description,
    serial: Serial,
    /// What takes the board's place, where something does.
    program: Program,
    image: Vec<u8>,
    /// What the recipe's variables name, as long as the target is there.
    _files: Vec<File>,
    facts: Facts,
    identity: Identity,
    /// Whether it has come up before: then a recipe that fails is tried again.
    was_up: AtomicBool,
}

impl SerialTarget {
    /// The board `serial` that `description` describes, with `executor` for it; `program` is the QEMU to run
    /// where an emulator takes the board's place.
    pub fn new(
        serial: &Serial,
        description: &Description,
        executor: &Executor,
        program: Program,
    ) -> Result<Self, TargetError> {
        let (serial, description) = (serial.clone(), description.clone());
        let version = serial.emulator.as_ref().map(|_| program.version()).transpose();
        let version = version.map_err(TargetError::device)?;
        let image = executor.image(&description.config())?;
        let mut files = Vec::new();
        let mut share = |bytes: &[u8]| {
            let file = memory_file::holding("image", bytes)
                .map_err(TargetError::host("no memory file for the image"))?;
            // Every process of this user can open it there, as long as the runner lives.
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            files.push(file);
            Ok::<_, TargetError>(path)
        };
        let esp = match serial.names("esp") {
            true => share(&executor.esp(&description.config(), esp::USUAL_BYTES)?)?,
            false => String::new(),
        };
        let facts = Facts {
            image: share(&image)?,
            image_bytes: image.len(),
            esp,
            load_address: serial.load_address.map_or_else(String::new, |at| at.to_string()),
        };
        let command = match &serial.emulator {
            Some(emulator) => format!("{} {}", program.path().display(), emulator.args.join(" ")),
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
        let (console, running) = self.follow_recipe().map_err(TargetError::device)?;
        let heard = running.heard();
        let frames =
            Frames::new(console).map_err(TargetError::host("the console can't be set up"))?;
        let frames = match &self.serial.port {
            // A byte takes ten bits.
            Port::Tty(tty) => frames.with_rate(tty.baud / 10),
            Port::Socket(_) | Port::Tcp(_) | Port::Pty => frames,
        };
        let Self { description, identity, .. } = self;
        let session =
            Booted::new(description, frames, Box::new(running), &identity.command, remedy)?;
        // What the board says while it starts is no reset.
        board::watch_for(&heard, self.serial.reset_sign.as_deref());
        Ok(Box::new(session))
    }

    /// Plugs the board in and follows the recipe to its end.
    fn follow_recipe(&self) -> Result<(ConsoleLine, BoardHandle), BoardError> {
        let begins_with_a_command =
            matches!(self.serial.boot.first().map(|step| &step.action), Some(Action::Run(_)));
        let coming = begins_with_a_command
            || self.serial.emulator.is_some()
            || self.was_up.load(Ordering::Relaxed);
        let mut board = PluggedBoard::plug(&self.serial, self.program.path(), &self.facts, coming)?;
        recipe::follow(&self.serial.boot, &mut board, &self.image)?;
        let patience = Duration::from_secs(self.description.limits.boot_silent_seconds.into());
        board.started(Instant::now() + patience)
    }
}

/// What to do about a board that does not come up.
const fn remedy(how: &HowDied) -> &'static str {
    match how {
        HowDied::Hung { .. } | HowDied::Reset { .. } => {
            "the executor never spoke: see that the recipe loads and enters it at EL2 or EL3, at \
             `load-address`, and that its console is the one of `port`; `limits` tell how long it may take"
        }
        HowDied::Lost { .. } => "see to the cable, the adapter, or whatever offers the console",
        HowDied::Killed { .. } => {
            "somebody ended the emulator, or the host ran out of memory: see its log"
        }
        HowDied::Exited { .. } => "see what the emulator says, and its `args` in the target file",
        HowDied::Epitaph(_) => {
            "the executor can't run there: see at which EL it is entered, and the arenas in the \
             target file"
        }
        HowDied::OtherVersion { .. } => {
            "the recipe starts an executor of another version: let it load `{image}`"
        }
        HowDied::Garbage { .. } => "see that the port's baud rate is the board's",
    }
}

impl Target for SerialTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let was_up = self.was_up.load(Ordering::Relaxed);
        let most = if was_up { self.serial.attempts } else { 1 };
        let mut attempt = 1;
        loop {
            let error = match self.start() {
                Ok(session) => {
                    self.was_up.store(true, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(error) => error,
            };
            // Other errors would come again: another machine, another version.
            if !matches!(error, TargetError::Device(_) | TargetError::Boot { .. }) || most == 1 {
                return Err(error);
            }
            if attempt == most {
                return Err(TargetError::device(Gone { attempts: most, last: error }));
            }
            attempt += 1;
        }
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

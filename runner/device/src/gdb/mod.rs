//! Starting a machine through a debugger that speaks the GDB remote protocol: QEMU's stub, OpenOCD, a
//! JTAG probe.
//!
//! ```text
//!   command ──> process             if there is one: the machine, or the debugger
//!   connect ──> greet, halt         core: AArch64, or it is refused
//!   reset   ──> monitor commands
//!   image   ──> memory              configured, and read back in part
//!   mailbox ──> zeroed
//!   x0, pc, breakpoint ──> go       the executor says hello through the mailbox
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`packet`]  | a packet on the stream |
//! | [`stream`]  | the stream |
//! | [`client`]  | questions and their answers |
//! | [`stub`]    | the debugger: features, memory, its own commands |
//! | `registers` | the target description |
//! | `core`      | the core: halted, read, set going |
//! | `wire`      | the mailbox, by way of a debugger |
//! | `life`      | what is behind it |

pub mod client;
pub mod error;
pub mod packet;
pub mod stream;
pub mod stub;

mod core;
mod life;
mod registers;
mod wire;

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::client::Client;
use self::core::Core;
use self::life::{Debuggee, Loss};
use self::stream::Stream;
use self::stub::Stub;
use self::wire::{Places, RemoteMailbox};
use super::description::{Description, Gdb, Start, Transport};
use super::error::TargetError;
use super::life::Life as _;
use super::machine::Machine;
use super::process::Process;
use super::qemu::{self, QemuTarget};
use super::session::{Death, HowDied, Identity, Session, Target};
use payload::Executor;

pub use error::GdbError;

/// How long to wait before another try to connect.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// So much of the image, at its start and at its end, is read back.
const READ_BACK: usize = 1024;

/// A machine behind a debugger, and the executor that runs on it.
#[derive(Debug)]
pub struct GdbTarget {
    description: Description,
    gdb: Gdb,
    emulator: PathBuf,
    image: Vec<u8>,
    places: Places,
    identity: Identity,
}

impl GdbTarget {
    /// The target that `description` describes, with `executor` on it; `emulator` is the QEMU that its
    /// command starts, if it does.
    pub fn new(
        description: Description,
        executor: &Executor,
        emulator: Option<PathBuf>,
    ) -> Result<Self, TargetError> {
        let (Start::Gdb(gdb), Transport::Mailbox { address }) =
            (&description.start, &description.transport)
        else {
            return Err(TargetError::Misuse("a debugger is to start what it can't"));
        };
        let (gdb, mailbox) = (gdb.clone(), address.0);
        let emulator = emulator.unwrap_or_else(|| QemuTarget::PROGRAM.into());
        let version = gdb.is_emulated().then(|| qemu::version(&emulator)).transpose()?;
        let image = executor.image(&description.config())?;
        let load = gdb.load_address.0;
        let places = Places { image: load, mailbox, doorbell: load + executor.doorbell()? };
        let command = match (&gdb.address, &gdb.command) {
            (address, Some(command)) => {
                let command = command.replace("$QEMU", &emulator.display().to_string());
                let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
                match address {
                    Some(address) => format!("{command} (at {address})"),
                    None => command,
                }
            }
            (Some(address), None) => format!("at {address}"),
            (None, None) => String::new(),
        };
        let identity = Identity {
            name: description.name.clone(),
            emulator: version,
            shape: command.clone(),
            command,
        };
        Ok(Self { description, gdb, emulator, image, places, identity })
    }

    /// How long the debugger and what it debugs may take for anything.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.description.limits.boot_idle_seconds.into())
    }

    /// Starts the command, if there is one, and connects.
    fn start(&self) -> Result<(Option<Process>, Stream), GdbError> {
        let Some(command) = &self.gdb.command else {
            return Ok((None, self.connect(&mut None)?));
        };
        let mut shell = Command::new("/bin/sh");
        // The process that ends with the runner is the command itself, and no shell around it.
        shell.args(["-c", &format!("exec {command}")]).env("QEMU", &self.emulator);
        if self.gdb.address.is_none() {
            let (ours, theirs) = UnixStream::pair().map_err(GdbError::Command)?;
            let process = Process::start_on(shell, OwnedFd::from(theirs));
            let process = process.map_err(GdbError::Command)?;
            return Ok((Some(process), Stream::new(ours).map_err(GdbError::Command)?));
        }
        let mut process = Some(Process::start(shell, Vec::new()).map_err(GdbError::Command)?);
        let stream = self.connect(&mut process)?;
        Ok((process, stream))
    }

    /// Connects to the debugger, which `process` may have to start first.
    fn connect(&self, process: &mut Option<Process>) -> Result<Stream, GdbError> {
        let address = self.gdb.address.clone().unwrap_or_default();
        let deadline = Instant::now() + self.patience();
        loop {
            let ended =
                process.as_mut().and_then(|process| Some((process.ended()?, process.end())));
            if let Some((end, said)) = ended {
                return Err(GdbError::Ended { status: end.into_words(), said });
            }
            match Stream::connect(&address) {
                Ok(stream) => return Ok(stream),
                Err(_) if process.is_some() && Instant::now() < deadline => {
                    thread::sleep(TRY_AGAIN_AFTER);
                }
                Err(source) => return Err(GdbError::Connect { address, source }),
            }
        }
    }

    /// Has the core behind `stream` run the executor.
    fn enter(&self, stream: Stream, loss: Arc<Loss>) -> Result<RemoteMailbox, GdbError> {
        let Self { gdb, places, .. } = self;
        let mut core = Core::attach(Client::new(stream, self.patience()))?;
        let mut bus = match &gdb.bus {
            None => None,
            Some(address) => {
                let connect = |source| GdbError::Connect { address: address.clone(), source };
                let stream = Stream::connect(address).map_err(connect)?;
                Some(Stub::greet(Client::new(stream, self.patience()))?)
            }
        };
        for command in &gdb.reset {
            core.stub().monitor(command)?;
        }
        core.check_state()?;

        let memory = bus.as_mut().unwrap_or_else(|| core.stub());
        memory.try_binary(places.image)?;
        memory.write(&[(places.image, &self.image)])?;
        let last = self.image.len().saturating_sub(READ_BACK);
        for part in [0, last] {
            let written = &self.image[part..][..READ_BACK.min(self.image.len())];
            let address = places.image + part as u64;
            let read = memory.read(&[(address, written.len())])?.concat();
            if read != written {
                return Err(GdbError::NotWritten { address });
            }
        }

        core.set_register("x0", gdb.device_tree.0)?;
        for (name, value) in &gdb.registers {
            core.set_register(name, *value)?;
        }
        core.set_register("pc", places.image)?;
        let patience = Duration::from_secs(self.description.limits.idle_seconds.into());
        RemoteMailbox::new(core, bus, *places, patience, loss)
    }

    fn boot_error(&self, death: Death) -> TargetError {
        let remedy = match death.how {
            HowDied::Exited { .. } | HowDied::Reset { .. } | HowDied::Lost { .. } => {
                "see what the debugger says; the target file names the command that starts it, and \
                 where it listens"
            }
            HowDied::Hung { .. } => {
                "the executor never spoke: see that the target file's load address and mailbox are in \
                 RAM, that the core is at EL2 or EL3 after `reset`, and that `limits` allow for it"
            }
            HowDied::Epitaph(_) => {
                "the executor can't run there: see the registers and arenas in the target file"
            }
            HowDied::Garbage { .. } | HowDied::OtherVersion { .. } => {
                "what stands in the mailbox is not the executor's: see that nothing else runs on the \
                 machine, and whether the debugger looks behind the core's caches (`behind-caches`)"
            }
        };
        let command = self.identity.command.clone();
        TargetError::Boot { death: Box::new(death), command, remedy }
    }
}

impl Target for GdbTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let error = |source, said: String| {
            let said = match said.as_str() {
                "" => said,
                text => format!("\n  and said: {}", text.replace('\n', "\n    ")),
            };
            TargetError::Debugger { source, said, command: self.identity.command.clone() }
        };
        let (mut process, stream) = self.start().map_err(|source| error(source, String::new()))?;
        let loss = Arc::new(Loss::default());
        let wire = self.enter(stream, Arc::clone(&loss)).map_err(|source| {
            error(source, process.as_mut().map(|process| process.end()).unwrap_or_default())
        })?;
        let life = Box::new(Debuggee::new(process, loss));
        let machine = Machine::boot(&self.description, wire, life, |death| self.boot_error(death))?;
        Ok(Box::new(machine))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A command that speaks on its own pipe can be started as often as need be; a place to listen is one.
    fn most_at_once(&self) -> NonZeroUsize {
        if self.gdb.address.is_none() { NonZeroUsize::MAX } else { NonZeroUsize::MIN }
    }
}

//! A machine behind a debugger that speaks the GDB remote protocol: QEMU's stub, OpenOCD, a JTAG probe.
//!
//! ```text
//!   command ──> process             if there is one: the machine, or the debugger
//!   connect ──> greet, halt         core: AArch64, or it is refused
//!   reset   ──> monitor commands
//!   image   ──> memory              configured, and read back in part
//!   mailbox ──> zeroed
//!   x0, pc, breakpoint ──> go       the executor says hello through the mailbox
//! ```

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use payload::Executor;

use super::client::Client;
use super::core::Core;
use super::debuggee::{Debuggee, Loss};
use super::description::Gdb;
use super::error::{DebuggerError, GdbError};
use super::socket::Socket;
use super::stub::Stub;
use super::wire::{Access, Places, RemoteMailbox};
use crate::booted::Booted;
use crate::death::HowDied;
use crate::description::{Address, Description, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::handle::DeviceHandle as _;
use crate::process::Process;
use crate::session::{Identity, Session, Target};

/// How long to wait before another try to connect.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// So much of the image, at its start and at its end, is read back.
const READ_BACK: usize = 1024;

/// A machine behind a debugger, and the executor that runs on it.
#[derive(Debug)]
pub struct GdbTarget {
    description: Description,
    gdb: Gdb,
    emulator: Program,
    image: Vec<u8>,
    places: Places,
    identity: Identity,
}

impl GdbTarget {
    /// The machine `gdb` that `description` describes, with `executor` on it; `emulator` is the QEMU that its
    /// command starts, if it does.
    pub fn new(
        gdb: &Gdb,
        description: &Description,
        executor: &Executor,
        emulator: Program,
    ) -> Result<Self, TargetError> {
        let Transport::Mailbox { address: Address(mailbox) } = description.transport else {
            return Err(TargetError::Misuse("a debugger is to reach a console"));
        };
        let (gdb, description) = (gdb.clone(), description.clone());
        let version = gdb.is_emulated().then(|| emulator.version()).transpose();
        let version = version.map_err(TargetError::device)?;
        let image = executor.image(&description.config())?;
        let load = gdb.load_address.0;
        let places = Places { image: load, mailbox, doorbell: load + executor.doorbell()? };
        let command = shown_command(&gdb, &emulator);
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
    fn start(&self) -> Result<(Option<Process>, Socket), GdbError> {
        let Some(command) = &self.gdb.command else {
            return Ok((None, self.connect(&mut None)?));
        };
        let mut shell = Command::new("/bin/sh");
        // The process that ends with the runner is the command itself, and no shell around it.
        shell.args(["-c", &format!("exec {command}")]).env("QEMU", self.emulator.path());
        if self.gdb.address.is_none() {
            let (ours, theirs) = UnixStream::pair().map_err(GdbError::Command)?;
            let process = Process::start_on(shell, OwnedFd::from(theirs));
            let process = process.map_err(GdbError::Command)?;
            return Ok((Some(process), Socket::new(ours).map_err(GdbError::Command)?));
        }
        let mut process = Some(Process::start(shell, Vec::new()).map_err(GdbError::Command)?);
        let stream = self.connect(&mut process)?;
        Ok((process, stream))
    }

    /// Connects to the debugger, which `process` may have to start first.
    fn connect(&self, process: &mut Option<Process>) -> Result<Socket, GdbError> {
        let address = self.gdb.address.clone().unwrap_or_default();
        let deadline = Instant::now() + self.patience();
        loop {
            let ended =
                process.as_mut().and_then(|process| Some((process.ended()?, process.end())));
            if let Some((end, said)) = ended {
                return Err(GdbError::Ended { status: end.into_words(), said });
            }
            match Socket::connect(&address) {
                Ok(stream) => return Ok(stream),
                Err(_) if process.is_some() && Instant::now() < deadline => {
                    thread::sleep(TRY_AGAIN_AFTER);
                }
                Err(source) => return Err(GdbError::Connect { address, source }),
            }
        }
    }

    /// Has the core behind `stream` run the executor.
    fn enter(&self, stream: Socket, loss: Arc<Loss>) -> Result<RemoteMailbox, GdbError> {
        let Self { gdb, places, .. } = self;
        let core = Core::attach(Client::new(stream, self.patience()))?;
        let bus = gdb.bus.as_ref().map(|address| self.bus(address)).transpose()?;
        let mut access = Access { core, bus };
        for command in &gdb.reset {
            access.core.stub().monitor(command)?;
        }
        access.core.check_state()?;
        self.load(access.memory())?;

        let core = &mut access.core;
        core.set_register("x0", gdb.device_tree.0)?;
        for (name, value) in &gdb.registers {
            core.set_register(name, *value)?;
        }
        core.set_register("pc", places.image)?;
        let patience = Duration::from_secs(self.description.limits.idle_seconds.into());
        RemoteMailbox::new(access, *places, patience, loss)
    }

    /// The debugger at `address` that reaches memory beside the core.
    fn bus(&self, address: &str) -> Result<Stub, GdbError> {
        let connect = |source| GdbError::Connect { address: address.to_owned(), source };
        let stream = Socket::connect(address).map_err(connect)?;
        Stub::greet(Client::new(stream, self.patience()))
    }

    /// Loads the image, and reads its start and its end back.
    fn load(&self, memory: &mut Stub) -> Result<(), GdbError> {
        let start = self.places.image;
        memory.try_binary(start)?;
        memory.write(&[(start, &self.image)])?;
        let last = self.image.len().saturating_sub(READ_BACK);
        for part in [0, last] {
            let written = &self.image[part..][..READ_BACK.min(self.image.len())];
            let address = start + part as u64;
            let read = memory.read(&[(address, written.len())])?.concat();
            if read != written {
                return Err(GdbError::NotWritten { address });
            }
        }
        Ok(())
    }
}

/// The command that starts it and where it listens, for reading.
fn shown_command(gdb: &Gdb, emulator: &Program) -> String {
    let command = gdb.command.as_ref().map(|command| {
        let command = command.replace("$QEMU", &emulator.path().display().to_string());
        command.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    match (&gdb.address, command) {
        (Some(address), Some(command)) => format!("{command} (at {address})"),
        (None, Some(command)) => command,
        (Some(address), None) => format!("at {address}"),
        (None, None) => String::new(),
    }
}

/// What to do about a machine that does not come up.
const fn remedy(how: &HowDied) -> &'static str {
    match how {
        HowDied::Killed { .. } => {
            "somebody ended the emulator, or the host ran out of memory: see its log"
        }
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
    }
}

impl Target for GdbTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let Self { description, identity, .. } = self;
        let error = |source, said| {
            TargetError::device(DebuggerError { source, said, command: identity.command.clone() })
        };
        let (mut process, stream) = self.start().map_err(|source| error(source, String::new()))?;
        let loss = Arc::new(Loss::default());
        let wire = self.enter(stream, Arc::clone(&loss)).map_err(|source| {
            error(source, process.as_mut().map(|process| process.end()).unwrap_or_default())
        })?;
        let handle = Box::new(Debuggee::new(process, loss));
        let session = Booted::new(description, wire, handle, &identity.command, remedy)?;
        Ok(Box::new(session))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A command that speaks on its own pipe can be started as often as need be; a place to listen is one.
    fn most_at_once(&self) -> NonZeroUsize {
        if self.gdb.address.is_none() { NonZeroUsize::MAX } else { NonZeroUsize::MIN }
    }
}

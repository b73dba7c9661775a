//! A machine that QEMU emulates.
//!
//! Nothing touches the file system: guest RAM, image and firmware stub are memory files (memfd) that
//! QEMU inherits and opens as `/proc/self/fd/N`, and its console is one end of a socket pair. All of
//! it is gone when the last process that holds it is.
//!
//! ```text
//!   runner                                   QEMU
//!     │ memfd: RAM ───── memory-backend-file,share=on ──── main RAM
//!     │   └─ mapped at the mailbox                           └─ mailbox
//!     │ memfd: image ─── loader device, or -kernel ─────── load address
//!     │ memfd: stub ──── -bios ─────────────────────────── flash at 0
//!     │ socket pair ──── chardev (transport uart only) ─── PL011
//! ```

mod command;
mod stub;

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use link::mailbox;
use rustix::fs::{MemfdFlags, memfd_create};

use self::command::Files;
use super::bad_line::relay;
use super::description::{Description, Qemu, Transport};
use super::error::TargetError;
use super::frames::Frames;
use super::machine::Machine;
use super::mailbox::Mailbox;
use super::memory::SharedMemory;
use super::process::Process;
use super::session::{Death, HowDied, Identity, Session, Target};
use payload::Executor;

/// A machine that QEMU emulates, and the executor that runs on it.
#[derive(Debug)]
pub struct QemuTarget {
    description: Description,
    qemu: Qemu,
    program: PathBuf,
    image: File,
    stub: File,
    identity: Identity,
    /// How often it was started over a bad line.
    boots: AtomicU64,
}

impl QemuTarget {
    /// The program that is run where nobody names another.
    pub const PROGRAM: &str = "qemu-system-aarch64";

    /// The target that `description` describes, with `executor` on it, in the emulator `program`.
    pub fn new(
        description: Description,
        executor: &Executor,
        program: Option<PathBuf>,
    ) -> Result<Self, TargetError> {
        let program = program.unwrap_or_else(|| Self::PROGRAM.into());
        let emulator = version(&program)?;
        let qemu = description.qemu().cloned();
        let qemu = qemu.ok_or(TargetError::Misuse("QEMU is to start what is no machine of its"))?;
        let image = executor.image(&description.config())?;
        let stub = stub::firmware(qemu.ram.0, qemu.load_address.0);
        let (image, stub) = (in_memory("image", &image)?, in_memory("stub", &stub)?);

        // The numbers of the files differ from boot to boot; which they are tells nobody anything.
        let files = Files { image: "IMAGE", stub: "STUB", channel: "CHANNEL" };
        let arguments = command::arguments(&qemu, &description.transport, &files);
        let identity = Identity {
            name: description.name.clone(),
            emulator: Some(emulator),
            command: format!("{} {}", program.display(), arguments.join(" ")),
            shape: command::shape(&qemu),
        };
        let boots = AtomicU64::new(0);
        Ok(Self { description, qemu, program, image, stub, identity, boots })
    }

    fn start(&self, channel: OwnedFd) -> Result<Process, TargetError> {
        let clone = |file: &File| file.try_clone().map(OwnedFd::from);
        let image = clone(&self.image).map_err(TargetError::host("the image can't be shared"))?;
        let stub = clone(&self.stub).map_err(TargetError::host("the stub can't be shared"))?;
        let path = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
        let channel_name = match self.description.transport {
            Transport::Mailbox { .. } => path(&channel),
            Transport::Uart => channel.as_raw_fd().to_string(),
        };
        let (image_path, stub_path) = (path(&image), path(&stub));
        let files = Files { image: &image_path, stub: &stub_path, channel: &channel_name };

        let mut command = Command::new(&self.program);
        command.args(command::arguments(&self.qemu, &self.description.transport, &files));
        Process::start(command, vec![channel, image, stub])
            .map_err(|source| TargetError::NoEmulator { program: self.program.clone(), source })
    }

    fn boot_error(&self, death: Death) -> TargetError {
        let remedy = match death.how {
            HowDied::Exited { .. } | HowDied::Lost { .. } => {
                "see what the emulator says; the target file names machine, cpu and arguments, and \
                 --qemu or HYPWALK_QEMU another emulator"
            }
            HowDied::Hung { .. } => {
                "the executor never spoke: see that the target file's load address, mailbox and \
                 machine options fit, and that `limits` allow for this host"
            }
            HowDied::Epitaph(_) => {
                "the executor can't run there: see the machine options and arenas in the target file"
            }
            HowDied::Reset { .. } => {
                "it starts again and again before it is ready: see what its firmware says, and whether a \
                 watchdog is on"
            }
            HowDied::Garbage { .. } | HowDied::OtherVersion { .. } => {
                "it is no executor of this version: build it again with `hypwalk payload build`"
            }
        };
        let command = self.identity.command.clone();
        TargetError::Boot { death: Box::new(death), command, remedy }
    }
}

impl Target for QemuTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        match self.description.transport {
            Transport::Mailbox { address } => {
                let ram = memory_file("ram", self.qemu.memory.0)
                    .map_err(TargetError::host("no memory file for the guest's RAM"))?;
                let offset = address.0 - self.qemu.ram.0;
                let shared = SharedMemory::map(&ram, offset, mailbox::BYTES)
                    .map_err(TargetError::host("the mailbox can't be mapped"))?;
                let process = self.start(ram.into())?;
                self.session(Mailbox::new(shared), process)
            }
            Transport::Uart => {
                let (ours, theirs) = UnixStream::pair()
                    .map_err(TargetError::host("no socket pair for the console"))?;
                let frames = self
                    .frames(ours)
                    .map_err(TargetError::host("the console's socket can't be set up"))?;
                let process = self.start(theirs.into())?;
                self.session(frames, process)
            }
        }
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn most_at_once(&self) -> NonZeroUsize {
        NonZeroUsize::MAX
    }
}

impl QemuTarget {
    /// The host's end of a line whose other end is that of `socket`.
    fn frames(&self, socket: UnixStream) -> io::Result<Frames> {
        let Some(line) = &self.qemu.line else { return Frames::new(socket) };
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        let frames = Frames::new(relay(line, boot, socket)?)?;
        Ok(match line.bytes_per_second {
            Some(rate) => frames.with_rate(rate.get() as u32),
            None => frames,
        })
    }

    fn session(
        &self,
        wire: impl super::wire::Wire + 'static,
        process: Process,
    ) -> Result<Box<dyn Session>, TargetError> {
        let machine = Machine::boot(&self.description, wire, Box::new(process), |death| {
            self.boot_error(death)
        })?;
        Ok(Box::new(machine))
    }
}

/// The version of the emulator `program`, as it states it.
pub(super) fn version(program: &PathBuf) -> Result<String, TargetError> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|source| TargetError::NoEmulator { program: program.clone(), source })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().next().unwrap_or_default();
    match first.strip_prefix("QEMU emulator version ") {
        Some(version) => Ok(version.to_owned()),
        None => Err(TargetError::NotQemu { program: program.clone(), said: first.to_owned() }),
    }
}

fn memory_file(name: &str, bytes: u64) -> io::Result<File> {
    let file = File::from(memfd_create(format!("hypwalk-{name}"), MemfdFlags::CLOEXEC)?);
    file.set_len(bytes)?;
    Ok(file)
}

fn in_memory(name: &str, bytes: &[u8]) -> Result<File, TargetError> {
    let write = || {
        let mut file = memory_file(name, 0)?;
        file.write_all(bytes)?;
        Ok::<_, io::Error>(file)
    };
    write().map_err(TargetError::host("no memory file for the image"))
}

//! An emulated machine: QEMU as a process on this host.
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

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use link::mailbox;
use payload::Executor;

use super::bad_line::relay;
use super::command::{self, Files};
use super::description::Qemu;
use super::stub;
use crate::booted::Booted;
use crate::death::HowDied;
use crate::description::{Description, Transport};
use crate::emulator::Program;
use crate::error::TargetError;
use crate::frames::Frames;
use crate::mailbox::Mailbox;
use crate::memory::SharedMemory;
use crate::memory_file;
use crate::process::Process;
use crate::session::{Identity, Session, Target};
use crate::wire::Wire;

/// A machine that QEMU emulates, and the executor that runs on it.
#[derive(Debug)]
pub struct QemuTarget {
    description: Description,
    qemu: Qemu,
    program: Program,
    image: File,
    stub: File,
    identity: Identity,
    /// How often it was started over a bad line.
    boots: AtomicU64,
}

impl QemuTarget {
    /// The machine `qemu` that `description` describes, with `executor` on it, in the emulator `program`.
    pub fn new(
        qemu: &Qemu,
        description: &Description,
        executor: &Executor,
        program: Program,
    ) -> Result<Self, TargetError> {
        let (qemu, description) = (qemu.clone(), description.clone());
        let emulator = program.version().map_err(TargetError::device)?;
        let image = executor.image(&description.config())?;
        let stub = stub::firmware(qemu.ram.0, qemu.load_address.0);
        let keep = |name, bytes: &[u8]| {
            memory_file::holding(name, bytes)
                .map_err(TargetError::host("no memory file for the image"))
        };
        let (image, stub) = (keep("image", &image)?, keep("stub", &stub)?);

        // The numbers of the files differ from boot to boot; which they are tells nobody anything.
        let files = Files { image: "IMAGE", stub: "STUB", channel: "CHANNEL" };
        let arguments = command::arguments(&qemu, &description.transport, &files);
        let identity = Identity {
            name: description.name.clone(),
            emulator: Some(emulator),
            command: format!("{} {}", program.path().display(), arguments.join(" ")),
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

        let mut command = Command::new(self.program.path());
        command.args(command::arguments(&self.qemu, &self.description.transport, &files));
        Process::start(command, vec![channel, image, stub])
            .map_err(|source| TargetError::device(self.program.not_started(source)))
    }
}

/// What to do about a machine that does not come up.
const fn remedy(how: &HowDied) -> &'static str {
    match how {
        HowDied::Killed { .. } => {
            "somebody ended the emulator, or the host ran out of memory: see its log"
        }
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
    }
}

impl Target for QemuTarget {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        match self.description.transport {
            Transport::Mailbox { address } => {
                let ram = memory_file::zeroed("ram", self.qemu.memory.0)
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
        wire: impl Wire + 'static,
        process: Process,
    ) -> Result<Box<dyn Session>, TargetError> {
        let Self { description, identity, .. } = self;
        let session = Booted::new(description, wire, Box::new(process), &identity.command, remedy)?;
        Ok(Box::new(session))
    }
}

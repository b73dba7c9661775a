//! The connection to a device that runs: the wire, the handle of what is behind it, and the watchdog.

use case::memory::MemoryMap;
use link::hello::{Configure, Epitaph, Hello};
use link::message::{Head, MessageKind};
use zerocopy::{FromBytes, IntoBytes};

use super::pause::Pause;
use crate::death::{HowDied, HungReason};
use crate::description::Description;
use crate::emulator::was_ended_by_host;
use crate::error::TargetError;
use crate::handle::{DeviceHandle, End};
use crate::map::memory_map;
use crate::watchdog::{Look, Patience, Watchdog};
use crate::wire::{Fault, Wire, copy};

/// The connection to a device that runs.
pub struct Connection<W> {
    pub wire: W,
    pub handle: Box<dyn DeviceHandle>,
    watchdog: Watchdog,
    /// Why it is held to hang, and what was seen of it then.
    hung: Option<(HungReason, String)>,
}

/// What the handshake came to: the executor's first words and the memory map, or how the device died.
pub type Handshake = Result<(Hello, MemoryMap), HowDied>;

impl<W: Wire> Connection<W> {
    /// The connection to a device that boots, with as much patience as `description` asks for.
    pub fn new(description: &Description, wire: W, handle: Box<dyn DeviceHandle>) -> Self {
        let watchdog = Watchdog::new(Patience::at_boot(description));
        Self { wire, handle, watchdog, hung: None }
    }

    /// Hello, Configure, Ready. The outer error is that of the target file or the host.
    pub fn shake_hands(&mut self, description: &Description) -> Result<Handshake, TargetError> {
        let hello = match self.expect(MessageKind::Hello) {
            Ok(()) => self.hello(),
            Err(HowDied::OtherVersion { found }) => return Err(TargetError::Version { found }),
            Err(how) => return Ok(Err(how)),
        };
        // Whatever else a Hello of another version says, its version comes first.
        let version = u32::read_from_prefix(self.wire.body()).map_or(0, |(version, _)| version);
        if version != link::VERSION {
            return Err(TargetError::Version { found: version });
        }
        let Some(hello) = hello else {
            let size = self.wire.body().len();
            return Ok(Err(garbage(format!("its Hello of {size} bytes makes no sense"))));
        };
        if description.monitor && hello.entry_el != 3 {
            return Err(TargetError::NoMonitor { entry_el: hello.entry_el });
        }
        // Without a map of its own the executor works alone, and leaves alone what needs others.
        let wanted = if hello.own_map.is_on() { u64::from(description.pes()) } else { 1 };
        if hello.pes < wanted {
            return Err(TargetError::TooFewPes { found: hello.pes, wanted });
        }
        let map = memory_map(description, hello.free())?;
        let configure = Configure::new(&map).with_pes(wanted);
        self.wire.send(MessageKind::Configure, 0, &mut |body| copy(configure.as_bytes(), body));
        if let Err(how) = self.expect(MessageKind::Ready) {
            return Ok(Err(how));
        }
        self.watchdog = Watchdog::new(Patience::at_work(description));
        Ok(Ok((hello, map)))
    }

    /// The Hello that has just come, if it makes sense.
    fn hello(&self) -> Option<Hello> {
        let hello = Hello::read_from_bytes(self.wire.body()).ok()?;
        (1..=3).contains(&hello.entry_el).then_some(hello)
    }

    fn expect(&mut self, kind: MessageKind) -> Result<(), HowDied> {
        let head = self.wait()?;
        match head.kind() {
            Some(got) if got == kind => Ok(()),
            got => Err(garbage(format!("it sent {got:?} where {kind:?} was due"))),
        }
    }

    /// Waits for a message that is no epitaph. After an error the target is as good as dead.
    pub fn wait(&mut self) -> Result<Head, HowDied> {
        let mut pause = Pause::new();
        loop {
            if let Some(head) = self.take()? {
                return Ok(head);
            }
            if let Some((reason, seen)) = self.hung.take() {
                let said = [seen, self.handle.end()];
                let said = said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>();
                return Err(HowDied::Hung { reason, said: said.join("\n") });
            }
            if pause.spin() {
                continue;
            }
            if let Some(end) = self.handle.ended() {
                // What it said before it ended still counts.
                if let Some(head) = self.take()? {
                    return Ok(head);
                }
                let said = self.handle.end();
                return Err(match end {
                    End::Exited(status) if !was_ended_by_host(&said) => {
                        HowDied::Exited { status, stderr: said }
                    }
                    End::Exited(status) | End::Killed(status) => {
                        HowDied::Killed { status, stderr: said }
                    }
                    End::Reset(sign) => HowDied::Reset { sign, said },
                    End::Lost(what) => HowDied::Lost { what },
                });
            }
            pause.sleep(&mut self.wire);
            if let Some((asked, took)) = pause.interval() {
                let progress = self.wire.progress();
                let look = Look { progress, vitals: self.handle.vitals(), asked, took };
                if let Some(reason) = self.watchdog.look(look) {
                    // What it said before it hung still counts.
                    self.hung = self.wire.examine().map(|seen| (reason, seen));
                }
            }
        }
    }

    fn take(&mut self) -> Result<Option<Head>, HowDied> {
        let head = self.wire.take().map_err(|fault| match fault {
            Fault::Garbage(what) => garbage(what),
            Fault::Reset => HowDied::Reset {
                sign: "its executor has started anew".to_owned(),
                said: self.handle.end(),
            },
            Fault::Version(found) => HowDied::OtherVersion { found },
        })?;
        match head.and_then(|head| head.kind()) {
            Some(MessageKind::Epitaph) => Err(match Epitaph::read_from_prefix(self.wire.body()) {
                Ok((epitaph, _)) => HowDied::Epitaph(epitaph),
                Err(_) => garbage("its epitaph is too short".to_owned()),
            }),
            _ => Ok(head),
        }
    }
}

/// How a device died that said `what`.
pub const fn garbage(what: String) -> HowDied {
    HowDied::Garbage { what }
}

//! The wire through a debugger: the mailbox of [`link::mailbox`], read and written while the core is
//! halted, or beside it by a bus.
//!
//! ```text
//!   runner                                    core
//!     | requests 0 .. 15 into their slots       |  halted at the doorbell
//!     | counters: sent, read                    |
//!     | go ----------------------------------> |  answers them all
//!     |   judges the batch before               |  nothing in flight: rings the doorbell
//!     | <--------------------------- stopped -- |  halted by the breakpoint there
//!     | counters, cursor                        |
//!     | answers                                 |
//! ```
//!
//! So there are up to two batches on the way: one that the target works at, and one that waits for it or whose
//! answers are being judged. Only the bytes that are used are moved.
//!
//! Where a debugger has no breakpoint to give, the core is halted now and then to see how far it is. A
//! core that does not ring within the target's limits is halted too: its cursor then tells the probe that
//! it hangs in, and what it has answered before counts.

mod ring;

use std::sync::Arc;
use std::time::{Duration, Instant};

use link::MAX_MESSAGE;
use link::mailbox::{Cursor, REQUESTS, SLOTS};
use link::mark::Mark;
use link::message::{Head, MessageKind};
use zerocopy::IntoBytes;

use self::ring::{Ring, head};
use super::core::Core;
use super::debuggee::Loss;
use super::error::GdbError;
use super::stub::Stub;
use crate::wire::{Fault, Wire, compose};

/// The requests of a batch: as many as the mailbox holds.
const BATCH: usize = SLOTS;
/// How long a core runs before it is halted for a look, where it can't tell that it is done: at first, and
/// at most.
const LOOK_AFTER: Duration = Duration::from_millis(1);
const LOOK_AT_LEAST: Duration = Duration::from_millis(64);
/// A core that stops so often without an answer is not let run by somebody else.
const MOST_STOPS: u32 = 1000;

/// Where the runner meets the executor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places {
    /// The image's first byte.
    pub image: u64,
    pub mailbox: u64,
    pub doorbell: u64,
}

/// The ways to a core and its memory.
#[derive(Debug)]
pub struct Access {
    pub core: Core,
    /// The way to memory beside the core, if there is one.
    pub bus: Option<Stub>,
}

impl Access {
    /// The way to memory.
    pub fn memory(&mut self) -> &mut Stub {
        self.bus.as_mut().unwrap_or_else(|| self.core.stub())
    }
}

/// The runner's end of a mailbox that a debugger reaches.
#[derive(Debug)]
pub struct RemoteMailbox {
    access: Access,
    places: Places,
    /// Whether the core stops at the doorbell.
    has_breakpoint: bool,
    patience: Duration,
    state: State,
    ring: Ring,
    /// Answers to the first probes of the oldest request in flight, once the core is found stuck.
    begun: Vec<u64>,
    body: Vec<u64>,
    problem: Option<String>,
    loss: Arc<Loss>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Halted, with the program counter there.
    Halted(u64),
    /// At work since then, and looked at after so long if need be.
    Running { since: Instant, look_after: Duration, stops: u32 },
    /// Never to run again.
    Over,
}

impl RemoteMailbox {
    /// The wire to the executor that is about to be entered by way of `access`. The core has `patience` to halt.
    pub fn new(
        mut access: Access,
        places: Places,
        patience: Duration,
        loss: Arc<Loss>,
    ) -> Result<Self, GdbError> {
        let ring = Ring::new(places.mailbox, access.memory())?;
        let has_breakpoint = access.bus.is_none() && access.core.break_at(places.doorbell)?;
        let (state, problem) = (State::Over, None);
        let (begun, body) = Default::default();
        let mut mailbox = Self {
            access,
            places,
            has_breakpoint,
            patience,
            state,
            ring,
            begun,
            body,
            problem,
            loss,
        };
        mailbox.go(LOOK_AFTER, 0);
        Ok(mailbox)
    }

    fn collect(&mut self) -> Result<bool, GdbError> {
        self.ring.collect(self.access.memory())
    }

    fn deliver(&mut self) -> Result<(), GdbError> {
        self.ring.deliver(self.access.memory())
    }

    fn go(&mut self, look_after: Duration, stops: u32) {
        self.access.core.go();
        self.state = State::Running { since: Instant::now(), look_after, stops };
    }

    /// Sets the halted core going again, past the doorbell if it is there.
    fn resume(&mut self, pc: u64, look_after: Duration, stops: u32) -> Result<(), GdbError> {
        if pc == self.places.doorbell {
            self.access.core.set_register("pc", pc + 4)?;
        }
        self.go(look_after, stops);
        Ok(())
    }

    /// Does what can be done without waiting.
    fn turn(&mut self) -> Result<(), GdbError> {
        if self.access.bus.is_some() {
            return self.turn_on_bus();
        }
        if let State::Running { since, look_after, stops } = self.state {
            if !self.access.core.has_stopped(Duration::ZERO)? {
                if self.has_breakpoint || since.elapsed() < look_after {
                    return Ok(());
                }
                self.access.core.halt(self.patience)?;
            }
            if !self.settle(look_after, stops)? {
                return Ok(());
            }
        }
        // A batch goes when it is whole, or when the runner has nothing else to do.
        if let State::Halted(pc) = self.state
            && (self.ring.queue.len() >= BATCH
                || self.ring.inbox.is_empty() && !self.ring.queue.is_empty())
        {
            self.deliver()?;
            self.resume(pc, LOOK_AFTER, 0)?;
        }
        Ok(())
    }

    /// Does what can be done beside a core that runs on.
    fn turn_on_bus(&mut self) -> Result<(), GdbError> {
        // Whatever the core says through its debugger is not for us.
        if self.state != State::Over && self.access.core.has_stopped(Duration::ZERO)? {
            self.go(LOOK_AFTER, 0);
        }
        self.collect()?;
        if self.ring.has_news() { self.deliver() } else { Ok(()) }
    }

    /// Collects from a core that has just halted, and sends it back to its work; says whether it is done.
    fn settle(&mut self, look_after: Duration, stops: u32) -> Result<bool, GdbError> {
        let pc = self.access.core.register("pc")?;
        let got = self.collect()?;
        if !self.ring.is_at_work() {
            self.state = if self.ring.has_epitaph() { State::Over } else { State::Halted(pc) };
            return Ok(true);
        }
        if stops >= MOST_STOPS {
            return Err(GdbError::KeepsStopping { stops, pc });
        }
        let stops = if got || !self.has_breakpoint { 0 } else { stops + 1 };
        self.resume(pc, (2 * look_after).min(LOOK_AT_LEAST), stops)?;
        Ok(false)
    }

    /// Halts a core that seems to hang, and reads what it has left; `None` where it has made progress.
    fn look_closer(&mut self) -> Result<Option<String>, GdbError> {
        let before = self.ring.progress();
        if matches!(self.state, State::Running { .. }) {
            self.access.core.halt(self.patience)?;
        }
        let pc = self.access.core.register("pc")?;
        let state = self.access.core.register("cpsr")?;
        let el = state >> 2 & 3;
        let at = pc.wrapping_sub(self.places.image);
        let place =
            if at < REQUESTS as u64 * 4096 { format!(", image + {at:#x}") } else { String::new() };
        let remark = format!("the debugger halted it at EL{el}, PC {pc:#x}{place}");
        // What the core sees there may be a guest's memory, and no mailbox.
        if let Err(error) = self.collect() {
            self.state = State::Over;
            return Ok(Some(format!("{remark}; the mailbox can't be read: {error}")));
        }
        if self.ring.progress() != before {
            if self.ring.is_at_work() {
                self.resume(pc, LOOK_AFTER, 0)?;
            } else {
                self.state = State::Halted(pc);
            }
            return Ok(None);
        }
        self.state = State::Over;
        self.begun = self.ring.begun(self.access.memory());
        Ok(Some(remark))
    }

    /// The connection is of no more use.
    fn failed(&mut self, error: GdbError) {
        self.state = State::Over;
        self.ring.forget_cursor();
        match error {
            // Who is behind it tells how it ended.
            GdbError::Gone(_) => self.loss.tell(error.to_string()),
            other => self.problem = Some(other.to_string()),
        }
    }
}

impl Wire for RemoteMailbox {
    fn window(&self) -> usize {
        2 * BATCH
    }

    fn send(
        &mut self,
        kind: MessageKind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let mut bytes = vec![0; MAX_MESSAGE];
        let Some(size) = compose(&mut bytes, kind, sequence, write) else { return false };
        bytes.truncate(size);
        self.ring.queue.push_back(bytes);
        true
    }

    fn take(&mut self) -> Result<Option<Head>, Fault> {
        if self.state != State::Over
            && let Err(error) = self.turn()
        {
            self.failed(error);
        }
        if let Some(words) = self.ring.inbox.pop_front() {
            self.body = words;
            return Ok(head(&self.body));
        }
        self.problem.take().map_or(Ok(None), |what| Err(Fault::Garbage(what)))
    }

    fn body(&self) -> &[u8] {
        self.body.as_bytes().get(Head::BYTES..).unwrap_or_default()
    }

    fn progress(&self) -> [u64; 5] {
        self.ring.progress()
    }

    fn sleep(&mut self, pause: Duration) {
        if self.access.bus.is_some() || self.state == State::Over {
            // Nothing wakes the runner.
            return std::thread::sleep(pause);
        }
        self.access.core.stub().client().wait(pause);
    }

    fn examine(&mut self) -> Option<String> {
        if self.state == State::Over {
            return Some(String::new());
        }
        self.look_closer().unwrap_or_else(|error| {
            let remark = error.to_string();
            // That it hangs is known: that it can't be looked at as well is a part of it.
            self.failed(error);
            self.problem = None;
            Some(remark)
        })
    }

    fn cursor(&self) -> Option<Cursor> {
        // What was seen of a core that runs is old.
        (self.state == State::Over).then(|| self.ring.cursor())
    }

    fn drawn(&self) -> Option<u64> {
        // As for the cursor.
        (self.state == State::Over).then(|| self.ring.drawn()).flatten()
    }

    fn mark(&self) -> Option<Mark> {
        self.ring.mark()
    }

    fn answers(&self, count: usize) -> Vec<u64> {
        self.begun[..count.min(self.begun.len())].to_vec()
    }
}

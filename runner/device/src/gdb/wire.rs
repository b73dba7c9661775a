//! The wire through a debugger: the mailbox of [`link::mailbox`], read and written while the core is
//! halted, or beside it by a bus.
//!
//! ```text
//!   runner                                    core
//!     | requests 0 .. 15 into their slots       |  halted at the doorbell
//!     | counters: sent, read                    |
//!     | go ----------------------------------> |  answers them all
//!     |   judges the batch before               |  nothing in hand: rings the doorbell
//!     | <--------------------------- stopped -- |  halted by the breakpoint there
//!     | counters, cursor                        |
//!     | answers                                 |
//! ```
//!
//! So there are up to two batches on the way: one in the target's hands, and one that waits for it or whose
//! answers are being judged. Only the bytes that are used are moved.
//!
//! Where a debugger has no breakpoint to give, the core is halted now and then to see how far it is. A
//! core that does not ring within the target's limits is halted too: its cursor then tells the probe that
//! it hangs in, and what it has answered before counts.

use std::collections::VecDeque;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::{Duration, Instant};

use link::MAX_MESSAGE;
use link::mailbox::{Control, Cursor, REQUESTS, SLOTS, request_offset, response_offset};
use link::message::{Head, Kind};
use link::observations::Report;
use zerocopy::{FromBytes, IntoBytes};

use super::core::Core;
use super::error::GdbError;
use super::life::Loss;
use super::stub::Stub;
use crate::wire::{Fault, Wire};

const MAGIC: usize = offset_of!(Control, magic);
const SENT: usize = offset_of!(Control, sent);
const TAKEN: usize = offset_of!(Control, taken);
const ANSWERED: usize = offset_of!(Control, answered);
const READ: usize = offset_of!(Control, read);
const CURSOR: usize = offset_of!(Control, cursor);
const CONTROL_BYTES: usize = size_of::<Control>();

/// The requests of a batch: as many as the mailbox holds.
const BATCH: usize = SLOTS;
/// The first guess at the size of an answer, in bytes: what it is short of takes another exchange.
const FIRST_GUESS: usize = 512;
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
    /// The mailbox.
    pub mailbox: u64,
    /// The doorbell.
    pub doorbell: u64,
}

/// The runner's end of a mailbox that a debugger reaches.
#[derive(Debug)]
pub struct RemoteMailbox {
    core: Core,
    /// The way to memory beside the core, if there is one.
    bus: Option<Stub>,
    places: Places,
    /// Whether the core stops at the doorbell.
    has_breakpoint: bool,
    patience: Duration,
    state: State,
    /// Requests that wait for the next batch.
    queue: VecDeque<Vec<u8>>,
    /// Answers that wait to be taken.
    inbox: VecDeque<Vec<u64>>,
    /// Requests written.
    sent: u64,
    /// Answers read.
    read: u64,
    /// Answers that the target knows to be read.
    told: u64,
    /// The counters as they were last seen.
    seen: Seen,
    /// The last answer that was read was so long.
    guess: usize,
    /// Answers to the first probes of the request in hand, once the core is found stuck.
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

/// The target's counters.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    magic: u64,
    taken: u64,
    answered: u64,
    cursor: u64,
}

impl RemoteMailbox {
    /// The wire to the executor that is about to be entered on `core`, by way of the `bus` if there is one. The
    /// core has `patience` to halt.
    pub fn new(
        mut core: Core,
        mut bus: Option<Stub>,
        places: Places,
        patience: Duration,
        loss: Arc<Loss>,
    ) -> Result<Self, GdbError> {
        // The counters of a run before may still stand there.
        let zeros = [(places.mailbox, &[0; CONTROL_BYTES][..])];
        bus.as_mut().unwrap_or_else(|| core.stub()).write(&zeros)?;
        let has_breakpoint = bus.is_none() && core.break_at(places.doorbell)?;
        let (queue, inbox, begun, body) = Default::default();
        let mut mailbox = Self {
            core,
            bus,
            places,
            has_breakpoint,
            patience,
            state: State::Over,
            queue,
            inbox,
            sent: 0,
            read: 0,
            told: 0,
            seen: Seen::default(),
            guess: FIRST_GUESS,
            begun,
            body,
            problem: None,
            loss,
        };
        mailbox.go(LOOK_AFTER, 0);
        Ok(mailbox)
    }

    fn memory(&mut self) -> &mut Stub {
        self.bus.as_mut().unwrap_or_else(|| self.core.stub())
    }

    fn go(&mut self, look_after: Duration, stops: u32) {
        self.core.go();
        self.state = State::Running { since: Instant::now(), look_after, stops };
    }

    /// Sets the halted core going again, past the doorbell if it is there.
    fn resume(&mut self, pc: u64, look_after: Duration, stops: u32) -> Result<(), GdbError> {
        if pc == self.places.doorbell {
            self.core.set_register("pc", pc + 4)?;
        }
        self.go(look_after, stops);
        Ok(())
    }

    /// Does what can be done without waiting.
    fn turn(&mut self) -> Result<(), GdbError> {
        if self.bus.is_some() {
            // The core runs on; whatever it says through its debugger is not for us.
            if self.state != State::Over && self.core.has_stopped(Duration::ZERO)? {
                self.go(LOOK_AFTER, 0);
            }
            self.collect()?;
            let has_room = self.sent.saturating_sub(self.seen.taken) < SLOTS as u64;
            if self.told != self.read || has_room && !self.queue.is_empty() {
                self.deliver()?;
            }
            return Ok(());
        }
        if let State::Running { since, look_after, stops } = self.state {
            if !self.core.has_stopped(Duration::ZERO)? {
                if self.has_breakpoint || since.elapsed() < look_after {
                    return Ok(());
                }
                self.core.halt(self.patience)?;
            }
            let pc = self.core.register("pc")?;
            let got = self.collect()?;
            if self.is_at_work() {
                if stops >= MOST_STOPS {
                    return Err(GdbError::KeepsStopping { stops, pc });
                }
                let stops = if got { 0 } else { stops + 1 };
                let stops = if self.has_breakpoint { stops } else { 0 };
                return self.resume(pc, (2 * look_after).min(LOOK_AT_LEAST), stops);
            }
            self.state = if self.has_epitaph() { State::Over } else { State::Halted(pc) };
        }
        // A batch goes when it is whole, or when the runner has nothing else to do.
        if let State::Halted(pc) = self.state
            && (self.queue.len() >= BATCH || self.inbox.is_empty() && !self.queue.is_empty())
        {
            self.deliver()?;
            self.resume(pc, LOOK_AFTER, 0)?;
        }
        Ok(())
    }

    /// Whether the executor has something in hand, or has not said its first word.
    fn is_at_work(&self) -> bool {
        self.seen.answered == 0 || self.seen.taken < self.sent && !self.has_epitaph()
    }

    /// Whether the executor has said that it will do no more.
    fn has_epitaph(&self) -> bool {
        self.inbox.back().and_then(|words| head(words)).and_then(|head| head.kind())
            == Some(Kind::Epitaph)
    }

    /// Reads the counters, and whatever is answered; whether there was any.
    fn collect(&mut self) -> Result<bool, GdbError> {
        let base = self.places.mailbox;
        let control = self.memory().read(&[(base, CONTROL_BYTES)])?.concat();
        let word = |at: usize| u64::read_from_prefix(&control[at..]).map_or(0, |(word, _)| word);
        self.seen = Seen {
            magic: word(MAGIC),
            taken: word(TAKEN),
            answered: word(ANSWERED),
            cursor: word(CURSOR),
        };
        let Seen { magic, taken, answered, .. } = self.seen;
        let (sent, read) = (self.sent, self.read);
        if answered == read {
            return Ok(false);
        }
        let babble = |what: String| Err(GdbError::Babble(what));
        if magic != Control::MAGIC {
            return babble(format!(
                "the mailbox begins with {magic:#x}, not {:#x}",
                Control::MAGIC
            ));
        }
        if answered < read || answered - read > SLOTS as u64 {
            return babble(format!("it claims {answered} answers where {read} have been read"));
        }
        if taken > sent {
            return babble(format!("it has taken {taken} requests of {sent}"));
        }
        let guess = self.guess;
        let slots = (read..answered).map(|number| base + response_offset(number) as u64);
        let pieces: Vec<_> = slots.map(|slot| (slot, guess)).collect();
        let mut answers = self.memory().read(&pieces)?;
        let mut rests = Vec::new();
        for ((slot, _), answer) in pieces.iter().zip(&answers) {
            let head = Head::read_from_prefix(answer).map_or_else(|_| None, |(head, _)| Some(head));
            let size = head.map_or(0, |head| head.bytes as usize);
            let Some(_) = head.filter(|head| {
                head.kind().is_some() && size.is_multiple_of(8) && size <= MAX_MESSAGE - Head::BYTES
            }) else {
                let words = &answer[..Head::BYTES];
                return babble(format!("a message begins with {words:x?}, which is no head"));
            };
            let whole = Head::BYTES + size;
            self.guess = whole;
            rests.push((slot + guess as u64, whole.saturating_sub(guess)));
        }
        let wanted: Vec<_> = rests.iter().copied().filter(|(_, bytes)| *bytes > 0).collect();
        let mut found = self.memory().read(&wanted)?.into_iter();
        for (answer, (_, rest)) in answers.iter_mut().zip(&rests) {
            if *rest > 0 {
                answer.extend(found.next().unwrap_or_default());
            }
            let whole = Head::read_from_prefix(answer)
                .map_or(answer.len(), |(head, _)| Head::BYTES + head.bytes as usize);
            self.inbox.push_back(words(answer.get(..whole).unwrap_or(answer)));
        }
        self.read = answered;
        Ok(true)
    }

    /// Writes requests that wait, as many as there is room for, and the counters.
    fn deliver(&mut self) -> Result<(), GdbError> {
        let base = self.places.mailbox;
        let room = SLOTS as u64 - self.sent.saturating_sub(self.seen.taken).min(SLOTS as u64);
        let count = self.queue.len().min(room as usize);
        let requests: Vec<_> = self.queue.drain(..count).collect();
        let slots = (self.sent..).map(|number| base + request_offset(number) as u64);
        let mut pieces: Vec<(u64, &[u8])> =
            slots.zip(&requests).map(|(slot, request)| (slot, request.as_slice())).collect();
        self.sent += count as u64;
        self.told = self.read;
        // The counters come last: a core that runs sees whole slots.
        let (sent, read) = (self.sent.to_le_bytes(), self.read.to_le_bytes());
        pieces.push((base + READ as u64, &read));
        pieces.push((base + SENT as u64, &sent));
        match &mut self.bus {
            Some(bus) => bus.write(&pieces),
            None => self.core.stub().write(&pieces),
        }
    }

    /// Halts a core that seems to hang, and reads what it has left; `None` where it has made progress.
    fn look_closer(&mut self) -> Result<Option<String>, GdbError> {
        let before = self.progress();
        if matches!(self.state, State::Running { .. }) {
            self.core.halt(self.patience)?;
        }
        let pc = self.core.register("pc")?;
        let state = self.core.register("cpsr")?;
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
        if self.progress() != before {
            if self.is_at_work() {
                self.resume(pc, LOOK_AFTER, 0)?;
            } else {
                self.state = State::Halted(pc);
            }
            return Ok(None);
        }
        self.state = State::Over;
        let count = Cursor(self.seen.cursor).probe().map_or(0, usize::from);
        let from = response_offset(self.seen.answered) + Head::BYTES + size_of::<Report>();
        let most = MAX_MESSAGE - Head::BYTES - size_of::<Report>();
        let piece = (self.places.mailbox + from as u64, (8 * count).min(most));
        if let Ok(bytes) = self.memory().read(&[piece]) {
            self.begun = words(&bytes.concat());
        }
        Ok(Some(remark))
    }

    /// The connection is of no more use.
    fn failed(&mut self, error: GdbError) {
        self.state = State::Over;
        // What was seen may be old.
        self.seen.cursor = 0;
        match error {
            // Who is behind it tells how it ended.
            GdbError::Gone(_) => self.loss.tell(error.to_string()),
            other => self.problem = Some(other.to_string()),
        }
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| u64::read_from_bytes(chunk).unwrap_or_default();
    bytes.chunks_exact(8).map(word).collect()
}

fn head(words: &[u64]) -> Option<Head> {
    Head::read_from_prefix(words.as_bytes()).map_or_else(|_| None, |(head, _)| Some(head))
}

impl Wire for RemoteMailbox {
    fn window(&self) -> usize {
        2 * BATCH
    }

    fn send(
        &mut self,
        kind: Kind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let mut bytes = vec![0; MAX_MESSAGE];
        let Some(size) = write(&mut bytes[Head::BYTES..]) else { return false };
        let whole = size.next_multiple_of(8);
        bytes[Head::BYTES + size..].fill(0);
        bytes.truncate(Head::BYTES + whole);
        bytes[..Head::BYTES].copy_from_slice(Head::new(kind, whole as u32, sequence).as_bytes());
        self.queue.push_back(bytes);
        true
    }

    fn take(&mut self) -> Result<Option<Head>, Fault> {
        if self.state != State::Over
            && let Err(error) = self.turn()
        {
            self.failed(error);
        }
        if let Some(words) = self.inbox.pop_front() {
            self.body = words;
            return Ok(head(&self.body));
        }
        self.problem.take().map_or(Ok(None), |what| Err(Fault::Garbage(what)))
    }

    fn body(&self) -> &[u8] {
        self.body.as_bytes().get(Head::BYTES..).unwrap_or_default()
    }

    fn progress(&self) -> [u64; 4] {
        let Seen { taken, answered, cursor, .. } = self.seen;
        [self.sent, taken, answered, cursor]
    }

    fn sleep(&mut self, pause: Duration) {
        if self.bus.is_some() || self.state == State::Over {
            // Nothing wakes the runner.
            return std::thread::sleep(pause);
        }
        self.core.stub().client().wait(pause);
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
        (self.state == State::Over).then_some(Cursor(self.seen.cursor))
    }

    fn answers(&self, count: usize) -> Vec<u64> {
        self.begun[..count.min(self.begun.len())].to_vec()
    }
}

//! The wire through memory: the host's side of [`link::mailbox`].
//!
//! The target writes this memory, so nothing in it is believed. Each counter that the target owns
//! is held against what it may be, and a message is copied out before it is looked at.

use std::mem::offset_of;
use std::time::Duration;

use link::MAX_MESSAGE;
use link::mailbox::{Control, Cursor, SLOT_BYTES, SLOTS, request_offset, response_offset};
use link::message::{Head, Kind};
use link::observations::Report;
use zerocopy::{FromBytes, IntoBytes};

use super::memory::SharedMemory;
use super::wire::{Fault, Wire};

const MAGIC: usize = offset_of!(Control, magic);
const SENT: usize = offset_of!(Control, sent);
const TAKEN: usize = offset_of!(Control, taken);
const ANSWERED: usize = offset_of!(Control, answered);
const READ: usize = offset_of!(Control, read);
const CURSOR: usize = offset_of!(Control, cursor);

const HEAD_WORDS: usize = Head::BYTES / 8;

/// The host's end of a mailbox.
#[derive(Debug)]
pub struct Mailbox {
    memory: SharedMemory,
    /// Requests written.
    sent: u64,
    /// Responses read.
    read: u64,
    /// A message on its way in or out.
    slot: Box<[u64; SLOT_BYTES / 8]>,
    /// Bytes in the body of the message that was taken last.
    body: usize,
    /// What was found at sending that makes no sense.
    garbage: Option<String>,
}

impl Mailbox {
    /// The host's end of the mailbox in `memory`, which is all zero and [`link::mailbox::BYTES`]
    /// long.
    pub fn new(memory: SharedMemory) -> Self {
        let slot = Box::new([0; SLOT_BYTES / 8]);
        Self { memory, sent: 0, read: 0, slot, body: 0, garbage: None }
    }
}

impl Wire for Mailbox {
    /// One less than the ring has: where an answer is here, its request may still stand in its slot
    /// as not yet taken.
    fn window(&self) -> usize {
        SLOTS - 1
    }

    fn send(
        &mut self,
        kind: Kind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let bytes = self.slot.as_mut_bytes();
        let (head, body) = bytes.split_at_mut(Head::BYTES);
        let Some(size) = write(body) else { return false };
        let whole = size.next_multiple_of(8);
        body[size..whole].fill(0);
        head.copy_from_slice(Head::new(kind, whole as u32, sequence).as_bytes());

        let taken = self.memory.load_acquire(TAKEN);
        if taken > self.sent || self.sent - taken >= SLOTS as u64 {
            let sent = self.sent;
            let what = format!("it has taken {taken} requests of {sent} and answered the others");
            self.garbage.get_or_insert(what);
            return true;
        }
        let words = HEAD_WORDS + whole / 8;
        self.memory.write(request_offset(self.sent), &self.slot[..words]);
        self.sent += 1;
        self.memory.store_release(SENT, self.sent);
        true
    }

    fn take(&mut self) -> Result<Option<Head>, Fault> {
        if let Some(what) = self.garbage.take() {
            return Err(Fault::Garbage(what));
        }
        let answered = self.memory.load_acquire(ANSWERED);
        if answered == self.read {
            return Ok(None);
        }
        let magic = self.memory.load_acquire(MAGIC);
        if magic != Control::MAGIC {
            return Err(Fault::Garbage(format!(
                "the mailbox begins with {magic:#x}, not {:#x}",
                Control::MAGIC
            )));
        }
        if answered < self.read || answered - self.read > SLOTS as u64 {
            let read = self.read;
            return Err(Fault::Garbage(format!(
                "it claims {answered} answers where {read} have been read"
            )));
        }

        let offset = response_offset(self.read);
        self.memory.read(offset, &mut self.slot[..HEAD_WORDS]);
        let head =
            Head::read_from_prefix(self.slot.as_bytes()).map_or_else(|_| None, |(h, _)| Some(h));
        let size = head.map_or(0, |head| head.bytes as usize);
        let Some(head) = head.filter(|head| {
            head.kind().is_some() && size.is_multiple_of(8) && size <= MAX_MESSAGE - Head::BYTES
        }) else {
            let words = &self.slot[..HEAD_WORDS];
            return Err(Fault::Garbage(format!(
                "a message begins with {words:#x?}, which is no head"
            )));
        };
        self.memory.read(offset + Head::BYTES, &mut self.slot[HEAD_WORDS..][..size / 8]);
        self.body = size;
        self.read += 1;
        self.memory.store_release(READ, self.read);
        Ok(Some(head))
    }

    fn body(&self) -> &[u8] {
        &self.slot.as_bytes()[Head::BYTES..][..self.body]
    }

    fn progress(&self) -> [u64; 4] {
        let [taken, answered, cursor] =
            [TAKEN, ANSWERED, CURSOR].map(|at| self.memory.load_acquire(at));
        [self.sent, taken, answered, cursor]
    }

    fn sleep(&mut self, pause: Duration) {
        // Nothing wakes the host when the guest stores to shared memory: it looks, ever more rarely.
        std::thread::sleep(pause);
    }

    fn cursor(&self) -> Option<Cursor> {
        Some(Cursor(self.memory.load_acquire(CURSOR)))
    }

    fn answers(&self, count: usize) -> Vec<u64> {
        let first = Head::BYTES + size_of::<Report>();
        let mut answers = vec![0; count.min((SLOT_BYTES - first) / 8)];
        self.memory.read(response_offset(self.read) + first, &mut answers);
        answers
    }
}

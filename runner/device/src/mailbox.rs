//! A mailbox: the wire through shared memory, the host's side of [`link::mailbox`].
//!
//! The target writes this memory, so nothing in it is believed. Each counter that the target owns
//! is held against what it may be, and a message is copied out before it is looked at.

use std::time::Duration;

use link::mailbox::{Cursor, SLOT_BYTES, SLOTS, request_offset, response_offset};
use link::mark::Mark;
use link::message::{Head, MessageKind};
use link::observations::Report;
use zerocopy::IntoBytes;

use crate::counters::{self, ANSWERED, CURSOR, DRAWN, MAGIC, MARK, READ, SENT, TAKEN};
use crate::memory::SharedMemory;
use crate::wire::{Fault, Wire, compose};

const HEAD_WORDS: usize = Head::BYTES / 8;

/// The host's end of a mailbox.
#[derive(Debug)]
pub struct Mailbox {
    memory: SharedMemory,
    sent: u64,
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
        kind: MessageKind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let Some(size) = compose(self.slot.as_mut_bytes(), kind, sequence, write) else {
            return false;
        };
        let taken = self.memory.load_acquire(TAKEN);
        if taken > self.sent || self.sent - taken >= SLOTS as u64 {
            let sent = self.sent;
            let what = format!("it has taken {taken} requests of {sent} and answered the others");
            self.garbage.get_or_insert(what);
            return true;
        }
        self.memory.write(request_offset(self.sent), &self.slot[..size / 8]);
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
        counters::check_answered(magic, answered, self.read).map_err(Fault::Garbage)?;

        let offset = response_offset(self.read);
        self.memory.read(offset, &mut self.slot[..HEAD_WORDS]);
        let start = &self.slot.as_bytes()[..Head::BYTES];
        let head = counters::head(start).map_err(Fault::Garbage)?;
        let size = head.bytes as usize;
        self.memory.read(offset + Head::BYTES, &mut self.slot[HEAD_WORDS..][..size / 8]);
        self.body = size;
        self.read += 1;
        self.memory.store_release(READ, self.read);
        Ok(Some(head))
    }

    fn body(&self) -> &[u8] {
        &self.slot.as_bytes()[Head::BYTES..][..self.body]
    }

    fn progress(&self) -> [u64; 5] {
        let [taken, answered, cursor, mark] =
            [TAKEN, ANSWERED, CURSOR, MARK].map(|at| self.memory.load_acquire(at));
        [self.sent, taken, answered, cursor, mark]
    }

    fn sleep(&mut self, pause: Duration) {
        // Nothing wakes the host when the guest stores to shared memory: it looks, ever more rarely.
        std::thread::sleep(pause);
    }

    fn cursor(&self) -> Option<Cursor> {
        Some(Cursor(self.memory.load_acquire(CURSOR)))
    }

    fn drawn(&self) -> Option<u64> {
        self.memory.load_acquire(DRAWN).checked_sub(1)
    }

    fn mark(&self) -> Option<Mark> {
        Mark::from_number(self.memory.load_acquire(MARK))
    }

    fn answers(&self, count: usize) -> Vec<u64> {
        let first = Head::BYTES + size_of::<Report>();
        let mut answers = vec![0; count.min((SLOT_BYTES - first) / 8)];
        self.memory.read(response_offset(self.read) + first, &mut answers);
        answers
    }
}

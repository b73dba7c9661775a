//! Frames: the wire through a byte stream, the host's side of [`link::stream`] with a clock.

mod duplex;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use link::MAX_MESSAGE;
use link::mailbox::Cursor;
use link::mark::{Mark, PREFIX};
use link::message::{Head, MessageKind};
use link::stream::timer::Timer;
use link::stream::{Asker, Event};
use zerocopy::IntoBytes;

use self::duplex::Duplex;
use crate::stream::Stream;
use crate::wire::{Fault, Wear, Wire, compose};

/// So many bytes without a segment are babble, and no boot chatter.
const MOST_NOISE: usize = 4 << 20;
/// So many bytes without a segment show that somebody is at work there. It is more than a dead target
/// echoes of what it is asked in the time in which it is found to be dead.
const CHATTER: usize = 1 << 10;

/// Bytes of a line of text that may tell a mark.
const MOST_LINE: usize = PREFIX.len() + 16;

/// The host's end of a byte stream.
#[derive(Debug)]
pub struct Frames {
    duplex: Duplex,
    asker: Asker<Vec<u8>>,
    timer: Timer,
    clock: Instant,
    /// Time that a byte takes on the line, in microseconds; 0 where that is not known.
    byte_us: u64,
    /// Bytes since the last segment.
    noise: usize,
    /// The end of the line of text that comes, if it is one.
    line: Vec<u8>,
    /// The last mark that a line of text told.
    mark: Option<Mark>,
    /// A message that is being composed.
    slot: Vec<u8>,
    /// The message that was taken last.
    message: Box<[u64; MAX_MESSAGE / 8]>,
    /// Bytes in its body.
    body: usize,
    sent: u64,
    heard: u64,
    /// When the line has carried what was sent, but for what was sent since nothing came.
    carried: u64,
}

impl Frames {
    /// The host's end of `stream`, which is made one that does not wait.
    pub fn new(stream: impl Stream + 'static) -> std::io::Result<Self> {
        // Which it is nobody records: it differs from those before, and that is all.
        let session = RandomState::new().hash_one(std::process::id()) as u32;
        let buffer = || vec![0; MAX_MESSAGE];
        Ok(Self {
            duplex: Duplex::new(stream)?,
            asker: Asker::new(session.max(1), buffer(), buffer()),
            timer: Timer::new(0, 0),
            clock: Instant::now(),
            byte_us: 0,
            noise: 0,
            line: Vec::new(),
            mark: None,
            slot: vec![0; MAX_MESSAGE],
            message: Box::new([0; MAX_MESSAGE / 8]),
            body: 0,
            sent: 0,
            heard: 0,
            carried: 0,
        })
    }

    /// The same, on a line that carries so many bytes a second.
    #[must_use]
    pub fn with_rate(self, bytes_per_second: u32) -> Self {
        let byte_us = 1_000_000 / u64::from(bytes_per_second.max(1));
        Self { timer: Timer::new(byte_us, self.now()), byte_us, ..self }
    }

    /// The time, in microseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes and reads as much as goes without waiting.
    fn pump(&mut self) {
        if self.duplex.pump() {
            self.timer.heard_bytes(self.now());
        }
    }

    /// What was put into `out` since it held `before` bytes is a turn.
    fn said(&mut self, before: usize) {
        let (bytes, now) = (self.duplex.out.len() - before, self.now());
        if bytes > 0 {
            self.timer.sent(bytes, now);
            self.carried = now + bytes as u64 * self.byte_us;
        }
    }

    /// Takes the next byte; returns what it brought.
    fn listen(&mut self, byte: u8) -> Event {
        self.noise += 1;
        if self.heard == 0 {
            self.listen_for_marks(byte);
        }
        let before = self.duplex.out.len();
        let out = &mut self.duplex.out;
        let event = self.asker.take(byte, |byte| out.push_back(byte));
        if event != Event::Nothing {
            self.noise = 0;
            self.heard += 1;
            self.timer.heard_segment(self.now());
            self.said(before);
        }
        event
    }

    /// Takes the next byte for one of a text, which an executor says while it starts.
    fn listen_for_marks(&mut self, byte: u8) {
        if byte != b'\n' {
            if self.line.len() == MOST_LINE {
                self.line.remove(0);
            }
            return self.line.push(byte);
        }
        self.mark = Mark::from_line(&String::from_utf8_lossy(&self.line)).or(self.mark);
        self.line.clear();
    }

    /// Makes `message` the one that was taken last.
    fn give(
        &mut self,
        bytes: usize,
        from: fn(&Asker<Vec<u8>>, usize) -> &[u8],
    ) -> Result<Head, Fault> {
        let message = &mut self.message.as_mut_bytes()[..bytes];
        message.copy_from_slice(from(&self.asker, bytes));
        let Some((head, body)) = Head::split(message) else {
            return Err(Fault::Garbage(format!("what it sent, of {bytes} bytes, is no message")));
        };
        self.body = body.len();
        Ok(head)
    }
}

impl Wire for Frames {
    fn is_narrow(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        1
    }

    fn send(
        &mut self,
        kind: MessageKind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let Some(size) = compose(&mut self.slot, kind, sequence, write) else { return false };
        let before = self.duplex.out.len();
        let (message, out) = (&self.slot[..size], &mut self.duplex.out);
        self.asker.request(message, |byte| out.push_back(byte));
        self.said(before);
        self.sent += 1;
        self.pump();
        true
    }

    fn take(&mut self) -> Result<Option<Head>, Fault> {
        self.pump();
        while let Some(byte) = self.duplex.input.pop_front() {
            let head = match self.listen(byte) {
                Event::Nothing | Event::Sign => continue,
                Event::Response => {
                    self.give(self.asker.response().len(), |asker, _| asker.response())
                }
                Event::Epitaph(bytes) => self.give(bytes, |asker, bytes| asker.last_words(bytes)),
                Event::Reset => Err(Fault::Reset),
                Event::Version(found) => Err(Fault::Version(found)),
            };
            return head.map(Some);
        }
        if self.noise > MOST_NOISE {
            let what = format!("its last {} bytes hold nothing that makes sense", self.noise);
            return Err(Fault::Garbage(what));
        }
        let now = self.now();
        if self.asker.is_waiting() && self.timer.is_due(self.asker.has_part(), now) {
            let before = self.duplex.out.len();
            let out = &mut self.duplex.out;
            self.asker.overdue(|byte| out.push_back(byte));
            self.timer.sent(self.duplex.out.len() - before, now);
            self.timer.overdue();
        }
        Ok(None)
    }

    fn body(&self) -> &[u8] {
        &self.message.as_bytes()[Head::BYTES..][..self.body]
    }

    fn progress(&self) -> [u64; 5] {
        // What is said again and again, because nothing comes, is no progress.
        let chatter = (self.noise / CHATTER) as u64;
        let mark = self.mark.map_or(0, |mark| mark as u64);
        [self.sent, self.heard, self.now().min(self.carried), chatter, mark]
    }

    fn sleep(&mut self, pause: Duration) {
        self.duplex.wait(pause);
    }

    fn cursor(&self) -> Option<Cursor> {
        None
    }

    fn drawn(&self) -> Option<u64> {
        None
    }

    fn mark(&self) -> Option<Mark> {
        self.mark
    }

    fn answers(&self, _count: usize) -> Vec<u64> {
        Vec::new()
    }

    fn wear(&self) -> Wear {
        Wear { damaged: self.asker.damaged(), sent_again: self.asker.sent_again() }
    }
}

#[cfg(test)]
mod tests;

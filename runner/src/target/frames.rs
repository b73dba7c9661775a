//! The wire through a byte stream: messages in [`link::frame`]s, among whatever noise.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use link::MAX_MESSAGE;
use link::frame::{self, Received, Receiver};
use link::mailbox::Cursor;
use link::message::{Head, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zerocopy::IntoBytes;

use super::wire::Wire;

/// So many bytes without a message are babble, and no boot chatter.
const MOST_NOISE: usize = 4 << 20;

/// The host's end of a byte stream.
#[derive(Debug)]
pub struct Frames {
    stream: UnixStream,
    /// The stream has no more to give.
    ended: bool,
    /// Bytes that wait to be written.
    out: VecDeque<u8>,
    /// Bytes that were read and not yet looked at.
    input: VecDeque<u8>,
    receiver: Receiver<Vec<u8>>,
    /// Bytes since the last message.
    noise: usize,
    /// A message that is being composed.
    slot: Vec<u8>,
    /// The message that was taken last.
    message: Box<[u64; MAX_MESSAGE / 8]>,
    /// Bytes in its body.
    body: usize,
    counters: [u64; 4],
}

/// Places in [`Wire::progress`].
const SENT: usize = 0;
const WRITTEN: usize = 1;
const READ: usize = 2;

impl Frames {
    /// The host's end of `stream`.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            ended: false,
            out: VecDeque::new(),
            input: VecDeque::new(),
            receiver: Receiver::new(vec![0; MAX_MESSAGE + 4]),
            noise: 0,
            slot: vec![0; MAX_MESSAGE - Head::BYTES],
            message: Box::new([0; MAX_MESSAGE / 8]),
            body: 0,
            counters: [0; 4],
        })
    }

    /// Writes and reads as much as goes without waiting.
    fn pump(&mut self) {
        while !self.out.is_empty() {
            match self.stream.write(self.out.as_slices().0) {
                Ok(0) => break,
                Ok(count) => {
                    self.out.drain(..count);
                    self.counters[WRITTEN] += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The other end is gone; its process tells why.
                Err(_) => self.out.clear(),
            }
        }
        let mut bytes = [0; 4096];
        while self.input.is_empty() && !self.ended {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.input.extend(&bytes[..count]);
                    self.counters[READ] += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.ended = true,
            }
        }
    }
}

impl Wire for Frames {
    fn window(&self) -> usize {
        1
    }

    fn send(
        &mut self,
        kind: Kind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let Some(size) = write(&mut self.slot) else { return false };
        let whole = size.next_multiple_of(8);
        self.slot[size..whole].fill(0);
        let head = Head::new(kind, whole as u32, sequence);
        frame::send(&[head.as_bytes(), &self.slot[..whole]], |byte| self.out.push_back(byte));
        self.counters[SENT] += 1;
        self.pump();
        true
    }

    fn take(&mut self) -> Result<Option<Head>, String> {
        self.pump();
        while let Some(byte) = self.input.pop_front() {
            self.noise += 1;
            let Received::Message(length) = self.receiver.take(byte) else { continue };
            // A frame whose CRC is right came from an executor: what it says is no noise.
            let message = &mut self.message.as_mut_bytes()[..length];
            message.copy_from_slice(&self.receiver.buffer()[..length]);
            let Some((head, body)) = Head::split(message) else {
                return Err(format!("a whole frame of {length} bytes holds no message"));
            };
            self.body = body.len();
            self.noise = 0;
            return Ok(Some(head));
        }
        if self.noise > MOST_NOISE {
            return Err(format!("its last {} bytes hold no message", self.noise));
        }
        Ok(None)
    }

    fn body(&self) -> &[u8] {
        &self.message.as_bytes()[Head::BYTES..][..self.body]
    }

    fn progress(&self) -> [u64; 4] {
        self.counters
    }

    fn sleep(&mut self, pause: Duration) {
        if self.ended {
            return std::thread::sleep(pause);
        }
        let mut events = PollFlags::IN;
        if !self.out.is_empty() {
            events |= PollFlags::OUT;
        }
        let timeout = Timespec::try_from(pause).ok();
        // Whatever comes of it, the caller looks for itself.
        let _ =
            poll(&mut [PollFd::from_borrowed_fd(self.stream.as_fd(), events)], timeout.as_ref());
    }

    fn cursor(&self) -> Option<Cursor> {
        None
    }

    fn answers(&self, _count: usize) -> Vec<u64> {
        Vec::new()
    }
}

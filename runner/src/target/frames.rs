//! The wire through a byte stream: messages in [`link::frame`]s, among whatever noise.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use link::MAX_MESSAGE;
use link::frame::{self, Received, Receiver};
use link::mailbox::Cursor;
use link::message::{Head, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use zerocopy::IntoBytes;

use super::stream::Stream;
use super::wire::Wire;

/// So many bytes without a message are babble, and no boot chatter.
const MOST_NOISE: usize = 4 << 20;

/// The host's end of a byte stream.
#[derive(Debug)]
pub struct Frames {
    stream: Box<dyn Stream>,
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
    /// The host's end of `stream`, which is made one that does not wait.
    pub fn new(stream: impl Stream + 'static) -> std::io::Result<Self> {
        ioctl_fionbio(stream.as_fd(), true)?;
        Ok(Self {
            stream: Box::new(stream),
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
            // The other end is closed: waiting for its bytes would return at once, and burn a core.
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, Frames) {
        let (theirs, ours) = UnixStream::pair().expect("a socket pair");
        (theirs, Frames::new(ours).expect("it can be set up"))
    }

    fn framed(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::send(parts, |byte| bytes.push(byte));
        bytes
    }

    fn message(sequence: u64, body: &[u8]) -> Vec<u8> {
        let head = Head::new(Kind::Observations, body.len() as u32, sequence);
        framed(&[head.as_bytes(), body])
    }

    /// What is there to take when all of `stream` has come.
    fn taken(stream: &[u8]) -> Vec<Result<(u64, Vec<u8>), String>> {
        let (mut theirs, mut frames) = pair();
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || theirs.write_all(stream).map(|()| drop(theirs)));
            let mut all = Vec::new();
            loop {
                match frames.take() {
                    Ok(Some(head)) => all.push(Ok((head.sequence, frames.body().to_vec()))),
                    Ok(None) if frames.ended => break,
                    Ok(None) => frames.sleep(Duration::from_millis(1)),
                    Err(what) => {
                        all.push(Err(what));
                        break;
                    }
                }
            }
            drop(frames);
            // It fails where the reader has had enough.
            let _ = writer.join();
            all
        })
    }

    #[test]
    fn messages_are_found_in_noise() {
        let (first, second) = (message(7, &[1; 512]), message(8, &[]));
        let mut damaged = message(9, &[2; 64]);
        damaged[20] ^= 1;
        let stream =
            [b"U-Boot 2025.01\r\n\0\xff\0", &first[..], b"ouch", &damaged, &second].concat();
        assert_eq!(taken(&stream), [Ok((7, vec![1; 512])), Ok((8, vec![]))]);
    }

    #[test]
    fn a_whole_frame_that_is_no_message_is_babble() {
        for bytes in [&b"hello"[..], &[0xff; 64], &[0; 4096]] {
            let taken = taken(&framed(&[bytes]));
            assert!(matches!(&taken[..], [Err(what)] if what.contains("no message")), "{taken:?}");
        }
    }

    #[test]
    fn endless_noise_is_babble() {
        let taken = taken(&vec![b'x'; MOST_NOISE + 100_000]);
        assert!(matches!(&taken[..], [Err(what)] if what.contains("no message")), "{taken:?}");
    }

    #[test]
    fn what_does_not_fit_into_the_socket_at_once_is_sent_later() {
        let (mut theirs, mut frames) = pair();
        let size = MAX_MESSAGE - Head::BYTES;
        for sequence in 0..20 {
            let whole = frames.send(Kind::Case, sequence, &mut |body| {
                body.fill(sequence as u8);
                Some(body.len())
            });
            assert!(whole);
        }
        assert!(!frames.out.is_empty(), "this is more than a socket holds");
        assert!(!frames.send(Kind::Case, 20, &mut |_| None));
        let reader = std::thread::spawn(move || {
            let mut receiver = Receiver::new(vec![0; MAX_MESSAGE + 4]);
            let mut bytes = [0; 4096];
            let mut all = Vec::new();
            while all.len() < 20 {
                let count = theirs.read(&mut bytes).expect("there is more to read");
                for &byte in &bytes[..count] {
                    if let Received::Message(length) = receiver.take(byte) {
                        all.push((receiver.buffer()[length - 1], length));
                    }
                }
            }
            all
        });
        while !frames.out.is_empty() {
            frames.sleep(Duration::from_millis(1));
            assert_eq!(frames.take(), Ok(None));
        }
        let all = reader.join().expect("all is read");
        assert_eq!(all, (0..20).map(|at| (at, Head::BYTES + size)).collect::<Vec<_>>());
    }
}

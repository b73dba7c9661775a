//! A byte stream that does not wait, with what is on its way in and out.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

use crate::stream::Stream;

/// A byte stream with what is on its way in and out.
#[derive(Debug)]
pub struct Duplex {
    stream: Box<dyn Stream>,
    /// The stream has no more to give.
    ended: bool,
    /// Bytes that wait to be written.
    pub out: VecDeque<u8>,
    /// Bytes that were read and not yet looked at.
    pub input: VecDeque<u8>,
}

impl Duplex {
    /// The stream `stream`, which is made one that does not wait.
    pub fn new(stream: impl Stream + 'static) -> std::io::Result<Self> {
        ioctl_fionbio(stream.as_fd(), true)?;
        let (out, input) = Default::default();
        Ok(Self { stream: Box::new(stream), ended: false, out, input })
    }

    /// Writes as much as goes without waiting, and reads where all that came before was looked at. Says whether
    /// anything came.
    pub fn pump(&mut self) -> bool {
        while !self.out.is_empty() {
            match self.stream.write(self.out.as_slices().0) {
                Ok(0) => break,
                Ok(count) => drop(self.out.drain(..count)),
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
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.ended = true,
            }
        }
        false
    }

    /// Waits for about `pause`, or until there may be something to read or room to write.
    pub fn wait(&self, pause: Duration) {
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
}

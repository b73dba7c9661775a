//! The connection to a debugger: TCP, a Unix socket, or a socket that a process was given.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

/// A connected socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    socket: File,
}

impl Socket {
    /// The stream over `socket`.
    pub fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let socket = socket.into();
        ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: socket.into() })
    }

    /// Connects to `address`: the path of a Unix socket where it has a `/`, else `host:port`.
    pub fn connect(address: &str) -> io::Result<Self> {
        if address.contains('/') {
            return Self::new(UnixStream::connect(address)?);
        }
        let stream = TcpStream::connect(address)?;
        // Small packets go out at once: each waits for its answer.
        stream.set_nodelay(true)?;
        Self::new(stream)
    }

    /// Reads what is here; `None` where nothing is.
    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        or_later(|| self.socket.read(bytes))
    }

    /// Writes what goes out at once; `None` where nothing does.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        or_later(|| self.socket.write(bytes))
    }

    /// Waits until there is something to read, or room to write if `to_write`, for at most `pause`.
    pub fn wait(&self, to_write: bool, pause: Duration) {
        let events = if to_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let timeout = Timespec::try_from(pause).ok();
        // Whatever comes of it, the caller looks for itself.
        let _ =
            poll(&mut [PollFd::from_borrowed_fd(self.socket.as_fd(), events)], timeout.as_ref());
    }
}

fn or_later(mut work: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match work() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

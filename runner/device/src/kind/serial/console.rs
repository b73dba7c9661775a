//! A board's console, as the host hears it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stream::Stream;

/// How much of what the board said is kept for messages.
const TAIL_BYTES: usize = 4096;
/// What the receiver of a block says.
const ACK: u8 = 0x06;
/// How many lines of it are told.
const TOLD_LINES: usize = 12;
/// So much is kept of what nobody reads.
const MOST_UNREAD: usize = 1 << 20;

/// The host's end of a board's console. It can be read ahead, and remembers what it heard.
#[derive(Debug)]
pub struct ConsoleLine {
    stream: Box<dyn Stream>,
    /// What came, and was not read yet.
    unread: VecDeque<u8>,
    heard: Arc<Mutex<Heard>>,
}

/// What was heard on a line.
#[derive(Debug, Default)]
pub struct Heard {
    tail: VecDeque<u8>,
    /// How the stream ended, if it has.
    pub lost: Option<String>,
    /// Words that mean a reset.
    sign: Option<String>,
    /// Whether they were heard.
    reset: bool,
}

impl ConsoleLine {
    /// The host's end of `stream`, which does not wait. What is heard is kept in `heard`.
    pub fn new(stream: Box<dyn Stream>, heard: Arc<Mutex<Heard>>) -> Self {
        Self { stream, unread: VecDeque::new(), heard }
    }

    /// What came and was not read yet, after waiting until there is more than `than` of it, or
    /// `until` has passed. `Err` when nothing more can come.
    pub fn unread(&mut self, than: usize, until: Instant) -> Result<&[u8], Lost> {
        loop {
            let ended = self.listen();
            if self.unread.len() > than {
                break;
            }
            ended?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wait(PollFlags::IN, left);
        }
        Ok(self.unread.make_contiguous())
    }

    /// Takes the first `count` bytes of what is unread away.
    pub fn consume(&mut self, count: usize) {
        self.unread.drain(..count);
    }

    /// Writes all of `bytes`, while it listens; says `false` when that is not done by `until`.
    pub fn type_in(&mut self, mut bytes: &[u8], until: Instant) -> Result<bool, Lost> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    self.listen()?;
                    self.wait(PollFlags::OUT, left);
                }
                Err(error) => return Err(self.heard().lose(&error.to_string())),
            }
        }
        Ok(true)
    }

    /// Takes in all that came.
    fn listen(&mut self) -> Result<(), Lost> {
        let mut bytes = [0; 4096];
        loop {
            match self.hear(&mut bytes) {
                Ok(0) => return Err(Lost),
                Ok(count) => {
                    self.unread.extend(&bytes[..count]);
                    let surplus = self.unread.len().saturating_sub(MOST_UNREAD);
                    self.unread.drain(..surplus);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Lost),
            }
        }
    }

    /// Reads from the stream, and remembers.
    fn hear(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(bytes);
        match &read {
            Ok(0) => _ = self.heard().lose("it has no more to give"),
            Ok(count) => self.heard().take(&bytes[..*count]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => _ = self.heard().lose(&error.to_string()),
        }
        read
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, events: PollFlags, most: Duration) {
        // Whatever comes of it, the caller looks for itself.
        let timeout = Timespec::try_from(most).ok();
        let _ =
            poll(&mut [PollFd::from_borrowed_fd(self.stream.as_fd(), events)], timeout.as_ref());
    }
}

/// The stream has ended; [`Heard::lost`] says how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost;

impl Read for ConsoleLine {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.unread.is_empty() {
            true => self.hear(bytes),
            false => self.unread.read(bytes),
        }
    }
}

impl Write for ConsoleLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        if let Err(error) = &written
            && !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        {
            self.heard().lose(&error.to_string());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl AsFd for ConsoleLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Heard {
    /// From now on `sign` means that the board has reset.
    pub fn watch_for(&mut self, sign: Option<&str>) {
        self.sign = sign.map(str::to_owned);
        self.reset = false;
    }

    /// The words that mean a reset, where they were heard.
    pub fn reset(&self) -> Option<String> {
        self.sign.clone().filter(|_| self.reset)
    }

    fn take(&mut self, bytes: &[u8]) {
        // The sign may come in pieces.
        let overlap = self.sign.as_ref().map_or(0, |sign| sign.len() - 1);
        let from = self.tail.len().saturating_sub(overlap);
        self.tail.extend(bytes);
        if let Some(sign) = &self.sign {
            let new = &self.tail.make_contiguous()[from..];
            self.reset |= new.windows(sign.len()).any(|words| words == sign.as_bytes());
        }
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus);
    }

    fn lose(&mut self, what: &str) -> Lost {
        self.lost.get_or_insert_with(|| what.to_owned());
        Lost
    }

    /// The last lines that the board said, without messages.
    pub fn last_lines(&self) -> String {
        // YMODEM leaves one for each block.
        let bytes: Vec<u8> = self.tail.iter().copied().filter(|byte| *byte != ACK).collect();
        // Messages stand between zeros, and text has none.
        let texts = bytes.split(|byte| *byte == 0).filter(|part| is_text(part));
        let text: Vec<_> = texts.map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let text: String =
            text.join("\n").chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        let lines: Vec<_> =
            text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n")
    }
}

/// Whether most of `part` can be read.
fn is_text(part: &[u8]) -> bool {
    let readable = |byte: &&u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    part.iter().filter(readable).count() * 4 >= part.len() * 3
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, ConsoleLine, Arc<Mutex<Heard>>) {
        let (theirs, ours) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("it can be set up");
        let heard = Arc::<Mutex<Heard>>::default();
        let line = ConsoleLine::new(Box::new(ours), Arc::clone(&heard));
        (theirs, line, heard)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn what_was_read_ahead_comes_first() {
        let (mut theirs, mut line, _) = pair();
        theirs.write_all(b"=> \0frame").expect("there is room");
        assert_eq!(line.unread(8, soon()), Ok(&b"=> \0frame"[..]));
        line.consume(3);
        theirs.write_all(b"\0").expect("there is room");
        let mut bytes = [0; 16];
        assert_eq!(line.read(&mut bytes).expect("it is there"), 6);
        assert_eq!(line.read(&mut bytes[6..]).expect("it is there"), 1);
        assert_eq!(&bytes[..7], b"\0frame\0");
        let error = line.read(&mut bytes).expect_err("nothing came");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_line_that_ends_gives_what_it_has_and_says_so_then() {
        let (mut theirs, mut line, heard) = pair();
        theirs.write_all(b"ab").expect("there is room");
        drop(theirs);
        assert_eq!(line.unread(1, soon()), Ok(&b"ab"[..]));
        assert_eq!(line.unread(2, soon()), Err(Lost));
        assert!(heard.lock().expect("nobody panicked").lost.is_some());
        assert_eq!(line.type_in(&[b'x'; 100], soon()), Err(Lost));
    }

    #[test]
    fn typing_ends_with_its_time() {
        let (_theirs, mut line, _) = pair();
        let much = vec![b'x'; 1 << 22];
        assert_eq!(line.type_in(&much, Instant::now()), Ok(false));
        assert_eq!(line.unread(0, Instant::now()), Ok(&[][..]));
    }

    #[test]
    fn a_sign_is_heard_in_pieces_and_only_from_when_it_is_watched_for() {
        let mut heard = Heard::default();
        heard.take(b"U-Boot SPL");
        heard.watch_for(Some("U-Boot SPL"));
        heard.take(b" 2023.01");
        heard.take(b"\0\x01U-Bo");
        assert_eq!(heard.reset(), None);
        heard.take(b"ot");
        heard.take(b" SPL 2023.01");
        assert_eq!(heard.reset().as_deref(), Some("U-Boot SPL"));
    }

    #[test]
    fn the_last_lines_are_told_without_messages() {
        let mut heard = Heard::default();
        heard.take(b"U-Boot 2023.01\r\n\r\n=> booti\r\n\0\x03\x80\x81\xff\x11\0\x02\xfe\xed\0\x1b[0mouch \0");
        assert_eq!(heard.last_lines(), "U-Boot 2023.01\n=> booti\n[0mouch");
        heard.take(&b"line\n".repeat(2000));
        assert_eq!(heard.last_lines().lines().count(), TOLD_LINES);
    }
}

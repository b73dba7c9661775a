//! The wire through a byte stream: the host's side of [`link::stream`], with a clock.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use link::MAX_MESSAGE;
use link::mailbox::Cursor;
use link::message::{Head, Kind};
use link::stream::timer::Timer;
use link::stream::{Asker, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use zerocopy::IntoBytes;

use super::stream::Stream;
use super::wire::{Fault, Wear, Wire};

/// So many bytes without a segment are babble, and no boot chatter.
const MOST_NOISE: usize = 4 << 20;
/// So many bytes without a segment show that somebody is at work there. It is more than a dead target
/// echoes of what it is asked in the time in which it is found to be dead.
const CHATTER: usize = 1 << 10;

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
    asker: Asker<Vec<u8>>,
    timer: Timer,
    clock: Instant,
    /// Time that a byte takes on the line, in microseconds; 0 where that is not known.
    byte_us: u64,
    /// Bytes since the last segment.
    noise: usize,
    /// A message that is being composed.
    slot: Vec<u8>,
    /// The message that was taken last.
    message: Box<[u64; MAX_MESSAGE / 8]>,
    /// Bytes in its body.
    body: usize,
    /// Requests sent.
    sent: u64,
    /// Segments heard.
    heard: u64,
    /// When the line has carried what was sent, but for what was sent since nothing came.
    carried: u64,
}

impl Frames {
    /// The host's end of `stream`, which is made one that does not wait.
    pub fn new(stream: impl Stream + 'static) -> std::io::Result<Self> {
        ioctl_fionbio(stream.as_fd(), true)?;
        // Which it is nobody records: it differs from those before, and that is all.
        let session = RandomState::new().hash_one(std::process::id()) as u32;
        let buffer = || vec![0; MAX_MESSAGE];
        Ok(Self {
            stream: Box::new(stream),
            ended: false,
            out: VecDeque::new(),
            input: VecDeque::new(),
            asker: Asker::new(session.max(1), buffer(), buffer()),
            timer: Timer::new(0, 0),
            clock: Instant::now(),
            byte_us: 0,
            noise: 0,
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
                    self.timer.heard_bytes(self.now());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.ended = true,
            }
        }
    }

    /// What was put into `out` since it held `before` bytes is a turn.
    fn said(&mut self, before: usize) {
        let (bytes, now) = (self.out.len() - before, self.now());
        if bytes > 0 {
            self.timer.sent(bytes, now);
            self.carried = now + bytes as u64 * self.byte_us;
        }
    }

    /// Takes the next byte; returns what it brought.
    fn listen(&mut self, byte: u8) -> Event {
        self.noise += 1;
        let before = self.out.len();
        let out = &mut self.out;
        let event = self.asker.take(byte, |byte| out.push_back(byte));
        if event != Event::Nothing {
            self.noise = 0;
            self.heard += 1;
            self.timer.heard_segment(self.now());
            self.said(before);
        }
        event
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
        kind: Kind,
        sequence: u64,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let (head, body) = self.slot.split_at_mut(Head::BYTES);
        let Some(size) = write(body) else { return false };
        let whole = size.next_multiple_of(8);
        body[size..whole].fill(0);
        head.copy_from_slice(Head::new(kind, whole as u32, sequence).as_bytes());
        let before = self.out.len();
        let (message, out) = (&self.slot[..Head::BYTES + whole], &mut self.out);
        self.asker.request(message, |byte| out.push_back(byte));
        self.said(before);
        self.sent += 1;
        self.pump();
        true
    }

    fn take(&mut self) -> Result<Option<Head>, Fault> {
        self.pump();
        while let Some(byte) = self.input.pop_front() {
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
            let before = self.out.len();
            let out = &mut self.out;
            self.asker.overdue(|byte| out.push_back(byte));
            self.timer.sent(self.out.len() - before, now);
            self.timer.overdue();
        }
        Ok(None)
    }

    fn body(&self) -> &[u8] {
        &self.message.as_bytes()[Head::BYTES..][..self.body]
    }

    fn progress(&self) -> [u64; 4] {
        // What is said again and again, because nothing comes, is no progress.
        let chatter = (self.noise / CHATTER) as u64;
        [self.sent, self.heard, self.now().min(self.carried), chatter]
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

    fn wear(&self) -> Wear {
        Wear { damaged: self.asker.damaged(), sent_again: self.asker.sent_again() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use link::frame;
    use link::stream::segment::{send_beacon, send_epitaph};
    use link::stream::{Answerer, Heard};

    use super::*;

    /// What a target says to the bytes of a host.
    struct Target {
        answerer: Answerer<Vec<u8>>,
        response: Vec<u8>,
    }

    impl Target {
        fn new() -> Self {
            Self { answerer: Answerer::new(vec![0; MAX_MESSAGE]), response: Vec::new() }
        }

        /// Takes a byte; `answer` makes of a request the response.
        fn take(&mut self, byte: u8, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
            let mut out = Vec::new();
            match self.answerer.take(byte) {
                Heard::Nothing => {}
                Heard::Turn(turn) => {
                    self.answerer.send(&turn, &self.response, |byte| out.push(byte));
                }
                Heard::Request => {
                    self.response = answer(self.answerer.request());
                    self.answerer.answered();
                    self.answerer.respond(&self.response, |byte| out.push(byte));
                }
            }
            out
        }
    }

    fn pair() -> (UnixStream, Frames) {
        let (theirs, ours) = UnixStream::pair().expect("a socket pair");
        (theirs, Frames::new(ours).expect("it can be set up"))
    }

    /// The same message back, as observations.
    fn echo(request: &[u8]) -> Vec<u8> {
        let (_, body) = request.split_at(Head::BYTES);
        let sequence = u64::from_le_bytes(*request[8..].first_chunk().expect("a head"));
        let head = Head::new(Kind::Observations, body.len() as u32, sequence);
        [head.as_bytes(), body].concat()
    }

    /// Answers with [`echo`] until the host is gone. The first `lost` bytes of the host's never arrive.
    fn serve(mut stream: UnixStream, lost: usize) {
        let mut target = Target::new();
        let mut bytes = [0; 4096];
        let mut count = 0;
        while let Ok(1..) = stream.read(&mut bytes[..1]).inspect(|read| count += read) {
            if count > lost {
                let said = target.take(bytes[0], echo);
                // It fails where the host has gone.
                let _ = stream.write_all(&said);
            }
        }
    }

    fn taken(frames: &mut Frames) -> Result<Head, Fault> {
        loop {
            if let Some(head) = frames.take()? {
                return Ok(head);
            }
            frames.sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn messages_go_there_and_back() {
        let (theirs, mut frames) = pair();
        let target = std::thread::spawn(move || serve(theirs, 0));
        let open = taken(&mut frames).expect("it answers");
        assert_eq!((open.kind(), open.sequence), (Some(Kind::Observations), 0));
        for (sequence, size) in [(70, 0), (71, 1), (72, 3000), (73, MAX_MESSAGE - Head::BYTES)] {
            let byte = sequence as u8;
            assert!(frames.send(Kind::Case, sequence, &mut |body| {
                body[..size].fill(byte);
                Some(size)
            }));
            assert_eq!(taken(&mut frames).expect("it answers").sequence, sequence);
            let mut expected = vec![byte; size];
            expected.resize(size.next_multiple_of(8), 0);
            assert!(frames.body() == expected, "message {sequence}");
        }
        assert!(!frames.send(Kind::Case, 20, &mut |_| None));
        drop(frames);
        target.join().expect("it ends with the host");
    }

    #[test]
    fn what_is_lost_is_asked_for_again() {
        let (theirs, mut frames) = pair();
        let target = std::thread::spawn(move || serve(theirs, 20));
        taken(&mut frames).expect("it answers");
        drop(frames);
        target.join().expect("it ends with the host");
    }

    #[test]
    fn a_target_is_found_in_what_its_firmware_says() {
        let (mut theirs, mut frames) = pair();
        let mut beacon = b"U-Boot 2025.01\r\n\0\xff\0".to_vec();
        send_beacon(|byte| beacon.push(byte));
        theirs.write_all(&beacon).expect("it takes that");
        let target = std::thread::spawn(move || serve(theirs, 0));
        taken(&mut frames).expect("it answers");
        assert_eq!(frames.wear(), Wear::default());
        drop(frames);
        target.join().expect("it ends with the host");
    }

    /// What the host makes of `stream` behind the response that opens the session.
    fn behind_the_hello(stream: &[u8]) -> Result<Head, Fault> {
        let (mut theirs, mut frames) = pair();
        let opened = std::thread::spawn(move || {
            let mut target = Target::new();
            let mut byte = [0];
            while target.response.is_empty() {
                theirs.read_exact(&mut byte).expect("the host speaks");
                theirs.write_all(&target.take(byte[0], echo)).expect("the host listens");
            }
            (theirs, target)
        });
        taken(&mut frames)?;
        let (mut theirs, _) = opened.join().expect("it is open");
        theirs.write_all(stream).expect("it takes that");
        frames.send(Kind::Case, 1, &mut |_| Some(0));
        taken(&mut frames)
    }

    #[test]
    fn a_reset_and_last_words_are_told() {
        let mut stream = b"DDR init".to_vec();
        send_beacon(|byte| stream.push(byte));
        assert_eq!(behind_the_hello(&stream), Err(Fault::Reset));

        let head = Head::new(Kind::Epitaph, 0, 0);
        let mut stream = Vec::new();
        send_epitaph(0, head.as_bytes(), |byte| stream.push(byte));
        assert_eq!(behind_the_hello(&stream), Ok(head));
        let mut stream = Vec::new();
        send_epitaph(0, &[7; 24], |byte| stream.push(byte));
        let told = behind_the_hello(&stream);
        assert!(
            matches!(&told, Err(Fault::Garbage(what)) if what.contains("24 bytes")),
            "{told:?}"
        );
    }

    #[test]
    fn an_old_executor_is_called_one() {
        let (mut theirs, mut frames) = pair();
        // Version 4 said its Hello as one frame, head and body: 0x04 stands for the version.
        let message = [&[1, 0, 0, 0, 8, 0, 0, 0], &[0; 8], &[4, 0, 0, 0, 2, 0, 0, 0][..]].concat();
        frame::send(&[&message], |byte| theirs.write_all(&[byte]).expect("it takes that"));
        assert_eq!(taken(&mut frames), Err(Fault::Version(4)));
    }

    #[test]
    fn endless_noise_is_babble() {
        let (mut theirs, mut frames) = pair();
        let writer = std::thread::spawn(move || {
            let noise = vec![b'x'; MOST_NOISE + 100_000];
            // It fails where the reader has had enough.
            let _ = theirs.write_all(&noise);
        });
        let babble = taken(&mut frames);
        assert!(
            matches!(&babble, Err(Fault::Garbage(what)) if what.contains("sense")),
            "{babble:?}"
        );
        drop(frames);
        writer.join().expect("it gives up");
    }

    #[test]
    fn what_is_said_to_the_dead_is_no_progress() {
        let (mut theirs, mut frames) = pair();
        let before = frames.progress();
        // A dead board that echoes: the host asks twice.
        let mut bytes = [0; 100];
        for _ in 0..2 {
            let mut count = 0;
            while count < 20 {
                assert_eq!(frames.take(), Ok(None));
                frames.sleep(Duration::from_millis(1));
                theirs.set_nonblocking(true).expect("it can be set up");
                count += theirs.read(&mut bytes).unwrap_or(0);
            }
            theirs.write_all(&bytes[..count]).expect("it takes that");
        }
        assert_eq!(frames.take(), Ok(None));
        assert_eq!(frames.progress(), before);
        // A board that boots says more than that.
        theirs.write_all(&[b'x'; CHATTER]).expect("it takes that");
        while frames.progress() == before {
            assert_eq!(frames.take(), Ok(None));
            frames.sleep(Duration::from_millis(1));
        }
    }
}

//! The rings of a mailbox, read and written by way of a debugger: requests that wait, answers that wait.

use std::collections::VecDeque;

use link::MAX_MESSAGE;
use link::mailbox::{Control, Cursor, SLOTS, request_offset, response_offset};
use link::mark::Mark;
use link::message::{Head, MessageKind};
use link::observations::Report;
use zerocopy::{FromBytes, IntoBytes};

use super::super::error::GdbError;
use super::super::stub::Stub;
use crate::counters::{self, ANSWERED, CURSOR, DRAWN, MAGIC, MARK, READ, SENT, TAKEN};

const CONTROL_BYTES: usize = size_of::<Control>();
/// The first guess at the size of an answer, in bytes: what it is short of takes another exchange.
const FIRST_GUESS: usize = 512;

/// The rings of the mailbox at an address.
#[derive(Debug)]
pub struct Ring {
    base: u64,
    /// Requests that wait to be written.
    pub queue: VecDeque<Vec<u8>>,
    /// Answers that wait to be taken.
    pub inbox: VecDeque<Vec<u64>>,
    sent: u64,
    read: u64,
    /// Answers that the target knows to be read.
    told: u64,
    /// The counters as they were last seen.
    seen: Seen,
    /// The last answer that was read was so long.
    guess: usize,
}

#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    taken: u64,
    answered: u64,
    cursor: u64,
    mark: u64,
    drawn: u64,
}

impl Ring {
    /// The rings of the mailbox at `base` in `memory`, whose counters are set to 0: those of a run before may still
    /// stand there.
    pub fn new(base: u64, memory: &mut Stub) -> Result<Self, GdbError> {
        memory.write(&[(base, &[0; CONTROL_BYTES][..])])?;
        let (queue, inbox, seen) = Default::default();
        Ok(Self { base, queue, inbox, sent: 0, read: 0, told: 0, seen, guess: FIRST_GUESS })
    }

    /// Whether the executor has a request in flight, or has not said its first word.
    pub fn is_at_work(&self) -> bool {
        self.seen.answered == 0 || self.seen.taken < self.sent && !self.has_epitaph()
    }

    /// Whether the executor has said that it will do no more.
    pub fn has_epitaph(&self) -> bool {
        self.inbox.back().and_then(|words| head(words)).and_then(|head| head.kind())
            == Some(MessageKind::Epitaph)
    }

    /// Whether there is something to write: a request for which there is room, or that answers were read.
    pub fn has_news(&self) -> bool {
        let has_room = self.sent.saturating_sub(self.seen.taken) < SLOTS as u64;
        self.told != self.read || has_room && !self.queue.is_empty()
    }

    /// Changes whenever the target makes progress or is sent something.
    pub const fn progress(&self) -> [u64; 5] {
        let Seen { taken, answered, cursor, mark, .. } = self.seen;
        [self.sent, taken, answered, cursor, mark]
    }

    /// Where the target was when it was last seen.
    pub const fn cursor(&self) -> Cursor {
        Cursor(self.seen.cursor)
    }

    /// The case that the target had drawn by itself, when it was last seen.
    pub const fn drawn(&self) -> Option<u64> {
        self.seen.drawn.checked_sub(1)
    }

    /// How far the target came on its start, when it was last seen.
    pub fn mark(&self) -> Option<Mark> {
        Mark::from_number(self.seen.mark)
    }

    /// What was seen may be old.
    pub const fn forget_cursor(&mut self) {
        (self.seen.cursor, self.seen.drawn) = (0, 0);
    }

    /// Reads the counters, and whatever is answered; whether there was any.
    pub fn collect(&mut self, memory: &mut Stub) -> Result<bool, GdbError> {
        let control = memory.read(&[(self.base, CONTROL_BYTES)])?.concat();
        let word = |bytes: &[u8]| u64::read_from_prefix(bytes).map_or(0, |(word, _)| word);
        let [mut magic, taken, answered, cursor, mark, drawn] =
            [MAGIC, TAKEN, ANSWERED, CURSOR, MARK, DRAWN].map(|at| word(&control[at..]));
        self.seen = Seen { taken, answered, cursor, mark, drawn };
        let (sent, read) = (self.sent, self.read);
        if answered == read {
            return Ok(false);
        }
        if magic != Control::MAGIC {
            // It may have been read before a core that runs wrote it, and the counter behind it after that.
            magic = memory
                .read(&[(self.base + MAGIC as u64, 8)])?
                .first()
                .map_or(0, |bytes| word(bytes));
        }
        counters::check_answered(magic, answered, read).map_err(GdbError::Babble)?;
        if taken > sent {
            let what = format!("it has taken {taken} requests of {sent}");
            return Err(GdbError::Babble(what));
        }
        let slots = (read..answered).map(|number| self.base + response_offset(number) as u64);
        let answers = self.read_answers(&slots.collect::<Vec<_>>(), memory)?;
        self.inbox.extend(answers);
        self.read = answered;
        Ok(true)
    }

    /// Reads the answers in `slots`: of each as much as the last one was long, and then what that is short of.
    fn read_answers(
        &mut self,
        slots: &[u64],
        memory: &mut Stub,
    ) -> Result<Vec<Vec<u64>>, GdbError> {
        let guess = self.guess;
        let pieces: Vec<_> = slots.iter().map(|slot| (*slot, guess)).collect();
        let mut answers = memory.read(&pieces)?;
        let mut rests = Vec::new();
        for (slot, answer) in slots.iter().zip(&mut answers) {
            let head = counters::head(answer).map_err(GdbError::Babble)?;
            let whole = Head::BYTES + head.bytes as usize;
            self.guess = whole;
            match whole.checked_sub(guess) {
                Some(rest @ 1..) => rests.push((slot + guess as u64, rest)),
                _ => answer.truncate(whole),
            }
        }
        let mut found = memory.read(&rests)?.into_iter();
        for answer in &mut answers {
            let whole = counters::head(answer).map_or(0, |head| Head::BYTES + head.bytes as usize);
            if answer.len() < whole {
                answer.extend(found.next().unwrap_or_default());
            }
        }
        Ok(answers.iter().map(|answer| words(answer)).collect())
    }

    /// Writes requests that wait, as many as there is room for, and the counters.
    pub fn deliver(&mut self, memory: &mut Stub) -> Result<(), GdbError> {
        let room = SLOTS as u64 - self.sent.saturating_sub(self.seen.taken).min(SLOTS as u64);
        let count = self.queue.len().min(room as usize);
        let requests: Vec<_> = self.queue.drain(..count).collect();
        let slots = (self.sent..).map(|number| self.base + request_offset(number) as u64);
        let mut pieces: Vec<(u64, &[u8])> =
            slots.zip(&requests).map(|(slot, request)| (slot, request.as_slice())).collect();
        self.sent += count as u64;
        self.told = self.read;
        // The counters come last: a core that runs sees whole slots.
        let (sent, read) = (self.sent.to_le_bytes(), self.read.to_le_bytes());
        pieces.push((self.base + READ as u64, &read));
        pieces.push((self.base + SENT as u64, &sent));
        memory.write(&pieces)
    }

    /// The answers to the first probes of the case at the cursor, of a core that is stuck there.
    pub fn begun(&self, memory: &mut Stub) -> Vec<u64> {
        let count = self.cursor().probe().map_or(0, usize::from);
        let from = response_offset(self.seen.answered) + Head::BYTES + size_of::<Report>();
        let most = MAX_MESSAGE - Head::BYTES - size_of::<Report>();
        let piece = (self.base + from as u64, (8 * count).min(most));
        memory.read(&[piece]).map_or_else(|_| Vec::new(), |bytes| words(&bytes.concat()))
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| u64::read_from_bytes(chunk).unwrap_or_default();
    bytes.chunks_exact(8).map(word).collect()
}

/// The head of the message that `words` begin with.
pub fn head(words: &[u64]) -> Option<Head> {
    Head::read_from_prefix(words.as_bytes()).ok().map(|(head, _)| head)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use super::super::super::client::Client;
    use super::super::super::packet::{Decoder, Item, encode, hex};
    use super::super::super::socket::Socket;
    use super::*;
    use crate::wire::compose;

    const BASE: u64 = 0x4000_0000;

    /// A stub of a mailbox in which one answer stands; where its memory is read for the first time, the core had not
    /// yet written the magic number.
    fn stub_beside_a_core() -> Stub {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let mut memory = vec![0; response_offset(1)];
        memory[MAGIC..][..8].copy_from_slice(Control::MAGIC.as_bytes());
        memory[ANSWERED..][..8].copy_from_slice(1_u64.as_bytes());
        let slot = &mut memory[response_offset(0)..];
        compose(slot, MessageKind::Hello, 0, &mut |_| Some(0)).expect("there is room");
        let mut is_first = true;
        let mut read = move |place: &str| {
            let (address, count) = place.split_once(',').expect("a size");
            let [address, count] =
                [address, count].map(|number| u64::from_str_radix(number, 16).expect("digits"));
            let mut bytes = memory[(address - BASE) as usize..][..count as usize].to_vec();
            if std::mem::take(&mut is_first) {
                bytes[..8].fill(0);
            }
            hex(&bytes)
        };
        thread::spawn(move || {
            let (mut decoder, mut byte) = (Decoder::default(), [0]);
            while theirs.read_exact(&mut byte).is_ok() {
                let Some(Item::Packet(packet)) = decoder.take(byte[0]) else { continue };
                let answer = match packet.split_first() {
                    Some((b'm', place)) => read(&String::from_utf8_lossy(place)),
                    Some((b'M', _)) => b"OK".to_vec(),
                    _ => Vec::new(),
                };
                theirs.write_all(&[b"+", &encode(&answer)[..]].concat()).expect("somebody asks");
            }
        });
        let socket = Socket::new(ours).expect("it can be set up");
        Stub::greet(Client::new(socket, Duration::from_secs(60))).expect("it answers")
    }

    #[test]
    fn a_core_that_begins_while_its_mailbox_is_read_is_no_stranger() {
        let mut stub = stub_beside_a_core();
        let mut ring = Ring::new(BASE, &mut stub).expect("it is RAM");
        assert!(ring.collect(&mut stub).expect("it is a mailbox"));
        let answer = ring.inbox.pop_front().expect("an answer");
        assert_eq!(head(&answer).and_then(|head| head.kind()), Some(MessageKind::Hello));
    }
}

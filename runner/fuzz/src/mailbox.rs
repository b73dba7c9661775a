//! The mailbox: a target that does whatever the bytes say, against the host's end.
//!
//! The bytes are steps. As long as the target keeps to its part, each message must come through whole
//! and in order, both ways; once it has written what it should not, the host may say so or read
//! nonsense, but never loses its footing.
//!
//! ```text
//!   0 kind sequence words body..   the target answers        3   the host takes a message
//!   1 offset value                 the target writes a word  4 words body..  the host asks
//!   2                              the target takes a request  5 count       the host looks around
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::mem::offset_of;

use device::mailbox::Mailbox;
use device::memory::SharedMemory;
use device::wire::{Fault, Wire};
use link::mailbox::{
    BYTES, Control, Cursor, REQUESTS, RESPONSES, SLOTS, request_offset, response_offset,
};
use link::message::{Head, MessageKind};
use rustix::fs::{MemfdFlags, memfd_create};
use zerocopy::{FromBytes, IntoBytes};

use super::message;

const MAGIC: usize = offset_of!(Control, magic);
const SENT: usize = offset_of!(Control, sent);
const TAKEN: usize = offset_of!(Control, taken);
const ANSWERED: usize = offset_of!(Control, answered);
const READ: usize = offset_of!(Control, read);

/// More steps than this show nothing new.
const MOST_STEPS: usize = 200;

/// Plays the steps in `bytes`; whether a message came through that makes sense.
pub fn decode(bytes: &[u8]) -> bool {
    let mut play = Play::new();
    let mut script = Script(bytes);
    let mut sense = false;
    for _ in 0..MOST_STEPS {
        let Some(step) = script.byte() else { break };
        match step % 6 {
            0 => play.answer(&mut script),
            1 => play.tamper(&mut script),
            2 => play.take_request(),
            3 => sense |= play.take(),
            4 => play.ask(&mut script),
            _ => play.look(&mut script),
        }
    }
    while play.honest && !play.answers.is_empty() {
        sense |= play.take();
    }
    sense
}

/// The bytes that are not used up yet.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many bytes as are left of so many, padded with zeros.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte().unwrap_or_default())
    }

    /// A count of words, and they themselves.
    fn words(&mut self) -> Vec<u64> {
        let [count] = self.bytes();
        (0..count).map(|_| u64::from_le_bytes(self.bytes())).collect()
    }
}

/// Both ends of a mailbox, and what is on its way.
struct Play {
    host: Mailbox,
    target: SharedMemory,
    /// The target has done nothing yet that it should not.
    honest: bool,
    requests: VecDeque<Vec<u64>>,
    answers: VecDeque<Vec<u64>>,
}

impl Play {
    fn new() -> Self {
        let memory = memfd_create(c"mailbox", MemfdFlags::CLOEXEC).expect("memory for a mailbox");
        let memory = File::from(memory);
        memory.set_len(BYTES as u64).expect("memory for a mailbox");
        let end = || SharedMemory::map(&memory, 0, BYTES).expect("memory that can be mapped");
        let (host, target) = (Mailbox::new(end()), end());
        target.store_release(MAGIC, Control::MAGIC);
        let (requests, answers) = Default::default();
        Self { host, target, honest: true, requests, answers }
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let [kind, sequence] = script.bytes();
        let body = script.words();
        let kind = MessageKind::from_number(u32::from(kind % 8) + 1).expect("one of eight");
        let head = Head::new(kind, 8 * body.len() as u32, sequence.into());
        let mut words = <[u64; 2]>::read_from_bytes(head.as_bytes()).expect("two words").to_vec();
        words.extend(body);
        let answered = self.target.load_acquire(ANSWERED);
        if answered.wrapping_sub(self.target.load_acquire(READ)) >= SLOTS as u64 {
            return;
        }
        self.target.write(response_offset(answered), &words);
        self.target.store_release(ANSWERED, answered.wrapping_add(1));
        self.answers.push_back(words);
    }

    fn tamper(&mut self, script: &mut Script<'_>) {
        let offset = u16::from_le_bytes(script.bytes());
        // Counters, or the beginnings of slots.
        let (place, slot) = (usize::from(offset & 0x7ff) & !7, u64::from(offset >> 12));
        let offset = match offset >> 11 & 1 {
            0 => place.min(REQUESTS - 8),
            _ => response_offset(slot) + place,
        };
        assert!(offset < RESPONSES + BYTES);
        self.target.store_release(offset, u64::from_le_bytes(script.bytes()));
        self.honest = false;
    }

    /// What the host asked comes to the target as it was sent.
    fn take_request(&mut self) {
        let taken = self.target.load_acquire(TAKEN);
        if !self.honest || taken == self.target.load_acquire(SENT) {
            return;
        }
        let expected = self.requests.pop_front().expect("what was sent and not taken yet");
        let mut words = vec![0; expected.len()];
        self.target.read(request_offset(taken), &mut words);
        assert_eq!(words, expected);
        self.target.store_release(TAKEN, taken + 1);
    }

    fn ask(&mut self, script: &mut Script<'_>) {
        if self.honest && self.requests.len() >= self.host.window() {
            return;
        }
        let body = script.words();
        let sent = self.host.send(MessageKind::Case, 7, &mut |bytes| {
            let (front, _) = bytes.split_at_mut_checked(8 * body.len())?;
            front.copy_from_slice(body.as_bytes());
            Some(front.len())
        });
        assert!(sent, "a body of {} words is no long one", body.len());
        let head = Head::new(MessageKind::Case, 8 * body.len() as u32, 7);
        let mut words = <[u64; 2]>::read_from_bytes(head.as_bytes()).expect("two words").to_vec();
        words.extend(body);
        self.requests.push_back(words);
    }

    fn take(&mut self) -> bool {
        let before = self.target.load_acquire(READ);
        let taken = self.host.take();
        let after = self.target.load_acquire(READ);
        let expected = self.answers.pop_front();
        if self.honest {
            let words = taken.clone().expect("the target has done nothing wrong").map(|head| {
                let mut words = head.as_bytes().to_vec();
                words.extend(self.host.body());
                words
            });
            assert_eq!(words, expected.map(|words| words.as_bytes().to_vec()));
        }
        match taken {
            Ok(Some(head)) => {
                assert!(!self.honest || after == before + 1, "{before} read, then {after}");
                message::read(&head, self.host.body())
            }
            Ok(None) => {
                assert_eq!(before, after);
                false
            }
            Err(problem) => {
                assert_eq!(before, after, "nothing is taken of what makes no sense");
                assert_ne!(problem, Fault::Garbage(String::new()));
                false
            }
        }
    }

    fn look(&self, script: &mut Script<'_>) {
        let count = usize::from(u16::from_le_bytes(script.bytes()));
        assert!(self.host.answers(count).len() <= count);
        let [sent, ..] = self.host.progress();
        assert!(sent >= self.requests.len() as u64 || !self.honest);
        let Some(cursor) = self.host.cursor() else { panic!("a mailbox has a cursor") };
        if let (Some(request), Some(probe)) = (cursor.request(), cursor.probe()) {
            assert_eq!(Cursor::new(request, probe), cursor);
        }
    }
}

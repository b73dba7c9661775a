//! Frames on a byte stream: which bytes belong together, and whether they are those that were sent.
//!
//! The bytes and their CRC-32 are stuffed so that none is zero (COBS, Cheshire and Baker 1999), and a
//! zero byte ends the frame: a reader that lost its place finds it again at the next zero.
//!
//! ```text
//!   escape( COBS( bytes | CRC-32 of them, little-endian ) ) | 0x00
//! ```
//!
//! What lies between hosts and boards may take XON and XOFF for itself, or put them in. They are never
//! sent, and ignored where they come:
//!
//! ```text
//!   0x11 --> 0x7d 0x31      0x13 --> 0x7d 0x33      0x1b --> 0x7d 0x3b      0x7d --> 0x7d 0x5d
//! ```
//!
//! Nor is ESC sent, which is a key: UEFI, which may still listen when a host begins to ask, opens its menu by it, and
//! the executor is never started.

use crc::{CRC_32_ISO_HDLC, Crc};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
const ESC: u8 = 0x1b;
const ESCAPE: u8 = 0x7d;
/// What differs in a byte behind an [`ESCAPE`].
const ESCAPED: u8 = 0x20;

/// Bytes of the CRC-32, which a receiver's buffer must have room for.
pub const CHECK_BYTES: usize = 4;

/// Ends whatever noise stood on the line: to be sent before the first of some frames.
pub fn begin(mut put: impl FnMut(u8)) {
    put(0);
}

/// Sends the bytes of `parts`, one after the other, as one frame, byte by byte.
pub fn send(parts: &[&[u8]], mut put: impl FnMut(u8)) {
    let mut digest = CRC.digest();
    for part in parts {
        digest.update(part);
    }
    let crc = digest.finalize().to_le_bytes();
    let message = || parts.iter().flat_map(|part| part.iter().copied()).chain(crc);
    let mut escaped = |byte| match byte {
        XON | XOFF | ESC | ESCAPE => {
            put(ESCAPE);
            put(byte ^ ESCAPED);
        }
        _ => put(byte),
    };

    // A block is up to 254 bytes that are not zero; its code says how many, and, when it is less than
    // 0xff, that a zero followed. Two passes over the same bytes need no buffer.
    let mut bytes = message();
    let mut ended = false;
    while !ended {
        let block = bytes.clone();
        let mut code = 1u8;
        loop {
            match bytes.next() {
                Some(0) => break,
                Some(_) => {
                    code += 1;
                    if code == 0xff {
                        break;
                    }
                }
                None => {
                    ended = true;
                    break;
                }
            }
        }
        escaped(code);
        block.take(usize::from(code) - 1).for_each(&mut escaped);
    }
    put(0);
}

/// Collects the bytes of a stream into frames.
#[derive(Debug)]
pub struct Receiver<B> {
    buffer: B,
    length: usize,
    /// Bytes that may still come before the next code byte.
    left: u8,
    /// Whether a zero belongs before the next block.
    zero: bool,
    escapes: Escapes,
    state: State,
}

/// What becomes of bytes that may be escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Escapes {
    /// They are bytes like any other.
    Unknown,
    /// The last byte was none.
    None,
    /// The last byte was one.
    Open,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Between frames.
    Idle,
    /// In a frame that is sound so far.
    Frame,
    /// In something that is no frame; until the next zero.
    Noise,
}

/// What became of a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// More is to come.
    Nothing,
    /// A frame is complete: this many bytes of the buffer.
    Frame(usize),
    /// A frame ended whose bytes were not those that were sent.
    Damaged,
}

impl<B: AsMut<[u8]>> Receiver<B> {
    /// A receiver that collects into `buffer`, which has room for the longest frame and its
    /// [`CHECK_BYTES`].
    pub const fn new(buffer: B) -> Self {
        Self::with(buffer, Escapes::None)
    }

    /// A receiver of frames without escapes, which executors up to version 4 sent.
    pub const fn without_escapes(buffer: B) -> Self {
        Self::with(buffer, Escapes::Unknown)
    }

    const fn with(buffer: B, escapes: Escapes) -> Self {
        Self { buffer, length: 0, left: 0, zero: false, escapes, state: State::Idle }
    }

    /// The buffer: the frame, when one has just been completed.
    pub fn buffer(&mut self) -> &mut B {
        &mut self.buffer
    }

    /// Takes the next byte of the stream.
    pub fn take(&mut self, byte: u8) -> Received {
        if byte == 0 {
            return self.end();
        }
        let Some(byte) = self.unescape(byte) else { return Received::Nothing };
        match self.state {
            State::Noise => {}
            State::Frame if self.left > 0 => {
                self.left -= 1;
                self.push(byte);
            }
            State::Idle | State::Frame => {
                if self.state == State::Frame && self.zero {
                    self.push(0);
                }
                if self.state == State::Idle {
                    self.length = 0;
                    self.state = State::Frame;
                }
                self.left = byte - 1;
                self.zero = byte != 0xff;
            }
        }
        Received::Nothing
    }

    /// What `byte` stands for, if it stands for one.
    fn unescape(&mut self, byte: u8) -> Option<u8> {
        match (self.escapes, byte) {
            (Escapes::Unknown, _) => Some(byte),
            (_, XON | XOFF) => None,
            (Escapes::None, ESCAPE) => {
                self.escapes = Escapes::Open;
                None
            }
            (Escapes::None, _) => Some(byte),
            (Escapes::Open, _) => {
                self.escapes = Escapes::None;
                let byte = byte ^ ESCAPED;
                if !matches!(byte, XON | XOFF | ESC | ESCAPE) {
                    self.state = State::Noise;
                }
                Some(byte)
            }
        }
    }

    fn push(&mut self, byte: u8) {
        match self.buffer.as_mut().get_mut(self.length) {
            Some(slot) => {
                *slot = byte;
                self.length += 1;
            }
            None => self.state = State::Noise,
        }
    }

    fn end(&mut self) -> Received {
        let state = core::mem::replace(&mut self.state, State::Idle);
        let whole = self.left == 0 && self.escapes != Escapes::Open;
        self.left = 0;
        if self.escapes == Escapes::Open {
            self.escapes = Escapes::None;
        }
        match state {
            State::Idle => Received::Nothing,
            State::Frame if whole => self.check(),
            State::Frame | State::Noise => Received::Damaged,
        }
    }

    fn check(&mut self) -> Received {
        let bytes = self.buffer.as_mut().get(..self.length).unwrap_or_default();
        match bytes.split_last_chunk::<4>() {
            Some((message, crc)) if CRC.checksum(message) == u32::from_le_bytes(*crc) => {
                Received::Frame(message.len())
            }
            _ => Received::Damaged,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    const LONGEST: usize = 2000;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        begin(|byte| bytes.push(byte));
        send(&[message], |byte| bytes.push(byte));
        bytes
    }

    fn received(stream: &[u8]) -> (Vec<Vec<u8>>, usize) {
        received_by(Receiver::new(vec![0; LONGEST + CHECK_BYTES]), stream)
    }

    fn received_by(mut receiver: Receiver<Vec<u8>>, stream: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut messages, mut damaged) = (Vec::new(), 0);
        for &byte in stream {
            match receiver.take(byte) {
                Received::Nothing => {}
                Received::Frame(length) => messages.push(receiver.buffer()[..length].to_vec()),
                Received::Damaged => damaged += 1,
            }
        }
        (messages, damaged)
    }

    #[test]
    fn blocks_of_254_bytes_and_more_come_through() {
        for length in [0, 1, 249, 250, 251, 253, 254, 255, 508, 600, LONGEST] {
            let message = vec![7; length];
            assert_eq!(received(&framed(&message)), (vec![message], 0), "length {length}");
        }
        let too_long = framed(&[7; LONGEST + 1]);
        assert_eq!(received(&too_long), (vec![], 1));
    }

    #[test]
    fn what_others_take_for_themselves_is_never_sent_and_never_missed() {
        let message: Vec<u8> = (0..=255).cycle().take(700).collect();
        let stream = framed(&message);
        assert!(!stream.iter().any(|byte| [XON, XOFF, ESC].contains(byte)), "{stream:x?}");
        let peppered: Vec<u8> = stream.iter().flat_map(|byte| [XOFF, *byte, XON]).collect();
        assert_eq!(received(&peppered), (vec![message], 0));
    }

    #[test]
    fn frames_of_version_4_are_read_without_escapes() {
        // 0x7d and 0x11 as they are, and the CRC-32 of both.
        let crc = CRC.checksum(&[0x7d, 0x11]).to_le_bytes();
        let stream = [&[7, 0x7d, 0x11][..], &crc, &[0]].concat();
        let old = Receiver::without_escapes(vec![0; LONGEST]);
        assert_eq!(received_by(old, &stream), (vec![vec![0x7d, 0x11]], 0));
        assert_eq!(received(&stream), (vec![], 1));
    }

    proptest! {
        #[test]
        fn frames_come_through_in_order(
            messages in prop::collection::vec(prop::collection::vec(0u8..4, 0..700), 0..5),
            noise in prop::collection::vec(1u8.., 0..20),
        ) {
            let mut stream = noise;
            stream.extend(messages.iter().flat_map(|message| framed(message)));
            prop_assert_eq!(received(&stream).0, messages);
        }

        #[test]
        fn any_byte_comes_through(message in prop::collection::vec(any::<u8>(), 0..LONGEST)) {
            prop_assert_eq!(received(&framed(&message)), (vec![message], 0));
        }

        #[test]
        fn a_flipped_bit_is_noticed(
            message in prop::collection::vec(any::<u8>(), 1..300),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut stream = framed(&message);
            let at = 1 + at.index(stream.len() - 2);
            stream[at] ^= 1 << bit;
            let (messages, _) = received(&stream);
            prop_assert!(messages.iter().all(|other| other.is_empty()), "{:?}", messages);
        }

        #[test]
        fn any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..2000)) {
            received(&stream);
            received_by(Receiver::without_escapes(vec![0; 100]), &stream);
        }
    }
}

//! Messages on a byte stream.
//!
//! A message and its CRC-32 are stuffed so that no byte is zero (COBS, Cheshire and Baker 1999), and
//! a zero byte ends the frame: a reader that lost its place finds it again at the next zero.
//!
//! ```text
//!   0x00 | COBS( message bytes | CRC-32 of them, little-endian ) | 0x00
//! ```
//!
//! The zero in front ends whatever noise stood on the line before.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::MAX_MESSAGE;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The most bytes that lie between two zeros of a stream of frames.
pub const MAX_FRAME: usize = MAX_MESSAGE + 4 + (MAX_MESSAGE + 4) / 254 + 1;

/// Sends the bytes of `parts`, one after the other, as one frame, byte by byte.
pub fn send(parts: &[&[u8]], mut put: impl FnMut(u8)) {
    let mut digest = CRC.digest();
    for part in parts {
        digest.update(part);
    }
    let crc = digest.finalize().to_le_bytes();
    let message = || parts.iter().flat_map(|part| part.iter().copied()).chain(crc);

    put(0);
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
        put(code);
        block.take(usize::from(code) - 1).for_each(&mut put);
    }
    put(0);
}

/// Collects the bytes of a stream into messages.
#[derive(Debug)]
pub struct Receiver<B> {
    buffer: B,
    length: usize,
    /// Bytes that may still come before the next code byte.
    left: u8,
    /// Whether a zero belongs before the next block.
    zero: bool,
    state: State,
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
    /// A message is complete: this many bytes of the buffer.
    Message(usize),
    /// A frame ended whose bytes were not those that were sent.
    Damaged,
}

impl<B: AsMut<[u8]>> Receiver<B> {
    /// A receiver that collects into `buffer`, which should hold [`MAX_MESSAGE`] + 4 bytes.
    pub const fn new(buffer: B) -> Self {
        Self { buffer, length: 0, left: 0, zero: false, state: State::Idle }
    }

    /// The buffer: the message, when one has just been completed.
    pub fn buffer(&mut self) -> &mut B {
        &mut self.buffer
    }

    /// Takes the next byte of the stream.
    pub fn take(&mut self, byte: u8) -> Received {
        if byte == 0 {
            return self.end();
        }
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
        let whole = self.left == 0;
        self.left = 0;
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
                Received::Message(message.len())
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

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        send(&[message], |byte| bytes.push(byte));
        bytes
    }

    fn received(stream: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let mut receiver = Receiver::new(vec![0; MAX_MESSAGE + 4]);
        let (mut messages, mut damaged) = (Vec::new(), 0);
        for &byte in stream {
            match receiver.take(byte) {
                Received::Nothing => {}
                Received::Message(length) => messages.push(receiver.buffer()[..length].to_vec()),
                Received::Damaged => damaged += 1,
            }
        }
        (messages, damaged)
    }

    #[test]
    fn blocks_of_254_bytes_and_more_come_through() {
        for length in [0, 1, 249, 250, 251, 253, 254, 255, 508, 600, MAX_MESSAGE] {
            let message = vec![7; length];
            let stream = framed(&message);
            assert!(stream.len() <= MAX_FRAME + 2, "length {length}");
            assert_eq!(received(&stream), (vec![message], 0), "length {length}");
        }
    }

    proptest! {
        #[test]
        fn messages_come_through_in_order(
            messages in prop::collection::vec(prop::collection::vec(0u8..4, 0..700), 0..5),
            noise in prop::collection::vec(1u8.., 0..20),
        ) {
            let mut stream = noise;
            stream.extend(messages.iter().flat_map(|message| framed(message)));
            prop_assert_eq!(received(&stream).0, messages);
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
        }
    }
}

//! Messages on a byte stream: the receiver of frames, and both ends that talk in segments.
//!
//! The bytes are put on the stream as they are, as noise; and then once more in a frame, since no
//! fuzzer finds a CRC-32 by itself, and as a response. What comes out of frames is held against a decoder
//! that is written here a second time, in the plainest way.

use link::MAX_MESSAGE;
use link::frame::{self, CHECK_BYTES, Received, Receiver};
use link::message::Head;
use link::stream::{Answerer, Asker, Event, Heard};

use super::{Aligned, message};

/// The longest noise.
const MOST: usize = 16 << 10;

/// Feeds `bytes` to the decoders; whether they hold a message that makes sense.
pub fn decode(bytes: &[u8]) -> bool {
    if bytes.len() > MOST {
        return false;
    }
    let mut stream = bytes.to_vec();
    frame::begin(|byte| stream.push(byte));
    frame::send(&[bytes], |byte| stream.push(byte));

    let frames = received(&stream);
    assert_eq!(frames, decoded(&stream));
    assert_eq!(frames.last().map(Vec::as_slice), Some(bytes), "the frame comes through noise");
    !bytes.is_empty() && bytes.len().is_multiple_of(8) && answered(&stream, bytes)
}

fn received(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut receiver = Receiver::new(vec![0; MOST + CHECK_BYTES]);
    let mut frames = Vec::new();
    for &byte in stream {
        if let Received::Frame(length) = receiver.take(byte) {
            frames.push(receiver.buffer()[..length].to_vec());
        }
    }
    frames
}

/// Both ends hear `noise`, and then understand each other: the first response is `response`. Whether it is a message
/// that makes sense.
fn answered(noise: &[u8], response: &[u8]) -> bool {
    let buffer = || vec![0; MAX_MESSAGE];
    let (mut host, mut target) = (Asker::new(1, buffer(), buffer()), Answerer::new(buffer()));
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for &byte in noise {
        // A target that says that it is dying, or of another version, is asked no more.
        if matches!(host.take(byte, |_| {}), Event::Epitaph(_) | Event::Version(_)) {
            return false;
        }
        if target.take(byte) == Heard::Request {
            target.answered();
        }
    }
    for _ in 0..4 {
        host.overdue(|byte| there.push(byte));
        for byte in there.drain(..) {
            match target.take(byte) {
                Heard::Nothing => {}
                Heard::Turn(turn) => target.send(&turn, response, |byte| back.push(byte)),
                Heard::Request => {
                    target.answered();
                    target.respond(response, |byte| back.push(byte));
                }
            }
        }
        for byte in back.drain(..) {
            if host.take(byte, |byte| there.push(byte)) == Event::Response {
                assert_eq!(host.response(), response);
                let whole = Aligned::new(response);
                let message = Head::split(whole.bytes());
                return message.is_some_and(|(head, body)| message::read(&head, body));
            }
        }
    }
    panic!("the noise made them deaf");
}

/// The frames of a stream: escaped COBS between zeros, then a CRC-32.
fn decoded(stream: &[u8]) -> Vec<Vec<u8>> {
    // What stands behind the last zero is not ended yet.
    let Some(last) = stream.iter().rposition(|byte| *byte == 0) else { return Vec::new() };
    let frames = stream[..last].split(|byte| *byte == 0);
    frames.filter_map(|frame| checked(&unstuffed(&unescaped(frame)?)?)).collect()
}

fn unescaped(frame: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = frame.iter().copied().filter(|byte| ![0x11, 0x13].contains(byte));
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            0x7d => {
                [0x11, 0x13, 0x1b, 0x7d].into_iter().zip([0x31, 0x33, 0x3b, 0x5d]).find_map({
                    let escaped = bytes.next()?;
                    move |(plain, code)| (code == escaped).then_some(plain)
                })?
            }
            byte => byte,
        });
    }
    Some(plain)
}

fn unstuffed(mut frame: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some((&code, rest)) = frame.split_first() {
        let (block, rest) = rest.split_at_checked(usize::from(code) - 1)?;
        bytes.extend(block);
        if code != 0xff && !rest.is_empty() {
            bytes.push(0);
        }
        frame = rest;
    }
    Some(bytes)
}

fn checked(bytes: &[u8]) -> Option<Vec<u8>> {
    let (message, crc) = bytes.split_last_chunk::<4>()?;
    let mut register = u32::MAX;
    for byte in message {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = register >> 1 ^ if register & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    (!register == u32::from_le_bytes(*crc)).then(|| message.to_vec())
}

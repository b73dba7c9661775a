//! Messages on a byte stream: the receiver that both ends have, and the host's wire.
//!
//! The bytes are put on the stream as they are, as noise; and then once more in a frame, since no
//! fuzzer finds a CRC-32 by itself. What comes out is held against a decoder that is written here a
//! second time, in the plainest way.

use std::io::Write;
use std::os::unix::net::UnixStream;

use link::MAX_MESSAGE;
use link::frame::{self, Received, Receiver};
use link::message::Head;
use runner::target::frames::Frames;
use runner::target::wire::Wire;

use super::{Aligned, message};

/// More than this is not put on a stream: nobody reads it while it is written.
const MOST: usize = 16 << 10;

/// Feeds `bytes` to the decoders; whether they hold a message that makes sense, framed or not.
pub fn decode(bytes: &[u8]) -> bool {
    if bytes.len() > MOST {
        return false;
    }
    let mut stream = bytes.to_vec();
    frame::send(&[bytes], |byte| stream.push(byte));

    let messages = received(&stream);
    assert_eq!(messages, decoded(&stream));
    assert_eq!(messages.last().map(Vec::as_slice), Some(bytes), "the frame comes through noise");
    on_a_wire(&stream, &messages)
}

fn received(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut receiver = Receiver::new(vec![0; MAX_MESSAGE + 4]);
    let mut messages = Vec::new();
    for &byte in stream {
        if let Received::Message(length) = receiver.take(byte) {
            messages.push(receiver.buffer()[..length].to_vec());
        }
    }
    messages
}

/// The host's wire gives the same messages in the same order, and an error for what holds none.
fn on_a_wire(stream: &[u8], messages: &[Vec<u8>]) -> bool {
    let (mut theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    theirs.write_all(stream).expect("a socket holds so much");
    drop(theirs);
    let mut wire = Frames::new(ours).expect("a socket that does not block");
    let mut sense = false;
    for whole in messages {
        let whole = Aligned::new(whole);
        match (next(&mut wire, stream), Head::split(whole.bytes())) {
            (Ok(Some(head)), Some((expected, body))) => {
                assert_eq!((head, wire.body()), (expected, body));
                sense |= message::read(&head, wire.body());
            }
            (Err(problem), None) => assert!(!problem.is_empty()),
            (taken, expected) => panic!("{taken:?} where {expected:?} was sent"),
        }
    }
    assert_eq!(next(&mut wire, stream), Ok(None));
    sense
}

/// The next message: a wire says that there is none yet when it has read a part of the stream.
fn next(wire: &mut Frames, stream: &[u8]) -> Result<Option<Head>, String> {
    let mut taken = stream.chunks(1 << 10).map(|_| wire.take());
    taken.find(|taken| *taken != Ok(None)).unwrap_or(Ok(None))
}

/// The messages of a stream: COBS between zeros, then a CRC-32.
fn decoded(stream: &[u8]) -> Vec<Vec<u8>> {
    // What stands behind the last zero is not ended yet.
    let Some(last) = stream.iter().rposition(|byte| *byte == 0) else { return Vec::new() };
    let frames = stream[..last].split(|byte| *byte == 0);
    frames.filter_map(|frame| checked(&unstuffed(frame)?)).collect()
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

//! Frames against an independent implementation of COBS: each reads what the other writes.

use crc::{CRC_32_ISO_HDLC, Crc};
use link::frame::{CHECK_BYTES, Received, Receiver, send};
use proptest::prelude::*;

const LONGEST: usize = 2000;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The bytes that a frame of `message` carries.
fn checked(message: &[u8]) -> Vec<u8> {
    [message, &CRC.checksum(message).to_le_bytes()].concat()
}

/// What our sender makes of `message`, read by the other implementation.
fn read_by_other(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    send(&[message], |byte| frame.push(byte));
    assert_eq!(frame.pop(), Some(0), "a zero ends the frame");
    let mut stuffed = Vec::new();
    let mut bytes = frame.into_iter();
    while let Some(byte) = bytes.next() {
        stuffed.push(match byte {
            0x7d => bytes.next().expect("an escape is not the last byte") ^ 0x20,
            byte => byte,
        });
    }
    cobs::decode_vec(&stuffed).expect("it is COBS")
}

/// What the other implementation makes of `message`, read by our receiver.
fn written_by_other(message: &[u8]) -> Vec<u8> {
    let mut receiver = Receiver::new(vec![0; LONGEST + CHECK_BYTES]);
    for byte in cobs::encode_vec(&checked(message)) {
        let escaped: &[u8] = match byte {
            0x11 | 0x13 | 0x7d => &[0x7d, byte ^ 0x20],
            _ => &[byte],
        };
        for &byte in escaped {
            assert_eq!(receiver.take(byte), Received::Nothing);
        }
    }
    match receiver.take(0) {
        Received::Frame(length) => receiver.buffer()[..length].to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whole_blocks_are_read_both_ways() {
    // With the CRC, messages of 250 and 504 bytes fill one block and two.
    for length in [0, 1, 249, 250, 251, 503, 504, 505, LONGEST] {
        for fill in [0, 1, 0x11, 0x7d, 0xff] {
            let message = vec![fill; length];
            assert_eq!(read_by_other(&message), checked(&message), "{length} x {fill:#x}");
            assert_eq!(written_by_other(&message), message, "{length} x {fill:#x}");
        }
    }
}

proptest! {
    #[test]
    fn messages_are_read_both_ways(
        message in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..LONGEST),
    ) {
        prop_assert_eq!(read_by_other(&message), checked(&message));
        prop_assert_eq!(written_by_other(&message), message);
    }
}

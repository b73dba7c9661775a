//! Packets of the GDB remote protocol: what goes over the stream, and what it means.
//!
//! ```text
//!   $ payload # xx     a packet; xx is the sum of the payload's bytes, modulo 256, in hexadecimal
//!   % payload # xx     a notification, which nobody acknowledges
//!   + -                a packet came whole, or damaged
//!
//!   in a payload       } c      the byte c ^ 0x20
//!   from a stub only   c * n    the byte c, and n - 29 more of it
//! ```
//!
//! The GDB manual, "Overview", in appendix "Remote Serial Protocol".

/// The longest payload that is taken, runs unrolled: no stub that is in its right mind sends more.
pub const MOST_BYTES: usize = 1 << 20;

/// What stops a target that runs; no packet.
pub const INTERRUPT: u8 = 0x03;

const START: u8 = b'$';
const NOTIFICATION: u8 = b'%';
const END: u8 = b'#';
const ESCAPE: u8 = b'}';
const RUN: u8 = b'*';
/// What is added to the number of further bytes in a run, so that it is a character.
const RUN_BIAS: u8 = 29;
const FLIP: u8 = 0x20;

/// Something that came over the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// The last packet came whole.
    Ack,
    /// The last packet came damaged.
    Nack,
    /// The payload of a packet.
    Packet(Vec<u8>),
    /// The payload of a notification.
    Notification(Vec<u8>),
    /// A packet whose sum is wrong, or that makes no sense.
    Damaged,
}

/// The packet with this payload, as it goes over the stream.
pub fn encode(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 4);
    bytes.push(START);
    for &byte in payload {
        if matches!(byte, START | END | ESCAPE | RUN) {
            bytes.extend([ESCAPE, byte ^ FLIP]);
        } else {
            bytes.push(byte);
        }
    }
    let sum = sum(&bytes[1..]);
    bytes.push(END);
    bytes.extend(hex(&[sum]));
    bytes
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Finds packets in a stream; what is between them is noise.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The kind of the packet that is being decoded.
    is_notification: bool,
    /// Its payload so far, as it came.
    raw: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    Payload,
    /// Behind the end: the first digit of the sum, when it is here.
    Sum(Option<u8>),
}

impl Decoder {
    /// Takes the next byte of the stream; says what it ends.
    pub fn take(&mut self, byte: u8) -> Option<Item> {
        match (&self.state, byte) {
            // A packet that begins in the middle of another one: the rest of that was lost.
            (State::Between | State::Payload, START | NOTIFICATION)
                if byte == START || matches!(self.state, State::Between) =>
            {
                self.state = State::Payload;
                self.is_notification = byte == NOTIFICATION;
                self.raw.clear();
                None
            }
            (State::Between, b'+') => Some(Item::Ack),
            (State::Between, b'-') => Some(Item::Nack),
            (State::Between, _) => None,
            (State::Payload, END) => {
                self.state = State::Sum(None);
                None
            }
            (State::Payload, _) if self.raw.len() >= MOST_BYTES => {
                self.state = State::Between;
                Some(Item::Damaged)
            }
            (State::Payload, _) => {
                self.raw.push(byte);
                None
            }
            (State::Sum(None), digit) => {
                self.state = State::Sum(Some(digit));
                None
            }
            (&State::Sum(Some(first)), second) => {
                self.state = State::Between;
                Some(self.finish(&[first, second]))
            }
        }
    }

    fn finish(&self, digits: &[u8]) -> Item {
        let is_whole = unhex(digits).is_some_and(|told| told == [sum(&self.raw)]);
        match unrolled(&self.raw).filter(|_| is_whole) {
            Some(payload) if self.is_notification => Item::Notification(payload),
            Some(payload) => Item::Packet(payload),
            None => Item::Damaged,
        }
    }
}

/// The payload with runs unrolled and escapes resolved; `None` where it makes no sense or is too long.
fn unrolled(raw: &[u8]) -> Option<Vec<u8>> {
    let mut payload = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            ESCAPE => payload.push(bytes.next()? ^ FLIP),
            RUN => {
                let more = bytes.next()?.checked_sub(RUN_BIAS)?;
                let last = *payload.last()?;
                payload.extend(std::iter::repeat_n(last, more.into()));
            }
            _ => payload.push(byte),
        }
        if payload.len() > MOST_BYTES {
            return None;
        }
    }
    Some(payload)
}

/// Bytes as two digits each.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The bytes that are written as two digits each; `None` where there is anything else.
pub fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

/// A payload for people, not too long.
pub fn shown(payload: &[u8]) -> String {
    const MOST: usize = 60;
    let text = payload[..payload.len().min(MOST)].escape_ascii().to_string();
    if payload.len() > MOST { format!("{text}..") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(stream: &[u8]) -> Vec<Item> {
        let mut decoder = Decoder::default();
        stream.iter().filter_map(|byte| decoder.take(*byte)).collect()
    }

    fn packet(payload: &[u8]) -> Item {
        Item::Packet(payload.to_vec())
    }

    #[test]
    fn packets_are_those_of_the_manual() {
        assert_eq!(encode(b"OK"), b"$OK#9a");
        assert_eq!(encode(b""), b"$#00");
        assert_eq!(encode(b"X0,1:}"), b"$X0,1:}]#f9");
        assert_eq!(items(b"$OK#9A"), [packet(b"OK")], "digits may be large");
        // "0* " is "0000" in the manual: the blank is 29 + 3.
        assert_eq!(items(b"$0* #7a"), [packet(b"0000")]);
        assert_eq!(items(b"%Stop:T05#99"), [Item::Notification(b"Stop:T05".to_vec())]);
    }

    #[test]
    fn what_is_between_packets_is_noise_or_an_acknowledgement() {
        let items = items(b"boot\r\n+$OK#9a\0-#00$OK#9a");
        assert_eq!(items, [Item::Ack, packet(b"OK"), Item::Nack, packet(b"OK")]);
    }

    #[test]
    fn damage_is_told_and_does_not_spread() {
        let damaged: [&[u8]; 6] = [
            b"$OK#9b",     // another sum
            b"$OK#zz",     // no sum
            b"$*!#4b",     // a run of nothing
            b"$0*#5a",     // a run without its length
            b"$0*\x1c#76", // a run that is shorter than none
            b"$}#7d",      // an escape of nothing
        ];
        for stream in damaged {
            let stream = [stream, b"$OK#9a"].concat();
            assert_eq!(items(&stream), [Item::Damaged, packet(b"OK")], "{}", shown(&stream));
        }
        assert_eq!(items(b"$half a pack$OK#9a"), [packet(b"OK")], "the first lost its end");
    }

    #[test]
    fn what_never_ends_is_not_kept() {
        let endless = vec![b'x'; 3 * MOST_BYTES];
        let mut decoder = Decoder::default();
        assert_eq!(decoder.take(START), None);
        let damaged = endless.iter().filter_map(|byte| decoder.take(*byte)).collect::<Vec<_>>();
        assert_eq!(damaged, [Item::Damaged]);
        assert!(decoder.raw.len() <= MOST_BYTES);
        // Runs unroll to 97 times their size.
        let bomb: Vec<u8> = [&b"0"[..], &b"*~".repeat(MOST_BYTES / 16)].concat();
        let stream = [&b"$"[..], &bomb, b"#", &hex(&[sum(&bomb)])].concat();
        assert_eq!(items(&stream), [Item::Damaged]);
    }

    proptest! {
        #[test]
        fn every_payload_comes_through(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(items(&encode(&payload)), [packet(&payload)]);
            prop_assert_eq!(unhex(&hex(&payload)), Some(payload));
        }

        #[test]
        fn a_flipped_byte_never_gives_another_payload(
            payload in proptest::collection::vec(any::<u8>(), 1..60), at in any::<usize>(),
            flip in 1u8..,
        ) {
            let mut stream = encode(&payload);
            let at = at % stream.len();
            stream[at] ^= flip;
            // One sum of 8 bits sees every change of a single byte; what is cut may look whole.
            let framing = [START, END, ESCAPE, RUN, NOTIFICATION];
            let is_framing = |byte: u8| framing.contains(&byte);
            if !is_framing(stream[at]) && !is_framing(stream[at] ^ flip) {
                let others = items(&stream).into_iter().filter(
                    |item| matches!(item, Item::Packet(got) if *got != payload));
                prop_assert_eq!(others.count(), 0);
            }
        }

        #[test]
        fn no_stream_is_too_much(stream in proptest::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"$%#+-}*0aO".to_vec())], 0..2000,
        )) {
            for item in items(&stream) {
                if let Item::Packet(payload) | Item::Notification(payload) = item {
                    prop_assert!(payload.len() <= MOST_BYTES);
                }
            }
        }
    }
}

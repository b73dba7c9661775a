//! Pieces of messages, each in a frame.
//!
//! ```text
//!   0      1      2       4       6            10           14
//!  +------+------+-------+-------+------------+------------+-------------------------+
//!  | kind | turn | index | words | number     | session    | payload: up to 128 bytes|
//!  +------+------+-------+-------+------------+------------+-------------------------+
//! ```
//!
//! All numbers are little-endian. The head of a message of version 4 began with a word from 1 to 8, so
//! that a segment is never taken for one.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::assembly::Parts;
use crate::frame::{self, Received, Receiver};
use crate::{MAX_MESSAGE, VERSION};

/// The most bytes of a message in one segment.
pub const PAYLOAD: usize = 128;
/// The most segments of a message.
pub const MOST: usize = MAX_MESSAGE / PAYLOAD;
/// The most bytes of a segment on the line, zeros around it and escapes included.
pub const MOST_ON_LINE: usize = 2 + 2 * (HEAD + PAYLOAD + frame::CHECK_BYTES + 1);

const HEAD: usize = size_of::<Head>();

/// What a segment is. Each has a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SegmentKind {
    /// Host to target: a piece of a request.
    Request = 0xa1,
    /// The same, and it is the target's turn.
    RequestLast = 0xa2,
    /// Host to target: what it has of the response, as [`Parts`]. It is the target's turn.
    Ask = 0xa3,
    /// Target to host: a piece of a response.
    Response = 0xb1,
    /// The same, and it is the host's turn.
    ResponseLast = 0xb2,
    /// Target to host: what it has of the request, as [`Parts`]. It is the host's turn.
    Need = 0xb3,
    /// Target to host: it has no session, or another one. The payload is [`VERSION`], as 4 bytes.
    Beacon = 0xb4,
    /// Target to host: it can't go on. The payload is a message, [`crate::message::MessageKind::Epitaph`].
    Epitaph = 0xb5,
}

impl SegmentKind {
    const ALL: [Self; 8] = [
        Self::Request,
        Self::RequestLast,
        Self::Ask,
        Self::Response,
        Self::ResponseLast,
        Self::Need,
        Self::Beacon,
        Self::Epitaph,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    kind: u8,
    turn: u8,
    index: U16,
    words: U16,
    number: U32,
    session: U32,
}

/// A segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// What it is.
    pub kind: SegmentKind,
    /// The host's turn that it belongs to.
    pub turn: u8,
    /// Whose it is; 0 where there is no session.
    pub session: u32,
    /// Number of the request, from 0 in each session, or of the request that this answers.
    pub number: u32,
    /// Which piece of the message.
    pub index: u16,
    /// Size of the whole message in 8-byte words.
    pub words: u16,
    /// The bytes of the piece, up to [`PAYLOAD`].
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The segment of a frame; `None` where it makes no sense.
    pub fn from_frame(frame: &'a [u8]) -> Option<Self> {
        let (head, payload) = Head::ref_from_prefix(frame).ok()?;
        (payload.len() <= PAYLOAD).then_some(Self {
            kind: SegmentKind::from_number(head.kind)?,
            turn: head.turn,
            session: head.session.get(),
            number: head.number.get(),
            index: head.index.get(),
            words: head.words.get(),
            payload,
        })
    }

    /// Sends it as a frame.
    pub fn send(&self, put: impl FnMut(u8)) {
        let head = Head {
            kind: self.kind as u8,
            turn: self.turn,
            index: self.index.into(),
            words: self.words.into(),
            number: self.number.into(),
            session: self.session.into(),
        };
        frame::send(&[head.as_bytes(), self.payload], put);
    }
}

/// Sends the pieces of `message` that are not in `has` as segments like `like`; the last one is of kind
/// `last`. All are sent where `has` has all. Returns how many were sent.
pub(super) fn send_pieces(
    message: &[u8],
    has: &Parts,
    like: &Segment<'_>,
    last: SegmentKind,
    mut put: impl FnMut(u8),
) -> usize {
    let count = message.len().div_ceil(PAYLOAD);
    let has = if has.first_missing(count).is_some() { *has } else { Parts::NONE };
    let missing = || (0..count).filter(|index| !has.contains(*index));
    let end = missing().next_back();
    let pieces = message.chunks(PAYLOAD);
    frame::begin(&mut put);
    for (index, payload) in pieces.enumerate().filter(|(index, _)| !has.contains(*index)) {
        let kind = if Some(index) == end { last } else { like.kind };
        let (index, words) = (index as u16, (message.len() / 8) as u16);
        Segment { kind, index, words, payload, ..*like }.send(&mut put);
    }
    missing().count()
}

/// Sends a Beacon.
pub fn send_beacon(mut put: impl FnMut(u8)) {
    frame::begin(&mut put);
    let payload = &VERSION.to_le_bytes();
    alone(SegmentKind::Beacon, 0, payload).send(put);
}

/// Sends an epitaph of `session`: `message` is the whole message. Nobody asks for it again, so it is sent a
/// few times.
pub fn send_epitaph(session: u32, message: &[u8], mut put: impl FnMut(u8)) {
    for _ in 0..4 {
        frame::begin(&mut put);
        alone(SegmentKind::Epitaph, session, message).send(&mut put);
    }
}

const fn alone(kind: SegmentKind, session: u32, payload: &[u8]) -> Segment<'_> {
    Segment { kind, turn: 0, session, number: 0, index: 0, words: 0, payload }
}

/// Collects the bytes of a stream into segments.
#[derive(Debug)]
pub(super) struct Listener {
    receiver: Receiver<[u8; HEAD + PAYLOAD + frame::CHECK_BYTES]>,
    /// Frames that were damaged, or no segments.
    pub damaged: u64,
}

impl Listener {
    pub const fn new() -> Self {
        let receiver = Receiver::new([0; HEAD + PAYLOAD + frame::CHECK_BYTES]);
        Self { receiver, damaged: 0 }
    }

    /// Takes the next byte; returns the segment that it completes.
    pub fn take(&mut self, byte: u8) -> Option<Segment<'_>> {
        let frame = match self.receiver.take(byte) {
            Received::Nothing => return None,
            Received::Damaged => &[],
            Received::Frame(length) => self.receiver.buffer().get(..length)?,
        };
        let segment = Segment::from_frame(frame);
        self.damaged += u64::from(segment.is_none());
        segment
    }
}

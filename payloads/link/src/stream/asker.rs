//! The host's end of a stream.

use zerocopy::IntoBytes;

use super::assembly::{Assembly, Parts};
use super::segment::{Listener, PAYLOAD, Segment, SegmentKind, send_pieces};
use crate::VERSION;
use crate::frame::{self, Received, Receiver};
use crate::message::{Head, MessageKind};

/// Sends requests, and asks until it has the response.
#[derive(Debug)]
pub struct Asker<B> {
    listener: Listener,
    talk: Talk<B>,
    /// What tells executors up to version 4, until the first segment is heard.
    old: Option<OldHello>,
}

#[derive(Debug)]
struct Talk<B> {
    request: B,
    /// Bytes of the request.
    length: usize,
    response: Assembly<B>,
    session: u32,
    /// Number of the request that was sent last.
    number: u32,
    /// The number of the host's turn.
    turn: u8,
    state: State,
    sent_again: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing was sent: nobody has been heard.
    Opening,
    /// A response is to come.
    Waiting,
    /// A request may be sent.
    Idle,
}

/// What a byte brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing that matters.
    Nothing,
    /// A segment of this session, or a Beacon that is answered: the target is there.
    Sign,
    /// The response is whole.
    Response,
    /// The target has lost the session: it was reset, or another host has taken it.
    Reset,
    /// The target speaks another version of the protocol.
    Version(u32),
    /// The target can't go on; [`Asker::last_words`] of so many bytes tell why.
    Epitaph(usize),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Asker<B> {
    /// An asker that opens `session`, which is not 0 and was never used with this target, and awaits its
    /// [`MessageKind::Hello`]. Both buffers have room for [`crate::MAX_MESSAGE`].
    pub fn new(session: u32, request: B, response: B) -> Self {
        let mut asker = Self {
            listener: Listener::new(),
            talk: Talk {
                request,
                length: 0,
                response: Assembly::new(response),
                session,
                number: 0,
                turn: 0,
                state: State::Opening,
                sent_again: 0,
            },
            old: Some(OldHello::new()),
        };
        let open = Head::new(MessageKind::Open, 0, 0);
        asker.talk.set_request(open.as_bytes());
        asker
    }

    /// Whether a response, or the target's first word, is to come.
    pub fn is_waiting(&self) -> bool {
        self.talk.state != State::Idle
    }

    /// Whether a part of the response is here.
    pub fn has_part(&self) -> bool {
        *self.talk.response.has() != Parts::NONE
    }

    /// Whether the target has never been heard.
    pub const fn is_opening(&self) -> bool {
        self.old.is_some()
    }

    /// Takes the next byte of the stream, and says what is to be said to it.
    pub fn take(&mut self, byte: u8, put: impl FnMut(u8)) -> Event {
        let mut event = Event::Nothing;
        if let Some(segment) = self.listener.take(byte) {
            event = self.talk.hear(&segment, put);
        }
        if event != Event::Nothing && self.old.is_some() {
            // What was damaged before was no damage: nobody was there.
            self.old = None;
            self.listener.damaged = 0;
        }
        let old = self.old.as_mut().and_then(|old| old.take(byte));
        old.map_or(event, Event::Version)
    }

    /// Sends `message`, of which [`Event::Response`] tells when it has been answered.
    ///
    /// It is sent when the response to the one before is here.
    pub fn request(&mut self, message: &[u8], put: impl FnMut(u8)) {
        self.talk.set_request(message);
        self.talk.number = self.talk.number.wrapping_add(1);
        self.talk.state = State::Waiting;
        self.talk.send_request(&Parts::NONE, put);
    }

    /// Nothing has come for a while: takes the turn.
    pub fn overdue(&mut self, put: impl FnMut(u8)) {
        match self.talk.state {
            State::Idle => {}
            State::Opening => self.talk.open(put),
            // A target that knows of nothing would have to ask for it, and it is as short.
            State::Waiting if self.talk.number == 0 && !self.has_part() => self.talk.open(put),
            State::Waiting => self.talk.ask(put),
        }
    }

    /// The response, when it is whole.
    pub fn response(&self) -> &[u8] {
        self.talk.response.message()
    }

    /// The message of an epitaph of `bytes` bytes.
    pub fn last_words(&self, bytes: usize) -> &[u8] {
        self.talk.request.as_ref().get(..bytes).unwrap_or_default()
    }

    /// Frames that came damaged, since the target was heard first.
    pub const fn damaged(&self) -> u64 {
        self.listener.damaged
    }

    /// Segments that were sent again, or that the target was asked to send again.
    pub const fn sent_again(&self) -> u64 {
        self.talk.sent_again
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Talk<B> {
    fn set_request(&mut self, message: &[u8]) {
        if let Some(place) = self.request.as_mut().get_mut(..message.len()) {
            place.copy_from_slice(message);
            self.length = message.len();
        }
        self.response.clear();
    }

    fn hear(&mut self, segment: &Segment<'_>, put: impl FnMut(u8)) -> Event {
        match segment.kind {
            SegmentKind::Request | SegmentKind::RequestLast | SegmentKind::Ask => Event::Nothing,
            SegmentKind::Beacon => {
                let version =
                    segment.payload.first_chunk().map_or(0, |told| u32::from_le_bytes(*told));
                if version != VERSION {
                    return Event::Version(version);
                }
                if self.number == 0
                    && self.state != State::Idle
                    && self.response.message().is_empty()
                {
                    self.open(put);
                    return Event::Sign;
                }
                Event::Reset
            }
            SegmentKind::Epitaph if segment.session == self.session || segment.session == 0 => {
                self.set_request(segment.payload);
                self.state = State::Idle;
                Event::Epitaph(segment.payload.len())
            }
            _ if segment.session != self.session
                || segment.number != self.number
                || self.state != State::Waiting =>
            {
                Event::Nothing
            }
            SegmentKind::Need => {
                if segment.turn == self.turn {
                    self.send_again(&Parts::from_payload(segment.payload), put);
                }
                Event::Sign
            }
            SegmentKind::Response | SegmentKind::ResponseLast => {
                self.response.add(segment);
                if self.response.is_whole() {
                    self.state = State::Idle;
                    return Event::Response;
                }
                if segment.kind == SegmentKind::ResponseLast && segment.turn == self.turn {
                    self.ask(put);
                }
                Event::Sign
            }
            SegmentKind::Epitaph => Event::Nothing,
        }
    }

    /// Sends the request that opens the session.
    fn open(&mut self, put: impl FnMut(u8)) {
        self.state = State::Waiting;
        self.send_request(&Parts::NONE, put);
    }

    fn send_again(&mut self, has: &Parts, put: impl FnMut(u8)) {
        let sent = self.send_request(has, put);
        self.sent_again += sent as u64;
    }

    fn send_request(&mut self, has: &Parts, put: impl FnMut(u8)) -> usize {
        self.turn = self.turn.wrapping_add(1);
        let like = self.segment(SegmentKind::Request, &[]);
        let message = self.request.as_ref().get(..self.length).unwrap_or_default();
        send_pieces(message, has, &like, SegmentKind::RequestLast, put)
    }

    fn ask(&mut self, mut put: impl FnMut(u8)) {
        self.turn = self.turn.wrapping_add(1);
        self.sent_again += self.response.missing().max(1) as u64;
        frame::begin(&mut put);
        self.segment(SegmentKind::Ask, self.response.has().as_payload()).send(put);
    }

    const fn segment<'a>(&self, kind: SegmentKind, payload: &'a [u8]) -> Segment<'a> {
        let Self { turn, session, number, .. } = *self;
        Segment { kind, turn, session, number, index: 0, words: 0, payload }
    }
}

/// Listens for the first words of executors that knew of no segments: up to version 4 they sent each
/// message as one frame.
#[derive(Debug)]
struct OldHello {
    receiver: Receiver<[u8; 4 * PAYLOAD]>,
}

impl OldHello {
    const fn new() -> Self {
        Self { receiver: Receiver::without_escapes([0; 4 * PAYLOAD]) }
    }

    /// Takes the next byte; returns the version of a Hello that it completes.
    fn take(&mut self, byte: u8) -> Option<u32> {
        let Received::Frame(length) = self.receiver.take(byte) else { return None };
        let (head, body) = self.receiver.buffer().get(..length)?.split_at_checked(Head::BYTES)?;
        let is_hello = head.first_chunk() == Some(&(MessageKind::Hello as u32).to_le_bytes());
        let version = u32::from_le_bytes(*body.first_chunk()?);
        (is_hello && version < VERSION).then_some(version)
    }
}

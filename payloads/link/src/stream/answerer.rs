//! The target's end of a stream.

use super::assembly::{Assembly, Parts};
use super::segment::{Listener, Segment, SegmentKind, send_pieces};
use crate::frame;

/// Hears requests, and sends responses as often as the host wants.
#[derive(Debug)]
pub struct Answerer<B> {
    listener: Listener,
    talk: Talk<B>,
}

#[derive(Debug)]
struct Talk<B> {
    request: Assembly<B>,
    /// Whose requests are executed; 0 before the first.
    session: u32,
    /// Number of the request in hand, or of the one that was answered last.
    number: u32,
    /// The host's turn of the segment that was heard last.
    turn: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The request is not whole.
    Collecting,
    /// The request is in the caller's hands.
    Serving,
    /// The response is there to be sent.
    Answered,
}

/// What is to be done after a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// A request is whole: it is to be executed, and then [`Answerer::answered`] to be called.
    Request,
    /// It is the target's turn: [`Answerer::send`] this.
    Turn(Turn),
}

/// What the target says in a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// That it has no session, or another one.
    Beacon,
    /// What it needs of the request.
    Need,
    /// The response, but for these pieces, which the host has.
    Response(Parts),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Answerer<B> {
    /// An answerer without a session, which collects requests in `buffer`: longer ones are never whole.
    pub const fn new(buffer: B) -> Self {
        let state = State::Collecting;
        let talk = Talk { request: Assembly::new(buffer), session: 0, number: 0, turn: 0, state };
        Self { listener: Listener::new(), talk }
    }

    /// Takes the next byte of the stream. After [`Heard::Request`] none until it is answered.
    pub fn take(&mut self, byte: u8) -> Heard {
        self.listener.take(byte).map_or(Heard::Nothing, |segment| self.talk.hear(&segment))
    }

    /// The session; 0 where nobody has opened one.
    pub const fn session(&self) -> u32 {
        self.talk.session
    }

    /// The request in hand.
    pub fn request(&self) -> &[u8] {
        self.talk.request.message()
    }

    /// The request in hand has been executed, and its response is there to be sent.
    pub const fn answered(&mut self) {
        self.talk.state = State::Answered;
    }

    /// Sends the response to the request that was answered last.
    pub fn respond(&self, response: &[u8], put: impl FnMut(u8)) {
        self.send(&Turn::Response(Parts::NONE), response, put);
    }

    /// Sends what belongs to a turn; `response` is that to the last request.
    pub fn send(&self, turn: &Turn, response: &[u8], mut put: impl FnMut(u8)) {
        let Talk { request, session, number, turn: of, .. } = &self.talk;
        let segment = |kind, payload| Segment {
            kind,
            turn: *of,
            session: *session,
            number: *number,
            index: 0,
            words: 0,
            payload,
        };
        match turn {
            Turn::Beacon => super::segment::send_beacon(put),
            Turn::Need => {
                frame::begin(&mut put);
                segment(SegmentKind::Need, request.has().as_payload()).send(put);
            }
            Turn::Response(has) => {
                send_pieces(
                    response,
                    has,
                    &segment(SegmentKind::Response, &[]),
                    SegmentKind::ResponseLast,
                    put,
                );
            }
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Talk<B> {
    fn hear(&mut self, segment: &Segment<'_>) -> Heard {
        let is_request = matches!(segment.kind, SegmentKind::Request | SegmentKind::RequestLast);
        let is_turn = matches!(segment.kind, SegmentKind::RequestLast | SegmentKind::Ask);
        if !is_request && !is_turn {
            return Heard::Nothing;
        }
        if segment.session != self.session {
            if !is_request || segment.number != 0 || segment.session == 0 {
                return if is_turn { Heard::Turn(Turn::Beacon) } else { Heard::Nothing };
            }
            // A new host: whatever was, is over.
            self.session = segment.session;
            self.begin(0);
        }
        let next = self.number.wrapping_add(1);
        if self.state == State::Answered && segment.number == next {
            self.begin(next);
        }
        if segment.number != self.number {
            return Heard::Nothing;
        }
        self.turn = segment.turn;
        if self.state == State::Collecting && is_request {
            self.request.add(segment);
            if self.request.is_whole() {
                self.state = State::Serving;
                return Heard::Request;
            }
        }
        match self.state {
            State::Collecting if is_turn => Heard::Turn(Turn::Need),
            State::Answered if is_turn => {
                let has = match segment.kind {
                    SegmentKind::Ask => Parts::from_payload(segment.payload),
                    _ => Parts::NONE,
                };
                Heard::Turn(Turn::Response(has))
            }
            _ => Heard::Nothing,
        }
    }

    fn begin(&mut self, number: u32) {
        self.number = number;
        self.state = State::Collecting;
        self.request.clear();
    }
}

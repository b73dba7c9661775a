//! A booted device behind any wire: the session of one whose executor is ready for cases.
//!
//! ```text
//!                  Booted
//!   send_case ──> in flight ──────────┐
//!   receive <──── answer or death     │
//!                    ^                v
//!                 Connection ── wire ── executor
//!                    │  └────── handle ── process, board
//!                 watchdog, pause
//! ```

mod connection;
mod pause;

use std::collections::VecDeque;

use case::CaseRef;
use case::memory::MemoryMap;
use link::digest;
use link::hello::Hello;
use link::message::{MessageKind, Rounds};
use link::soak::Soak;
use zerocopy::{FromBytes, IntoBytes};

use self::connection::{Connection, garbage};
use crate::death::{CaseCursor, Death, HowDied};
use crate::description::Description;
use crate::error::{LastMark, TargetError};
use crate::handle::DeviceHandle;
use crate::session::{Event, Session};
use crate::wire::{Wear, Wire, copy};

/// A device with an executor that is ready for cases.
pub struct Booted<W> {
    connection: Connection<W>,
    hello: Hello,
    map: MemoryMap,
    /// The cases that were sent and not yet answered, oldest first.
    in_flight: VecDeque<InFlight>,
    /// How many requests were sent.
    requests: u64,
    /// The forecast that has come true last.
    forecast: Vec<u64>,
    over: bool,
}

/// A case that was sent.
struct InFlight {
    /// Which request carried it.
    request: u64,
    sequence: u64,
    probes: usize,
    /// What the answer must be.
    answer: MessageKind,
    /// The body that is forecast, where its digest is answer enough.
    forecast: Option<Vec<u64>>,
}

impl<W: Wire> Booted<W> {
    /// Waits for the executor's first words, and tells it the arenas that `description` asks for.
    ///
    /// # Errors
    /// It does not come up, by what `command` says; `remedy` tells what to do about it.
    pub fn new(
        description: &Description,
        wire: W,
        handle: Box<dyn DeviceHandle>,
        command: &str,
        remedy: impl FnOnce(&HowDied) -> &'static str,
    ) -> Result<Self, TargetError> {
        let mut connection = Connection::new(description, wire, handle);
        match connection.shake_hands(description)? {
            Ok((hello, map)) => {
                let (in_flight, forecast) = Default::default();
                Ok(Self { connection, hello, map, in_flight, requests: 1, forecast, over: false })
            }
            Err(how) => {
                let mark = connection.wire.mark();
                let remedy = match (mark, &how) {
                    (Some(mark), HowDied::Hung { .. }) => mark.suspicion(),
                    _ => remedy(&how),
                };
                let death = Box::new(Death::of(how));
                let mark = LastMark(mark);
                Err(TargetError::Boot { death, mark, command: command.to_owned(), remedy })
            }
        }
    }

    /// Sends a message about so many probes, which is to be answered by one of kind `answer`.
    fn send(
        &mut self,
        kind: MessageKind,
        answer: MessageKind,
        sequence: u64,
        probes: usize,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> Result<(), TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        if self.in_flight.len() >= self.connection.wire.window() {
            return Err(TargetError::Misuse("a case was sent when the window was full"));
        }
        if !self.connection.wire.send(kind, sequence, write) {
            return Err(TargetError::Misuse("what was sent is larger than a message"));
        }
        let request = self.requests;
        self.in_flight.push_back(InFlight { request, sequence, probes, answer, forecast: None });
        self.requests += 1;
        Ok(())
    }

    /// The next answer is here, of this kind and number, or the target is dead.
    fn next(&mut self) -> Result<(MessageKind, u64), HowDied> {
        let head = self.connection.wait()?;
        match (head.kind(), self.in_flight.front()) {
            (Some(kind), Some(asked))
                if kind == asked.answer && asked.sequence == head.sequence =>
            {
                if kind == MessageKind::Digest && !self.has_come_true() {
                    return self.next();
                }
                self.in_flight.pop_front();
                Ok((kind, head.sequence))
            }
            (Some(kind), Some(asked)) if kind == asked.answer => {
                let (got, due) = (head.sequence, asked.sequence);
                Err(garbage(format!("it answered case {got} where case {due} was next")))
            }
            (kind, _) => Err(garbage(format!("it sent {kind:?} in the middle of a campaign"))),
        }
    }

    /// Whether the digest that has just come is that of the oldest case's forecast. If not, all of its
    /// observations are asked for.
    fn has_come_true(&mut self) -> bool {
        let told = u64::read_from_prefix(self.connection.wire.body()).ok().map(|(told, _)| told);
        let Some(asked) = self.in_flight.front_mut() else { return false };
        let forecast = asked.forecast.take().unwrap_or_default();
        if told == Some(digest::of(forecast.as_bytes())) {
            self.forecast = forecast;
            return true;
        }
        asked.answer = MessageKind::Observations;
        asked.request = self.requests;
        self.requests += 1;
        self.connection.wire.send(MessageKind::Whole, asked.sequence, &mut |_| Some(0));
        false
    }

    fn death(&self, how: HowDied) -> Death {
        let found = self.connection.wire.cursor().and_then(|cursor| {
            let request = cursor.request()?;
            let asked = self.in_flight.iter().find(|asked| asked.request == request)?;
            let probe = cursor.probe().filter(|probe| usize::from(*probe) < asked.probes);
            Some(CaseCursor { sequence: asked.sequence, probe })
        });
        // The answers belong to the oldest case without observations, and to no other.
        let oldest = self.in_flight.front().map(|asked| asked.sequence);
        let before =
            found.filter(|found| Some(found.sequence) == oldest).and_then(|found| found.probe);
        let answers_before = self.connection.wire.answers(before.map_or(0, usize::from));
        let drawn = self.connection.wire.drawn();
        Death { how, cursor: found, answers_before, drawn }
    }
}

impl<W: Wire> Session for Booted<W> {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn wear(&self) -> Wear {
        self.connection.wire.wear()
    }

    fn memory_map(&self) -> &MemoryMap {
        &self.map
    }

    fn window(&self) -> usize {
        self.connection.wire.window()
    }

    fn send_case(&mut self, sequence: u64, case: CaseRef<'_>) -> Result<(), TargetError> {
        let probes = case.probes.len();
        self.send(MessageKind::Case, MessageKind::Observations, sequence, probes, &mut |body| {
            case.write_to(body)
        })
    }

    fn send_forecast(
        &mut self,
        sequence: u64,
        case: CaseRef<'_>,
        forecast: Vec<u64>,
    ) -> Result<(), TargetError> {
        if !self.connection.wire.is_narrow() {
            return self.send_case(sequence, case);
        }
        let probes = case.probes.len();
        self.send(MessageKind::Brief, MessageKind::Digest, sequence, probes, &mut |body| {
            case.write_to(body)
        })?;
        if let Some(asked) = self.in_flight.back_mut() {
            asked.forecast = Some(forecast);
        }
        Ok(())
    }

    fn send_repeat(
        &mut self,
        sequence: u64,
        rounds: u64,
        case: CaseRef<'_>,
    ) -> Result<(), TargetError> {
        self.send(
            MessageKind::Repeat,
            MessageKind::Repeated,
            sequence,
            case.probes.len(),
            &mut |body| {
                let (front, rest) = body.split_at_mut_checked(size_of::<Rounds>())?;
                front.copy_from_slice(Rounds { rounds }.as_bytes());
                Some(front.len() + case.write_to(rest)?)
            },
        )
    }

    fn send_plan(&mut self, sequence: u64, plan: &[u8]) -> Result<(), TargetError> {
        self.send(MessageKind::Plan, MessageKind::Planned, sequence, 0, &mut |body| {
            copy(plan, body)
        })
    }

    fn send_terms(&mut self, sequence: u64, terms: &[u8]) -> Result<(), TargetError> {
        self.send(MessageKind::Terms, MessageKind::Planned, sequence, 0, &mut |body| {
            copy(terms, body)
        })
    }

    fn send_soak(&mut self, sequence: u64, soak: &Soak) -> Result<(), TargetError> {
        let bytes = soak.as_bytes();
        self.send(MessageKind::Soak, MessageKind::Progress, sequence, 0, &mut |body| {
            copy(bytes, body)
        })
    }

    fn receive(&mut self) -> Result<Event<'_>, TargetError> {
        if self.over {
            return Err(TargetError::Over);
        }
        if self.in_flight.is_empty() {
            return Err(TargetError::Misuse("nothing was asked that could be answered"));
        }
        match self.next() {
            Ok((kind, sequence)) => {
                let body = self.connection.wire.body();
                Ok(match kind {
                    MessageKind::Planned => {
                        let is_kept = u64::read_from_prefix(body).is_ok_and(|(kept, _)| kept == 1);
                        Event::Planned { sequence, is_kept }
                    }
                    MessageKind::Progress => Event::Progress { sequence, body },
                    MessageKind::Digest => {
                        Event::Observations { sequence, body: self.forecast.as_bytes() }
                    }
                    _ => Event::Observations { sequence, body },
                })
            }
            Err(how) => {
                self.over = true;
                self.connection.handle.end();
                Ok(Event::Died(self.death(how)))
            }
        }
    }
}

#[cfg(test)]
mod tests;

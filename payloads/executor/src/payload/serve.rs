//! Server: it answers the requests of the host.

use core::sync::atomic::AtomicU64;

use link::hello::{Configure, Epitaph, Hello};
use link::mark::Mark;
use link::message::{Head, MessageKind, Rounds};
use link::observations::{Report, Status};
use zerocopy::{FromBytes, IntoBytes};

use crate::payload::asm;
use crate::payload::batch;
use crate::payload::brief::KeptBody;
use crate::payload::console::console;
use crate::payload::el2_map::El2Map;
use crate::payload::global::Owned;
use crate::payload::idle::Idle;
use crate::payload::image::{batch, config};
use crate::payload::in_flight;
use crate::payload::last_words;
use crate::payload::marks;
use crate::payload::run::Runner;
use crate::payload::smp::Secondaries;
use crate::payload::soak::Soaker;
use crate::payload::transport::uart::Uart;
use crate::payload::transport::{Next, Request, Transport, mailbox};

static UART: Owned<Option<Uart>> = Owned::new(None);
static RUNNER: Owned<Option<Runner>> = Owned::new(None);

/// Says hello, and answers requests for ever; or does the batch, if there is one.
pub fn serve(mut map: El2Map, mut idle: Idle, secondaries: Secondaries, hello: &Hello) -> ! {
    marks::quieten();
    let has_psci = secondaries.has_psci();
    let runner = RUNNER.take().insert(Runner::new(secondaries));
    if let Some(batch) = batch() {
        batch::run(batch, &mut map, runner, hello, has_psci);
    }
    let transport = open();
    let (cursor, drawn) = (transport.cursor(), transport.drawn());
    in_flight::set_cursor(cursor);
    let (soaker, kept) = (Soaker::new(hello), KeptBody::new());
    let mut server = Server { hello, map, runner, soaker, kept, cursor, drawn };

    if !transport.is_asked_for_hello() {
        let response = room(transport, &mut idle);
        let bytes = message(response, MessageKind::Hello, 0, hello.as_bytes());
        transport.send(bytes);
    }
    let mut has_news = true;
    loop {
        match transport.next() {
            // Once, and then another look before a wait: whoever waited for it may have asked for more.
            Next::Nothing if has_news => {
                transport.ring();
                has_news = false;
            }
            Next::Nothing => idle.wait(transport.longest_wait()),
            Next::Soon => asm::yield_hint(),
            Next::Request(request) => {
                idle.reset();
                let response = room(transport, &mut idle);
                let bytes = server.answer(&request, response);
                transport.send(bytes);
                transport.finish();
                has_news = true;
            }
        }
    }
}

/// Takes the transport into use that the configuration names.
fn open() -> &'static mut dyn Transport {
    match config().mailbox {
        0 => UART.take().insert(Uart::new(console())),
        // SAFETY: once, and it is mapped.
        _ => unsafe { mailbox::open() },
    }
}

/// Waits until the host has made room for a response.
fn room(transport: &mut dyn Transport, idle: &mut Idle) -> &'static mut [u8] {
    loop {
        if let Some(response) = transport.response() {
            return response;
        }
        idle.wait(transport.longest_wait());
    }
}

/// Writes a message into `response`; returns its size.
fn message(response: &mut [u8], kind: MessageKind, sequence: u64, body: &[u8]) -> usize {
    let head = Head::new(kind, body.len() as u32, sequence);
    let parts = [head.as_bytes(), body];
    let mut at = 0;
    for part in parts {
        if let Some(place) = response.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
            at += part.len();
        }
    }
    at
}

/// Writes a message into `response` whose body `fill` writes there, and whose size that returns; returns the size of
/// the message.
fn message_with(
    response: &mut [u8],
    kind: MessageKind,
    sequence: u64,
    fill: impl FnOnce(&mut [u8]) -> usize,
) -> usize {
    let (place, body) = response.split_at_mut(Head::BYTES);
    let bytes = fill(body);
    place.copy_from_slice(Head::new(kind, bytes as u32, sequence).as_bytes());
    Head::BYTES + bytes
}

fn refuse(response: &mut [u8], sequence: u64) -> usize {
    let report = Report::new(Status::BadCase);
    message(response, MessageKind::Observations, sequence, report.as_bytes())
}

/// What requests are about.
struct Server<'a> {
    hello: &'a Hello,
    map: El2Map,
    runner: &'a mut Runner,
    soaker: Soaker,
    kept: KeptBody,
    cursor: &'a AtomicU64,
    drawn: &'a AtomicU64,
}

impl Server<'_> {
    /// Does what `request` asks, and writes the response; returns its size.
    fn answer(&mut self, request: &Request, response: &mut [u8]) -> usize {
        let Some((head, body)) = Head::split(request.bytes) else {
            let head = Head::ref_from_prefix(request.bytes);
            return refuse(response, head.map_or(0, |(head, _)| head.sequence));
        };
        let (number, sequence) = (request.number, head.sequence);
        let Self { hello, runner, soaker, kept, cursor, drawn, .. } = self;
        match head.kind() {
            Some(MessageKind::Open) => {
                message(response, MessageKind::Hello, sequence, hello.as_bytes())
            }
            Some(MessageKind::Case) => {
                message_with(response, MessageKind::Observations, sequence, |out| {
                    runner.run(body, 1, number, cursor, out)
                })
            }
            Some(MessageKind::Brief) => {
                let bytes = runner.run(body, 1, number, cursor, response);
                let digest = kept.keep(&response[..bytes]);
                message(response, MessageKind::Digest, sequence, digest.as_bytes())
            }
            Some(MessageKind::Whole) => {
                message(response, MessageKind::Observations, sequence, kept.kept())
            }
            Some(MessageKind::Repeat) => match Rounds::split(body) {
                Some((rounds, case)) => {
                    message_with(response, MessageKind::Repeated, sequence, |out| {
                        runner.run(case, rounds, number, cursor, out)
                    })
                }
                None => refuse(response, sequence),
            },
            Some(MessageKind::Configure) => {
                self.configure(body);
                message(response, MessageKind::Ready, sequence, &[])
            }
            Some(MessageKind::Plan) => {
                let is_kept = u64::from(soaker.plan.keep(body));
                message(response, MessageKind::Planned, sequence, is_kept.as_bytes())
            }
            Some(MessageKind::Terms) => {
                let is_kept = u64::from(soaker.agree(body));
                message(response, MessageKind::Planned, sequence, is_kept.as_bytes())
            }
            Some(MessageKind::Soak) => {
                let (place, out) = response.split_at_mut(Head::BYTES);
                let progress = soaker.soak(body, runner, number, (cursor, drawn), out);
                let Some(bytes) = progress else { return refuse(response, sequence) };
                let head = Head::new(MessageKind::Progress, bytes as u32, sequence);
                place.copy_from_slice(head.as_bytes());
                Head::BYTES + bytes
            }
            _ => refuse(response, sequence),
        }
    }

    /// Takes the arenas into use that the message in `body` names, and has as many PEs take part as it says.
    fn configure(&mut self, body: &[u8]) {
        let wanted = Configure::ref_from_prefix(body).ok().map(|(wanted, _)| wanted);
        let memory = wanted.and_then(Configure::map);
        let pes = wanted.map_or(1, |wanted| wanted.pes) as usize;
        marks::leave(Mark::Arenas);
        let windows = memory.as_ref().and_then(|memory| self.map.configure(memory));
        let (Some(memory), Some(windows)) = (memory, windows) else {
            let reason = Epitaph::BAD_CONFIGURATION;
            last_words::speak(Epitaph { reason, ..Epitaph::default() })
        };
        marks::leave(Mark::Zero);
        // SAFETY: just mapped, and the host has given the memory away.
        unsafe { self.runner.configure(memory, windows) };
        marks::leave(Mark::Secondaries);
        self.runner.bring_up(pes, self.map.registers());
        marks::leave(Mark::Ready);
    }
}

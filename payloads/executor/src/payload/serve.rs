//! Requests and responses.

use aarch64_cpu::registers::*;
use link::config::Config;
use link::hello::{Configure, Epitaph, Hello};
use link::mailbox::{Control, REQUESTS, RESPONSES};
use link::message::{Head, Kind, Rounds};
use link::observations::{Report, Status};
use zerocopy::{FromBytes, IntoBytes};

use crate::payload::asm;
use crate::payload::batch;
use crate::payload::boot;
use crate::payload::brief;
use crate::payload::el2_map::Home;
use crate::payload::global::Global;
use crate::payload::idle::Idle;
use crate::payload::image::{batch, config};
use crate::payload::in_flight;
use crate::payload::last_words;
use crate::payload::plan;
use crate::payload::run::Runner;
use crate::payload::smp::Crew;
use crate::payload::soak::Soaker;
use crate::payload::transport::mailbox::Mailbox;
use crate::payload::transport::uart::Uart;
use crate::payload::transport::{Next, Request, Transport};

static MAILBOX: Global<Option<Mailbox>> = Global::new(None);
static UART: Global<Option<Uart>> = Global::new(None);
static RUNNER: Global<Option<Runner>> = Global::new(None);

/// Says hello, and answers requests for ever; or does the batch, if there is one.
pub fn serve(mut home: Home, mut idle: Idle, crew: Crew, hello: &Hello) -> ! {
    if let Some(batch) = batch() {
        let has_psci = crew.has_psci();
        // SAFETY: filled here, and used there only.
        let runner = unsafe { (*RUNNER.pointer()).insert(Runner::new(crew)) };
        batch::run(batch, &mut home, runner, hello, has_psci);
    }
    let transport = open();
    in_flight::set_cursor(transport.cursor());
    // SAFETY: filled here, and used below only.
    let runner = unsafe { (*RUNNER.pointer()).insert(Runner::new(crew)) };
    let mut soaker = Soaker::new(hello);

    if !transport.is_asked_for_hello() {
        let response = room(transport, &mut idle);
        let bytes = message(response, Kind::Hello, 0, hello.as_bytes());
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
                let bytes =
                    answer(&request, response, hello, &mut home, runner, &mut soaker, transport);
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
        // SAFETY: once, and the console lives for ever.
        0 => unsafe { (*UART.pointer()).insert(Uart::new(boot::console())) },
        // SAFETY: once; the host keeps the memory for this, and it is mapped.
        base => unsafe { (*MAILBOX.pointer()).insert(Mailbox::new(base, config().mailbox_flags)) },
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
fn message(response: &mut [u8], kind: Kind, sequence: u64, body: &[u8]) -> usize {
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

/// Does what `request` asks, and writes the response; returns its size.
fn answer(
    request: &Request,
    response: &mut [u8],
    hello: &Hello,
    home: &mut Home,
    runner: &mut Runner,
    soaker: &mut Soaker,
    transport: &dyn Transport,
) -> usize {
    let Some((head, body)) = Head::split(request.bytes) else {
        let head = Head::ref_from_prefix(request.bytes);
        return refuse(response, head.map_or(0, |(head, _)| head.sequence));
    };
    match head.kind() {
        Some(Kind::Open) => message(response, Kind::Hello, head.sequence, hello.as_bytes()),
        Some(Kind::Case) => {
            let (place, out) = response.split_at_mut(Head::BYTES);
            let bytes = runner.run(body, 1, request.number, transport.cursor(), out);
            let head = Head::new(Kind::Observations, bytes as u32, head.sequence);
            place.copy_from_slice(head.as_bytes());
            Head::BYTES + bytes
        }
        Some(Kind::Brief) => {
            let bytes = runner.run(body, 1, request.number, transport.cursor(), response);
            let digest = brief::keep(&response[..bytes]);
            message(response, Kind::Digest, head.sequence, digest.as_bytes())
        }
        Some(Kind::Whole) => message(response, Kind::Observations, head.sequence, brief::kept()),
        Some(Kind::Repeat) => {
            let Some((rounds, case)) = Rounds::split(body) else {
                return refuse(response, head.sequence);
            };
            let (place, out) = response.split_at_mut(Head::BYTES);
            let bytes = runner.run(case, rounds, request.number, transport.cursor(), out);
            let head = Head::new(Kind::Repeated, bytes as u32, head.sequence);
            place.copy_from_slice(head.as_bytes());
            Head::BYTES + bytes
        }
        Some(Kind::Configure) => {
            let wanted = Configure::ref_from_prefix(body).ok().map(|(wanted, _)| wanted);
            let map = wanted.and_then(Configure::map);
            let pes = wanted.map_or(1, |wanted| wanted.pes) as usize;
            let windows = map.as_ref().and_then(|map| home.configure(map));
            let (Some(map), Some(windows)) = (map, windows) else {
                let reason = Epitaph::BAD_CONFIGURATION;
                last_words::speak(Epitaph { reason, ..Epitaph::default() })
            };
            // SAFETY: just mapped, and the host has given the memory away.
            unsafe { runner.configure(map, windows) };
            runner.muster(pes, home.registers());
            message(response, Kind::Ready, head.sequence, &[])
        }
        Some(Kind::Plan) => {
            let is_kept = u64::from(plan::keep(body));
            message(response, Kind::Planned, head.sequence, is_kept.as_bytes())
        }
        Some(Kind::Terms) => {
            let is_kept = u64::from(soaker.agree(body));
            message(response, Kind::Planned, head.sequence, is_kept.as_bytes())
        }
        Some(Kind::Soak) => {
            let (place, out) = response.split_at_mut(Head::BYTES);
            let progress = soaker.soak(body, runner, request.number, transport.cursor(), out);
            let Some(bytes) = progress else { return refuse(response, head.sequence) };
            let head = Head::new(Kind::Progress, bytes as u32, head.sequence);
            place.copy_from_slice(head.as_bytes());
            Head::BYTES + bytes
        }
        _ => refuse(response, head.sequence),
    }
}

fn refuse(response: &mut [u8], sequence: u64) -> usize {
    let report = Report::new(Status::BadCase);
    message(response, Kind::Observations, sequence, report.as_bytes())
}

/// Leaves a last message in the mailbox, if there is one. The console has been told.
pub fn last_message(head: &[u8], body: &[u8]) {
    let Config { mailbox: base, mailbox_flags: flags, .. } = config();
    if base == 0 {
        return;
    }
    let is_cached = CurrentEL.get() >> 2 == 2 && SCTLR_EL2.get() & 1 != 0;
    // SAFETY: whoever used it never runs again.
    let open = unsafe { &mut *MAILBOX.pointer() };
    let mailbox = open.get_or_insert_with(|| {
        if !is_cached {
            // What is written now bypasses the caches: nothing in them may be in the way.
            let lines = |from: usize, bytes: usize| (from..from + bytes).step_by(16);
            lines(0, size_of::<Control>().max(REQUESTS))
                .chain(lines(RESPONSES, 4096))
                .for_each(|offset| asm::clean_and_invalidate_line(base + offset as u64));
            asm::dsb_sy();
        }
        // SAFETY: the host keeps the memory for this; it is mapped, or the MMU is off.
        unsafe { Mailbox::new(base, flags) }
    });
    let response = loop {
        // The host reads as long as it lives.
        if let Some(response) = mailbox.response() {
            break response;
        }
        asm::yield_hint();
    };
    let bytes = head.len() + body.len();
    if let Some(place) = response.get_mut(..bytes) {
        place[..head.len()].copy_from_slice(head);
        place[head.len()..].copy_from_slice(body);
        mailbox.send(bytes);
        mailbox.ring();
    }
}

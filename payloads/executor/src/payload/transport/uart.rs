//! Serial transport: messages on the console. See [`link::stream`].
//!
//! There is no flow control: while a request is executed nobody empties the receive FIFO, so a host says
//! nothing that is needed until it has the response.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aarch64_cpu::registers::*;
use link::MAX_MESSAGE;
use link::stream::segment::send_beacon;
use link::stream::{Answerer, Heard};

use crate::payload::buffer::{Buffer, buffer};
use crate::payload::console::Console;
use crate::payload::transport::{Next, Request, Transport};

static CURSOR: AtomicU64 = AtomicU64::new(0);
static DRAWN: AtomicU64 = AtomicU64::new(0);
static SESSION: AtomicU32 = AtomicU32::new(0);

/// Looks at an empty FIFO that follow each other in the middle of a burst before its rest is given up
/// for late.
const PATIENCE: u32 = 1 << 20;
/// Beacons a second.
const BEACONS: u64 = 2;
/// The counter's frequency, in Hz, where firmware has not said it.
const USUAL_FREQUENCY: u64 = 62_500_000;

/// The console, used for messages.
pub struct Uart {
    console: &'static Console,
    answerer: Answerer<&'static mut [u8]>,
    /// The response to the last request.
    response: *mut Buffer,
    /// Bytes of it.
    response_bytes: usize,
    /// Requests that are done with.
    taken: u64,
    /// Looks left until a burst's rest is late; 0 between bursts.
    patience: u32,
    /// When the last beacon was sent, if there was one.
    beacon: Option<u64>,
}

impl Uart {
    /// Takes `console` into use. Called once.
    pub fn new(console: &'static Console) -> Self {
        let answerer = Answerer::new(&mut buffer!().0[..]);
        let response = buffer!();
        Self { console, answerer, response, response_bytes: 0, taken: 0, patience: 0, beacon: None }
    }

    /// Says that the executor is there, again and again until a host opens a session: the first time is
    /// easily lost in what firmware says, or before a host listens.
    fn be_seen(&mut self) {
        let frequency = match CNTFRQ_EL0.get() {
            0 => USUAL_FREQUENCY,
            frequency => frequency,
        };
        let now = CNTPCT_EL0.get();
        let is_due = |last| now.wrapping_sub(last) >= frequency / BEACONS;
        if self.answerer.session() == 0 && self.beacon.is_none_or(is_due) {
            self.beacon = Some(now);
            send_beacon(|byte| self.console.put(byte));
        }
    }

    /// The response to the last request.
    fn last_response(&self) -> &'static [u8] {
        // SAFETY: whoever filled the buffer is done with it, since the next request has not come.
        unsafe { &(&(*self.response).0)[..self.response_bytes] }
    }
}

/// The session of the host that talks to the console, 0 where there is none.
pub fn session() -> u32 {
    SESSION.load(Ordering::Relaxed)
}

impl Transport for Uart {
    fn next(&mut self) -> Next {
        while let Some(byte) = self.console.get() {
            self.patience = PATIENCE;
            match self.answerer.take(byte) {
                Heard::Nothing => {}
                Heard::Turn(turn) => {
                    self.patience = 0;
                    let response = self.last_response();
                    self.answerer.send(&turn, response, |byte| self.console.put(byte));
                }
                Heard::Request => {
                    self.patience = 0;
                    SESSION.store(self.answerer.session(), Ordering::Relaxed);
                    let request = self.answerer.request();
                    // SAFETY: the buffer is static, and the next look, which may write to it, comes after
                    // the request is finished with.
                    let bytes =
                        unsafe { core::slice::from_raw_parts(request.as_ptr(), request.len()) };
                    return Next::Request(Request { number: self.taken, bytes });
                }
            }
        }
        self.be_seen();
        self.patience = self.patience.saturating_sub(1);
        if self.patience > 0 { Next::Soon } else { Next::Nothing }
    }

    fn response(&mut self) -> Option<&'static mut [u8]> {
        // SAFETY: static; a second call comes only when the first slice is no longer used.
        Some(unsafe { &mut (*self.response).0 })
    }

    fn send(&mut self, bytes: usize) {
        self.response_bytes = bytes.min(MAX_MESSAGE);
        self.answerer.answered();
        let response = self.last_response();
        self.answerer.respond(response, |byte| self.console.put(byte));
    }

    fn finish(&mut self) {
        self.taken += 1;
        CURSOR.store(0, Ordering::Relaxed);
    }

    fn cursor(&self) -> &'static AtomicU64 {
        &CURSOR
    }

    fn drawn(&self) -> &'static AtomicU64 {
        &DRAWN
    }

    /// Always the shortest: a FIFO of 16 bytes is full after 100 us at 1.6 Mbaud.
    fn longest_wait(&self) -> u64 {
        1
    }

    fn is_asked_for_hello(&self) -> bool {
        true
    }
}

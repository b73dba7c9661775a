//! Frames on the console. See [`link::frame`].
//!
//! There is no flow control: while a case runs nobody empties the receive FIFO, so a host sends the
//! next request when it has the response to the last.

use core::sync::atomic::{AtomicU64, Ordering};

use link::MAX_MESSAGE;
use link::frame::{Received, Receiver, send};

use crate::payload::console::Console;
use crate::payload::global::Global;
use crate::payload::transport::{Next, Request, Transport};

/// A message and its check sum.
#[repr(C, align(16))]
struct Buffer([u8; MAX_MESSAGE + 16]);

#[unsafe(link_section = ".noinit")]
static REQUEST: Global<Buffer> = Global::new(Buffer([0; MAX_MESSAGE + 16]));
#[unsafe(link_section = ".noinit")]
static RESPONSE: Global<Buffer> = Global::new(Buffer([0; MAX_MESSAGE + 16]));
static CURSOR: AtomicU64 = AtomicU64::new(0);

/// Looks at an empty FIFO that follow each other in the middle of a frame before its rest is given up
/// for late.
const PATIENCE: u32 = 1 << 20;

/// The console, used for frames.
pub struct Uart {
    console: &'static Console,
    receiver: Receiver<&'static mut [u8]>,
    /// Requests that are done with.
    taken: u64,
    /// Looks left until a frame's rest is late; 0 between frames.
    patience: u32,
}

impl Uart {
    /// Takes `console` into use.
    ///
    /// # Safety
    /// There is one of these at a time.
    pub unsafe fn new(console: &'static Console) -> Self {
        // SAFETY: the caller's promise, and nobody else names the buffer.
        let buffer = unsafe { &mut (*REQUEST.pointer()).0 };
        Self { console, receiver: Receiver::new(buffer), taken: 0, patience: 0 }
    }
}

impl Transport for Uart {
    fn next(&mut self) -> Next {
        while let Some(byte) = self.console.get() {
            self.patience = if byte == 0 { 0 } else { PATIENCE };
            // A damaged frame is not answered: the host asks again.
            if let Received::Message(length) = self.receiver.take(byte) {
                let message = &self.receiver.buffer()[..length];
                // SAFETY: the buffer is static, and the next look, which may write to it, comes after
                // the request is finished with.
                let bytes = unsafe { core::slice::from_raw_parts(message.as_ptr(), length) };
                return Next::Request(Request { number: self.taken, bytes });
            }
        }
        self.patience = self.patience.saturating_sub(1);
        if self.patience > 0 { Next::Soon } else { Next::Nothing }
    }

    fn response(&mut self) -> Option<&'static mut [u8]> {
        // SAFETY: static; a second call comes only when the first slice is no longer used.
        Some(unsafe { &mut (&mut (*RESPONSE.pointer()).0)[..MAX_MESSAGE] })
    }

    fn send(&mut self, bytes: usize) {
        // SAFETY: whoever filled the buffer is done with it.
        let message = unsafe { &(&(*RESPONSE.pointer()).0)[..bytes.min(MAX_MESSAGE)] };
        send(&[message], |byte| self.console.put(byte));
    }

    fn finish(&mut self) {
        self.taken += 1;
        CURSOR.store(0, Ordering::Relaxed);
    }

    fn cursor(&self) -> &'static AtomicU64 {
        &CURSOR
    }

    /// Always the shortest: a FIFO of 16 bytes is full after 100 us at 1.6 Mbaud.
    fn longest_wait(&self) -> u64 {
        1
    }
}

//! Rings of messages in memory that the host sees. See [`link::mailbox`].
//!
//! The host is taken to see memory as this PE does: an emulator, or a debugger that reads through the
//! PE. Answers and cursor are plain stores then. For a host that looks at memory behind the caches,
//! the line of the cursor is cleaned once a case: a dead PE's case is then known, and its probe to
//! whoever reads through the PE.

use core::sync::atomic::{AtomicU64, Ordering};

use executor::home_map::{Kind, Range};
use executor::ring;
use link::mailbox::{BYTES, Control, SLOT_BYTES, request_offset, response_offset};

use crate::payload::transport::{Next, Request, Transport};

/// A mailbox in use.
pub struct Mailbox {
    base: u64,
    /// Requests that are done with.
    taken: u64,
    /// Responses written.
    answered: u64,
}

impl Mailbox {
    /// What to map for a mailbox at `base`.
    pub fn range(base: u64) -> Range {
        Range::identity(base, BYTES as u64, Kind::Data)
    }

    /// Takes the mailbox at `base` into use.
    ///
    /// # Safety
    /// `base` is the address of [`BYTES`] bytes that are kept for this, and mapped or the MMU is off.
    pub unsafe fn new(base: u64) -> Self {
        let mailbox = Self { base, taken: 0, answered: 0 };
        let control = mailbox.control();
        control.taken.0.store(0, Ordering::Relaxed);
        control.answered.0.store(0, Ordering::Relaxed);
        control.cursor.0.store(0, Ordering::Relaxed);
        control.magic.0.store(Control::MAGIC, Ordering::Release);
        mailbox
    }

    fn control(&self) -> &'static Control {
        // SAFETY: `new`'s promise; the host changes atomics only.
        unsafe { &*(self.base as *const Control) }
    }
}

impl Transport for Mailbox {
    fn next(&mut self) -> Next {
        let control = self.control();
        // Acquire: the slot is read after the counter that says it is full.
        let sent = control.sent.0.load(Ordering::Acquire);
        if ring::waiting(sent, self.taken) {
            let at = self.base + request_offset(self.taken) as u64;
            // SAFETY: in the mailbox; the host leaves the slot alone until it is counted as taken.
            let bytes = unsafe { core::slice::from_raw_parts(at as *const u8, SLOT_BYTES) };
            Next::Request(Request { number: self.taken, bytes })
        } else if control.bell.0.load(Ordering::Relaxed) != 0 {
            Next::Soon
        } else {
            Next::Nothing
        }
    }

    fn response(&mut self) -> Option<&'static mut [u8]> {
        // Acquire: the slot is written after the host has counted it as read.
        let read = self.control().read.0.load(Ordering::Acquire);
        ring::has_room(self.answered, read).then(|| {
            let at = self.base + response_offset(self.answered) as u64;
            // SAFETY: in the mailbox; the host does not write there, and a second call comes only
            // when the first slice is no longer used.
            unsafe { core::slice::from_raw_parts_mut(at as *mut u8, SLOT_BYTES) }
        })
    }

    fn send(&mut self, _bytes: usize) {
        self.answered += 1;
        // Release: whoever sees the counter sees the slot.
        self.control().answered.0.store(self.answered, Ordering::Release);
    }

    fn finish(&mut self) {
        let control = self.control();
        self.taken += 1;
        control.cursor.0.store(0, Ordering::Relaxed);
        control.taken.0.store(self.taken, Ordering::Release);
    }

    fn cursor(&self) -> &'static AtomicU64 {
        &self.control().cursor.0
    }

    fn longest_wait(&self) -> u64 {
        10
    }

    fn is_asked_for_hello(&self) -> bool {
        false
    }
}

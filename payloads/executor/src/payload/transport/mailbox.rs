//! Mailbox transport: rings of messages in memory that the host sees. See [`link::mailbox`].
//!
//! The host is taken to see memory as this PE does: an emulator, or a debugger that reads through the
//! PE. Answers and cursor are plain stores then. (The line of the cursor is cleaned once a case all the same: a
//! dead PE's case is then known to whoever looks behind the caches.)
//!
//! A host that is known to look behind the caches ([`Config::BEHIND_CACHES`]) writes to memory, and reads
//! from there. Each line of the mailbox has one writer, so that none is ever dirty here and written there:
//!
//! | line | before it is read | when it has been written |
//! |---|---|---|
//! | the host's: `sent`, `read`, `bell`, requests | invalidated | |
//! | ours: `magic`, `taken`, `answered`, `cursor`, `mark`, `drawn`, responses | | cleaned, before the counter that tells of it |

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::*;
use executor::el2_tables::{Range, RangeKind};
use executor::ring;
use link::config::Config;
use link::mailbox::{
    BYTES, Control, Line, REQUESTS, RESPONSES, SLOT_BYTES, request_offset, response_offset,
};
use link::message::Head;
use zerocopy::FromBytes;

use crate::payload::asm;
use crate::payload::global::Global;
use crate::payload::image::config;
use crate::payload::transport::{Next, Request, Transport};

static MAILBOX: Global<Option<Mailbox>> = Global::new(None);

/// Takes the mailbox of the configuration into use.
///
/// # Safety
/// Called once, with the mailbox mapped.
pub unsafe fn open() -> &'static mut Mailbox {
    let Config { mailbox: base, mailbox_flags: flags, .. } = config();
    // SAFETY: the caller's promise; the host keeps the memory for this.
    unsafe { (*MAILBOX.pointer()).insert(Mailbox::new(base, flags)) }
}

/// Leaves a last message in the mailbox, if there is one.
///
/// # Safety
/// Whoever uses the mailbox never runs again. It is mapped, or the MMU is off.
pub unsafe fn last_message(message: &[u8]) {
    let Config { mailbox: base, mailbox_flags: flags, .. } = config();
    if base == 0 {
        return;
    }
    let is_cached = CurrentEL.get() >> 2 == 2 && SCTLR_EL2.get() & 1 != 0;
    // SAFETY: the caller's promise.
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
    if let Some(place) = response.get_mut(..message.len()) {
        place.copy_from_slice(message);
        mailbox.send(message.len());
        mailbox.ring();
    }
}

/// A mailbox in use.
pub struct Mailbox {
    base: u64,
    /// Size of a cache line where the host looks behind the caches; 0 where it sees what we see.
    line: u64,
    /// Requests that are done with.
    taken: u64,
    answered: u64,
}

impl Mailbox {
    /// What to map for a mailbox at `base`.
    pub fn range(base: u64) -> Range {
        Range::identity(base, BYTES as u64, RangeKind::Data)
    }

    /// Takes the mailbox at `base` into use; `flags` are [`Config::mailbox_flags`].
    ///
    /// # Safety
    /// `base` is the address of [`BYTES`] bytes that are kept for this, and mapped or the MMU is off.
    unsafe fn new(base: u64, flags: u64) -> Self {
        let line = if flags & Config::BEHIND_CACHES != 0 { asm::line_bytes() } else { 0 };
        let mailbox = Self { base, line, taken: 0, answered: 0 };
        if asm::is_past_caches() && line == 0 {
            // The host's view goes by the caches until here; from now on nothing in them may be in the way.
            let lines = (base..base + BYTES as u64).step_by(asm::line_bytes() as usize);
            lines.for_each(asm::clean_and_invalidate_line);
            asm::dsb_sy();
        }
        // What others left in the caches is not what the host has written, nor may it come to stand there.
        mailbox.invalidate(0, if asm::is_past_caches() { BYTES } else { RESPONSES } as u64);
        let control = mailbox.control();
        control.taken.0.store(0, Ordering::Relaxed);
        control.answered.0.store(0, Ordering::Relaxed);
        control.cursor.0.store(0, Ordering::Relaxed);
        control.drawn.0.store(0, Ordering::Relaxed);
        control.magic.0.store(Control::MAGIC, Ordering::Release);
        mailbox.clean(0, size_of::<Control>() as u64);
        mailbox
    }

    /// What the host wrote to `bytes` from `offset` is read from memory.
    fn invalidate(&self, offset: u64, bytes: u64) {
        if self.line != 0 {
            // SAFETY: the lines are the host's: nothing here ever makes them dirty. (At the start they
            // are everybody's, and what is in them is to be lost.)
            unsafe { asm::invalidate_lines(self.base + offset, self.base + offset + bytes) };
        }
    }

    /// What was written to `bytes` from `offset` is in memory before whatever is written next.
    fn clean(&self, offset: u64, bytes: u64) {
        if self.line != 0 {
            let from = (self.base + offset) & !(self.line - 1);
            let to = self.base + offset + bytes;
            (from..to).step_by(self.line as usize).for_each(asm::clean_line);
            asm::dsb_sy();
        }
    }

    fn invalidate_counter(&self, offset: usize) {
        self.invalidate(offset as u64, size_of::<Line>() as u64);
    }

    fn clean_counter(&self, offset: usize) {
        self.clean(offset as u64, 8);
    }

    /// The request in the slot at `offset`, which is full, is read from memory as far as it reaches.
    fn invalidate_message(&self, offset: usize) {
        if self.line == 0 {
            return;
        }
        self.invalidate(offset as u64, Head::BYTES as u64);
        // SAFETY: in the mailbox; the host leaves the slot alone.
        let head = unsafe { *((self.base + offset as u64) as *const [u8; Head::BYTES]) };
        let body = Head::read_from_bytes(&head).map_or(0, |head| head.bytes as usize);
        self.invalidate(offset as u64, (Head::BYTES + body).min(SLOT_BYTES) as u64);
    }

    fn control(&self) -> &'static Control {
        // SAFETY: `new`'s promise; the host changes atomics only.
        unsafe { &*(self.base as *const Control) }
    }
}

impl Transport for Mailbox {
    fn next(&mut self) -> Next {
        let control = self.control();
        self.invalidate_counter(offset_of!(Control, sent));
        // Acquire: the slot is read after the counter that says it is full.
        let sent = control.sent.0.load(Ordering::Acquire);
        if ring::waiting(sent, self.taken) {
            let offset = request_offset(self.taken);
            self.invalidate_message(offset);
            let at = self.base + offset as u64;
            // SAFETY: in the mailbox; the host leaves the slot alone until it is counted as taken.
            let bytes = unsafe { core::slice::from_raw_parts(at as *const u8, SLOT_BYTES) };
            return Next::Request(Request { number: self.taken, bytes });
        }
        self.invalidate_counter(offset_of!(Control, bell));
        if control.bell.0.load(Ordering::Relaxed) != 0 { Next::Soon } else { Next::Nothing }
    }

    fn response(&mut self) -> Option<&'static mut [u8]> {
        self.invalidate_counter(offset_of!(Control, read));
        // Acquire: the slot is written after the host has counted it as read.
        let read = self.control().read.0.load(Ordering::Acquire);
        ring::has_room(self.answered, read).then(|| {
            let at = self.base + response_offset(self.answered) as u64;
            // SAFETY: in the mailbox; the host does not write there, and a second call comes only
            // when the first slice is no longer used.
            unsafe { core::slice::from_raw_parts_mut(at as *mut u8, SLOT_BYTES) }
        })
    }

    fn send(&mut self, bytes: usize) {
        self.clean(response_offset(self.answered) as u64, bytes as u64);
        self.answered += 1;
        // Release: whoever sees the counter sees the slot.
        self.control().answered.0.store(self.answered, Ordering::Release);
        self.clean_counter(offset_of!(Control, answered));
    }

    fn finish(&mut self) {
        let control = self.control();
        self.taken += 1;
        control.cursor.0.store(0, Ordering::Relaxed);
        control.taken.0.store(self.taken, Ordering::Release);
        self.clean_counter(offset_of!(Control, cursor));
        self.clean_counter(offset_of!(Control, taken));
    }

    fn ring(&self) {
        asm::doorbell();
    }

    fn cursor(&self) -> &'static AtomicU64 {
        &self.control().cursor.0
    }

    fn drawn(&self) -> &'static AtomicU64 {
        &self.control().drawn.0
    }

    fn longest_wait(&self) -> u64 {
        10
    }

    fn is_asked_for_hello(&self) -> bool {
        false
    }
}

//! The mailbox: two rings of messages in memory that host and target both see.
//!
//! ```text
//!  base +0x0000  Control: counters, cursor, epitaph
//!       +0x1000  request slot 0, 1, .. 15     (host writes, target reads)   64 KB each
//!    +0x10_1000  response slot 0, 1, .. 15    (target writes, host reads)   64 KB each
//!    +0x20_1000  end
//! ```
//!
//! Each counter has one writer and only grows; message number n is in slot n modulo 16. A reader
//! loads the writer's counter with acquire order, reads the slot, and then stores its own with
//! release order; a writer fills the slot and then stores its counter with release order.
//!
//! ```text
//!   requests:   host writes [sent]      target writes [taken]      sent  - taken    <= 16
//!   responses:  target writes [answered]  host writes [read]       answered - read  <= 16
//! ```
//!
//! While the target works on a case it keeps its cursor current, so that whoever finds it dead
//! knows which probe did it, and the answers of earlier probes are in the slot already.

use core::sync::atomic::AtomicU64;

use crate::MAX_MESSAGE;

/// Slots in each ring.
pub const SLOTS: usize = 16;
/// Bytes in a slot.
pub const SLOT_BYTES: usize = MAX_MESSAGE;
/// Bytes in the whole mailbox.
pub const BYTES: usize = RESPONSES + SLOTS * SLOT_BYTES;
/// Offset of the first request slot.
pub const REQUESTS: usize = 0x1000;
/// Offset of the first response slot.
pub const RESPONSES: usize = REQUESTS + SLOTS * SLOT_BYTES;

/// The counters at the start of the mailbox. Each pair of writer and readers has a cache line of its
/// own, so that neither side's stores disturb the other's loads.
#[derive(Debug)]
#[repr(C)]
pub struct Control {
    /// [`Control::MAGIC`], written by the target when the mailbox is in use.
    pub magic: Line,
    /// Requests that the host has written.
    pub sent: Line,
    /// Requests that the target has done with.
    pub taken: Line,
    /// Responses that the target has written.
    pub answered: Line,
    /// Responses that the host has done with.
    pub read: Line,
    /// The target's cursor: see [`Cursor`].
    pub cursor: Line,
    /// Set by the host to make the target look at once, and stop waiting for interrupts.
    pub bell: Line,
    /// How far the target came on its start: the number of a [`crate::mark::Mark`], or 0.
    pub mark: Line,
    /// The number of the case that the target has drawn by itself and works on, and 1 more; or 0.
    pub drawn: Line,
}

impl Control {
    /// "mailbox\0" as a little-endian number.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"mailbox\0");
}

/// One counter, alone in its cache line.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Line(pub AtomicU64);

/// Where the target is, as one word, so that it is never seen half changed.
///
/// ```text
///  63                       16 15            0
/// +---------------------------+---------------+
/// |    request number + 1     | probe, stage  |
/// +---------------------------+---------------+
///   0: nothing in hand
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub u64);

impl Cursor {
    /// The value of the low half while tables are built or undone, and no probe is asked.
    pub const NO_PROBE: u16 = 0xffff;

    /// At probe number `probe` of request number `request`.
    #[inline]
    pub const fn new(request: u64, probe: u16) -> Self {
        Self((request + 1) << 16 | probe as u64)
    }

    /// The number of the request in hand, if there is one.
    pub const fn request(self) -> Option<u64> {
        (self.0 >> 16).checked_sub(1)
    }

    /// The number of the probe in hand, if there is one.
    pub const fn probe(self) -> Option<u16> {
        let probe = self.0 as u16;
        if self.0 == 0 || probe == Self::NO_PROBE { None } else { Some(probe) }
    }
}

/// Offset in bytes of request slot number `message` modulo [`SLOTS`].
pub const fn request_offset(message: u64) -> usize {
    REQUESTS + (message % SLOTS as u64) as usize * SLOT_BYTES
}

/// Offset in bytes of response slot number `message` modulo [`SLOTS`].
pub const fn response_offset(message: u64) -> usize {
    RESPONSES + (message % SLOTS as u64) as usize * SLOT_BYTES
}

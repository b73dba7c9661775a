//! Marks of the start: where the executor is, for a host that never hears of it. See [`link::mark`].

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use link::mailbox::Control;
use link::mark::{Mark, PREFIX};

use crate::payload::asm;
use crate::payload::console::console;
use crate::payload::image::config;

/// Whether the console is the host's, for messages.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Says that what `mark` names is done next.
///
/// The mark is in memory before that. Its line was cleaned and invalidated when the first one was left (see start.S),
/// and it is cleaned after each store, so that one with the MMU off and one with it on follow each other in memory
/// too.
pub fn leave(mark: Mark) {
    let mailbox = config().mailbox;
    if mailbox != 0 {
        let word = mailbox + core::mem::offset_of!(Control, mark) as u64;
        // SAFETY: the host keeps the mailbox for the executor; it is mapped, or the MMU is off.
        unsafe { core::ptr::write_volatile(word as *mut u64, mark as u64) };
        asm::clean_line(word);
        asm::dsb_sy();
    }
    if !IS_QUIET.load(Ordering::Relaxed) {
        // A console never fails.
        let _ = write!(console(), "{PREFIX}{}\r\n", mark.name());
    }
}

/// From now on the console is for messages.
pub fn quieten() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

//! Last words: the report of a fatal error, before the executor stops for ever.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use link::hello::Epitaph;
use link::message::{Head, MessageKind};
use link::stream::segment::send_epitaph;
use zerocopy::IntoBytes;

use crate::payload::asm;
use crate::payload::batch_log;
use crate::payload::console::console;
use crate::payload::transport::{mailbox, uart};

/// Set once: a fault on the way to the last words is not reported.
static SPEAKING: AtomicBool = AtomicBool::new(false);

/// Says why on the console, in words and as a message; in the log of a batch; and in the mailbox, if there is one.
/// Then stops.
pub fn speak(epitaph: Epitaph) -> ! {
    if SPEAKING.load(Ordering::Relaxed) {
        asm::halt();
    }
    SPEAKING.store(true, Ordering::Relaxed);

    let head = Head::new(MessageKind::Epitaph, size_of::<Epitaph>() as u32, 0);
    let mut console = console();
    let Epitaph { esr, elr, far, .. } = epitaph;
    let why = epitaph.reason_name();
    // A console never fails.
    let _ = writeln!(console, "\r\nhypwalk: {why} (esr {esr:#x}, elr {elr:#x}, far {far:#x})\r");
    let mut message = [0; Head::BYTES + size_of::<Epitaph>()];
    let (front, rest) = message.split_at_mut(Head::BYTES);
    front.copy_from_slice(head.as_bytes());
    rest.copy_from_slice(epitaph.as_bytes());
    send_epitaph(uart::session(), &message, |byte| console.put(byte));

    // SAFETY: whoever used log or mailbox never runs again.
    unsafe {
        batch_log::died();
        mailbox::last_message(&message);
    }
    asm::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |location| location.line());
    speak(Epitaph { reason: Epitaph::PANIC, esr: line.into(), ..Epitaph::default() })
}

//! Buffers of the size of the largest message.

use link::MAX_MESSAGE;

/// Room for a message.
#[repr(C, align(16))]
pub struct Buffer(pub [u8; MAX_MESSAGE]);

/// A `&'static mut Buffer` of its own for each place in the source. It holds any bytes: it is not zeroed at the start.
///
/// # Panics
/// When the same place is executed again.
macro_rules! buffer {
    () => {{
        use core::mem::MaybeUninit;

        use $crate::payload::buffer::Buffer;
        use $crate::payload::global::{Global, Owned};

        #[unsafe(link_section = ".noinit")]
        static BUFFER: Global<MaybeUninit<Buffer>> = Global::new(MaybeUninit::uninit());
        static ONCE: Owned<()> = Owned::new(());
        ONCE.take();
        // SAFETY: once, and any bytes make a buffer.
        unsafe { (*BUFFER.pointer()).assume_init_mut() }
    }};
}
pub(crate) use buffer;

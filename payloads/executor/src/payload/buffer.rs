//! Buffers of the size of the largest message.

use link::MAX_MESSAGE;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Room for a message.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C, align(16))]
pub struct Buffer(pub [u8; MAX_MESSAGE]);

/// A buffer of the place where this stands, as `&'static mut`, for the first who gets there. It is not zeroed at
/// the start: it holds any bytes.
///
/// # Panics
/// The second time.
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

//! Statics that the primary PE changes.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A static behind a raw pointer: whoever follows it says why nobody else uses the value meanwhile.
#[repr(transparent)]
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: a pointer is all that it gives out.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    /// A static with this first value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value is.
    pub const fn pointer(&self) -> *mut T {
        self.0.get()
    }
}

/// A static that one owner takes, for ever.
pub struct Owned<T> {
    is_taken: AtomicBool,
    value: Global<T>,
}

impl<T> Owned<T> {
    /// A static with this first value.
    pub const fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: Global::new(value) }
    }

    /// The value. Called once.
    ///
    /// # Panics
    /// When it has been taken before.
    #[expect(clippy::mut_from_ref, reason = "the flag makes it the only one")]
    pub fn take(&'static self) -> &'static mut T {
        // The primary PE alone comes here; and there may be no exclusives, where the MMU is off.
        assert!(!self.is_taken.load(Ordering::Relaxed));
        self.is_taken.store(true, Ordering::Relaxed);
        // SAFETY: the flag lets one caller through.
        unsafe { &mut *self.value.pointer() }
    }
}

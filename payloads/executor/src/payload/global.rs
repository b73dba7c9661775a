//! A static that the first PE changes.

use core::cell::UnsafeCell;

/// A value with one place and one user: the executor runs on its first PE and takes no interrupts, and
/// what exception handlers touch is said where it is declared. What other PEs touch guards itself: see
/// `crew::seat`.
#[repr(transparent)]
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: one PE has it; others run nothing but `crew::second`, which is handed a seat, and no other.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    /// A static's first value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value is.
    pub const fn pointer(&self) -> *mut T {
        self.0.get()
    }
}

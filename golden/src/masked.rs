//! A register value of which only some bits are determined.

use core::fmt;

/// A 64-bit value with a mask of the bits that the architecture determines. The others are UNKNOWN,
/// IMPLEMENTATION DEFINED, or depend on what golden is not told; they are zero in `value`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Masked {
    /// The determined bits' values.
    pub value: u64,
    /// The determined bits.
    pub mask: u64,
}

impl Masked {
    /// This value under this mask.
    #[must_use]
    pub const fn new(value: u64, mask: u64) -> Self {
        Self { value: value & mask, mask }
    }

    /// A value with every bit determined.
    #[must_use]
    pub const fn exact(value: u64) -> Self {
        Self { value, mask: u64::MAX }
    }

    /// Is an observed value one of those that this stands for?
    #[must_use]
    pub const fn admits(self, observed: u64) -> bool {
        observed & self.mask == self.value
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.value)?;
        if self.mask == u64::MAX { Ok(()) } else { write!(f, " (mask {:#x})", self.mask) }
    }
}

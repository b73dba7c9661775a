//! The level of a lookup and of a descriptor.

use core::fmt;

/// A lookup level, from -1 (only with 52-bit addresses and the 4KB granule) to 3, the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(i8);

impl Level {
    /// Level -1: the first of five.
    pub const MINUS_1: Self = Self(-1);
    /// Level 0.
    pub const L0: Self = Self(0);
    /// Level 1.
    pub const L1: Self = Self(1);
    /// Level 2.
    pub const L2: Self = Self(2);
    /// Level 3, whose descriptors are pages.
    pub const L3: Self = Self(3);
    /// The last level (the pseudocode's `FINAL_LEVEL`).
    pub const FINAL: Self = Self::L3;

    /// The level of that number, if there is one.
    #[must_use]
    pub const fn new(level: i8) -> Option<Self> {
        if level >= -1 && level <= 3 { Some(Self(level)) } else { None }
    }

    /// Its number, -1 to 3.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }

    /// The next level down; the last level is its own successor.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < 3 { Self(self.0 + 1) } else { self }
    }

    /// How many levels lie below this one: 0 to 4.
    #[must_use]
    pub const fn below(self) -> u32 {
        (3 - self.0) as u32
    }

    /// The level with this many levels below it, 0 to 4.
    #[must_use]
    pub(crate) const fn with_below(below: u32) -> Self {
        if below > 4 { Self(-1) } else { Self(3 - below as i8) }
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.0)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

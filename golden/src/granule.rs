//! The translation granule and the geometry that follows from it.

use core::fmt;

use crate::level::Level;

/// A translation granule (the pseudocode's `TGx`): the size of a page and of a full table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granule {
    /// 4KB.
    K4,
    /// 16KB.
    K16,
    /// 64KB.
    K64,
}

impl Granule {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::K4, Self::K16, Self::K64];

    /// log2 of its size in bytes: 12, 14 or 16.
    ///
    /// Source: `TGxGranuleBits`.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// Input address bits resolved by one full table: 9, 11 or 13.
    #[must_use]
    #[inline]
    pub const fn stride(self) -> u32 {
        self.bits() - DESCRIPTOR_LOG2
    }

    /// log2 of the bytes that a leaf descriptor at this level maps.
    ///
    /// Source: `TranslationSize`.
    #[must_use]
    #[inline]
    pub const fn leaf_bits(self, level: Level) -> u32 {
        self.bits() + level.below() * self.stride()
    }

    /// May a descriptor at this level be a block? At the last level it is a page instead.
    ///
    /// Source: `AArch64.BlockDescSupported`.
    #[must_use]
    #[inline]
    pub const fn has_blocks(self, level: Level, ds: bool, pa_bits: u8) -> bool {
        match (self, level.get()) {
            (_, 2) | (Self::K4, 1) => true,
            (Self::K4, 0) | (Self::K16, 1) => ds,
            (Self::K64, 1) => pa_bits >= 52,
            _ => false,
        }
    }

    /// log2 of the number of entries that the contiguous bit joins at this level: 0 where the bit is
    /// ignored.
    ///
    /// Source: `ContiguousSize`, `AArch64.ContiguousBit`.
    #[must_use]
    #[inline]
    pub const fn contiguous_log2(self, level: Level) -> u32 {
        match (self, level.get()) {
            (Self::K4, 1..=3) => 4,
            (Self::K16, 2) | (Self::K64, 2..=3) => 5,
            (Self::K16, 3) => 7,
            _ => 0,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Granule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::K4 => "4KB",
            Self::K16 => "16KB",
            Self::K64 => "64KB",
        })
    }
}

/// log2 of the bytes of a descriptor.
pub(crate) const DESCRIPTOR_LOG2: u32 = 3;

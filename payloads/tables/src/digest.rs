//! A running 64-bit digest of words.

/// An order-dependent mix of 64-bit words: cheap on an emulated core, and far from colliding by
/// accident. It guards against mistakes, not against malice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(u64);

impl Digest {
    // Odd, and without structure: the first 64 bits of the fraction of pi, made odd.
    const MULTIPLIER: u64 = 0x243f_6a88_85a3_08d3;

    /// The digest of nothing.
    pub const fn new() -> Self {
        Self(0x1319_8a2e_0370_7344)
    }

    /// Adds one word.
    #[inline]
    pub const fn add(self, word: u64) -> Self {
        let mixed = (self.0 ^ word).wrapping_mul(Self::MULTIPLIER);
        Self(mixed ^ mixed >> 29)
    }

    /// The digest of what was added so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn order_and_every_bit_count() {
        let pair = |a, b| Digest::new().add(a).add(b).value();
        assert_ne!(pair(1, 2), pair(2, 1));
        for bit in 0..64 {
            assert_ne!(pair(0, 0), pair(1 << bit, 0), "bit {bit}");
            assert_ne!(pair(0, 0), pair(0, 1 << bit), "bit {bit}");
        }
    }
}

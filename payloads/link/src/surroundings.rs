//! What the executor found around itself, for people: nothing is decided by it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::hello::MAX_PES;

/// A short text, filled up with zeros.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The first `N` bytes of `text`, up to a zero.
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = [0; N];
        let text = text.iter().take_while(|byte| **byte != 0);
        bytes.iter_mut().zip(text).for_each(|(slot, byte)| *slot = *byte);
        Self(bytes)
    }

    /// Its characters; whatever is no printable ASCII is a `?`.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        let bytes = self.0.iter().take_while(|byte| **byte != 0);
        bytes.map(|&byte| if matches!(byte, b' '..=b'~') { byte.into() } else { '?' })
    }

    /// Whether it has no characters.
    pub const fn is_empty(&self) -> bool {
        N == 0 || self.0[0] == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write as _;
        self.chars().try_for_each(|character| f.write_char(character))
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What the executor found around itself. What it did not find is empty or 0.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Surroundings {
    /// What the device tree says that the machine is.
    pub model: Text<64>,
    /// What the boot loader left of its name and version in the device tree.
    pub firmware: Text<64>,
    /// What kind of UART the console is.
    pub console: Text<16>,
    /// Physical address of the console's registers.
    pub console_base: u64,
    /// What PSCI_VERSION returned (Arm DEN 0022): major version in bits 30:16, minor in bits 15:0.
    pub psci: u64,
    /// The affinities of the PEs, as `MPIDR_EL1` has them: first the executor's own, then those that it may
    /// start. As many count as [`crate::hello::Hello::pes`] says.
    pub affinities: [u64; MAX_PES],
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn a_text_is_cut_and_holds_no_control_characters() {
        assert_eq!(Text::<8>::new(b"linux,dummy-virt").to_string(), "linux,du");
        assert_eq!(Text::<8>::new(b"ab\0cd").to_string(), "ab");
        assert_eq!(Text::<8>::new(b"a\x1b[2J\xff").to_string(), "a?[2J?");
        assert!(Text::<8>::new(b"").is_empty() && !Text::<8>::new(b"a").is_empty());
    }
}

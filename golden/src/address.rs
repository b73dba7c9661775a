//! Addresses. Virtual, intermediate physical and physical addresses are different types, so
//! that the output of one stage can't be taken for the output of another.

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl From<u64> for $name {
            fn from(bits: u64) -> Self {
                Self(bits)
            }
        }
    };
}

address! {
    /// A virtual address, all 64 bits of it (tag included): the input of stage 1.
    Va
}
address! {
    /// An intermediate physical address, at most 56 bits: the output of stage 1 and the input of
    /// stage 2.
    Ipa
}
address! {
    /// A physical address of the Non-secure physical address space, at most 56 bits.
    Pa
}

//! Physical memory as a translation table walk sees it.

use core::fmt;

use crate::address::Pa;

/// Physical memory: 8-byte words at physical addresses. It knows nothing of who wrote them.
///
/// A walk asks only for addresses that are multiples of 8. It never writes: what the hardware would
/// write comes back as [`Updates`](crate::Updates), and later reads of the same walk see it.
pub trait PhysicalMemory {
    /// The word at this address, as a little-endian load would read it.
    ///
    /// # Errors
    /// Where no memory answers, or where it can't: the walk then ends in that fault.
    fn read(&self, pa: Pa) -> Result<u64, Refusal>;

    /// May a walk update this word with a hardware update of the access flag or of dirty state?
    ///
    /// # Errors
    /// [`Refusal::UnsupportedUpdate`] where memory does not support the atomic access that it takes
    /// (FSC 110001), [`Refusal::ExternalAbort`] where the write itself aborts. Everywhere allowed, if
    /// not overridden.
    fn update(&self, _pa: Pa) -> Result<(), Refusal> {
        Ok(())
    }

    /// The older values of this word that a TLB may still hold, if there are any. The walk may then use one
    /// of them: a [choice](crate::Choice::StaleDescriptor).
    fn stale(&self, _pa: Pa) -> Option<Stale> {
        None
    }

    /// Bits that may be set in one of so many words from this one on, as little-endian loads would read them: no word
    /// has another one. All bits, if not overridden. Whoever says less spares a walk to read all of a contiguous
    /// group.
    fn set_bits(&self, _first: Pa, _words: u64) -> u64 {
        u64::MAX
    }
}

/// Older values of a word that a TLB may still hold, because it was not told to drop them.
///
/// What may come of them depends on the change. Where the architecture requires break-before-make and it was
/// left out, the TLB may hold old and new at once, and a walk may take a mixture of them or end in a TLB
/// conflict abort. Where it does not require it (a change of permissions, of the access flag or of dirty
/// state), the walk takes one of the values as a whole.
///
/// Source: DDI 0487, "Using break-before-make when updating translation table entries".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stale {
    olds: [u64; Self::MAX],
    len: u8,
    unbroken: bool,
}

impl Stale {
    /// The most values that are told.
    pub const MAX: usize = 4;

    /// One older value, of a change that needs no break-before-make.
    #[must_use]
    pub const fn new(old: u64) -> Self {
        let mut olds = [0; Self::MAX];
        olds[0] = old;
        Self { olds, len: 1, unbroken: false }
    }

    /// With another value that is older still; `None` if that is one too many.
    #[must_use]
    pub fn with(mut self, old: u64) -> Option<Self> {
        *self.olds.get_mut(usize::from(self.len))? = old;
        self.len += 1;
        Some(self)
    }

    /// The same values, where a change from one to the next needed break-before-make and had none.
    #[must_use]
    pub const fn unbroken(mut self) -> Self {
        self.unbroken = true;
        self
    }

    /// The older values, as a little-endian load would read them.
    #[must_use]
    pub fn olds(&self) -> &[u64] {
        self.olds.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Was break-before-make required and left out?
    #[must_use]
    pub const fn is_unbroken(&self) -> bool {
        self.unbroken
    }
}

impl<M: PhysicalMemory + ?Sized> PhysicalMemory for &M {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        (**self).read(pa)
    }

    fn update(&self, pa: Pa) -> Result<(), Refusal> {
        (**self).update(pa)
    }

    fn stale(&self, pa: Pa) -> Option<Stale> {
        (**self).stale(pa)
    }

    fn set_bits(&self, first: Pa, words: u64) -> u64 {
        (**self).set_bits(first, words)
    }
}

/// Why memory did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nothing is there: a synchronous External abort on the walk.
    ExternalAbort,
    /// The memory does not support the atomic update of a descriptor.
    UnsupportedUpdate,
    /// The TLB holds more than one entry for the address.
    TlbConflict,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExternalAbort => "external abort",
            Self::UnsupportedUpdate => "atomic update not supported",
            Self::TlbConflict => "TLB conflict",
        })
    }
}

impl core::error::Error for Refusal {}

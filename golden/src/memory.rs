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

    /// An older value of this word that a TLB may still hold, because the word was changed without
    /// break-before-make where that is required. The walk may then use either, or end in a TLB conflict
    /// abort: a [choice](crate::Choice::StaleDescriptor).
    fn stale(&self, _pa: Pa) -> Option<u64> {
        None
    }
}

impl<M: PhysicalMemory + ?Sized> PhysicalMemory for &M {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        (**self).read(pa)
    }

    fn update(&self, pa: Pa) -> Result<(), Refusal> {
        (**self).update(pa)
    }

    fn stale(&self, pa: Pa) -> Option<u64> {
        (**self).stale(pa)
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

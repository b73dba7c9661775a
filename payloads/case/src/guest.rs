//! A guest: where its code lies, and what the executor has it do.
//!
//! ```text
//!   home, EL2 --ERET--> the piece of code for the probe, at EL1 or EL0
//!        ^                |  the access under test
//!        +----- BRK ------+
//!        +--- abort, taken to EL2
//!        +----- BRK ------ vectors of EL1 <--- abort, taken to EL1
//! ```
//!
//! MDCR_EL2.TDE routes BRK to EL2 from either EL, so that both come back in the same way.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;

/// How often a `STXR` that fails is tried again. It may fail for ever where memory has no exclusives.
pub const EXCLUSIVE_TRIES: u64 = 64;
/// The answer of a `STXR` that never succeeded. No physical address, and nothing that is stored.
pub const NOT_STORED: u64 = 0xfa11_0000_0000_0000;

/// Where a guest's code is. The executor keeps a copy of it in each stage arena, at
/// [`crate::stage::GUEST`].
///
/// What a set-up must map, in both stages as far as they are on, or no probe comes back:
/// [`crate::stage::GUEST_BYTES`] of `code` at `code_va`, to be executed by EL1 and EL0, with access flags
/// that are 1.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Guest {
    /// The start of a stage arena.
    pub code: Place,
    /// The virtual address of its guest code: a multiple of [`crate::stage::GUEST_BYTES`].
    pub code_va: u64,
}

//! Placement of the world-switch code: physical arenas and virtual addresses of trampoline, runtime, data and exit.
//!
//! ```text
//!  MMU off              idmap tree, if there is one          the case's tree
//!  at trampoline --M--> at trampoline --M off, switch-----+
//!                |                                        v
//!                +--M, where the tree maps it to itself--> trampoline or fetch abort
//!                                                                 |
//!  executor <--- MMU off <--- at trampoline or exit <--- runtime: code_va, data_va
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;

/// The places and addresses of the code and data of a world switch. The executor keeps a copy of the code at the start of each
/// scratch arena (see [`crate::scratch`]): a place here is the start of one, and all may be the same.
///
/// What a set-up must map, or it kills the executor:
///
/// | what | tree | to | how |
/// |---|---|---|---|
/// | trampoline | idmap if the case has one, or else its own | itself | executable |
/// | exit | its own | itself | executable |
/// | code | its own | `code_va` | executable |
/// | data | its own | `data_va` | readable and writable |
///
/// [`crate::scratch::CODE_BYTES`] of each code, and [`crate::scratch::DATA_BYTES`] of data; of any memory type
/// that may be executed, or accessed by aligned loads and stores. Access flags must be 1, or HA.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SwitchPlaces {
    /// The code that turns the MMU on: it is mapped to itself.
    pub trampoline: Place,
    /// The code that turns the MMU off again, mapped to itself by the case's own tree. The trampoline
    /// itself, except where the case's tree does not reach it.
    pub exit: Place,
    /// The code that runs in the set-up.
    pub code: Place,
    /// Its virtual address.
    pub code_va: u64,
    /// The memory that it works in.
    pub data: Place,
    /// Its virtual address.
    pub data_va: u64,
}

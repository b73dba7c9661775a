//! What a case is, and how one is drawn from a seed.
//!
//! A *case* is one set-up of translation registers and tables, with the questions ("probes") that
//! are put to the MMU under it. It is data alone: host and target read the same words, a reproducer
//! is the same words as YAML, and the same seed, index, abilities and memory map give the same case
//! on every machine.
//!
//! | module | noun |
//! |---|---|
//! | [`abilities`] | what a PE can do, as far as drawing depends on it |
//! | [`memory`]    | arenas, places in them, and the map that resolves a place to an address |
//! | [`format`]    | granule, level, and the shape of one tree of tables |
//! | [`mapping`]   | a request to the table builder |
//! | [`edit`]      | a change to what the builder made, hostile or between probes |
//! | [`operation`] | what can be asked, and the steps between questions |
//! | [`probe`]     | one question, or one step |
//! | [`tree`]      | one tree of tables: its role, its shape, where its tables lie |
//! | [`scratch`]   | what lies where in a scratch arena |
//! | [`guest`]     | where a guest's code lies, for cases that are asked from EL1 and EL0 |
//! | [`registers`](mod@registers) | the system registers that a case sets, raw |
//! | [`placement`] | where the trampoline of a world switch lies, seen from the case's own addresses |
//! | [`control`]   | bits of `HCR_EL2` and `SCTLR_ELx`, for composing registers |
//! | [`tcr`]       | `TCR_EL2` and `TCR_EL1`, likewise |
//! | [`vtcr`]      | `VTCR_EL2`, likewise |
//! | [`layout`]    | which stage 2 shapes the architecture allows |
//! | [`world_switch`] | where code and data of the world switch to a set-up of EL2 lie |
//! | [`draw`]      | generators: from (space, seed, index) to a case |
//! | [`source`]    | the list of generators |
//! | [`plan`]      | the cases of a suite, by index |
//!
//! This crate depends on neither the reference walker nor the table builder; it spells the
//! architecture out for itself where drawing needs it.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod abilities;
pub mod control;
pub mod draw;
pub mod edit;
pub mod format;
pub mod guest;
pub mod layout;
pub mod mapping;
pub mod memory;
pub mod operation;
pub mod placement;
pub mod plan;
pub mod probe;
pub mod registers;
pub mod scratch;
pub mod source;
pub mod tcr;
pub mod tree;
pub mod vtcr;
pub mod world_switch;

mod owned;
mod view;

pub use owned::{Case, CaseFull};
pub use view::{CaseRef, Flags, Header};

/// The most mappings in one case.
pub const MAX_MAPPINGS: usize = 64;
/// The most edits in one case.
pub const MAX_EDITS: usize = 32;
/// The most probes in one case.
pub const MAX_PROBES: usize = 512;
/// The most trees in one case.
pub const MAX_TREES: usize = 6;
/// The most places from which the tables of one tree are allocated.
pub const MAX_SLOTS: usize = 16;

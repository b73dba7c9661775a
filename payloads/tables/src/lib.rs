//! Builds real translation tables from a case: the first of the three witnesses.
//!
//! The same code runs on the target, on its memory, and on the host, on a simulation of that memory
//! with the target's addresses. Both keep a [`WordLog`] of the words they wrote; equal digests of the
//! two logs mean equal tables.
//!
//! ```text
//!  Case --+                    +--> words in memory
//!         +--> build() --------+
//!  map  --+                    +--> WordLog --> digest, undo
//! ```
//!
//! It knows nothing of the reference walker, and shares no constant with it.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod allocator;
mod base;
mod build;
mod descriptor;
mod digest;
mod log;
mod memory;

pub use base::root_bits;
pub use build::{BuildError, Built, Late, build, change};
pub use digest::Digest;
pub use log::{LogFull, MAX_WORDS, Word, WordLog};
pub use memory::TableMemory;

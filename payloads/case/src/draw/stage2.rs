//! Stage 2 alone: trees of `VTTBR_EL2` with stage 1 off, as a hypervisor might write them or as none would.
//!
//! `random` draws from everything that a space wants, `exhaustive` goes through all points of a small space: every
//! shape of a tree, and every value of the fields of `VTCR_EL2` that decide over it.

pub mod exhaustive;
mod hostile;
pub(crate) mod random;
mod setup;

pub(super) use setup::shape;
pub use setup::{EPOCH, Shape};

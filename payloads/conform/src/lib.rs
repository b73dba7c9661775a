//! Conformance of one answer: the reference walker is asked what a probe asks of the PE, and its answer is held
//! against what was observed.
//!
//! ```text
//!   ID registers --implementation--> golden::Implementation --+
//!   case, Built  --registers-------> golden::Registers -------+--> golden --> what is allowed
//!   probe        --question--------> golden::AtQuestion ------+                    |
//!                                          has_syndrome, is_updated: what is observed
//! ```
//!
//! The host's judge and the executor's on-target oracle both are built on it. They are no witnesses of each
//! other: both ask `golden`.
#![no_std]
#![forbid(unsafe_code)]

mod agreement;
mod digest;
mod implementation;
mod question;
mod registers;

pub use agreement::{has_syndrome, is_updated};
pub use digest::digest;
pub use implementation::{has_branch_targets, implementation};
pub use question::question;
pub use registers::registers;

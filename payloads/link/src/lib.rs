//! What host and target say to each other, and the two ways in which it travels.
//!
//! The *messages* are the same on every transport: a [`message::Head`] and a body of 8-byte words,
//! little-endian. They travel either through a [`mailbox`] in memory that both sides see, or over a
//! byte [`stream`] that may lose and change what it carries.
//!
//! ```text
//!   host                                    target
//!    |  (boot)                                |
//!    |-- Open ------------------------------->|  on a stream only: who are you?
//!    |<------------------------------ Hello --|  who I am, ID registers, free RAM
//!    |-- Configure -------------------------->|  these are the arenas
//!    |<------------------------------ Ready --|  mapped and zeroed
//!    |-- Case 7 ----------------------------->|
//!    |-- Case 8 ----------------------------->|  (as many ahead as the ring is deep)
//!    |<--------------------- Observations 7 --|
//!    |<--------------------- Observations 8 --|
//!    |-- Plan 8 ----------------------------->|  a suite: its cases can be meant by number
//!    |<-------------------------- Planned 8 --|
//!    |-- Repeat 9 --------------------------->|  a case, many times over: how fast is the target?
//!    |<------------------------- Repeated 9 --|
//!    |<---------------------------- Epitaph --|  only before dying
//! ```
//!
//! Whatever arrives is untrusted: reading it never panics, and says `None` for what makes no sense.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod batch;
pub mod board;
pub mod config;
pub mod digest;
pub mod frame;
pub mod hello;
pub mod mailbox;
pub mod message;
pub mod observations;
pub mod plan;
pub mod soak;
pub mod stream;
pub mod surroundings;

/// The version of everything in this crate. Host and target must have the same.
pub const VERSION: u32 = 7;

/// The largest message, head included, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

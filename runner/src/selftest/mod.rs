//! Hypwalk put to the test itself: devices in software, each with one erratum, asked by the shipped suites.
//!
//! ```text
//!   erratum --> Device: golden with it ---observations---> judge --findings, causes--> found? named?
//!                  ^                                          |
//!                  +----------- cases of a suite ------------+
//! ```
//!
//! A device answers through the same session as any other target, and nobody starts an emulator. What the judge knows is
//! golden as it is, and the table of errata; that a device has one of them it has to find out.

mod device;
mod memory;
mod pe;
mod table;
mod trial;

pub use device::target;
pub use table::Table;
pub use trial::{Exam, Machine, Naming, Shown, Sound, Trial, Verdict};

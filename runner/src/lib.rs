//! The host side of Hypwalk. A case passes through the modules in this order:
//!
//! ```text
//!  suite ---> plan ---> campaign ---> target ---> judge ---> report
//!  (YAML)    (cases)      |          (machine)   (golden)   (records)
//!                      payload (the executor's image)
//! ```

pub mod cli;
pub mod commands;
pub mod exit;
pub mod failure;
pub mod output;
pub mod report;
pub mod suite;
pub mod verdict;

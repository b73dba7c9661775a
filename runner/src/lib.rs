//! The host side of Hypwalk. A case passes through the modules in this order:
//!
//! ```text
//!  suite ---> plan ---> campaign ---> target ---> judge ---> report
//!  (YAML)    (cases)      |          (machine)   (golden)   (records)
//!                      payload (the executor's image)
//! ```

pub mod bench;
pub mod campaign;
pub mod cli;
pub mod commands;
pub mod exit;
pub mod explain;
pub mod failure;
pub mod interrupt;
pub mod output;
pub mod plan;
pub mod portrait;
pub mod record;
pub mod report;

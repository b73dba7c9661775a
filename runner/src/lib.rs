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
pub mod judge;
pub mod known;
pub mod merge;
pub mod output;
pub mod payload;
pub mod pe;
pub mod plan;
pub mod portrait;
pub mod redraw;
pub mod replay;
pub mod report;
pub mod resume;
pub mod simulation;
pub mod suite;
pub mod target;
pub mod verdict;
pub mod walk;

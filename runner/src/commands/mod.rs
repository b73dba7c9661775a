//! The subcommands of `hypwalk`.

pub mod bench;
pub mod compare;
pub mod diagnose;
pub mod errata;
pub mod explain;
pub mod export;
pub mod image;
pub mod merge;
pub mod payload;
pub mod probe;
pub mod reduce;
pub mod replay;
pub mod report;
pub mod run;
pub mod schema;
pub mod selftest;
pub mod soak;
pub mod suite;
pub mod vectors;

mod known_errata;
mod lookup;
mod named_case;
mod results;
mod target;

//! The subcommands of `hypwalk`.

pub mod report;
pub mod schema;
pub mod suite;

mod lookup;

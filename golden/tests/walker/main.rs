//! The reference walker, held against the manual and against what Arm publishes in data.

mod aborts;
mod accesses;
mod at;
mod choices;
mod errata;
mod explain;
mod fields;
mod foreign_tables;
mod guest;
mod maintenance;
mod properties;
mod stale;
mod vectors;
mod world;

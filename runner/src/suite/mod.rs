//! Suites, and the one module that knows the YAML crate.

pub mod yaml;

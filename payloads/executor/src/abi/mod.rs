//! What assembly and Rust share.

pub mod probe_block;
pub mod run_list;

//! The command `hypwalk`. A case passes through these modules and crates in this order:
//!
//! ```text
//!   suite ----> plan ----> campaign ----> judge ----> record ----> report
//!  (crate)                    |          (crate)         |
//!                          device           |         explain: one case again, step by step
//!                          (crate)        oracle
//!                             |           (crate)
//!                          payload: the executor's image (crate)
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`commands`], [`cli`] | the command line, one file a subcommand |
//! | [`plan`]     | the cases of a suite on one target, in order |
//! | [`campaign`] | the scheduler: workers, deaths, order of records; it knows no Arm |
//! | [`record`]   | what is kept of a run on disk, written, read, gone on with, merged |
//! | [`diagnosis`] | the causes of what runs found |
//! | [`report`]   | what is said of a run: text, JUnit, TAP, HTML, comparisons |
//! | [`explain`]  | walks of given registers and memory, and replays, as text |
//! | [`trial`]    | known errata, tried by their reproducers |
//! | [`reduce`]   | the smallest case that shows the cause of a finding |
//! | [`export`]   | a case as a program of its own, for GNU's or LLVM's tools |
//! | [`machine`]  | what a machine is, and what it can be asked |
//! | [`bench`](mod@bench) | how fast a target answers, and how much of it a run reaches |
//! | [`exit`], [`failure`], [`interrupt`], [`output`] | how a command ends, and what it prints |

pub mod bench;
pub mod campaign;
pub mod cli;
pub mod commands;
pub mod diagnosis;
pub mod exit;
pub mod explain;
pub mod export;
pub mod failure;
pub mod interrupt;
pub mod machine;
pub mod output;
pub mod plan;
pub mod record;
pub mod reduce;
pub mod report;
pub mod selftest;
pub mod trial;

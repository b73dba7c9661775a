//! Runs on disk: written, read, gone on with, put together.
//!
//! ```text
//!  results/20261121T100647Z-smoke-qemu-max-3f2a/
//!    header.json      what was asked of whom, and by which versions of what
//!    records.jsonl    one case a line, in the order of the plan
//!    repro/001.yaml   cases with findings, the first few of each kind, for `hypwalk replay`
//!    causes/001-*     the smallest case of each cause, with a text to be filed
//!    pace.jsonl       how it went on, one line a second
//!    summary.json     written at the end
//! ```
//!
//! A run that was killed lacks its summary, and its last record may be torn: what came before counts, and
//! it can go on. Whoever writes a run holds a lock on its records.

mod format2;
pub mod header;
pub mod host;
pub mod matrix;
pub mod merge;
pub mod pace;
pub mod placement_matrix;
pub mod reader;
pub mod redraw;
pub mod remark;
pub mod resume;
pub mod run_id;
pub mod summary;
pub mod tally;
pub mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use header::{Header, Request, SoakHeader, SuiteHeader, TargetHeader};
pub use host::Host;
pub use matrix::{Matrix, Square};
pub use pace::Pace;
pub use placement_matrix::{PlacementCounts, PlacementMatrix};
pub use reader::Run;
pub use run_id::RunId;
pub use summary::{RunEnd, Summary};
pub use tally::{Group, Tally};
pub use writer::{RunFolder, RunWriter};

/// The version of the files of a run.
pub const VERSION: u32 = 3;
/// The oldest version that is read. Runs of an older version than [`VERSION`] are not written on: they neither
/// go on nor are merged.
pub const OLDEST_VERSION: u32 = format2::VERSION;

/// The names of the files of a run, in its folder.
pub(crate) mod files {
    pub const HEADER: &str = "header.json";
    pub const RECORDS: &str = "records.jsonl";
    pub const SUMMARY: &str = "summary.json";
    pub const REPRODUCERS: &str = "repro";
    pub const CAUSES: &str = "causes";
    pub const PACE: &str = "pace.jsonl";
}

/// A run that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder can't be written.
    #[error("{} can't be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file can't be read.
    #[error("{} can't be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The run was written by a version of Hypwalk whose files this one does not read.
    #[error(
        "{} is of format version {found}, and only versions {OLDEST_VERSION} and {VERSION} are read",
        path.display()
    )]
    Version {
        path: PathBuf,
        /// The version that it names.
        found: u64,
    },
    /// A file holds something else than it should.
    #[error("{}:{line}: this is no {what}", path.display())]
    Malformed {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another process is writing the run.
    #[error("{} is being written by another process", path.display())]
    Busy { path: PathBuf },
}

impl RunError {
    /// That `path` can't be written, for whatever reason there is.
    pub fn not_written(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}

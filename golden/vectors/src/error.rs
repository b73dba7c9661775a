//! Errors, with the place that they are about.

use thiserror::Error;

/// Why a vector file could not be checked.
#[derive(Debug, Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{file}: line {line}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The line, from 1; 0 before the first.
        line: u64,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is not a vector.
    #[error("{file}:{line}:{column}: field `{field}`: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// The path of the field, such as `impl.pa_bits`; `.` for the whole.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

/// A malformed line, before its file and number are known.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub column: usize,
    pub field: String,
    pub reason: String,
}

impl Malformed {
    pub fn at(self, file: &str, line: u64) -> Error {
        let Self { column, field, reason } = self;
        Error::Malformed { file: file.to_owned(), line, column, field, reason }
    }
}

//! Test vectors for address translation: reading them, and holding `golden` against them.
//!
//! A vector file is JSON Lines, one set-up with its queries a line, or the CSV of legal stage 2 configurations;
//! either may be gzip-compressed. [`check_file`] tells them apart by what is in them, and answers for each query:
//!
//! - [`Verdict::Agrees`]: with the choices settled as the vector says, golden's answer is the vector's in every
//!   field: result, levels, attributes, syndrome, the descriptors read and updated; and with all choices open, that
//!   answer is among those that golden allows.
//! - [`Verdict::LeftOut`]: the vector's answer is not the architecture's, for a reason that is told.
//! - [`Verdict::Undecided`]: the first holds, and golden allows more than could be looked through for the second.
//! - [`Verdict::Disagrees`]: the first field that differs.
//! - [`Verdict::NotCovered`]: a field, feature or kind of query that is not known here. It is never agreement.
//!
//! A line that can't be read as a vector is an [`Error`] with its file, line, column and field.
#![forbid(unsafe_code)]

mod check;
mod error;
mod example;
mod legality;
mod question;
mod schema;
mod setup;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

pub use error::Error;
pub use example::{Example, each, find};
pub use question::{Answer, Outcome, Question};

/// What golden said to one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The vector's name; for a legality table, its row.
    pub id: String,
    /// The query's place in the vector, from 0.
    pub query: usize,
    /// How the answers compare.
    pub verdict: Verdict,
}

/// How golden's answer compares with the vector's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Agrees,
    /// It is not.
    Disagrees(Disagreement),
    /// It is not, and the vector is at fault, for this reason.
    LeftOut(&'static str),
    /// With the choices settled as the vector says it is; with all open it is not among the outcomes that were looked
    /// through, which are not all that golden allows.
    Undecided,
    /// The vector holds something that is not known here, named so.
    NotCovered(String),
}

/// The first field in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The vector's name for the field.
    pub field: &'static str,
    /// What the vector says.
    pub expected: String,
    /// What golden says.
    pub got: String,
    /// How choices were settled.
    pub choices: ChoicesMode,
}

/// How choices were settled when golden answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoicesMode {
    /// As the vector says: one answer.
    Pinned,
    /// Not at all: the vector's answer was not among those allowed.
    Open,
}

/// The count of each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Vectors, or rows of a table, read.
    pub vectors: u64,
    /// Queries that agree.
    pub agreed: u64,
    /// Queries that do not.
    pub disagreed: u64,
    /// Queries whose vector is at fault: [`Verdict::LeftOut`].
    pub left_out: u64,
    /// Queries of which it is not known whether all of them agrees: [`Verdict::Undecided`].
    pub undecided: u64,
    /// Queries not covered, by reason.
    pub not_covered: BTreeMap<String, u64>,
}

impl Summary {
    /// Do all queries agree, but for those whose vector is at fault? Where there are none, nothing agrees.
    #[must_use]
    pub fn is_all_agreed(&self) -> bool {
        self.agreed > 0 && self.disagreed + self.undecided == 0 && self.not_covered.is_empty()
    }

    /// All queries.
    #[must_use]
    pub fn queries(&self) -> u64 {
        let not_covered = self.not_covered.values().sum::<u64>();
        self.agreed + self.disagreed + self.left_out + self.undecided + not_covered
    }

    /// Adds the counts of another file.
    pub fn add(&mut self, other: &Self) {
        self.vectors += other.vectors;
        self.agreed += other.agreed;
        self.disagreed += other.disagreed;
        self.left_out += other.left_out;
        self.undecided += other.undecided;
        for (reason, count) in &other.not_covered {
            *self.not_covered.entry(reason.clone()).or_default() += count;
        }
    }

    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Agrees => self.agreed += 1,
            Verdict::Disagrees(_) => self.disagreed += 1,
            Verdict::LeftOut(_) => self.left_out += 1,
            Verdict::Undecided => self.undecided += 1,
            Verdict::NotCovered(reason) => {
                *self.not_covered.entry(reason.clone()).or_default() += 1
            }
        }
    }
}

/// Checks a vector file, gzip-compressed or plain. `each` hears of every query in turn.
///
/// # Errors
/// The file can't be read, or a line of it is not a vector. Lines before it have been checked.
pub fn check_file(path: &Path, each: impl FnMut(&Checked)) -> Result<Summary, Error> {
    let name = path.display().to_string();
    let file =
        File::open(path).map_err(|source| Error::Io { file: name.clone(), line: 0, source })?;
    check_reader(&name, file, each)
}

/// Checks vectors from a reader, gzip-compressed or plain. `name` stands for the file in errors.
///
/// # Errors
/// As [`check_file`].
pub fn check_reader(
    name: &str,
    reader: impl Read,
    mut each: impl FnMut(&Checked),
) -> Result<Summary, Error> {
    check_lines(name, &mut *open(name, reader)?, &mut each)
}

/// The text of a file, gzip-compressed or plain.
fn open<'a>(name: &str, reader: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>, Error> {
    let mut reader = BufReader::new(reader);
    let io = |source| Error::Io { file: name.to_owned(), line: 0, source };
    Ok(if reader.fill_buf().map_err(io)?.starts_with(&GZIP_MAGIC) {
        Box::new(BufReader::new(MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    })
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn check_lines(
    name: &str,
    reader: &mut dyn BufRead,
    each: &mut dyn FnMut(&Checked),
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let mut is_table = false;
    for (n, line) in reader.lines().enumerate() {
        let number = n as u64 + 1;
        let line =
            line.map_err(|source| Error::Io { file: name.to_owned(), line: number, source })?;
        if line.trim().is_empty() {
            continue;
        }
        if n == 0 && line.trim_end() == legality::HEADER {
            is_table = true;
            continue;
        }
        let malformed = |malformed: error::Malformed| malformed.at(name, number);
        let checked = if is_table {
            vec![legality::check(&line).map_err(malformed)?]
        } else {
            check::check(&line).map_err(malformed)?
        };
        summary.vectors += 1;
        for checked in &checked {
            summary.count(&checked.verdict);
            each(checked);
        }
    }
    Ok(summary)
}

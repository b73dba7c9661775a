//! Reads a run from disk.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Header, RunError, Summary, Tally, VERSION, files};
use judge::verdict::CaseRecord;

/// A run on disk.
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    /// Its header.
    pub header: Header,
}

/// The records of a run, in the order in which they were written.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    torn: Option<usize>,
}

impl Run {
    /// Opens the run in `folder`.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let header = read_json(&folder.join(files::HEADER), "header of a run")?;
        Ok(Self { folder: folder.to_owned(), header })
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of its records.
    pub fn records_path(&self) -> PathBuf {
        self.folder.join(files::RECORDS)
    }

    /// The records.
    pub fn records(&self) -> Result<Records, RunError> {
        let path = self.records_path();
        let file = File::open(&path).map_err(not_read(&path))?;
        Ok(Records { path, reader: BufReader::new(file), line: 0, torn: None })
    }

    /// The summary, as it was written; `None` where the run has not come to its end.
    pub fn ended(&self) -> Result<Option<Summary>, RunError> {
        match read_json(&self.folder.join(files::SUMMARY), "summary of a run") {
            Ok(summary) => Ok(Some(summary)),
            Err(RunError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The summary: as it was written, or of the records alone where the run was killed. Also how many
    /// bytes of a torn record were left alone at the end.
    pub fn summary(&self) -> Result<(Summary, Option<usize>), RunError> {
        if let Some(summary) = self.ended()? {
            return Ok((summary, None));
        }
        let mut tally = Tally::default();
        let mut records = self.records()?;
        for record in &mut records {
            tally.add(&record?);
        }
        Ok((Summary::new(&self.header, tally, None), records.torn()))
    }
}

impl Records {
    /// The size in bytes of the torn record at the end, if there is one. It is known once the last
    /// record was read.
    pub const fn torn(&self) -> Option<usize> {
        self.torn
    }
}

impl Iterator for Records {
    type Item = Result<CaseRecord, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Err(source) => return Some(Err(RunError::Read { path: self.path.clone(), source })),
            Ok(0) => return None,
            Ok(_) => self.line += 1,
        }
        if line.last() != Some(&b'\n') {
            self.torn = Some(line.len());
            return None;
        }
        let what = "record of a case";
        let malformed = |source| {
            let (path, line) = (self.path.clone(), self.line);
            RunError::Malformed { path, line, what, source }
        };
        Some(serde_json::from_slice(&line).map_err(malformed))
    }
}

/// Reads a file that begins with its format version, and nothing else of it if that is another.
fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, RunError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u64,
    }

    let text = fs::read(path).map_err(not_read(path))?;
    let malformed = |source: serde_json::Error| RunError::Malformed {
        path: path.to_owned(),
        line: source.line(),
        what,
        source,
    };
    let Versioned { format: found } = serde_json::from_slice(&text).map_err(malformed)?;
    if found != u64::from(VERSION) {
        return Err(RunError::Version { path: path.to_owned(), found });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

fn not_read(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::Read { path: path.to_owned(), source }
}

//! Reads a run from disk.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use judge::verdict::CaseRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Header, OLDEST_VERSION, RunError, Summary, Tally, VERSION, files, format2};
use crate::diagnosis::{Causes, Diagnosis};

/// A run on disk.
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    pub header: Header,
}

/// The records of a run, in the order in which they were written.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    /// The version of their format.
    format: u32,
    line: usize,
    torn: Option<usize>,
}

impl Run {
    /// Opens the run in `folder`.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let header = Versioned::read(&folder.join(files::HEADER), "header of a run")?.parse()?;
        Ok(Self { folder: folder.to_owned(), header })
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The causes of what was found in it.
    pub fn causes(&self) -> Result<Causes, RunError> {
        Ok(Diagnosis::new(std::slice::from_ref(self))?.causes)
    }

    /// Whether its records are there: of a baseline header and summary alone may be kept.
    pub fn has_records(&self) -> bool {
        self.records_path().exists()
    }

    /// The file of its records.
    pub fn records_path(&self) -> PathBuf {
        self.folder.join(files::RECORDS)
    }

    /// The folder of its reproducers.
    pub fn reproducers_path(&self) -> PathBuf {
        self.folder.join(files::REPRODUCERS)
    }

    pub fn records(&self) -> Result<Records, RunError> {
        let path = self.records_path();
        let file = File::open(&path).map_err(not_read(&path))?;
        let (reader, format) = (BufReader::new(file), self.header.format);
        Ok(Records { path, reader, format, line: 0, torn: None })
    }

    /// The summary, as it was written; `None` where the run has not come to its end.
    pub fn ended(&self) -> Result<Option<Summary>, RunError> {
        match Versioned::read(&self.folder.join(files::SUMMARY), "summary of a run") {
            Ok(file) if file.format == format2::VERSION => {
                Ok(Some(file.parse::<format2::Summary>()?.into()))
            }
            Ok(file) => Ok(Some(file.parse()?)),
            Err(RunError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The summary: as it was written, or of the records alone where the run was killed. Also how many
    /// bytes of a torn record were left alone at the end. Causes are not in a summary that was written before there
    /// were any: they come from the records, as far as those are there.
    pub fn summary(&self) -> Result<(Summary, Option<usize>), RunError> {
        if let Some(mut summary) = self.ended()? {
            if summary.causes.is_none() && summary.tally.findings > 0 && self.has_records() {
                summary.causes = Some(self.causes()?);
            }
            return Ok((summary, None));
        }
        let mut tally = Tally::default();
        let mut records = self.records()?;
        for record in &mut records {
            tally.add(&record?);
        }
        let causes = if tally.findings > 0 { Some(self.causes()?) } else { None };
        Ok((Summary::new(&self.header, tally, None, causes), records.torn()))
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
        let record = match self.format {
            format2::VERSION => serde_json::from_slice(&line).map(format2::CaseRecord::into),
            _ => serde_json::from_slice(&line),
        };
        Some(record.map_err(malformed))
    }
}

/// A file that begins with its format version, which is one that is read.
struct Versioned<'a> {
    path: &'a Path,
    what: &'static str,
    format: u32,
    text: Vec<u8>,
}

impl<'a> Versioned<'a> {
    /// Reads the file, and nothing but its version of it if that is another.
    fn read(path: &'a Path, what: &'static str) -> Result<Self, RunError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }

        let text = fs::read(path).map_err(not_read(path))?;
        let mut file = Self { path, what, format: VERSION, text };
        let Format { format: found } = file.parse()?;
        let known = OLDEST_VERSION..=VERSION;
        file.format = u32::try_from(found)
            .ok()
            .filter(|format| known.contains(format))
            .ok_or_else(|| RunError::Version { path: path.to_owned(), found })?;
        Ok(file)
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, RunError> {
        serde_json::from_slice(&self.text).map_err(|source| RunError::Malformed {
            path: self.path.to_owned(),
            line: source.line(),
            what: self.what,
            source,
        })
    }
}

fn not_read(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::Read { path: path.to_owned(), source }
}

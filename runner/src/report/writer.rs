//! Writes a run to disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use case::Case;
use serde::Serialize;

use super::{Ending, Header, ReportError, RunId, Summary, Tally, files};
use crate::suite::case_file::{CaseFile, Origin};
use crate::suite::hex::Hex;
use crate::verdict::CaseRecord;

/// Cases that are kept as reproducers of each kind of finding.
const REPRODUCERS_EACH: usize = 3;
/// Reproducers of a run in all.
const REPRODUCERS: usize = 999;

/// The folder of a run of which nothing is written yet: made before the target is started, so that a
/// place where nothing can be written costs no time.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// Writes a run as it goes on.
#[derive(Debug)]
pub struct RunWriter {
    folder: PathBuf,
    header: Header,
    records: File,
    tally: Tally,
    reproducers: usize,
}

impl RunFolder {
    /// Makes the folder of run `id` in `results`, and `results` where it is missing.
    pub fn create(results: &Path, id: &RunId) -> Result<Self, ReportError> {
        let path = results.join(id.as_str());
        fs::create_dir_all(results).map_err(not_written(results))?;
        fs::create_dir(&path).map_err(not_written(&path))?;
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the header. The target has said who it is.
    pub fn begin(self, header: Header) -> Result<RunWriter, ReportError> {
        write_json(&self.path.join(files::HEADER), &header)?;
        let path = self.path.join(files::RECORDS);
        let records = File::options().append(true).create(true).open(&path);
        let records = records.map_err(not_written(&path))?;
        let folder = self.path;
        Ok(RunWriter { folder, header, records, tally: Tally::default(), reproducers: 0 })
    }

    /// Takes the folder away again: the target could not be started, and there is nothing to keep.
    pub fn discard(self) {
        // It is empty; if it is not, somebody else wants it.
        let _ = fs::remove_dir(&self.path);
    }
}

impl RunWriter {
    /// Takes down a case, and writes it as a reproducer where one is wanted of what it shows.
    ///
    /// A record is handed to the operating system whole, in one write: the runner can be killed at
    /// any time.
    pub fn record(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), ReportError> {
        let path = self.folder.join(files::RECORDS);
        let mut line = to_json(&path, record)?;
        line.push(b'\n');
        self.records.write_all(&line).map_err(not_written(&path))?;
        self.tally.add(record);
        match case {
            Some(case) if !record.findings.is_empty() => self.reproduce(record, case),
            _ => Ok(()),
        }
    }

    fn reproduce(&mut self, record: &CaseRecord, case: &Case) -> Result<(), ReportError> {
        let wanted = |tally: &Tally, signature: &str| {
            let group = tally.groups.get(signature);
            group.is_some_and(|group| group.reproducers.len() < REPRODUCERS_EACH)
        };
        let any = record.findings.iter().any(|finding| wanted(&self.tally, &finding.signature));
        if !any || self.reproducers == REPRODUCERS {
            return Ok(());
        }
        self.reproducers += 1;
        let name = format!("{}/{:03}.yaml", files::REPRODUCERS, self.reproducers);
        let origin = Origin {
            hypwalk: self.header.hypwalk.clone(),
            run: self.header.run.to_string(),
            suite: self.header.suite.name.clone(),
            seed: Hex(self.header.seed),
            index: record.index,
            generators: self.header.generators,
        };
        let machine = self.header.machine.clone();
        let file = CaseFile::new(origin, machine, case.clone(), record.findings.clone());
        let folder = self.folder.join(files::REPRODUCERS);
        fs::create_dir_all(&folder).map_err(not_written(&folder))?;
        write_whole(&self.folder.join(&name), file.to_string().as_bytes())?;
        for finding in &record.findings {
            let Some(group) = self.tally.groups.get_mut(&finding.signature) else { continue };
            if group.reproducers.len() < REPRODUCERS_EACH && !group.reproducers.contains(&name) {
                group.reproducers.push(name.clone());
            }
        }
        Ok(())
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the summary.
    pub fn finish(self, ending: Ending) -> Result<Summary, ReportError> {
        let summary = Summary::new(&self.header, self.tally, Some(ending));
        let path = self.folder.join(files::RECORDS);
        // Until now the records were safe from our own end only.
        self.records.sync_all().map_err(not_written(&path))?;
        write_json(&self.folder.join(files::SUMMARY), &summary)?;
        Ok(summary)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ReportError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(io::Error::from).map_err(not_written(path))?;
    text.push(b'\n');
    write_whole(path, &text)
}

fn to_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, ReportError> {
    serde_json::to_vec(value).map_err(io::Error::from).map_err(not_written(path))
}

/// Writes a file that is there either whole or not at all.
fn write_whole(path: &Path, text: &[u8]) -> Result<(), ReportError> {
    let temporary = path.with_extension("part");
    fs::write(&temporary, text).map_err(not_written(path))?;
    fs::rename(&temporary, path).map_err(not_written(path))
}

fn not_written(path: &Path) -> impl FnOnce(io::Error) -> ReportError {
    move |source| ReportError::Write { path: path.to_owned(), source }
}

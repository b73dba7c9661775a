//! Writes a run to disk.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use case::Case;
use judge::verdict::{CaseRecord, Signature};
use serde::Serialize;
use suite::case_file::CaseFile;

use super::pace::PaceWriter;
use super::remark::remark;
use super::{Header, Pace, Run, RunEnd, RunError, RunId, Summary, Tally, files};

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
    /// Locked: a run has one writer.
    records: File,
    pace: PaceWriter,
    tally: Tally,
    reproducers: usize,
}

impl RunFolder {
    /// Makes the folder of run `id` in `results`, and `results` where it is missing.
    pub fn create(results: &Path, id: &RunId) -> Result<Self, RunError> {
        let path = results.join(id.as_str());
        fs::create_dir_all(results).map_err(RunError::not_written(results))?;
        fs::create_dir(&path).map_err(RunError::not_written(&path))?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the header. The target has said who it is.
    pub fn begin(self, header: Header) -> Result<RunWriter, RunError> {
        write_json(&self.path.join(files::HEADER), &header)?;
        RunWriter::open(self.path, header)
    }

    /// Takes the folder away again: the target could not be started, and there is nothing to keep.
    pub fn discard(self) {
        // It is empty; if it is not, somebody else wants it.
        let _ = fs::remove_dir(&self.path);
    }
}

impl RunWriter {
    /// Goes on with the run in `folder`, which `header` begins: a torn record at its end is cut off.
    /// The records that are there are still to be [told](Self::recall).
    pub fn reopen(folder: &Path, header: Header) -> Result<Self, RunError> {
        let mut writer = Self::open(folder.to_owned(), header)?;
        let path = folder.join(files::RECORDS);
        cut_torn_line(&mut writer.records).map_err(RunError::not_written(&path))?;
        Ok(writer)
    }

    fn open(folder: PathBuf, header: Header) -> Result<Self, RunError> {
        let path = folder.join(files::RECORDS);
        // A run that was killed before its first record has no file of records yet.
        let records = File::options().read(true).append(true).create(true).open(&path);
        let records = records.map_err(RunError::not_written(&path))?;
        match records.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(RunError::Write { path, source }),
        }
        let pace = PaceWriter::open(&folder)?;
        Ok(Self { folder, header, records, pace, tally: Tally::default(), reproducers: 0 })
    }

    /// What the run was begun with.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Takes down a case, and writes it as a reproducer where one is wanted of what it shows.
    ///
    /// A record is handed to the operating system whole, in one write: the runner can be killed at
    /// any time.
    pub fn record(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RunError> {
        let path = self.folder.join(files::RECORDS);
        let mut line = to_json(&path, record)?;
        line.push(b'\n');
        self.records.write_all(&line).map_err(RunError::not_written(&path))?;
        self.recall(record, case)
    }

    /// As [`Self::record`], of a case that is taken down already.
    pub fn recall(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RunError> {
        self.tally.add(record);
        match case {
            Some(case) if !record.findings.is_empty() => self.reproduce(record, case),
            _ => Ok(()),
        }
    }

    fn reproduce(&mut self, record: &CaseRecord, case: &Case) -> Result<(), RunError> {
        let wanted = |tally: &Tally, signature: &Signature| {
            let group = tally.groups.get(signature);
            group.is_some_and(|group| group.reproducers.len() < REPRODUCERS_EACH)
        };
        let any = record.findings.iter().any(|finding| wanted(&self.tally, &finding.signature));
        if !any || self.reproducers == REPRODUCERS {
            return Ok(());
        }
        self.reproducers += 1;
        let name = format!("{}/{:03}.yaml", files::REPRODUCERS, self.reproducers);
        let origin = self.header.origin(record.index);
        let machine = self.header.machine.clone();
        let remarks = record.findings.iter().map(remark).collect();
        let file = CaseFile::new(origin, machine, case.clone(), remarks);
        let folder = self.folder.join(files::REPRODUCERS);
        fs::create_dir_all(&folder).map_err(RunError::not_written(&folder))?;
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

    /// The sums of what was taken down.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes how far it is after so many `seconds`, once a second.
    pub fn pace(&mut self, seconds: f64) -> Result<(), RunError> {
        let pace = self.pace_at(seconds);
        self.pace.tell(pace, false)
    }

    fn pace_at(&self, seconds: f64) -> Pace {
        let Tally { cases, probes, findings, .. } = self.tally;
        Pace { seconds, cases, probes, findings }
    }

    /// Takes the run away again: it did not become what it should.
    pub fn discard(self) {
        // What is left of it lacks a summary, and nobody takes it for a run.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Makes sure that what was taken down is on the disk. The run has not come to its end.
    pub fn interrupt(mut self, seconds: f64) -> Result<(), RunError> {
        self.close(seconds)
    }

    /// Writes the summary.
    pub fn finish(mut self, ending: RunEnd) -> Result<Summary, RunError> {
        // Until now the records were safe from our own end only.
        self.close(ending.seconds)?;
        let causes = match self.tally.findings {
            0 => None,
            _ => Some(Run::open(&self.folder)?.causes()?),
        };
        let summary = Summary::new(&self.header, self.tally, Some(ending), causes);
        write_json(&self.folder.join(files::SUMMARY), &summary)?;
        Ok(summary)
    }

    fn close(&mut self, seconds: f64) -> Result<(), RunError> {
        let path = self.folder.join(files::RECORDS);
        self.records.sync_all().map_err(RunError::not_written(&path))?;
        let pace = self.pace_at(seconds);
        self.pace.tell(pace, true)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(io::Error::from)
        .map_err(RunError::not_written(path))?;
    text.push(b'\n');
    write_whole(path, &text)
}

/// `value` on one line, for the file `path`.
pub(super) fn to_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, RunError> {
    serde_json::to_vec(value).map_err(io::Error::from).map_err(RunError::not_written(path))
}

/// Writes a file that is there either whole or not at all.
fn write_whole(path: &Path, text: &[u8]) -> Result<(), RunError> {
    let temporary = path.with_extension("part");
    fs::write(&temporary, text).map_err(RunError::not_written(path))?;
    fs::rename(&temporary, path).map_err(RunError::not_written(path))
}

/// Cuts off what stands behind the last end of a line in `file`.
pub(super) fn cut_torn_line(file: &mut File) -> io::Result<()> {
    const STEP: u64 = 1 << 16;
    let mut end = file.metadata()?.len();
    let mut bytes = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        bytes.resize((end - begin) as usize, 0);
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = begin + at as u64 + 1;
            break;
        }
        end = begin;
    }
    file.set_len(end)
}

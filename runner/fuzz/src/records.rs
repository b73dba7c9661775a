//! Runs on disk: header, records and summary, with [`SEPARATOR`] between them.

use std::fs;
use std::path::{Path, PathBuf};

use judge::verdict::CaseRecord;
use runner::record::{Run, RunError, Summary, Tally};
use runner::report::terminal::Table;

/// What stands between the files of a run: a byte that no JSON has.
pub const SEPARATOR: u8 = 0x1e;

/// The files, in the order of the bytes. What is not there is no file.
pub const FILES: [&str; 3] = ["header.json", "records.jsonl", "summary.json"];

thread_local! {
    static FOLDER: Folder = Folder::new();
}

/// A folder for a run, for as long as its thread lives.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let id =
            format!("hypwalk-records-{}-{:?}", std::process::id(), std::thread::current().id());
        // Files in memory, where Linux has them: thousands of inputs a second wait for no disk.
        let shared = PathBuf::from("/dev/shm");
        let folder = if shared.is_dir() { shared } else { std::env::temp_dir() }.join(id);
        fs::create_dir_all(&folder).expect("a folder for a run");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it, and nobody is left to be told.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Reads `bytes` as a run; whether all of it makes sense.
pub fn decode(bytes: &[u8]) -> bool {
    FOLDER.with(|folder| {
        let parts: Vec<&[u8]> = bytes.splitn(FILES.len(), |byte| *byte == SEPARATOR).collect();
        for (number, name) in FILES.iter().enumerate() {
            let path = folder.0.join(name);
            match parts.get(number) {
                Some(part) => fs::write(path, part).expect("a file of a run"),
                None => fs::remove_file(path).unwrap_or_default(),
            }
        }
        run(&folder.0, parts.get(1).copied().unwrap_or_default())
    })
}

fn run(folder: &Path, records: &[u8]) -> bool {
    let run = match Run::open(folder) {
        Ok(run) => run,
        Err(error) => return refused(&error, folder),
    };
    let tally = self::records(&run, records);
    let told = match run.summary() {
        Ok((summary, _)) => {
            told(&summary, folder);
            let written = folder.join(FILES[2]).exists();
            assert!(written || tally.as_ref() == Some(&summary.tally), "the sum of its records");
            true
        }
        Err(error) => refused(&error, folder),
    };
    told && tally.is_some()
}

/// Reads the records; their sum if all are sound.
fn records(run: &Run, bytes: &[u8]) -> Option<Tally> {
    let mut tally = Some(Tally::default());
    let mut items = 0;
    let mut records = match run.records() {
        Ok(records) => records,
        Err(error) => {
            refused(&error, run.folder());
            return None;
        }
    };
    for record in &mut records {
        items += 1;
        match record {
            Ok(record) => {
                let text = serde_json::to_vec(&record).expect("a record can be written");
                assert!(!text.contains(&b'\n'), "a record is a line");
                let again: CaseRecord = serde_json::from_slice(&text).expect("a record");
                assert_eq!(again, record);
                if let Some(tally) = &mut tally {
                    tally.add(&record);
                }
            }
            Err(error) => {
                if let RunError::Malformed { line, .. } = &error {
                    assert_eq!(*line, items, "an error names its line");
                }
                refused(&error, run.folder());
                tally = None;
            }
        }
    }
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let rest = bytes.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
    assert_eq!(items, lines, "each line is one record");
    assert_eq!(records.torn(), Some(rest).filter(|rest| *rest > 0));
    tally
}

fn told(summary: &Summary, folder: &Path) {
    let line = summary.json_line();
    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok() && !line.contains('\n'));
    assert!(!Table { summary, folder, is_verbose: true }.to_string().is_empty());
    assert!(summary.tally.verdicts.findings() <= summary.tally.verdicts.total());
}

/// An error says in which file it is, and where in it.
fn refused(error: &RunError, folder: &Path) -> bool {
    assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
    if let RunError::Malformed { path, line, .. } = error {
        let text = fs::read(path).expect("the file is there");
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!(*line <= lines, "{error}: there are {lines}");
    }
    false
}

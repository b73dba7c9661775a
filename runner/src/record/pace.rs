//! How a run went on over time.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::writer::{cut_torn_line, to_json};
use super::{RunError, files};

/// So many samples are kept of a run, however long it was: half of them are dropped when there are
/// more.
const MOST_SAMPLES: usize = 512;

/// One line of `pace.jsonl`: the sums at one time.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Seconds of running time.
    pub seconds: f64,
    /// Cases recorded until then.
    pub cases: u64,
    /// Probes asked until then.
    pub probes: u64,
    pub findings: u64,
}

/// Seconds from one line to the next.
const EVERY: f64 = 1.0;

/// Writes `pace.jsonl`.
#[derive(Debug)]
pub struct PaceWriter {
    path: PathBuf,
    file: File,
    last: Option<Pace>,
}

impl PaceWriter {
    /// Goes on writing the pace of the run in `folder`, behind what is there; a torn line is cut off.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let last = Course::read(folder)?.and_then(|course| course.last());
        let path = folder.join(files::PACE);
        let file = File::options().read(true).append(true).create(true).open(&path);
        let mut file = file.map_err(RunError::not_written(&path))?;
        cut_torn_line(&mut file).map_err(RunError::not_written(&path))?;
        Ok(Self { path, file, last })
    }

    /// The sums at the last line that is there.
    pub const fn last(&self) -> Option<Pace> {
        self.last
    }

    /// Writes `pace` when its time has come, or in any case where it is the `end`.
    pub fn tell(&mut self, pace: Pace, end: bool) -> Result<(), RunError> {
        let due = self.last.is_none_or(|last| pace.seconds >= last.seconds + EVERY);
        if (due || end) && self.last != Some(pace) {
            let mut line = to_json(&self.path, &pace)?;
            line.push(b'\n');
            self.file.write_all(&line).map_err(RunError::not_written(&self.path))?;
            self.last = Some(pace);
        }
        Ok(())
    }
}

/// Some samples of a run, evenly spread, the last one among them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Course {
    samples: Vec<Pace>,
    /// One in so many lines is kept.
    every: usize,
    lines: usize,
    last: Option<Pace>,
}

impl Course {
    /// Reads the course of the run in `folder`; `None` where nothing of it was written. A torn line at the end
    /// is left out.
    pub fn read(folder: &Path) -> Result<Option<Self>, RunError> {
        let path = folder.join(files::PACE);
        let unreadable = |source| RunError::Read { path: path.clone(), source };
        let mut reader = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut course = Self::default();
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            reader.read_until(b'\n', &mut text).map_err(unreadable)?;
            if text.last() != Some(&b'\n') {
                break;
            }
            let pace = serde_json::from_slice(&text).map_err(|source| RunError::Malformed {
                path: path.clone(),
                line,
                what: "sample of a run's pace",
                source,
            })?;
            course.push(pace);
        }
        Ok(course.last.is_some().then_some(course))
    }

    pub fn push(&mut self, pace: Pace) {
        if self.samples.len() == MOST_SAMPLES {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every *= 2;
        }
        self.every = self.every.max(1);
        if self.lines.is_multiple_of(self.every) {
            self.samples.push(pace);
        }
        self.lines += 1;
        self.last = Some(pace);
    }

    /// The samples, in order.
    pub fn samples(&self) -> impl Iterator<Item = Pace> {
        let kept = self.samples.last().copied();
        let last = self.last.filter(|last| Some(*last) != kept);
        self.samples.iter().copied().chain(last)
    }

    /// The sums at the end.
    pub const fn last(&self) -> Option<Pace> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Pace {
        Pace { seconds: second.into(), probes: u64::from(second) * 10, ..Pace::default() }
    }

    #[test]
    fn a_long_run_keeps_some_samples_evenly_spread() {
        for length in [1, 511, 512, 513, 5_000, 100_001] {
            let mut course = Course::default();
            (0..length).for_each(|second| course.push(at(second)));
            let samples: Vec<f64> = course.samples().map(|pace| pace.seconds).collect();
            assert!(samples.len() <= MOST_SAMPLES + 1, "{}", samples.len());
            assert_eq!((samples[0], samples.last()), (0.0, Some(&f64::from(length - 1))));
            let steps: Vec<f64> = samples.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let even = steps.iter().rev().skip(1).all(|step| *step == steps[0]);
            assert!(even && steps.iter().all(|step| *step > 0.0), "{length}: {steps:?}");
            assert!(samples.len() >= MOST_SAMPLES / 2 || samples.len() == length as usize);
        }
    }
}

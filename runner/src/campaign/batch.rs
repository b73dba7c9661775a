//! Campaigns without a host: what goes into an image that runs by itself, and what its log tells.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use case::memory::MemoryMap;
use judge::Judge;
use judge::established::Established;
use judge::verdict::{CaseRecord, NotAsked, Reason};
use link::batch::{Batch, Entry, LOG_BYTES, Log};
use link::hello::Configure;
use zerocopy::{FromBytes, IntoBytes};

use super::CampaignError;
use super::soaking::{Soak, Soaking, Task, plan_words};
use crate::plan::Plan;

/// Why an image can't be made, or its log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// What is to be asked does not fit into the image.
    #[error("plan and terms take {bytes} bytes, and an image has room for {}", Batch::BODY_BYTES)]
    TooLarge {
        /// What they take.
        bytes: usize,
    },
    /// See there.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The dump can't be read.
    #[error("it can't be read: {0}")]
    Read(#[from] io::Error),
    #[error("there is no log in it")]
    NoLog,
    /// There is a log of another version.
    #[error("its log is of version {found}, and this is version {}", link::VERSION)]
    Version { found: u64 },
    /// A log is damaged.
    #[error("its log is torn: {0}")]
    Torn(&'static str),
    /// It was made of another plan.
    #[error(
        "its log is not of these cases: the suite, the target file, the known errata or a choice on the command \
         line differs from what the image was made of"
    )]
    Foreign,
}

/// The batch of `count` cases of `plan` from number `first` on, on a target of which `established` is known.
pub fn batch(
    plan: &Plan,
    established: &Established,
    first: u64,
    count: u64,
    report: u64,
    end: u64,
) -> Result<Batch, BatchError> {
    let (terms, words) = (terms(established, first)?, plan_words(plan)?);
    let configure = Configure::new(plan.map());
    let parts = [configure.as_bytes(), terms.as_bytes(), words.as_bytes()];
    let bytes = parts.iter().map(|part| part.len()).sum();
    let mut batch = Batch { first, count, report, end, ..Batch::NONE };
    batch.terms_bytes = parts[1].len() as u64;
    batch.plan_bytes = parts[2].len() as u64;
    let place = batch.body.as_mut_bytes().get_mut(..bytes);
    place.ok_or(BatchError::TooLarge { bytes })?.copy_from_slice(&parts.concat());
    Ok(batch)
}

fn terms(established: &Established, first: u64) -> Result<Vec<u64>, CampaignError> {
    soaking(established, first).terms()
}

fn soaking(established: &Established, first: u64) -> Soaking {
    Soaking::new(Soak { first, check: None }, established)
}

/// A log that was found in a dump of memory.
#[derive(Clone, Debug)]
pub struct FoundLog {
    pub head: Log,
    /// The entries that count.
    entries: Vec<u64>,
}

impl FoundLog {
    /// Looks for a log in these pieces of a dump, which begin at a multiple of 8 in memory. Where there are
    /// several, as after a reset without loss of memory, it is the one that came farthest.
    pub fn find(
        mut dump: impl Read + Seek,
        pieces: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self, BatchError> {
        let mut found: Result<Self, BatchError> = Err(BatchError::NoLog);
        for piece in pieces {
            for at in places(&mut dump, &piece)? {
                let mut bytes = Vec::new();
                dump.seek(SeekFrom::Start(at))?;
                let most = (size_of::<Log>() + LOG_BYTES) as u64;
                (&mut dump).take(most.min(piece.end - at)).read_to_end(&mut bytes)?;
                let log = Self::at(&bytes);
                let is_better = match (&found, &log) {
                    (Err(BatchError::NoLog), _) | (Err(_), Ok(_)) => true,
                    (Ok(old), Ok(new)) => new.head.next > old.head.next,
                    (_, Err(_)) => false,
                };
                if is_better {
                    found = log;
                }
            }
        }
        found
    }

    fn at(bytes: &[u8]) -> Result<Self, BatchError> {
        let torn = BatchError::Torn;
        let (head, rest) =
            Log::read_from_prefix(bytes).map_err(|_| torn("it ends in the middle of its head"))?;
        let states = [Log::RUNNING, Log::PASS, Log::FAIL, Log::DIED];
        if !states.contains(&head.state) {
            // The magic stands elsewhere too, as a constant.
            return Err(BatchError::NoLog);
        }
        if head.version != u64::from(link::VERSION) {
            return Err(BatchError::Version { found: head.version });
        }
        let used = usize::try_from(head.used).ok().filter(|used| *used <= LOG_BYTES);
        let used = used.filter(|used| used.is_multiple_of(8));
        let used = used.ok_or(torn("it says that it is larger than it can be"))?;
        let entries = rest.get(..used).ok_or(torn("it ends in the middle of its entries"))?;
        let words = entries.chunks_exact(8).filter_map(|word| word.try_into().ok());
        let entries = words.map(u64::from_le_bytes).collect();
        Ok(Self { head, entries })
    }

    /// The arenas of the target that wrote it.
    pub fn map(&self) -> Result<MemoryMap, BatchError> {
        self.head.configure.map().ok_or(BatchError::Torn("its memory map makes no sense"))
    }

    /// The records of its cases, in order, which are of `plan`; all cases are there.
    pub fn records(
        &self,
        plan: &Plan,
        established: &Established,
    ) -> Result<Vec<CaseRecord>, BatchError> {
        let Log { first, count, next, .. } = self.head;
        let end = first.checked_add(count).ok_or(BatchError::Torn("its cases have no end"))?;
        let mut judge = Judge::new(&self.head.ids, plan.map().clone(), established.clone());
        let mut soaking = soaking(established, first);
        let mut records = Vec::new();
        let mut at = first;
        let mut rest = self.entries.as_bytes();
        while !rest.is_empty() {
            let (start, body, behind) = entry(rest)?;
            rest = behind;
            if start < at || start >= end {
                return Err(BatchError::Torn("its cases are out of order"));
            }
            records.extend(skipped(at, start, Reason::LogFull));
            soaking.take(start..end);
            let asked = link::soak::Soak { first: start, count: end - start, milliseconds: 0 };
            let tasks = soaking.progress(asked, body).ok_or(SENSELESS)?;
            let last = soaking.stop().map(Task::Record);
            at = soaking.next();
            let tasks = tasks.into_iter().chain(last);
            records.extend(tasks.filter_map(|task| done(task, &mut judge, plan)));
        }
        let next = next.clamp(at, end);
        records.extend(skipped(at, next, Reason::LogFull));
        records.extend(skipped(next, end, Reason::NotReached));
        Ok(records)
    }
}

const SENSELESS: BatchError = BatchError::Torn("an entry makes no sense");

/// The first entry of a log: its first case and what it says; and what is behind it.
fn entry(log: &[u8]) -> Result<(u64, &[u8], &[u8]), BatchError> {
    let (entry, behind) = Entry::read_from_prefix(log).map_err(|_| SENSELESS)?;
    let bytes = usize::try_from(entry.bytes).map_err(|_| SENSELESS)?;
    let (body, behind) = behind.split_at_checked(bytes).ok_or(SENSELESS)?;
    Ok((entry.first, body, behind))
}

/// The record of what the target has left to do, where nobody can ask it.
fn done(task: Task, judge: &mut Judge, plan: &Plan) -> Option<CaseRecord> {
    match task {
        Task::Record(record) => Some(record),
        Task::Ask(index) => skipped(index, index + 1, Reason::NoHost),
        Task::Judge { index, suspect } => {
            let case = plan.case(index).and_then(Result::ok);
            let record = case.and_then(|case| judge.judge_suspect(index, case, &suspect));
            record.or_else(|| skipped(index, index + 1, Reason::Misfit))
        }
    }
}

/// Where in a piece of a dump a log's magic is.
fn places(dump: &mut (impl Read + Seek), piece: &Range<u64>) -> Result<Vec<u64>, BatchError> {
    /// Bytes that are looked at in one go.
    const CHUNK: u64 = 1 << 20;
    let mut places = Vec::new();
    let mut chunk = Vec::new();
    dump.seek(SeekFrom::Start(piece.start))?;
    for at in piece.clone().step_by(CHUNK as usize) {
        chunk.clear();
        dump.take(CHUNK.min(piece.end - at)).read_to_end(&mut chunk)?;
        let words = (at..).step_by(8).zip(chunk.chunks_exact(8));
        let magic = words.filter(|(_, word)| *word == Log::MAGIC.as_bytes());
        places.extend(magic.map(|(place, _)| place));
    }
    Ok(places)
}

/// The record of cases without verdicts, if there are any.
fn skipped(first: u64, end: u64, why: Reason) -> Option<CaseRecord> {
    (first < end).then(|| CaseRecord {
        index: first,
        cases: end - first,
        not_asked: NotAsked::from([(why, end - first)]),
        ..CaseRecord::default()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zerocopy::FromZeros;

    use super::*;

    /// A dump with a log of `used` bytes of entries at `at`.
    fn dump(at: usize, change: impl FnOnce(&mut Log)) -> Vec<u8> {
        let mut head = Log::new_zeroed();
        head.magic = Log::MAGIC;
        head.version = link::VERSION.into();
        head.state = Log::PASS;
        change(&mut head);
        let mut dump = vec![0x5a; at + size_of::<Log>() + 64];
        dump[at..at + size_of::<Log>()].copy_from_slice(head.as_bytes());
        dump
    }

    fn find(dump: &[u8]) -> Result<u64, String> {
        let whole = 0..dump.len() as u64;
        let log = FoundLog::find(Cursor::new(dump), std::iter::once(whole));
        log.map(|log| log.head.next).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_found_wherever_it_is() {
        for at in [0, 8, 4096, (1 << 20) - 8, (1 << 20) + 16] {
            assert_eq!(find(&dump(at, |head| head.next = 7)), Ok(7), "at {at:#x}");
        }
        let constant = dump(0, |head| head.state = 5);
        let two = [constant, dump(8, |head| head.next = 3), dump(0, |head| head.next = 9)];
        assert_eq!(find(&two.concat()), Ok(9), "the one that came farthest");
    }

    #[test]
    fn what_is_no_log_is_told() {
        let no = |bytes: &[u8]| find(bytes).unwrap_err();
        assert_eq!(no(&[0; 64]), "there is no log in it");
        assert_eq!(no(&dump(0, |head| head.state = 5)), "there is no log in it");
        let old = no(&dump(0, |head| head.version = 3));
        assert!(old.starts_with("its log is of version 3"), "{old}");
        let large = no(&dump(0, |head| head.used = 1 << 40));
        assert_eq!(large, "its log is torn: it says that it is larger than it can be");
        let short = no(&dump(0, |head| head.used = 128));
        assert_eq!(short, "its log is torn: it ends in the middle of its entries");
        let cut = &dump(0, |_| {})[..size_of::<Log>() - 8];
        assert_eq!(no(cut), "its log is torn: it ends in the middle of its head");
    }
}

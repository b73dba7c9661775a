//! The shards of a campaign, joined into the run that one machine would have made.
//!
//! ```text
//!   1/3   0..16          48..64
//!   2/3          16..32         64..80       --->   0 .. 80, in order
//!   3/3   .         32..48
//! ```
//!
//! Records pass one by one: what is kept of a campaign of any length is as little as while it ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use judge::personality::Personality;

use crate::plan::{BLOCK, Plan, Shard};
use crate::record::redraw::{RedrawError, plan};
use crate::record::{Header, Run, RunEnd, RunError, RunFolder, RunId, RunWriter, Summary, VERSION};

/// Why runs can't be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A run can't be read, or the merged one can't be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its cases can't be drawn again.
    #[error(transparent)]
    Redraw(#[from] RedrawError),
    /// Two runs are not of one campaign.
    #[error("{} is of another campaign than {}: {what} differs", run.display(), first.display())]
    Foreign {
        /// The folder of the one.
        run: PathBuf,
        /// The folder of the other.
        first: PathBuf,
        /// In what they differ.
        what: &'static str,
    },
    /// A run was written by another version.
    #[error("{} is of format version {found}, and only runs of version {VERSION} are merged", run.display())]
    Format { run: PathBuf, found: u32 },
    /// A soak has no shards.
    #[error("{} is a soak, which is whole as it is", run.display())]
    Soak { run: PathBuf },
    /// A run did not come to its end.
    #[error("{} has not come to its end", run.display())]
    NotEnded { run: PathBuf },
    #[error("these shards are missing: {}", list(.0))]
    Missing(Vec<Shard>),
    /// A shard is there twice.
    #[error("{} and {} are both shard {shard}", run.display(), first.display())]
    Twice {
        /// The folder of the one.
        run: PathBuf,
        /// The folder of the other.
        first: PathBuf,
        shard: Shard,
    },
    /// The shards end at different places of the campaign.
    #[error("the shards are not of one length: they leave cases out between others")]
    Ragged,
    /// A record is not where it should be.
    #[error("{} has case {found} where case {expected} should be", path.display())]
    Order {
        /// The file of records.
        path: PathBuf,
        /// The case that should be there.
        expected: u64,
        /// The case that is, or none.
        found: Found,
    },
}

/// The case that a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found(Option<u64>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(index) => write!(f, "{index}"),
            None => f.write_str("none"),
        }
    }
}

fn list(shards: &[Shard]) -> String {
    shards.iter().map(Shard::to_string).collect::<Vec<_>>().join(", ")
}

/// A shard that is to be merged.
#[derive(Debug)]
struct MergedShard {
    run: Run,
    summary: Summary,
}

/// Merges the runs in `folders` into a new run in `results`, called `id`. Returns what it came to, and
/// its folder.
pub fn merge(
    folders: &[PathBuf],
    results: &Path,
    id: RunId,
) -> Result<(Summary, PathBuf), MergeError> {
    let parts = parts(folders)?;
    let Some(first) = parts.first() else { return Err(MergeError::Missing(vec![Shard::WHOLE])) };
    let shards: Vec<(Shard, u64)> =
        parts.iter().map(|part| (part.run.header.shard, part.summary.tally.cases)).collect();
    let count = length(&shards).ok_or(MergeError::Ragged)?;
    let plan = plan(&first.run.header, first.run.folder())?;

    let header = Header { run: id, shard: Shard::WHOLE, ..first.run.header.clone() };
    let mut writer = RunFolder::create(results, &header.run)?.begin(header)?;
    match copy(&parts, count, &plan, &mut writer) {
        Ok(personality) => {
            let folder = writer.folder().to_owned();
            Ok((writer.finish(ending(&parts, &personality))?, folder))
        }
        Err(error) => {
            writer.discard();
            Err(error)
        }
    }
}

/// Writes the first `count` records in their order. Returns what they tell of the target's choices.
fn copy(
    parts: &[MergedShard],
    count: u64,
    plan: &Plan,
    writer: &mut RunWriter,
) -> Result<Personality, MergeError> {
    let mut personality = Personality::default();
    let mut records = Vec::new();
    for part in parts {
        records.push((part.run.records()?, part.run.records_path()));
    }
    for index in 0..count {
        let owner = (index / BLOCK % parts.len() as u64) as usize;
        let (records, path) = &mut records[owner];
        let record = records.next().transpose()?;
        let found = record.as_ref().map(|record| record.index);
        let Some(mut record) = record.filter(|record| record.index == index) else {
            let (path, found) = (path.clone(), Found(found));
            return Err(MergeError::Order { path, expected: index, found });
        };
        personality.take(&mut record);
        let case = match record.findings.is_empty() {
            true => None,
            false => plan.case(index).and_then(Result::ok),
        };
        writer.record(&record, case.as_ref())?;
    }
    Ok(personality)
}

/// The shards in the order of their numbers, all of one campaign and none missing.
fn parts(folders: &[PathBuf]) -> Result<Vec<MergedShard>, MergeError> {
    let mut parts = BTreeMap::<Shard, MergedShard>::new();
    let mut of = 1;
    for folder in folders {
        let run = Run::open(folder)?;
        if run.header.format != VERSION {
            let (run, found) = (folder.clone(), run.header.format);
            return Err(MergeError::Format { run, found });
        }
        if run.header.soak.is_some() {
            return Err(MergeError::Soak { run: folder.clone() });
        }
        let Some(summary) = run.ended()? else {
            return Err(MergeError::NotEnded { run: folder.clone() });
        };
        let part = MergedShard { run, summary };
        if let Some(first) = parts.values().next() {
            let (run, first) = (folder.clone(), first.run.folder().to_owned());
            if let Some(what) = foreign(&part.run.header, &parts) {
                return Err(MergeError::Foreign { run, first, what });
            }
        }
        let shard = part.run.header.shard;
        of = shard.of();
        if let Some(other) = parts.insert(shard, part) {
            let first = other.run.folder().to_owned();
            return Err(MergeError::Twice { run: folder.clone(), first, shard });
        }
    }
    let all = (1..=of).filter_map(|number| Shard::new(number, of).ok());
    let missing: Vec<Shard> = all.filter(|shard| !parts.contains_key(shard)).collect();
    if missing.is_empty() {
        Ok(parts.into_values().collect())
    } else {
        Err(MergeError::Missing(missing))
    }
}

/// What tells the run of `header` from a shard of the campaign of `parts`.
fn foreign(header: &Header, parts: &BTreeMap<Shard, MergedShard>) -> Option<&'static str> {
    let other = &parts.values().next()?.run.header;
    let differences = [
        (header.suite.name != other.suite.name, "the suite"),
        (header.seed != other.seed, "the seed"),
        (header.suite.text != other.suite.text, "the text of the suite"),
        (
            header.suite.overrides != other.suite.overrides,
            "what the command line changes of the suite",
        ),
        (header.shard.of() != other.shard.of(), "how many shards there are"),
        (header.machine.target != other.machine.target, "the target"),
        (header.target.text != other.target.text, "the text of the target file"),
        (header.machine.emulator != other.machine.emulator, "the emulator"),
        (header.machine.ids != other.machine.ids, "the target's ID registers"),
        (header.machine.memory != other.machine.memory, "the target's memory"),
        (header.known_issues != other.known_issues, "the known errata"),
        (header.generators != other.generators, "the version of the generators"),
        (header.hypwalk != other.hypwalk, "the version of Hypwalk"),
        (header.revision != other.revision, "the revision of Hypwalk"),
    ];
    differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
}

/// How many cases a campaign has whose shards have so many; `None` where there is no such number.
fn length(shards: &[(Shard, u64)]) -> Option<u64> {
    let count = shards.iter().fold(0u64, |sum, (_, cases)| sum.saturating_add(*cases));
    shards.iter().all(|(shard, cases)| shard.count(count) == *cases).then_some(count)
}

/// How the campaign ended: times and machines of the shards together.
fn ending(parts: &[MergedShard], personality: &Personality) -> RunEnd {
    let mut ending = RunEnd::default();
    for of_part in parts.iter().filter_map(|part| part.summary.ending.as_ref()) {
        ending.seconds += of_part.seconds;
        ending.workers += of_part.workers;
        ending.boots += of_part.boots;
        ending.wear.add(of_part.wear);
        ending.profile.extend(of_part.profile.clone());
    }
    // What shards saw of a choice is less than what all of them saw.
    ending.profile.extend(personality.answers());
    ending
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_of_one_length_have_the_length_of_the_whole(of in 1..20u64, count in 0..4000u64) {
            let shard = |number| Shard::new(number, of).unwrap();
            let shards: Vec<_> =
                (1..=of).map(|number| (shard(number), shard(number).count(count))).collect();
            prop_assert_eq!(length(&shards), Some(count));
        }
    }

    #[test]
    fn shards_that_ended_anywhere_have_none() {
        let shard = |number| Shard::new(number, 2).unwrap();
        assert_eq!(length(&[(shard(1), 16), (shard(2), 4)]), Some(20));
        assert_eq!(length(&[(shard(1), 15), (shard(2), 4)]), None);
        assert_eq!(length(&[(shard(1), 16), (shard(2), 17)]), None);
    }
}

//! What was asked of whom, and by which versions of what.

use std::path::PathBuf;

use device::description::Affinity;
use judge::known;
use serde::{Deserialize, Serialize};
use suite::case_file::Origin;
use suite::hex::Hex;
use suite::machine::Machine;
use suite::{Overrides, Suite};

use super::{RunId, VERSION};
use crate::plan::Shard;

/// All that a run's cases depend on, and what it takes to draw one of them again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the files: [`VERSION`], of a run that was written now.
    pub format: u32,
    pub run: RunId,
    /// When it began: UTC, RFC 3339.
    pub started: String,
    /// The version of Hypwalk.
    pub hypwalk: String,
    /// The git revision that it was built from; absent where it was not built from a repository.
    pub revision: Option<String>,
    pub suite: SuiteHeader,
    pub seed: u64,
    /// Which part of the suite's cases.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Which part of them a target has asked by itself; absent where the host has asked all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<SoakHeader>,
    /// The target, as it was described.
    pub target: TargetHeader,
    /// The version of the generators, `case::draw::VERSION`.
    pub generators: u32,
    /// The version of what host and target say to each other, `link::VERSION`.
    pub link: u32,
    pub machine: Machine,
    /// The known errata that answers are judged by.
    #[serde(default)]
    pub known_issues: known::Record,
    /// How many errata are looked at where an answer is wrong; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errata: Option<usize>,
}

/// A soak: what conforms was judged by the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoakHeader {
    /// Number of the first case.
    pub first: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteHeader {
    pub name: String,
    /// The text of its file.
    pub text: String,
    /// What the command line changed of it.
    pub overrides: Overrides,
}

/// A target file, whole.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetHeader {
    pub file: PathBuf,
    pub text: String,
    /// The PE that ran cases, where the command line named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pe: Option<Affinity>,
}

/// What somebody asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub suite: &'a Suite,
    /// What the command line changed of it.
    pub overrides: Overrides,
    pub seed: u64,
    /// Which part of its cases.
    pub shard: Shard,
    /// Whether the target asks by itself.
    pub soak: Option<SoakHeader>,
    pub target: TargetHeader,
}

impl Header {
    /// Where case number `index` of the run came from.
    pub fn origin(&self, index: u64) -> Origin {
        Origin {
            hypwalk: self.hypwalk.clone(),
            run: self.run.to_string(),
            suite: self.suite.name.clone(),
            seed: Hex(self.seed),
            index,
            generators: self.generators,
        }
    }

    /// The header of a run of what was `asked` that begins at `time`, by this version of everything.
    pub fn new(
        run: RunId,
        time: jiff::Timestamp,
        asked: Request<'_>,
        machine: Machine,
        known_issues: known::Record,
    ) -> Self {
        let Request { suite, overrides, seed, shard, soak, target } = asked;
        Self {
            format: VERSION,
            run,
            started: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            hypwalk: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("HYPWALK_REVISION").map(str::to_owned),
            suite: SuiteHeader {
                name: suite.name.to_string(),
                text: suite.text.clone(),
                overrides,
            },
            seed,
            shard,
            soak,
            target,
            generators: case::draw::VERSION,
            link: link::VERSION,
            machine,
            known_issues,
            errata: Some(golden::errata::all().count()),
        }
    }
}

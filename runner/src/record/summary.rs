//! What a run came to.

use std::collections::BTreeMap;

use device::wire::Wear;
use judge::known::{Issue, Shown};
use judge::verdict::{Answers, Counts, NotAsked};
use serde::{Deserialize, Serialize};

use super::{Header, Host, RunId, Tally, VERSION};
use crate::diagnosis::Causes;
use crate::exit::Exit;

/// What a run came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The version of the files, [`VERSION`].
    pub format: u32,
    pub run: RunId,
    pub suite: String,
    pub target: String,
    pub seed: u64,
    /// What the end of the run brought; absent where it was killed.
    pub ending: Option<RunEnd>,
    /// The known errata of the target, by name.
    pub issues: BTreeMap<String, Issue>,
    /// Sums over its records.
    pub tally: Tally,
    /// The causes of its findings; absent where there are none, or where it was written before there were causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causes: Option<Causes>,
}

/// What is known at the end of a run only.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    /// Seconds from the first case on.
    pub seconds: f64,
    /// The machine that they were measured on, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// How many machines were at work at once.
    pub workers: u64,
    /// How often the target was started, in sum over all of them.
    pub boots: u64,
    /// What the line to the target did to messages.
    #[serde(default, skip_serializing_if = "Wear::is_none")]
    pub wear: Wear,
    /// The target's IMPLEMENTATION DEFINED choices as far as they showed.
    pub profile: Answers,
}

impl RunEnd {
    /// How often a machine had to be started again.
    pub const fn restarts(&self) -> u64 {
        self.boots.saturating_sub(if self.workers == 0 { 1 } else { self.workers })
    }
}

/// The one line that `run --json` ends with.
#[derive(Serialize)]
struct JsonLine<'a> {
    run: &'a RunId,
    suite: &'a str,
    target: &'a str,
    seed: u64,
    seconds: f64,
    cases: u64,
    probes: u64,
    verdicts: &'a Counts,
    known: &'a BTreeMap<String, Shown>,
    did_not_show: Vec<&'a str>,
    not_asked: &'a NotAsked,
    findings: u64,
}

impl Summary {
    /// The summary of the run that `header` begins.
    pub fn new(
        header: &Header,
        tally: Tally,
        ending: Option<RunEnd>,
        causes: Option<Causes>,
    ) -> Self {
        Self {
            format: VERSION,
            run: header.run.clone(),
            suite: header.suite.name.clone(),
            target: header.machine.target.clone(),
            seed: header.seed,
            ending,
            issues: header.known_issues.issues.clone(),
            tally,
            causes,
        }
    }

    /// Known errata that were asked, and did not show once. Whether one is fixed its own reproducer tells.
    pub fn silent(&self) -> impl Iterator<Item = (&str, Shown)> {
        let known = self.tally.known.iter().filter(|(_, shown)| shown.shown == 0);
        known.map(|(name, shown)| (name.as_str(), *shown))
    }

    /// How a command ends that shows it.
    pub fn exit(&self) -> Exit {
        let Tally { verdicts, groups, .. } = &self.tally;
        Exit::of(groups.values().map(|group| group.verdict).max(), verdicts)
    }

    /// The summary as one line of JSON, for other programs.
    pub fn json_line(&self) -> String {
        let line = JsonLine {
            run: &self.run,
            suite: &self.suite,
            target: &self.target,
            seed: self.seed,
            seconds: self.ending.as_ref().map_or(0.0, |ending| ending.seconds),
            cases: self.tally.cases,
            probes: self.tally.probes,
            verdicts: &self.tally.verdicts,
            known: &self.tally.known,
            did_not_show: self.silent().map(|(name, _)| name).collect(),
            not_asked: &self.tally.not_asked,
            findings: self.tally.findings,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

//! One case again, with the reference walker's steps in words.

use std::fmt::Write as _;
use std::sync::Arc;

use case::Case;
use case::memory::MemoryMap;
use device::Target;
use golden::errata;
use judge::established::Established;
use judge::verdict::{CaseRecord, Finding, ProbeResult, Question, Verdict, Wanted};
use link::hello::IdRegisters;
use oracle::expectation::Instruction;
use oracle::learned::Learned;
use oracle::playback::{Playback, Turn};
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};
use suite::generator::ExplicitCase;
use tables::BuildError;

use crate::campaign::{self, Asked, CampaignError};
use crate::explain::walk;

/// Where nobody says which, every probe of a case is shown that has no more than so many.
const SHOW_ALL: usize = 8;

/// Which probes are shown beside those with findings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// All, where they are few.
    Few,
    All,
    /// Those with these numbers.
    These(Vec<u16>),
}

impl Which {
    /// Whether probe number `number` of `count` is shown.
    fn has(&self, number: u16, count: usize) -> bool {
        match self {
            Self::Few => count <= SHOW_ALL,
            Self::All => true,
            Self::These(numbers) => numbers.contains(&number),
        }
    }
}

/// What a replayed case came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub record: CaseRecord,
    /// The whole story: each probe, the walk, what is allowed and what was observed.
    pub text: String,
}

/// Runs `case` on `target`, of which `established` tells what is known, and tells what happened to `which` of its
/// probes.
///
/// # Errors
/// When the target can't be run.
pub fn replay(
    target: &dyn Target,
    case: &Case,
    established: Established,
    which: &Which,
) -> Result<Replayed, CampaignError> {
    let learned = established.learned.clone();
    let cases = vec![ExplicitCase::new("replayed", case.clone())];
    let established = Established { known: established.known.in_full(), ..established };
    let Asked { machine, mut records } =
        campaign::ask(target, cases, established, &Arc::default())?;
    let ((ids, map), record) = (machine.unwrap_or_default(), records.pop().unwrap_or_default());
    let mut text = story(case, &ids, &map, &record, &learned, which)
        .unwrap_or_else(|error| format!("the case can't be built here: {error}\n"));
    if record.verdicts.judged() == 0 {
        text += "no probe was judged\n";
    }
    Ok(Replayed { record, text })
}

/// What the reference walker does with each probe of `case`, and what `record` says of it.
///
/// # Errors
/// [`BuildError`] where the tables of the case can't be built.
pub fn story(
    case: &Case,
    ids: &IdRegisters,
    map: &MemoryMap,
    record: &CaseRecord,
    learned: &Learned,
    which: &Which,
) -> Result<String, BuildError> {
    let mut twin = Twin::new(conform::implementation(ids), Simulation::new(map));
    twin.with_tables(case, map, |tables| {
        let probes = case.as_ref().probes;
        let mut text = walk::setup(case, tables);
        for finding in record.findings.iter().filter(|finding| finding.probe.is_none()) {
            text += &case_story(finding);
        }
        let mut quiet = 0;
        let mut playback = Playback::of_all(tables, learned, probes);
        while let Some(turn) = playback.next() {
            let turn = turn?;
            for (place, number) in turn.numbers().enumerate() {
                let about = |finding: &&Finding| finding.probe == Some(number.into());
                let findings: Vec<&Finding> = record.findings.iter().filter(about).collect();
                if findings.is_empty() && !which.has(number, probes.len()) {
                    quiet += 1;
                } else {
                    text += &probe_story(playback.tables(), learned, &turn, place);
                    text += &outcome(&findings, record.results.get(&number));
                }
            }
            playback.forecast(&turn);
        }
        if quiet > 0 {
            let _ =
                writeln!(text, "\n{quiet} more probes, with nothing to report: --all shows them");
        }
        for (reason, count) in record.not_asked.in_words() {
            let _ = writeln!(text, "not asked: {count} ({reason})");
        }
        Ok(text)
    })?
}

/// What the reference walker does with the probe at `place` of `turn`, and what is allowed.
fn probe_story(tables: &Tables<'_>, learned: &Learned, turn: &Turn<'_>, place: usize) -> String {
    let probe = &turn.probes[place];
    let number = usize::from(turn.first) + place;
    let mut text = format!("\nprobe {number}: {}\n", Question::of(probe));
    if let Some(instruction) = Instruction::of(probe) {
        text += &walk::of(tables, instruction, learned.profile());
    }
    if let Some(Some(expectation)) = turn.expectations.get(place) {
        for allowed in Wanted::of(expectation).lines() {
            let _ = writeln!(text, "  allowed:  {allowed}");
        }
    }
    text
}

/// What was observed of a probe and what that means, or why it was not asked.
fn outcome(findings: &[&Finding], told: Option<&ProbeResult>) -> String {
    let mut text = String::new();
    for finding in findings {
        // What is unmet the reference walker has found, and not the device.
        let label = if finding.verdict == Verdict::Unmet { "intent:  " } else { "observed:" };
        let _ = writeln!(text, "  {label} {}", finding.observation);
        let name = finding.verdict.name();
        let _ = match finding.verdict {
            Verdict::Known => writeln!(text, "  verdict:  {name}: {}", finding.signature),
            _ => writeln!(text, "  verdict:  {name}"),
        };
        for erratum in finding.errata.iter().filter_map(|name| errata::named(name)) {
            let _ = writeln!(text, "  as if:    {}: {erratum}", erratum.name);
        }
    }
    let _ = match told {
        Some(ProbeResult::Observed(observed)) => writeln!(text, "  observed: {observed}"),
        Some(ProbeResult::NotAsked(reason)) => writeln!(text, "  not asked: {reason}"),
        None => Ok(()),
    };
    text
}

/// What is wrong with the case as a whole.
fn case_story(finding: &Finding) -> String {
    let mut text = format!("\n{}: {}\n", finding.question, finding.signature);
    for expectation in finding.expectation.lines() {
        let _ = writeln!(text, "  expected: {expectation}");
    }
    let _ = writeln!(text, "  observed: {}", finding.observation);
    text
}

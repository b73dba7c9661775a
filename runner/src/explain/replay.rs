//! One case again, with the reference walker's steps in words.

use std::fmt::Write as _;

use case::Case;
use case::memory::MemoryMap;
use link::hello::{Hello, IdRegisters};
use tables::BuildError;

use crate::campaign::{self, Campaign, CampaignError, RecordError, Recorder, Totals};
use crate::explain::walk;
use crate::plan::Plan;
use device::Target;
use judge::established::Established;
use judge::verdict::{CaseRecord, Finding, Verdict};
use judge::words;
use oracle::expectation::Instruction;
use oracle::learned::Learned;
use oracle::pe;
use oracle::playback::{Playback, Turn};
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};
use suite::generator::{ExplicitCase, Generator};

/// Walks are shown for every probe of a case that has no more than so many, and for findings.
const SHOW_ALL: usize = 8;

/// What a replayed case came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The record of the case.
    pub record: CaseRecord,
    /// The whole story: each probe, the walk, what is allowed and what was observed.
    pub text: String,
}

/// Runs `case` on `target`, of which `established` tells what is known, and tells what happened.
///
/// # Errors
/// When the target can't be run.
pub fn replay(
    target: &dyn Target,
    case: &Case,
    established: Established,
) -> Result<Replayed, CampaignError> {
    let mut witness = Witness::default();
    let learned = established.learned.clone();
    let generators = vec![Generator::Explicit(vec![ExplicitCase::new("replayed", case.clone())])];
    let established = Established { known: established.known.in_full(), ..established };
    let campaign = Campaign::new(generators, 0, established);
    campaign::run(target, campaign, &mut witness)?;
    let Witness { machine, record } = witness;
    let (ids, map) = machine.unwrap_or_default();
    let text = story(case, &ids, &map, &record, &learned)
        .unwrap_or_else(|error| format!("the case can't be built here: {error}\n"));
    Ok(Replayed { record, text })
}

/// A recorder that keeps the one case.
#[derive(Default)]
struct Witness {
    machine: Option<(IdRegisters, MemoryMap)>,
    record: CaseRecord,
}

impl Recorder for Witness {
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError> {
        self.machine = Some((hello.ids, plan.map().clone()));
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.record = record.clone();
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

/// What the reference walker does with each probe of `case`, and what `record` says of it.
fn story(
    case: &Case,
    ids: &IdRegisters,
    map: &MemoryMap,
    record: &CaseRecord,
    learned: &Learned,
) -> Result<String, BuildError> {
    let mut twin = Twin::new(pe::implementation(ids), Simulation::new(map));
    twin.with_tables(case, map, |tables| {
        let probes = case.as_ref().probes;
        let mut text = walk::setup(case, tables);
        for finding in record.findings.iter().filter(|finding| finding.probe.is_none()) {
            tell(&mut text, finding);
        }
        let all = probes.len() <= SHOW_ALL;
        let mut quiet = 0;
        let mut playback = Playback::of_all(tables, learned, probes);
        while let Some(turn) = playback.next() {
            let turn = turn?;
            for (place, number) in turn.numbers().enumerate() {
                let about = |finding: &&Finding| finding.probe == Some(number.into());
                let findings: Vec<&Finding> = record.findings.iter().filter(about).collect();
                if all || !findings.is_empty() {
                    text += &probe_story(playback.tables(), learned, &turn, place, &findings);
                } else {
                    quiet += 1;
                }
            }
            playback.forecast(&turn);
        }
        if quiet > 0 {
            let _ = writeln!(text, "\n{quiet} more probes, with nothing to report");
        }
        for (reason, count) in &record.not_asked {
            let _ = writeln!(text, "not asked: {count} ({reason})");
        }
        Ok(text)
    })?
}

/// What the reference walker does with the probe at `place` of `turn`, and what was found of it.
fn probe_story(
    tables: &Tables<'_>,
    learned: &Learned,
    turn: &Turn<'_>,
    place: usize,
    findings: &[&Finding],
) -> String {
    let probe = &turn.probes[place];
    let number = usize::from(turn.first) + place;
    let mut text = format!("\nprobe {number}: {}\n", words::question(probe));
    if let Some(instruction) = Instruction::of(probe) {
        text += &walk::of(tables, instruction, learned.profile());
    }
    let expectation = turn.expectations.get(place).and_then(Option::as_ref);
    for allowed in expectation.iter().flat_map(|expectation| &expectation.outcomes) {
        let _ = writeln!(text, "  allowed:  {}", words::allowed(allowed));
    }
    if findings.is_empty() && !turn.is_step {
        text += "  observed: one of these\n";
    }
    for finding in findings {
        let _ = writeln!(text, "  observed: {}", finding.observation);
        let name = finding.verdict.name();
        let _ = match finding.verdict {
            Verdict::Known => writeln!(text, "  verdict:  {name}: {}", finding.signature),
            _ => writeln!(text, "  verdict:  {name}"),
        };
    }
    text
}

fn tell(text: &mut String, finding: &Finding) {
    let _ = writeln!(text, "\n{}: {}", finding.question, finding.signature);
    for expectation in &finding.expectation {
        let _ = writeln!(text, "  expected: {expectation}");
    }
    let _ = writeln!(text, "  observed: {}", finding.observation);
}

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
use judge::dossier::Dossier;
use judge::prepared::Bench;
use judge::verdict::{CaseRecord, Expected, Finding, Question, Told, Verdict};
use oracle::expectation::Instruction;
use oracle::learned::Learned;
use oracle::pe;
use oracle::simulation::Simulation;
use suite::generator::{ExplicitCase, Generator};

/// Where nobody says which, every probe of a case is shown that has no more than so many.
const SHOW_ALL: usize = 8;

/// Which probes are shown beside those with findings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// All, where they are few.
    Few,
    /// All.
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
    /// The record of the case.
    pub record: CaseRecord,
    /// The whole story: each probe, the walk, what is allowed and what was observed.
    pub text: String,
}

/// Runs `case` on `target`, of which `dossier` tells what is known, and tells what happened to `which` of its
/// probes.
///
/// # Errors
/// When the target can't be run.
pub fn replay(
    target: &dyn Target,
    case: &Case,
    dossier: Dossier,
    which: &Which,
) -> Result<Replayed, CampaignError> {
    let mut witness = Witness::default();
    let learned = dossier.learned.clone();
    let generators = vec![Generator::Explicit(vec![ExplicitCase::new("replayed", case.clone())])];
    let dossier = Dossier { known: dossier.known.in_full(), ..dossier };
    let campaign = Campaign::new(generators, 0, dossier);
    campaign::run(target, campaign, &mut witness)?;
    let Witness { machine, record } = witness;
    let (ids, map) = machine.unwrap_or_default();
    let text = story(case, &ids, &map, &record, &learned, which)
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
    which: &Which,
) -> Result<String, BuildError> {
    let mut bench = Bench::new(pe::implementation(ids), Simulation::new(map));
    bench.with_tables(case, map, |tables| {
        let mut text = walk::setup(case, tables);
        for finding in record.findings.iter().filter(|finding| finding.probe.is_none()) {
            whole(&mut text, finding);
        }
        let probes = case.as_ref().probes;
        let mut quiet = 0;
        for (number, probe) in (0..).zip(probes) {
            let about = |finding: &&Finding| finding.probe == Some(number.into());
            let findings: Vec<&Finding> = record.findings.iter().filter(about).collect();
            let expectation = tables.expect(probe, learned);
            tables.step(probe)?;
            if findings.is_empty() && !which.has(number, probes.len()) {
                quiet += 1;
            } else {
                let _ = writeln!(text, "\nprobe {number}: {}", Question::of(probe));
                if let Some(instruction) = Instruction::of(probe) {
                    text += &walk::of(tables, instruction, learned.profile());
                }
                let allowed = expectation.as_ref().map(|all| Expected::of(all).lines());
                became(&mut text, allowed, &findings, record.told.get(&number));
            }
            if let Some(expectation) = expectation {
                tables.forecast(&expectation);
            }
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

/// What became of a probe: what was `allowed`, what was observed, and what that means.
fn became(
    text: &mut String,
    allowed: Option<Vec<String>>,
    findings: &[&Finding],
    told: Option<&Told>,
) {
    for outcome in allowed.unwrap_or_default() {
        let _ = writeln!(text, "  allowed:  {outcome}");
    }
    for finding in findings {
        let _ = writeln!(text, "  observed: {}", finding.observation);
        let name = finding.verdict.name();
        let _ = match finding.verdict {
            Verdict::Known => writeln!(text, "  verdict:  {name}: {}", finding.signature),
            _ => writeln!(text, "  verdict:  {name}"),
        };
    }
    match told {
        Some(Told::Observed(observed)) => {
            let _ = writeln!(text, "  observed: {observed}");
        }
        Some(Told::NotAsked(reason)) => {
            let _ = writeln!(text, "  not asked: {reason}");
        }
        None => {}
    }
}

/// A finding about the case as a whole.
fn whole(text: &mut String, finding: &Finding) {
    let _ = writeln!(text, "\n{}: {}", finding.question, finding.signature);
    for expectation in finding.expectation.lines() {
        let _ = writeln!(text, "  expected: {expectation}");
    }
    let _ = writeln!(text, "  observed: {}", finding.observation);
}

//! What is wrong with a device, by the errata that would have it answer as it did.
//!
//! ```text
//!   a mismatch               each erratum alone --golden--> predicts the answer, bit by bit?   explains it
//!   what conforms beside it  those that explain one --golden--> something else, and not that?  contradicted by it
//! ```
//!
//! Of each mismatch it is noted, too, which rule decided what should have been answered.
//!
//! The case is played again with the changes that the target's hardware made. It is done where something is wrong,
//! and costs nothing elsewhere.

use std::collections::BTreeMap;

use case::Case;
use case::operation::Operation;
use case::probe::{El, Probe};
use conform::{has_syndrome, is_updated};
use golden::errata::{self, Erratum};
use golden::{Machine, Observer, Rule, Stage, Updates, at_noting};
use link::observations::{Exception, Update};
use tables::BuildError;

use crate::answered::Answered;
use crate::exchange::Exchange;
use crate::judged::Judged;
use crate::memory::Memory;
use crate::verdict::{Finding, Signature, Verdict};
use oracle::answer::Answer;
use oracle::expectation::{Expectation, Instruction};
use oracle::learned::Learned;
use oracle::playback::{Expected, Playback};
use oracle::twin::{Tables, Twin};

/// Looks for the errata behind the mismatches in `judged`, of a target of which `learned` is known.
///
/// # Errors
/// [`BuildError`] where the tables of the case can't be built.
pub fn diagnose(
    twin: &mut Twin,
    exchange: Exchange<'_>,
    learned: &Learned,
    judged: &mut Judged,
) -> Result<(), BuildError> {
    let numbers = &exchange.prepared.numbers;
    let index = |finding: &Finding| {
        let is_answer = matches!(finding.signature, Signature::Answer { .. });
        let is_wrong = is_answer && finding.verdict == Verdict::Mismatch;
        let number = finding.probe.filter(|_| is_wrong)?;
        numbers.iter().position(|asked| u32::from(*asked) == number)
    };
    let wrong: Vec<usize> = judged.findings.iter().filter_map(index).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let Exchange { case, map, .. } = exchange;
    let (mut explained, mut rules) = (BTreeMap::new(), BTreeMap::new());
    let mut errata: Vec<&'static Erratum> = Vec::new();
    twin.with_tables(case, map, |tables| {
        each_answer(tables, exchange, learned, |trial| {
            if wrong.contains(&trial.index) {
                let explains = |erratum: &&'static Erratum| trial.outcome(erratum) == Outcome::Fits;
                let explaining: Vec<_> = errata::all().filter(explains).collect();
                for erratum in &explaining {
                    if !errata.contains(erratum) {
                        errata.push(erratum);
                    }
                }
                explained.insert(trial.index, explaining);
                if let Some(rule) = trial.deciding_rule() {
                    rules.insert(trial.index, rule);
                }
            }
        })
    })??;
    for finding in &mut judged.findings {
        let Some(index) = index(finding) else { continue };
        let explaining = explained.get(&index).into_iter().flatten();
        finding.errata = explaining.map(|erratum| erratum.name.to_owned()).collect();
        finding.rule = rules.get(&index).map(|rule: &Rule| format!("{rule:?}"));
    }
    if errata.is_empty() {
        return Ok(());
    }
    twin.with_tables(case, map, |tables| {
        each_answer(tables, exchange, learned, |trial| {
            if trial.conforms(trial.expected.expectation) {
                let number = numbers[trial.index];
                let is_against =
                    |one: &&&'static Erratum| trial.outcome(one) == Outcome::Contradicted;
                for erratum in errata.iter().filter(is_against) {
                    judged.contradicted.entry(erratum.name.to_owned()).or_default().push(number);
                }
            }
        })
    })??;
    Ok(())
}

/// Notes the last rule of a walk.
#[derive(Default)]
struct LastRule(Option<Rule>);

impl Observer for LastRule {
    fn rule(&mut self, _stage: Stage, rule: Rule) {
        self.0 = Some(rule);
    }
}

/// What an erratum comes to at one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// It changes nothing that is allowed here, or it leaves too much open to say.
    Unseen,
    /// It predicts what was observed.
    Fits,
    /// It predicts something else.
    Contradicted,
}

/// One answer, to be held against what a device with an erratum would answer.
struct Trial<'a, 't, 'm> {
    /// The number of the probe among those that were asked.
    index: usize,
    expected: Expected<'a>,
    exchange: Exchange<'a>,
    updates: &'a [Update],
    learned: &'a Learned,
    /// Memory as it was before the answer.
    memory: &'a Memory<'m>,
    tables: &'a mut Tables<'t>,
}

impl Trial<'_, '_, '_> {
    fn outcome(&mut self, erratum: &'static Erratum) -> Outcome {
        match self.of_answer(erratum) {
            Outcome::Fits => Outcome::Fits,
            _ if self.stops_its_fetch(erratum) => Outcome::Fits,
            outcome => outcome,
        }
    }

    /// The last rule that the reference walker applies, with what is settled of the target and the pseudocode's own
    /// answers to what is not.
    fn deciding_rule(&self) -> Option<Rule> {
        let tables = &*self.tables;
        let (registers, memory) = (&tables.registers, &*tables.memory);
        let machine = Machine { implementation: tables.pe(), registers, memory };
        let (mut last, mut choices) = (LastRule::default(), *self.learned.profile());
        // Where it is not executed no rule was applied.
        match Instruction::of(self.expected.probe)? {
            Instruction::At(question) => {
                let updates = &mut Updates::new();
                let _ = at_noting(machine, question, &mut choices, &mut last, updates);
            }
            Instruction::Access(accesses) => {
                let _ = accesses.perform(machine, &mut choices, &mut last);
            }
        }
        last.0
    }

    /// Whether the erratum predicts that the probe's own instruction can't be fetched, just as it was.
    fn stops_its_fetch(&mut self, erratum: &'static Erratum) -> bool {
        const EC_INSTRUCTION_ABORTS: [u64; 2] = [0x20, 0x21];
        let (probe, observations) = (self.expected.probe, self.exchange.observations);
        let exception = observations.exception_of(self.index);
        let is_fetch = |found: &&Exception| {
            EC_INSTRUCTION_ABORTS.contains(&(found.esr >> 26 & 0x3f)) && found.elr == found.far
        };
        let Some(found) = exception.filter(is_fetch) else { return false };
        let Some(el) = probe.el().filter(|el| *el != El::El2) else { return false };
        let fetch = Probe::new(Operation::Fetch, found.elr).by(el);
        let predicted = self.tables.expect_with(&fetch, self.learned, [erratum]);
        predicted.is_some_and(|predicted| {
            predicted.outcomes.iter().any(|allowed| match &allowed.answer {
                Answer::Exception(taken) => {
                    taken.target == found.target as u8
                        && has_syndrome(&taken.abort.exception, found)
                        && is_updated(&allowed.updates, self.updates)
                }
                _ => false,
            })
        })
    }

    /// Whether what was observed is one of these outcomes.
    fn conforms(&self, expectation: &Expectation) -> bool {
        let expected = Expected { expectation, stale: None, ..self.expected };
        let (memory, observations) = (&mut self.memory.clone(), self.exchange.observations);
        let answered = Answered::new(self.index, expected, observations, self.updates, memory);
        answered.conforms(&mut self.learned.clone())
    }

    /// What it comes to where the probe's instruction is executed.
    fn of_answer(&mut self, erratum: &'static Erratum) -> Outcome {
        let Expected { probe, expectation, .. } = self.expected;
        let Some(predicted) = self.tables.expect_with(probe, self.learned, [erratum]) else {
            return Outcome::Unseen;
        };
        // What is in memory that is not the case's nobody knows.
        if predicted == *expectation || predicted.strays_to.is_some() {
            return Outcome::Unseen;
        }
        match self.conforms(&predicted) {
            true => Outcome::Fits,
            false if predicted.complete => Outcome::Contradicted,
            false => Outcome::Unseen,
        }
    }
}

/// Hands each answer to `each`, in the order of the probes. What was done at the same time is left out: another's
/// update may have come first.
fn each_answer(
    tables: &mut Tables<'_>,
    exchange: Exchange<'_>,
    learned: &Learned,
    mut each: impl FnMut(&mut Trial<'_, '_, '_>),
) -> Result<(), BuildError> {
    let Exchange { map, prepared, observations, .. } = exchange;
    let mut memory = Memory::new(map, observations.changed);
    let probes = &Case::as_ref(&prepared.case).probes[..exchange.asked()];
    let mut playback = Playback::of_all(tables, learned, probes);
    while let Some(turn) = playback.next() {
        let turn = turn?;
        let is_alone = turn.probes.len() == 1;
        for (place, expected) in turn.asked() {
            let index = usize::from(turn.first) + place;
            let is_its = |update: &&Update| update.probe as usize == index;
            let updates: Vec<Update> =
                observations.updates.iter().filter(is_its).copied().collect();
            if is_alone {
                let tables = playback.tables();
                let (updates, memory) = (&updates[..], &memory);
                each(&mut Trial { index, expected, exchange, updates, learned, memory, tables });
            }
            // Memory goes on as the answer left it.
            Answered::new(index, expected, observations, &updates, &mut memory);
            for update in &updates {
                playback.tables().update(update.pa, update.value);
            }
        }
    }
    Ok(())
}

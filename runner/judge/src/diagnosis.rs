//! What is wrong with a device, by the errata that would have it answer as it did.
//!
//! ```text
//!   a mismatch               each erratum alone --golden--> predicts the answer, bit by bit?   explains it
//!   what conforms beside it  those that explain one --golden--> something else, and not that?  contradicted by it
//! ```
//!
//! An erratum of TLB maintenance adds to what TLBs may hold from a TLBI on. It is tried by the case as a whole, where a
//! TLBI that it changes comes before a mismatch. A TLB may lose what it holds at any time, so that hardly anything
//! contradicts such an erratum: what conforms, and might have shown it, is counted as well.
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
use golden::errata::{self, Effect, Erratum};
use golden::tlbi::Tlbi;
use golden::{Machine, Observer, Rule, Stage, Updates, at_noting};
use link::observations::{Exception, Update};
use tables::BuildError;

use crate::answered::Answered;
use crate::exchange::{Exchange, words};
use crate::judged::Judged;
use crate::memory::Memory;
use crate::verdict::{Finding, Signature, Verdict};
use oracle::answer::Answer;
use oracle::expectation::{Expectation, Instruction};
use oracle::learned::Learned;
use oracle::playback::{Expected, Playback};
use oracle::tlb;
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
    let mut diagnosis = Diagnosis::new(exchange, learned, wrong);
    diagnosis.explain_by_walks(twin)?;
    diagnosis.explain_by_tlbs(twin)?;
    for finding in &mut judged.findings {
        let Some(index) = index(finding) else { continue };
        let explaining = diagnosis.explained.get(&index).into_iter().flatten();
        finding.errata = explaining.map(|erratum| erratum.name.to_owned()).collect();
        finding.rule = diagnosis.rules.get(&index).map(|rule| format!("{rule:?}"));
    }
    judged.contradicted = diagnosis.contradicted;
    judged.unshown = diagnosis.unshown;
    Ok(())
}

/// What is found out about the wrong answers of a case.
struct Diagnosis<'a> {
    exchange: Exchange<'a>,
    learned: &'a Learned,
    /// The wrong answers, by number.
    wrong: Vec<usize>,
    /// The errata that predict each of them.
    explained: BTreeMap<usize, Vec<&'static Erratum>>,
    /// The rule that decided what each of them should have been.
    rules: BTreeMap<usize, Rule>,
    /// The answers that conform and contradict an erratum, by its name.
    contradicted: BTreeMap<String, Vec<u16>>,
    /// How many might have shown an erratum of TLBs, and did not.
    unshown: BTreeMap<String, u64>,
}

impl<'a> Diagnosis<'a> {
    fn new(exchange: Exchange<'a>, learned: &'a Learned, wrong: Vec<usize>) -> Self {
        let (explained, rules) = (BTreeMap::new(), BTreeMap::new());
        let (contradicted, unshown) = (BTreeMap::new(), BTreeMap::new());
        Self { exchange, learned, wrong, explained, rules, contradicted, unshown }
    }

    /// Tries the errata of walks: each answer by itself.
    fn explain_by_walks(&mut self, twin: &mut Twin) -> Result<(), BuildError> {
        let Self { exchange, learned, wrong, explained, rules, contradicted, .. } = self;
        let Exchange { case, map, prepared, .. } = *exchange;
        let mut errata: Vec<&'static Erratum> = Vec::new();
        twin.with_tables(case, map, |tables| {
            each_answer(tables, *exchange, learned, |trial| {
                if wrong.contains(&trial.index) {
                    let of_walks = errata::all().filter(|one| !is_of_tlbs(one));
                    let explains = |one: &&'static Erratum| trial.outcome(one) == Outcome::Fits;
                    let explaining: Vec<_> = of_walks.filter(explains).collect();
                    let new = explaining.iter().filter(|one| !errata.contains(one));
                    errata.extend(new.copied().collect::<Vec<_>>());
                    explained.insert(trial.index, explaining);
                    if let Some(rule) = trial.deciding_rule() {
                        rules.insert(trial.index, rule);
                    }
                }
            })
        })??;
        if errata.is_empty() {
            return Ok(());
        }
        twin.with_tables(case, map, |tables| {
            each_answer(tables, *exchange, learned, |trial| {
                if trial.conforms(trial.expected.expectation) {
                    let number = prepared.numbers[trial.index];
                    let is_against =
                        |one: &&&'static Erratum| trial.outcome(one) == Outcome::Contradicted;
                    for erratum in errata.iter().filter(is_against) {
                        let against = contradicted.entry(erratum.name.to_owned()).or_default();
                        against.push(number);
                    }
                }
            })
        })?
    }

    /// Tries the errata of TLB maintenance that change a TLBI before a wrong answer: the case is played from its
    /// start, as TLBs then are.
    fn explain_by_tlbs(&mut self, twin: &mut Twin) -> Result<(), BuildError> {
        let prepared = self.exchange.prepared;
        let last = self.wrong.iter().max().map_or(0, |last| *last);
        let probes = &Case::as_ref(&prepared.case).probes[..last];
        let tlbi = |probe| tlb::tlbi(probe, &twin.pe, &prepared.registers);
        let tlbis = probes.iter().filter_map(tlbi);
        let tlbis: Vec<Tlbi> = tlbis.collect();
        let changes = |one: &&Erratum| tlbis.iter().any(|tlbi| one.of_tlbi(*tlbi) != *tlbi);
        let mut candidates = errata::all().filter(changes).peekable();
        if candidates.peek().is_none() {
            return Ok(());
        }
        let mut sound = BTreeMap::new();
        let Exchange { case, map, .. } = self.exchange;
        twin.with_tables(case, map, |tables| {
            each_answer(tables, self.exchange, self.learned, |trial| {
                sound.insert(trial.index, trial.expected.probable().clone());
            })
        })??;
        candidates
            .try_for_each(|one| twin.flawed(one, |twin| self.explain_by_tlb(twin, one, &sound)))
    }

    /// Tries `erratum`, which the `twin` has: what is expected of a device without it is `sound`.
    fn explain_by_tlb(
        &mut self,
        twin: &mut Twin,
        erratum: &'static Erratum,
        sound: &BTreeMap<usize, Expectation>,
    ) -> Result<(), BuildError> {
        let Self { exchange, learned, wrong, explained, contradicted, unshown, .. } = self;
        let Exchange { case, map, .. } = *exchange;
        let (mut explains, mut against, mut quiet) = (false, Vec::new(), 0);
        twin.with_tables(case, map, |tables| {
            each_answer(tables, *exchange, learned, |trial| {
                let predicted = trial.expected.probable();
                if sound.get(&trial.index).is_none_or(|sound| sound.is_same(predicted)) {
                    return;
                }
                match (wrong.contains(&trial.index), trial.against(predicted)) {
                    (true, Outcome::Fits) => {
                        explained.entry(trial.index).or_default().push(erratum);
                        explains = true;
                    }
                    (false, Outcome::Fits) => quiet += 1,
                    (false, Outcome::Contradicted) => {
                        against.push(exchange.prepared.numbers[trial.index]);
                    }
                    _ => {}
                }
            })
        })??;
        if explains {
            if !against.is_empty() {
                contradicted.insert(erratum.name.to_owned(), against);
            }
            if quiet > 0 {
                unshown.insert(erratum.name.to_owned(), quiet);
            }
        }
        Ok(())
    }
}

const fn is_of_tlbs(erratum: &Erratum) -> bool {
    matches!(erratum.effect, Effect::Tlbi(_))
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
    updates: Option<&'a [Update]>,
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

    /// The rule that decides what should be answered.
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
        let predicted = self.tables.expect_beside(&fetch, self.learned, erratum);
        predicted.is_some_and(|predicted| {
            predicted.outcomes.iter().any(|allowed| match &allowed.answer {
                Answer::Exception(taken) => {
                    let updates = |updates| is_updated(&allowed.updates, updates);
                    taken.target == found.target as u8
                        && has_syndrome(&taken.abort.exception, found)
                        && self.updates.is_none_or(updates)
                }
                _ => false,
            })
        })
    }

    /// Whether what was observed is one of these outcomes.
    fn conforms(&self, expectation: &Expectation) -> bool {
        let expected = Expected { expectation, prediction: None, ..self.expected };
        let (memory, observations) = (&mut self.memory.clone(), self.exchange.observations);
        let answered = Answered::new(self.index, expected, observations, self.updates, memory);
        answered.conforms(&mut self.learned.clone())
    }

    /// What it comes to where the probe's instruction is executed.
    fn of_answer(&mut self, erratum: &'static Erratum) -> Outcome {
        let probe = self.expected.probe;
        let Some(predicted) = self.tables.expect_beside(probe, self.learned, erratum) else {
            return Outcome::Unseen;
        };
        match predicted.is_same(self.expected.probable()) {
            true => Outcome::Unseen,
            false => self.against(&predicted),
        }
    }

    /// What a prediction that is not what is allowed comes to.
    fn against(&self, predicted: &Expectation) -> Outcome {
        // What is in memory that is not the case's nobody knows.
        if predicted.strays_to.is_some() {
            return Outcome::Unseen;
        }
        match self.conforms(predicted) {
            true => Outcome::Fits,
            false if predicted.complete && !predicted.is_foreign => Outcome::Contradicted,
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
            let updates = exchange.updates(index);
            let updates = updates.as_deref();
            if is_alone {
                let (tables, memory) = (playback.tables(), &memory);
                each(&mut Trial { index, expected, exchange, updates, learned, memory, tables });
            }
            // Memory goes on as the answer left it.
            Answered::new(index, expected, observations, updates, &mut memory);
            playback.update(expected, updates.map(words));
        }
    }
    Ok(())
}

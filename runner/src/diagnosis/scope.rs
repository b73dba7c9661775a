//! The scope of an erratum: what holds of the cases in which it shows, and of no case that contradicts it.
//!
//! ```text
//!   cases that show it          walked again ---> registers, levels, operation     shows
//!   other answers of these      contradict it as recorded                          contradicts
//!   cases in which all answers  walked again, with the erratum too: where it
//!   conform                     predicts what is not allowed                       contradicts
//! ```
//!
//! For the latter no answer is needed: what conforms is one that is allowed. A case counts once for all that holds of it,
//! since its probes share their registers.

use std::collections::{BTreeMap, BTreeSet};

use case::memory::MemoryMap;
use case::probe::Probe;
use case::{Case, Flags};
use golden::errata::{self, Erratum};
use golden::{Leaf, Machine, Observer, Stage, Updates, at_noting};
use judge::Judge;
use judge::established::Established;
use judge::known::Known;
use judge::prepare::Selection;
use judge::verdict::CaseRecord;
use oracle::expectation::{Expectation, Instruction};
use oracle::flaw::{Condition as When, Flaw};
use oracle::learned::Learned;
use oracle::playback::Playback;
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};

use super::condition::{Condition, Splits};
use super::traits::{self, Trait, Value};
use crate::plan::Plan;
use crate::record::redraw::plan;
use crate::record::{Header, Run, RunError};

/// So many cases are walked again of those that show an erratum, and of those that conform.
const CASES: usize = 48;

/// The scope of an erratum.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// How many answers contradict it in the cases that conform, of those that were walked again.
    pub elsewhere: u64,
    /// What holds where it shows and where nothing contradicts it.
    pub condition: Option<Condition>,
}

/// Looks for the scopes of `errata` in what `runs` kept.
///
/// # Errors
/// Where records can't be read.
pub fn find(
    runs: &[Run],
    errata: impl IntoIterator<Item = &'static Erratum>,
) -> Result<BTreeMap<&'static str, Scope>, RunError> {
    let mut open: Vec<Open> = errata.into_iter().map(Open::new).collect();
    for run in runs {
        let picked = Picked::of(run, &open)?;
        if picked.showing.is_empty() {
            continue;
        }
        // Where cases can't be drawn again it is told already.
        let Ok(plan) = plan(&run.header, run.folder()) else { continue };
        let Some(mut stand) = Stand::new(&run.header) else { continue };
        picked.showing.iter().for_each(|record| stand.show(&plan, record, &mut open));
        picked.conforming.iter().for_each(|of| stand.hold_against(&plan, *of, &mut open));
    }
    Ok(open.into_iter().map(|open| (open.erratum.name, open.close())).collect())
}

/// An erratum whose scope is open.
struct Open {
    erratum: &'static Erratum,
    elsewhere: u64,
    splits: Splits,
}

impl Open {
    fn new(erratum: &'static Erratum) -> Self {
        Self { erratum, elsewhere: 0, splits: Splits::default() }
    }

    fn add(&mut self, facts: &BTreeSet<(Trait, Value)>, shows: bool) {
        self.splits.add(facts.iter().copied(), shows);
    }

    fn close(self) -> Scope {
        Scope { elsewhere: self.elsewhere, condition: self.splits.condition() }
    }
}

/// The cases of a run that are walked again.
struct Picked {
    showing: Vec<CaseRecord>,
    /// Those in which all answers conform: the number of each, and how many answers there are.
    conforming: Vec<(u64, u64)>,
}

impl Picked {
    fn of(run: &Run, open: &[Open]) -> Result<Self, RunError> {
        let (mut showing, mut conforming) = (Vec::new(), Vec::new());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for record in run.records()? {
            let record = record?;
            let names = |name: &str| {
                record.findings.iter().any(|one| one.errata.iter().any(|own| own == name))
            };
            let shown = open.iter().map(|one| one.erratum.name).filter(|name| names(name));
            let mut is_wanted = false;
            for name in shown {
                let count = counts.entry(name).or_default();
                *count += 1;
                is_wanted |= *count <= CASES;
            }
            if is_wanted {
                showing.push(record);
            } else if record.findings.is_empty() && record.cases == 1 && record.probes > 0 {
                conforming.push((record.index, record.probes));
            }
        }
        let step = conforming.len().div_ceil(CASES).max(1);
        let conforming = conforming.into_iter().step_by(step).collect();
        Ok(Self { showing, conforming })
    }
}

/// Where the cases of a run are walked again.
struct Stand {
    /// Which probes are asked.
    judge: Judge,
    twin: Twin,
    map: MemoryMap,
    learned: Learned,
}

/// What holds of a case or of one of its probes.
type Facts = BTreeSet<(Trait, Value)>;

impl Stand {
    /// The stand for the run that `header` begins; `None` where that makes no sense of it. What was known of the target
    /// may act anywhere: it is no matter under which conditions.
    fn new(header: &Header) -> Option<Self> {
        let map = header.machine.memory_map()?;
        let learned = Learned::new([]).ok()?;
        let known = header.known_issues.issues.keys().filter_map(|name| errata::named(name));
        let flaw = |erratum| Flaw { erratum, when: When::default(), sometimes: false };
        let ids = header.machine.id_registers();
        let known_here = Known::default();
        let established = Established { learned: learned.clone(), known: known_here };
        let judge = Judge::new(&ids, map.clone(), established);
        let twin = Twin::new(conform::implementation(&ids), Simulation::new(&map))
            .with_flaws(known.map(flaw).collect());
        Some(Self { judge, twin, map, learned })
    }

    /// Notes where errata show in the case of `record`, and where answers beside that contradict them.
    fn show(&mut self, plan: &Plan, record: &CaseRecord, open: &mut [Open]) {
        let Some(Ok(case)) = plan.case(record.index) else { return };
        let mut facts: Vec<[Facts; 2]> = open.iter().map(|_| <[Facts; 2]>::default()).collect();
        self.walk(&case, |number, walked| {
            for (one, [against, shows]) in open.iter().zip(&mut facts) {
                let name = one.erratum.name;
                let is_shown = record.findings.iter().any(|finding| {
                    finding.probe == Some(number.into())
                        && finding.errata.iter().any(|own| own == name)
                });
                let contradicted = record.contradicted.get(name);
                if is_shown {
                    shows.extend(walked.facts());
                } else if contradicted.is_some_and(|numbers| numbers.contains(&number)) {
                    against.extend(walked.facts());
                }
            }
        });
        for (one, facts) in open.iter_mut().zip(&facts) {
            one.add(&facts[1], true);
            one.add(&facts[0], false);
        }
    }

    /// Notes which errata the answers to case number `index`, which conform, contradict. Where there are not as many as
    /// probes can be asked nobody knows of which probes they are.
    fn hold_against(&mut self, plan: &Plan, (index, answers): (u64, u64), open: &mut [Open]) {
        let Some(Ok(case)) = plan.case(index) else { return };
        let wanted: Vec<u16> = (0..).take(case.as_ref().probes.len()).collect();
        let selection = Selection { wanted: &wanted, samples: &[] };
        let Ok(prepared) = self.judge.prepare(&case, selection) else { return };
        let asked: BTreeSet<u16> =
            prepared.questions().into_iter().map(|(_, number)| number).collect();
        if prepared.expectations.iter().flatten().count() as u64 != answers {
            return;
        }
        let has_updates = case.as_ref().flags().has(Flags::UPDATES);
        let mut facts: Vec<Facts> = open.iter().map(|_| Facts::new()).collect();
        self.walk(&case, |number, mut walked| {
            if !asked.contains(&number) {
                return;
            }
            for (one, facts) in open.iter_mut().zip(&mut facts) {
                let predicted = walked.beside(one.erratum);
                if predicted.is_some_and(|it| it.excludes(walked.expectation, has_updates)) {
                    one.elsewhere += 1;
                    facts.extend(walked.facts());
                }
            }
        });
        open.iter_mut().zip(&facts).for_each(|(one, facts)| one.add(facts, false));
    }

    /// Hands each probe of `case` to `each` that is done alone and in which nothing acts that was known of the target.
    fn walk(&mut self, case: &Case, mut each: impl FnMut(u16, Walked<'_, '_>)) {
        let Self { twin, map, learned, .. } = self;
        let probes = case.as_ref().probes;
        let walked = twin.with_tables(case, map, |tables| {
            let fields: Facts = traits::of_registers(&tables.registers).collect();
            let mut playback = Playback::of_all(tables, learned, probes);
            while let Some(Ok(turn)) = playback.next() {
                if let ([probe], Some((_, expected))) = (turn.probes, turn.asked().next())
                    && expected.prediction.is_none()
                {
                    let (tables, expectation) = (playback.tables(), expected.expectation);
                    let fields = &fields;
                    each(turn.first, Walked { probe, expectation, tables, learned, fields });
                }
                playback.forecast(&turn);
            }
        });
        // It was built for the run.
        debug_assert!(walked.is_ok());
    }
}

/// A probe that is walked again.
struct Walked<'a, 't> {
    probe: &'a Probe,
    /// What is allowed.
    expectation: &'a Expectation,
    tables: &'a mut Tables<'t>,
    learned: &'a Learned,
    /// What holds of the registers.
    fields: &'a Facts,
}

impl Walked<'_, '_> {
    /// What a device with `erratum` answers.
    fn beside(&mut self, erratum: &'static Erratum) -> Option<Expectation> {
        self.tables.expect_beside(self.probe, self.learned, erratum)
    }

    /// What holds of it: of the probe, of its walk, and of the registers.
    fn facts(&self) -> Facts {
        let levels = self.levels().of.into_iter().zip([Trait::Stage1Level, Trait::Stage2Level]);
        let levels = levels.filter_map(|(level, of)| Some((of, Value::Level(level?))));
        traits::of(self.probe).chain(levels).chain(self.fields.iter().copied()).collect()
    }

    /// The levels at which its stages ended, the first way that is allowed.
    fn levels(&self) -> Levels {
        let tables = &*self.tables;
        let (registers, memory) = (&tables.registers, &*tables.memory);
        let machine = Machine { implementation: tables.pe(), registers, memory };
        let (mut levels, mut choices) = (Levels::default(), *self.learned.profile());
        match Instruction::of(self.probe) {
            Some(Instruction::At(question)) => {
                let updates = &mut Updates::new();
                let _ = at_noting(machine, question, &mut choices, &mut levels, updates);
            }
            Some(Instruction::Access(accesses)) => {
                let _ = accesses.perform(machine, &mut choices, &mut levels);
            }
            None => {}
        }
        levels
    }
}

/// Notes at which level each stage ended last.
#[derive(Default)]
struct Levels {
    of: [Option<i8>; 2],
}

impl Observer for Levels {
    fn leaf(&mut self, leaf: &Leaf) {
        self.of[usize::from(leaf.stage == Stage::Two)] = Some(leaf.level.get());
    }

    fn fault(&mut self, fault: &golden::Fault) {
        self.of[usize::from(fault.stage == Stage::Two)] = Some(fault.level.get());
    }
}

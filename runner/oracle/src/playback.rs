//! A case played on its twin, in the order in which a target is asked.
//!
//! ```text
//!   probes of the case    step   probe   probe + probe   step   probe
//!                          |       |     concurrent       |       |
//!   turns                  v       v       v              v       v
//!     carried out         yes                            yes
//!     expected                     1       2                      1     by golden, in the tables as they are
//!     predicted                            1                            by golden with the errata of the target, where it differs
//! ```
//!
//! Hardware may change tables between turns. Whoever plays a case says how: as it is
//! [most likely](Playback::forecast), or as a target [did](Playback::update).

use case::operation::Operation;
use case::probe::Probe;
use smallvec::SmallVec;
use tables::BuildError;

use crate::concurrent;
use crate::expectation::{Allowed, Expectation};
use crate::flaw::{FlawId, Prediction};
use crate::learned::Learned;
use crate::twin::Tables;

/// The turns of a case on its twin.
#[derive(Debug)]
pub struct Playback<'p, 't> {
    tables: &'p mut Tables<'t>,
    learned: &'p Learned,
    probes: &'p [Probe],
    /// The numbers of those that are played.
    numbers: Vec<u16>,
    /// How many of them have had their turn.
    played: usize,
}

/// A step of a sequence that was carried out, or probes that are done at the same time.
#[derive(Clone, Debug)]
pub struct Turn<'p> {
    /// The number of the first of them.
    pub first: u16,
    /// The step; or the probes, nearly always one.
    pub probes: &'p [Probe],
    /// Whether it is a step.
    pub is_step: bool,
    /// Whether all probes that are done at the same time are here. Where one of them is not played, each of
    /// the others has a turn of its own, and nothing is expected of it.
    pub is_whole: bool,
    /// What is allowed for each probe; `None` where it asks the MMU nothing. Empty for a step. Of probes that are
    /// done at the same time the last has what all of them may change in descriptors.
    pub expectations: SmallVec<[Option<Expectation>; 1]>,
    /// What the target answers by its flaws. Empty for a step.
    pub predictions: SmallVec<[Option<Box<Prediction>>; 1]>,
}

impl Turn<'_> {
    /// The numbers of its probes.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        (self.first..).take(self.probes.len())
    }

    /// Its probes of which something is expected, each with its place in the turn, from 0 on.
    pub fn asked(&self) -> impl Iterator<Item = (usize, Expected<'_>)> {
        let probes = self.probes.iter().zip(&self.expectations).zip(&self.predictions);
        probes.enumerate().filter_map(|(place, ((probe, expectation), prediction))| {
            let (expectation, prediction) = (expectation.as_ref()?, prediction.as_deref());
            Some((place, Expected { probe, expectation, prediction }))
        })
    }
}

/// A probe, and what is expected of it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'t> {
    pub probe: &'t Probe,
    pub expectation: &'t Expectation,
    /// What the target answers by its flaws, where it is something else.
    pub prediction: Option<&'t Prediction>,
}

impl<'t> Expected<'t> {
    /// What the target answers as it is known: by its flaws, or what is allowed.
    pub fn probable(self) -> &'t Expectation {
        self.prediction.map_or(self.expectation, |prediction| &prediction.expectation)
    }

    /// All outcomes that there may be: those that are allowed, and those that are predicted.
    pub fn outcomes(self) -> impl Iterator<Item = &'t Allowed> + Clone {
        let predicted = self.prediction.into_iter().flat_map(|one| &one.expectation.outcomes);
        self.expectation.outcomes.iter().chain(predicted)
    }
}

impl<'p, 't> Playback<'p, 't> {
    /// Plays all of `probes` on the `tables` of their case, on a target of which `learned` is known.
    pub fn of_all(tables: &'p mut Tables<'t>, learned: &'p Learned, probes: &'p [Probe]) -> Self {
        let numbers = (0..).take(probes.len()).collect();
        Self { tables, learned, probes, numbers, played: 0 }
    }

    /// Plays those of `probes` whose numbers are in `wanted`, and all steps before the last of them: whatever
    /// is left out, the others find the tables as they would.
    pub fn of_some(
        tables: &'p mut Tables<'t>,
        learned: &'p Learned,
        probes: &'p [Probe],
        wanted: &[u16],
    ) -> Self {
        let is_question =
            |number: &u16| probes.get(usize::from(*number)).is_some_and(|probe| !is_step(probe));
        let mut numbers: Vec<u16> = wanted.iter().copied().filter(is_question).collect();
        let end = numbers.iter().max().map_or(0, |last| usize::from(*last));
        let steps = probes[..end].iter().zip(0..).filter(|(probe, _)| is_step(probe));
        numbers.extend(steps.map(|(_, number)| number));
        numbers.sort_unstable();
        Self { tables, learned, probes, numbers, played: 0 }
    }

    /// The tables as they are after the last turn.
    pub const fn tables(&mut self) -> &mut Tables<'t> {
        self.tables
    }

    /// Changes the tables as the hardware is most likely to in `turn`.
    pub fn forecast(&mut self, turn: &Turn<'_>) {
        turn.asked().for_each(|(_, expected)| self.tables.forecast(expected.probable()));
    }

    /// Changes the tables as the target's hardware did with a probe: words, each by its address and its value. `None`:
    /// as it most likely did, where nobody has looked.
    pub fn update(
        &mut self,
        expected: Expected<'_>,
        updates: Option<impl Iterator<Item = (u64, u64)>>,
    ) {
        match updates {
            Some(words) => words.for_each(|(pa, value)| self.tables.update(pa, value)),
            None => self.tables.forecast(expected.probable()),
        }
    }

    /// Plays `probes` from the first on: a step, or what is done at the same time.
    fn play(&mut self, first: u16, probes: &'p [Probe]) -> Result<Turn<'p>, BuildError> {
        let is_step = self.tables.step(&probes[0])?;
        let (probes, is_whole) = if is_step { (&probes[..1], true) } else { self.group(probes) };
        let mut expectations: SmallVec<[Option<Expectation>; 1]> = SmallVec::new();
        let mut predictions: SmallVec<[Option<Box<Prediction>>; 1]> = SmallVec::new();
        if is_whole && !is_step {
            let Self { tables, learned, .. } = self;
            for probe in probes {
                let (expectation, prediction) = tables.expect_and_predict(probe, learned);
                expectations.push(expectation);
                predictions.push(prediction);
            }
            if probes.len() > 1 {
                join_predictions(&mut predictions, &expectations);
            }
            concurrent::join_updates(&mut expectations);
        }
        Ok(Turn { first, probes, is_step, is_whole, expectations, predictions })
    }

    /// Those of `probes` that have the next turn, and whether all that are done at the same time are there.
    fn group(&self, probes: &'p [Probe]) -> (&'p [Probe], bool) {
        let count = concurrent::count(probes);
        let left = &self.numbers[self.played..];
        let is_whole = left.iter().copied().take(count).eq((left[0]..).take(count));
        (&probes[..if is_whole { count } else { 1 }], is_whole)
    }
}

impl<'p> Iterator for Playback<'p, '_> {
    type Item = Result<Turn<'p>, BuildError>;

    /// Plays the next turn.
    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.numbers.get(self.played)?;
        let probes = self.probes.get(usize::from(first)..).filter(|probes| !probes.is_empty())?;
        let turn = self.play(first, probes);
        self.played += turn.as_ref().map_or(0, |turn| turn.probes.len());
        Some(turn)
    }
}

/// Has the last of what is done at the same time have what all change in descriptors, of a target with flaws. What
/// `expectations` say is not joined yet.
fn join_predictions(
    predictions: &mut [Option<Box<Prediction>>],
    expectations: &[Option<Expectation>],
) {
    if predictions.iter().all(Option::is_none) {
        return;
    }
    let all = predictions.iter().map(Option::as_deref).zip(expectations);
    let mut joined: Vec<Option<Expectation>> = all
        .map(|(prediction, sound)| match prediction {
            Some(prediction) => Some(prediction.expectation.clone()),
            None => sound.clone(),
        })
        .collect();
    concurrent::join_updates(&mut joined);
    let mut flaws: SmallVec<[FlawId; 2]> =
        predictions.iter().flatten().flat_map(|prediction| prediction.flaws.clone()).collect();
    flaws.sort_unstable();
    flaws.dedup();
    let last = predictions.len() - 1;
    for (place, expectation) in joined.into_iter().enumerate() {
        let Some(expectation) = expectation else { continue };
        match &mut predictions[place] {
            Some(prediction) => prediction.expectation = expectation,
            of_last if place == last => {
                *of_last = Some(Box::new(Prediction { flaws: SmallVec::new(), expectation }));
            }
            None => {}
        }
    }
    if let Some(prediction) = &mut predictions[last] {
        prediction.flaws = flaws;
    }
}

/// Whether `probe` is a step of a sequence.
pub fn is_step(probe: &Probe) -> bool {
    probe.operation().is_some_and(Operation::is_step)
}

#[cfg(test)]
mod tests {
    use case::Case;
    use case::abilities::{Abilities, Ids};
    use case::draw::Space;
    use case::memory::{Arena, ArenaKind, MemoryMap};
    use case::source::Source;
    use golden::{Features, Implementation, Registers};

    use super::*;
    use crate::simulation::Simulation;
    use crate::twin::Twin;

    const AT: Probe = Probe::new(Operation::AtS12e1r, 0x1000);
    const TLBI: Probe = Probe::new(Operation::TlbiVmalle1, 0);

    /// What is played of `probes` where `wanted` are: the numbers of each turn, whether it is a step, and how
    /// many of its probes are expected to be answered.
    fn turns(probes: &[Probe], wanted: Option<&[u16]>) -> Vec<(Vec<u16>, bool, usize)> {
        let mut case = Case::new(case::registers::Registers::default());
        probes.iter().for_each(|probe| case.push_probe(*probe).unwrap());
        let mut map = MemoryMap::new();
        map.push(Arena { base: 0x8000, size: 0x4000, kind: ArenaKind::Tables });
        let pe = Implementation::new(48, Features::NONE);
        let mut twin = Twin::new(pe, Simulation::new(&map));
        let learned = Learned::new([]).unwrap();
        let played = twin.with_tables(&case, &map, |tables| {
            assert_eq!(tables.registers, Registers::default());
            let playback = match wanted {
                Some(wanted) => Playback::of_some(tables, &learned, probes, wanted),
                None => Playback::of_all(tables, &learned, probes),
            };
            let turns = playback.map(|turn| {
                turn.map(|turn| (turn.numbers().collect(), turn.is_step, turn.asked().count()))
            });
            turns.collect::<Result<Vec<_>, _>>()
        });
        played.unwrap().unwrap()
    }

    #[test]
    fn what_is_done_at_the_same_time_has_one_turn() {
        let with = AT.with(Probe::TOGETHER);
        let probes = [AT, with, AT, TLBI, AT];
        let all =
            [(vec![0], false, 1), (vec![1, 2], false, 2), (vec![3], true, 0), (vec![4], false, 1)];
        assert_eq!(turns(&probes, None), all);
    }

    #[test]
    fn nothing_is_expected_of_what_is_left_of_probes_done_at_the_same_time() {
        let with = AT.with(Probe::TOGETHER);
        let turns = turns(&[with, with, AT, AT], Some(&[0, 1, 3]));
        assert_eq!(turns, [(vec![0], false, 0), (vec![1], false, 0), (vec![3], false, 1)]);
    }

    #[test]
    fn steps_come_with_what_is_behind_them() {
        let probes = [TLBI, AT, TLBI, AT, TLBI];
        let steps = [(vec![0], true, 0), (vec![2], true, 0), (vec![3], false, 1)];
        assert_eq!(turns(&probes, Some(&[3])), steps);
        assert_eq!(turns(&probes, Some(&[4])), [], "a step alone is not wanted");
    }

    #[test]
    fn the_last_of_concurrent_probes_has_what_all_of_them_change() {
        let ids = Ids { id_aa64mmfr0_el1: 0x1122, id_aa64mmfr1_el1: 2, ..Ids::default() };
        let space = Space { hardware_updates: 1000, mappings: [8, 8], ..Space::BENIGN };
        let mut map = MemoryMap::new();
        map.push(Arena { base: 1 << 30, size: 4 << 20, kind: ArenaKind::Tables });
        let features = Features::FEAT_HAFDBS.with(Features::FEAT_HAFDBS_DBS);
        let mut twin = Twin::new(Implementation::new(40, features), Simulation::new(&map));
        let learned = Learned::new([]).unwrap();
        let mut changed = 0;
        for index in 0..20 {
            let case = Source::Random(space).draw(&Abilities::new(&ids), &map, 1, index).unwrap();
            let updates = |turn: &Turn<'_>| -> Vec<usize> {
                let outcomes = turn.asked().map(|(_, expected)| &expected.expectation.outcomes[0]);
                outcomes.map(|allowed| allowed.updates.len()).collect()
            };
            for &probe in case.as_ref().probes {
                let probes = [probe.with(Probe::TOGETHER), probe];
                let played = twin.with_tables(&case, &map, |tables| {
                    let mut playback = Playback::of_all(tables, &learned, &probes[1..]);
                    let alone = updates(&playback.next().unwrap().unwrap());
                    let mut playback = Playback::of_all(tables, &learned, &probes);
                    (alone, updates(&playback.next().unwrap().unwrap()))
                });
                let (alone, both) = played.unwrap();
                assert_eq!(both, [0, alone[0]], "case {index}, {probe:?}");
                changed += alone[0];
            }
        }
        assert!(changed > 50, "{changed}");
    }
}

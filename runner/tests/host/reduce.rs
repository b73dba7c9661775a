//! Reduction without a target: what passes make of drawn cases, and where the search ends up.

use std::num::NonZeroU32;
use std::path::Path;

use case::Case;
use case::draw::Space;
use case::draw::el2::HypSpace;
use case::draw::el10::GuestSpace;
use case::format::{AddressFormat, Granule};
use case::memory::MemoryMap;
use case::probe::{El, Operation, Probe};
use case::source::Source;
use device::Description;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use proptest::prelude::*;
use runner::export::{Export, NotExported};
use runner::reduce::draft::Draft;
use runner::reduce::passes::{Move, PASSES, Tries, made};
use runner::reduce::search::{Ask, End, Search};
use runner::reduce::size::Size;
use suite::case_file::{CaseFile, CaseText};
use suite::machine::Machine;

use crate::common::machines::{self, DIMMS};
use crate::common::shipped::suites;

fn map() -> MemoryMap {
    machines::with_scratch(&DIMMS)
}

/// Case number `index` of a generator of each regime, with all that is hostile.
fn drawn(kind: usize, seed: u64, index: u64) -> Option<Case> {
    let spoiled = GuestSpace { spoiled: 1000, hardware_updates: 500, ..GuestSpace::BENIGN };
    let source = match kind {
        0 => Source::Random(Space {
            hostile: 1000,
            hardware_updates: 500,
            probes: 16,
            ..Space::BENIGN
        }),
        1 => Source::Hyp(HypSpace::BENIGN),
        2 => Source::Guest(spoiled),
        _ => Source::Tlbi(GuestSpace::BENIGN),
    };
    source.draw(&machines::max().abilities(), &map(), seed, index).ok()
}

/// A few of the candidates that a pass has.
fn candidates(draft: &Draft, tries: Tries) -> Vec<Draft> {
    match tries {
        Tries::Each(drafts) => drafts.into_iter().take(12).collect(),
        Tries::Together(moves) => {
            let chunks =
                [moves.len(), moves.len().div_ceil(2), 3, 1].into_iter().filter(|size| *size > 0);
            let chunks: Vec<&[Move]> = chunks.flat_map(|size| moves.chunks(size).take(4)).collect();
            chunks.into_iter().filter_map(|chunk| made(draft, chunk)).collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_candidate_is_smaller_and_is_a_case(kind in 0..4_usize, seed: u64, index in 0..1000_u64) {
        let Some(case) = drawn(kind, seed, index) else { return Ok(()) };
        let draft = Draft::new(&case).unwrap();
        prop_assert_eq!(&draft.case().unwrap(), &case);
        for pass in &PASSES {
            for smaller in candidates(&draft, pass.tries(&draft, &map())) {
                prop_assert!(Size::of(&smaller) < Size::of(&draft), "{}", pass.noun);
                let case = smaller.case().unwrap();
                if case.as_ref().trees.is_empty() || case.as_ref().slots().next().is_none() {
                    continue;
                }
                if case.as_ref().trees.iter().any(|tree| tree.slots().is_empty()) {
                    continue;
                }
                let text = CaseText(Box::new(case.clone())).to_string();
                let read = suite::yaml::from_str::<CaseText>(&text, Path::new("case.yaml"));
                let read = read.map_err(|error| TestCaseError::fail(format!("{}: {error}\n{text}", pass.noun)))?;
                prop_assert!(*read.0 == case, "{}: {text}", pass.noun);
            }
        }
    }
}

/// Says that a case shows the cause where its tables can be built and it `holds`.
struct Pretended<F> {
    twin: Twin,
    holds: F,
    asked: Vec<Case>,
    /// After so many it is lost.
    most: usize,
}

/// Nobody can be asked any more.
#[derive(PartialEq, Debug)]
struct Lost;

impl<F: Fn(&Case) -> bool> Pretended<F> {
    fn new(holds: F) -> Self {
        let pe = conform::implementation(&machines::max());
        Self {
            twin: Twin::new(pe, Simulation::new(&map())),
            holds,
            asked: Vec::new(),
            most: usize::MAX,
        }
    }
}

impl<F: Fn(&Case) -> bool> Ask for Pretended<F> {
    type Error = Lost;
    type Shown = ();

    fn most_at_once(&self) -> usize {
        16
    }

    fn show(&mut self, cases: Vec<Case>) -> Result<Vec<Option<()>>, Lost> {
        if self.asked.len() >= self.most {
            return Err(Lost);
        }
        self.asked.extend(cases.iter().cloned());
        let shown = cases.iter().map(|case| {
            self.twin.with_tables(case, &map(), |_| ()).ok().filter(|()| (self.holds)(case))
        });
        Ok(shown.collect())
    }
}

const ENOUGH: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Whether a load by EL1 is asked, and one mapping at least is read-only.
fn is_wanted(case: &Case) -> bool {
    let case = case.as_ref();
    let is_load =
        |probe: &Probe| probe.operation() == Some(Operation::Load) && probe.el() == Some(El::El1);
    case.probes.iter().any(is_load)
        && case.mappings.iter().any(|mapping| mapping.attributes.ap == 2)
}

fn reducible() -> Case {
    (0..).filter_map(|index| drawn(2, 7, index)).find(is_wanted).unwrap()
}

#[test]
fn what_counts_is_left_and_nothing_else() {
    let case = reducible();
    let mut asker = Pretended::new(is_wanted);
    let draft = Draft::new(&case).unwrap();
    let found = Search::run(&mut asker, &map(), draft, None, ENOUGH);
    let left = &found.draft;
    assert!(found.end.is_least() && found.asked < 3000, "{}", found.asked);
    assert_eq!((left.probes.len(), left.mappings.len(), left.trees.len()), (1, 1, 1), "{left:?}");
    assert!(left.edits.is_empty());
    assert_eq!((left.mappings[0].entries, left.mappings[0].attributes.ap), (1, 2));
    assert_eq!(left.probes[0].address & 0xfff, 0);
    assert!(is_wanted(&left.case().unwrap()));
}

#[test]
fn trees_become_small_and_of_one_granule_where_addresses_must_stay_wide() {
    let is_wide = |case: &Case| {
        let formats = case.as_ref().trees.iter().filter_map(|tree| tree.format());
        let wide = formats.filter(|format| format.address == AddressFormat::Ds).count();
        is_wanted(case) && wide == 2
    };
    let differs = |case: &Case| {
        let mut formats = case.as_ref().trees.iter().filter_map(|tree| tree.format());
        formats.next().is_some_and(|first| formats.any(|other| other.granule != first.granule))
    };
    let case = (0..).filter_map(|index| drawn(2, 7, index)).find(|it| is_wide(it) && differs(it));
    let draft = Draft::new(&case.unwrap()).unwrap();
    let found = Search::run(&mut Pretended::new(is_wide), &map(), draft, None, ENOUGH);
    let formats: Vec<_> = found.draft.trees.iter().map(|tree| tree.format).collect();
    assert_eq!(formats.len(), 2);
    assert!(formats.iter().all(|format| format.granule == Granule::K4), "{formats:?}");
    assert!(formats.iter().all(|format| format.ia_bits <= 32), "{formats:?}");
}

#[test]
fn the_same_is_asked_in_the_same_order_and_what_shows_nothing_once() {
    let asked = || {
        let mut asker = Pretended::new(is_wanted);
        Search::run(&mut asker, &map(), Draft::new(&reducible()).unwrap(), None, ENOUGH);
        asker.asked
    };
    let one = asked();
    assert_eq!(one, asked());
    for (number, case) in one.iter().enumerate() {
        assert!(is_wanted(case) || !one[..number].contains(case), "{number}");
    }
}

#[test]
fn a_budget_is_kept_and_what_was_found_by_then_is_kept_too() {
    let case = reducible();
    for budget in [1, 7, 100] {
        let budget = NonZeroU32::new(budget).unwrap();
        let mut asker = Pretended::new(is_wanted);
        let draft = Draft::new(&case).unwrap();
        let found = Search::run(&mut asker, &map(), draft.clone(), None, budget);
        assert!(asker.asked.len() <= budget.get() as usize, "{}", asker.asked.len());
        assert!(!found.end.is_least() && Size::of(&found.draft) <= Size::of(&draft));
        assert!(is_wanted(&found.draft.case().unwrap()));
    }
}

#[test]
fn a_target_that_is_lost_leaves_the_smallest_case_that_was_found_by_then() {
    let draft = Draft::new(&reducible()).unwrap();
    let mut asker = Pretended { most: 100, ..Pretended::new(is_wanted) };
    let found = Search::run(&mut asker, &map(), draft.clone(), None, ENOUGH);
    assert_eq!(found.end, End::Failed(Lost));
    assert!(Size::of(&found.draft) < Size::of(&draft) && found.shown.is_some());
    assert!(is_wanted(&found.draft.case().unwrap()));
    // The same is found as far as it goes by one that stays.
    let budget = NonZeroU32::new(found.asked).unwrap();
    let stays = Search::run(&mut Pretended::new(is_wanted), &map(), draft, None, budget);
    assert!(Size::of(&stays.draft) <= Size::of(&found.draft));

    let mut asker = Pretended { most: 0, ..Pretended::new(is_wanted) };
    let draft = Draft::new(&reducible()).unwrap();
    let found = Search::run(&mut asker, &map(), draft.clone(), None, ENOUGH);
    assert_eq!((found.draft, found.shown, found.end), (draft, None, End::Failed(Lost)));
}

#[test]
fn a_case_that_was_made_small_names_the_arenas_that_it_uses() {
    let machine = Machine::new("max", None, &machines::max(), &map());
    let case = reducible();
    let few = machine.of_case(case.as_ref());
    assert!(few.memory.len() < machine.memory.len() && !few.memory.is_empty());
    let text = CaseFile::made(few.clone(), case.clone(), Vec::new()).to_string();
    let read = CaseFile::from_text(&text, Path::new("case.yaml")).unwrap();
    assert_eq!((read.machine.as_ref(), &*read.case.0), (Some(&few), &case), "{text}");
    let (all, few) = (map(), few.memory_map().unwrap());
    for slot in case.as_ref().slots() {
        assert_eq!(few.resolve(slot), all.resolve(slot));
    }
    assert!(machine.differences(&read.machine.unwrap(), case.as_ref()).is_empty());
}

#[test]
fn what_an_exported_case_can_not_do_is_refused() {
    let machine = Machine::new("max", None, &machines::max(), &map());
    let learned = Learned::new([]).unwrap();
    let described = Description::read(&suites().join("targets/qemu-max.yaml")).unwrap();
    let export =
        |case: &Case| Export::new(case, &machine, &described, &learned, Vec::new()).map(|_| ());
    let guest = reducible();
    let count = guest.as_ref().probes.len();
    assert_eq!(export(&guest), Err(NotExported::Probes(count)));
    let sequence = drawn(3, 1, 0).unwrap();
    assert_eq!(export(&sequence), Err(NotExported::Steps));
    let of_pes = |case: &Case| case.as_ref().probes.iter().any(|probe| probe.pe != 0);
    let mut pes = Draft::new(&guest).unwrap();
    pes.probes[0] = pes.probes[0].on(1);
    assert!(of_pes(&pes.case().unwrap()));
    assert_eq!(export(&pes.case().unwrap()), Err(NotExported::Pes));
}

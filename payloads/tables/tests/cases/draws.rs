//! Every case that a generator draws can be built, on PEs of every kind.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use case::abilities::{Abilities, Ids};
use case::draw::stage2::exhaustive;
use case::draw::{NotDrawn, Space};
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::source::Source;
use case::{Case, MAX_PROBES, scratch};
use tables::{TableMemory, WordLog, build};

/// A memory that minds being touched outside the arenas.
struct Words {
    map: MemoryMap,
    words: BTreeMap<u64, u64>,
    strayed: RefCell<Option<u64>>,
}

impl Words {
    fn new(map: &MemoryMap) -> Self {
        Self { map: map.clone(), words: BTreeMap::new(), strayed: RefCell::new(None) }
    }

    fn check(&self, pa: u64) {
        let inside = |arena: &Arena| arena.kind == ArenaKind::Tables && arena.contains(pa, 8);
        if !self.map.arenas().iter().any(inside) || !pa.is_multiple_of(8) {
            self.strayed.borrow_mut().get_or_insert(pa);
        }
    }
}

impl TableMemory for Words {
    fn read(&self, pa: u64) -> u64 {
        self.check(pa);
        self.words.get(&pa).copied().unwrap_or(0)
    }

    fn write(&mut self, pa: u64, value: u64) {
        self.check(pa);
        self.words.insert(pa, value);
    }
}

fn map(bases: &[u64]) -> MemoryMap {
    let mut map = MemoryMap::new();
    for &base in bases {
        map.push(Arena { base, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
    }
    map.push(Arena { base: 1 << 51, size: 1 << 30, kind: ArenaKind::Void }).unwrap();
    map
}

/// A QEMU max, a Cortex-A53, a Neoverse N1, and a core with nothing but 4K and 32 bits.
fn machines() -> [(Abilities, MemoryMap); 4] {
    let machine = |mmfr0, mmfr1, mmfr2, bases: &[u64]| {
        let ids = Ids {
            id_aa64mmfr0_el1: mmfr0,
            id_aa64mmfr1_el1: mmfr1,
            id_aa64mmfr2_el1: mmfr2,
            ..Ids::default()
        };
        (Abilities::new(&ids), map(bases))
    };
    let high = 0xf_1234_5640_0000;
    [
        machine(0x2100_0323_1020_1126, 0x1021_2122, 0x0020_0111_1001_1011, &[0x8000_0000, high]),
        machine(0x1122, 0, 0, &[0x8000_0000]),
        machine(0x1023_1125, 0x1021_2122, 0x1011, &[0x8000_0000, 0x8123_4560_0000]),
        machine(0x0f00_0000, 0, 0x1000_0000, &[0x4000_0000]),
    ]
}

fn check(case: &Case, map: &MemoryMap, what: &str) {
    let mut memory = Words::new(map);
    let mut log = WordLog::new();
    build(case.as_ref(), map, &mut memory, &mut log)
        .unwrap_or_else(|error| panic!("{what}: {error}\n{case:#x?}"));
    let addresses: BTreeSet<u64> = log.words().iter().map(|word| word.pa).collect();
    assert_eq!(addresses.len(), log.words().len(), "{what}: a word is logged twice");
    let digest = log.digest();
    assert_eq!(log.undo(&mut memory), digest, "{what}: memory is not what the log says");
    assert!(memory.words.values().all(|word| *word == 0), "{what}: something is left behind");
    assert_eq!(*memory.strayed.borrow(), None, "{what}: touched memory outside the arenas");
}

#[test]
fn random_and_hostile_cases_build() {
    for (number, (abilities, map)) in machines().iter().enumerate() {
        for hostile in [0, 1000] {
            let space = Space { hostile, probes: 16, ipa_bits: u64::MAX, ..Space::BENIGN };
            for index in 0..3000 {
                let what = format!("machine {number}, hostile {hostile}, case {index}");
                let case = Source::Random(space).draw(abilities, map, 7, index);
                let case = case.unwrap_or_else(|reason| panic!("{what}: {}", reason.reason()));
                assert_eq!(case.as_ref().probes.len(), 16);
                check(&case, map, &what);
            }
        }
    }
}

#[test]
fn every_shape_builds() {
    for (number, (abilities, map)) in machines().iter().enumerate() {
        let space = Space { ipa_bits: u64::MAX, probes: MAX_PROBES as u64, ..Space::BENIGN };
        let count = Source::Shapes(space).round(abilities);
        assert!(count > 20, "machine {number} has {count} shapes");
        for index in 0..2 * count {
            let case = Source::Shapes(space).draw(abilities, map, 3, index).unwrap();
            check(&case, map, &format!("machine {number}, shape {index}"));
        }
    }
}

#[test]
fn every_legality_point_builds() {
    for (number, (abilities, map)) in machines().iter().enumerate() {
        for index in 0..exhaustive::LegalityPoint::COUNT {
            match Source::Legality(Space::BENIGN).draw(abilities, map, 3, index) {
                Ok(case) => check(&case, map, &format!("machine {number}, point {index}")),
                Err(NotDrawn::NoSuchShape) => {}
                Err(why) => panic!("machine {number}, point {index}: {}", why.reason()),
            }
        }
    }
}

#[test]
fn a_space_that_the_pe_lacks_is_refused() {
    let (abilities, map) = &machines()[1];
    let space = Space { granules: [0, 1, 0], ..Space::BENIGN };
    let drawn = Source::Random(space).draw(abilities, map, 0, 0);
    assert_eq!(drawn, Err(NotDrawn::NoSuchShape));
}

#[test]
fn scratch_arenas_change_nothing_that_is_drawn_for_stage_2() {
    for (abilities, map) in machines() {
        let mut staged = map.clone();
        for number in 0..22 {
            let (base, size, kind) =
                (0x5000_0000 + (number << 20), scratch::BYTES, ArenaKind::Scratch);
            staged.push(Arena { base, size, kind }).unwrap();
        }
        for space in [Space::BENIGN, Space { hostile: 1000, ..Space::BENIGN }] {
            for index in 0..200 {
                let draw = |map| Source::Random(space).draw(&abilities, map, 3, index);
                assert_eq!(draw(&staged), draw(&map), "case {index}");
            }
        }
    }
}

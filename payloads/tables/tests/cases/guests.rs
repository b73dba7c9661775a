//! Trees that a walker finds by IPA, trees of one role, and edits that wait.

use std::collections::BTreeMap;

use case::Case;
use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, Granule};
use case::mapping::{Attributes, Mapping};
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::registers::Registers;
use case::tree::{Role, Tree};
use tables::{BuildError, Built, TableMemory, WordLog, build, change};

#[derive(Default)]
struct Words(BTreeMap<u64, u64>);

impl TableMemory for Words {
    fn read(&self, pa: u64) -> u64 {
        self.0.get(&pa).copied().unwrap_or(0)
    }

    fn write(&mut self, pa: u64, value: u64) {
        self.0.insert(pa, value);
    }
}

const BASE: u64 = 0x8000_0000;
/// IPAs of the two slots, which are elsewhere and the other way round.
const IPAS: [u64; 2] = [0x7_0000_0000, 0x3_0001_0000];
const FORMAT: Format =
    Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address: AddressFormat::Bits48 };

fn map() -> MemoryMap {
    let mut map = MemoryMap::new();
    map.push(Arena { base: BASE, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
    map
}

fn leaf(tree: u8, input: u64) -> Mapping {
    Mapping {
        input,
        output: Place::absolute(0x5000),
        entries: 1,
        level: 3,
        tree,
        reserved: [0; 2],
        attributes: Attributes { af: 1, ..Attributes::default() },
    }
}

/// Two trees of `TTBR0_EL1`, each with a slot of its own for every other table.
fn guest() -> Case {
    let mut case = Case::new(Registers { ttbr0_el1: 7 << 48, ..Registers::default() });
    for number in 0..2u64 {
        let mut tree = Tree::in_ipa_space(Role::Ttbr0El1, FORMAT);
        for (slot, ipa) in (0..).zip(IPAS) {
            let place = Place::new(0, number << 20 | slot << 16);
            tree.push_slot_at(place, ipa + (number << 20)).unwrap();
        }
        case.push_tree(tree).unwrap();
        case.push_mapping(leaf(number as u8, 0x1000)).unwrap();
    }
    case
}

fn built(case: &Case) -> (Words, WordLog, Result<Built, BuildError>) {
    let (mut words, mut log) = (Words::default(), WordLog::new());
    let built = build(case.as_ref(), &map(), &mut words, &mut log);
    (words, log, built)
}

#[test]
fn tables_name_one_another_by_ipa_and_lie_at_their_places() {
    let (words, _, built) = built(&guest());
    let built = built.unwrap();
    for number in 0..2u64 {
        let offset = number << 20;
        let root = BASE + offset;
        assert_eq!(built.roots[number as usize], root);
        // Table 1 is in slot 1, table 2 in slot 0 behind the root.
        assert_eq!(words.read(root), (IPAS[1] + offset) | 3);
        assert_eq!(words.read(root + 0x1_0000), (IPAS[0] + offset + 0x1000) | 3);
        assert_eq!(words.read(root + 0x1000 + 8), 0x5000 | 1 << 10 | 3);
        assert_eq!(built.bases[number as usize], IPAS[0] + offset);
    }
    assert_eq!(built.ttbr0_el1, 7 << 48 | IPAS[0], "the first tree is the one that is loaded");
}

#[test]
fn a_second_mapping_finds_the_tables_of_the_first_again() {
    let mut case = guest();
    case.push_mapping(leaf(0, 0x2000)).unwrap();
    let (words, log, built) = built(&case);
    built.unwrap();
    assert_eq!(words.read(BASE + 0x1000 + 16), 0x5000 | 1 << 10 | 3);
    assert_eq!(log.words().len(), 7);
}

#[test]
fn a_late_edit_waits_for_its_step() {
    let mut case = guest();
    case.push_edit(Edit::new(0, 0x1000, 3, Change::Flip(1)).late()).unwrap();
    case.push_edit(Edit::new(0, 0x1000, 3, Change::Flip(4))).unwrap();
    let table = Change::Table { place: Place::new(0, 0x1_2000), flip: 0 };
    case.push_edit(Edit::new(0, 0x1000, 1, table).late()).unwrap();
    let (mut words, mut log, built) = built(&case);
    let built = built.unwrap();
    let descriptor = BASE + 0x1000 + 8;
    assert_eq!(words.read(descriptor), 0x5000 | 1 << 10 | 4 | 3);
    let levels: Vec<_> = built.late.iter().map(|late| (late.edit, late.pa, late.level)).collect();
    assert_eq!(levels, [(0, descriptor, 3), (2, BASE, 1)]);
    let (count, before) = (log.words().len(), log.digest());

    let mut step = |number| {
        change(case.as_ref(), &map(), &built, number, &mut words, &mut log)
            .map(|pa| (pa, words.read(pa)))
    };
    assert_eq!(step(0), Ok((descriptor, 0x5000 | 1 << 10 | 4 | 2)));
    assert_eq!(step(0), Ok((descriptor, 0x5000 | 1 << 10 | 4 | 3)), "a flip of what is there");
    assert_eq!(step(2), Ok((BASE, (IPAS[1] + 0x2000) | 3)), "the table's IPA");
    assert_eq!(step(1), Err(BuildError::BadEdit { number: 1 }), "it is not late");
    assert_eq!(step(9), Err(BuildError::BadEdit { number: 9 }));
    assert_eq!(log.words().len(), count);
    assert_ne!(log.digest(), before);
}

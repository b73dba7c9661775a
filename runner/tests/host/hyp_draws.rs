//! Drawn set-ups of EL2's stage 1, with no device: builder and reference walker agree on what they mean, the
//! executor could live in them, and nothing in them leads a PE astray that reads ahead.

use std::collections::BTreeMap;

use case::abilities::Abilities;
use case::draw::NotDrawn;
use case::draw::el2::HypSpace;
use case::memory::{ArenaKind, MemoryMap};
use case::placement::Placement;
use case::probe::{Operation, Probe};
use case::source::Source;
use case::tree::Role;
use case::{Case, Flags, scratch};
use judge::intent::violated;
use judge::memory::tells;
use link::hello::IdRegisters;
use oracle::answer::{Answer, Reach};
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::{Tables, Twin};
use proptest::prelude::*;

use crate::common::machines::{self, DIMMS};

/// QEMU's max, with DIMMs; a Cortex-A53; a Neoverse N1.
fn machines() -> [(IdRegisters, &'static [u64]); 3] {
    [
        (machines::max(), &DIMMS),
        (machines::cortex_a53(), &[0x5a00_0000, 0xa500_0000]),
        (machines::neoverse_n1(), &[0x5a00_0000, 0x8123_4500_0000]),
    ]
}

struct Machine {
    abilities: Abilities,
    map: MemoryMap,
    twin: Twin,
    learned: Learned,
    pa_bits: u8,
}

impl Machine {
    fn new((ids, bases): &(IdRegisters, &[u64])) -> Self {
        let map = machines::with_scratch(bases);
        let (pe, abilities) = (conform::implementation(ids), ids.abilities());
        let twin = Twin::new(pe, Simulation::new(&map));
        let learned = Learned::new([]).unwrap();
        Self { abilities, map, twin, learned, pa_bits: pe.pa_bits }
    }

    /// Holds a case against all that it promises; returns how many probes succeed.
    fn check(&mut self, case: &Case, what: &str) -> usize {
        let Self { map, twin, learned, pa_bits, .. } = self;
        let built = twin.with_tables(case, map, |tables| {
            can_live(case, map, tables, learned, what);
            let mut succeeded = 0;
            for probe in case.as_ref().probes {
                let expectation = tables.expect(probe, learned).unwrap();
                assert_eq!(expectation.strays_to, None, "{what}: {probe:x?} strays\n{case:#x?}");
                assert!(expectation.complete, "{what}: too many outcomes");
                let answer = &expectation.outcomes[0].answer;
                let violated = violated(case.as_ref(), map, probe, answer, *pa_bits);
                assert_eq!(violated, None, "{what}: {probe:x?}\n{case:#x?}");
                if let Answer::Reached(reach) = answer {
                    let operation = probe.operation().unwrap();
                    assert!(tells(map, operation, 8, *reach), "{what}: {probe:x?}: {reach:x?}");
                }
                succeeded += usize::from(match answer {
                    Answer::Par { fault, .. } => fault.is_none(),
                    Answer::Reached(_) | Answer::Maintained(_) => true,
                    Answer::Exception(_) => false,
                });
            }
            succeeded
        });
        let succeeded = built.unwrap_or_else(|error| panic!("{what}: {error}\n{case:#x?}"));
        is_quiet(case, &self.map, what);
        succeeded
    }
}

/// All that the world switch of a case needs is mapped as [`case::world_switch::SwitchPlaces`] wants it.
fn can_live(case: &Case, map: &MemoryMap, tables: &mut Tables<'_>, learned: &Learned, what: &str) {
    let case_ref = case.as_ref();
    let places = case_ref.header.world_switch;
    let base = |place| map.resolve(place).unwrap();
    let (trampoline, exit) = (base(places.trampoline), base(places.exit));
    let leads = |tables: &mut Tables<'_>, operation, va: u64, pa: u64, bytes: u64| {
        for offset in (0..bytes).step_by(0x1000).chain([bytes - 8]) {
            let probe = Probe::new(operation, va + offset);
            let expectation = tables.expect(&probe, learned).unwrap();
            let all = expectation.outcomes.iter();
            let answers: Vec<_> = all.map(|allowed| allowed.answer).collect();
            let wanted = vec![Answer::Reached(Reach::new(pa + offset))];
            assert_eq!(
                answers, wanted,
                "{what}: {operation:?} of {va:#x} + {offset:#x}\n{case:#x?}"
            );
        }
    };
    leads(tables, Operation::Fetch, exit, exit, scratch::CODE_BYTES);
    let code = base(places.code) + scratch::CODE;
    leads(tables, Operation::Fetch, places.code_va, code, scratch::CODE_BYTES);
    let data = base(places.data) + scratch::DATA;
    leads(tables, Operation::Load, places.data_va, data, scratch::DATA_BYTES);
    leads(tables, Operation::Store, places.data_va, data, scratch::DATA_BYTES);

    let registers = case_ref.header.registers;
    if case_ref.tree(Role::Idmap).is_some() {
        let own = tables.registers;
        tables.registers.tcr_el2 = registers.idmap_tcr_el2;
        tables.registers.ttbr0_el2 = tables.built.idmap_ttbr0_el2;
        leads(tables, Operation::Fetch, trampoline, trampoline, scratch::CODE_BYTES);
        tables.registers = own;
    } else {
        leads(tables, Operation::Fetch, trampoline, trampoline, scratch::CODE_BYTES);
    }
    if registers.hcr_el2 >> 34 & 1 == 0 {
        let bits = case_ref.format(Role::Ttbr0El2).unwrap().ia_bits;
        let half = |va: u64| va >> (bits - 1);
        let in_one = half(places.code_va) == half(places.data_va);
        let opposite = half(trampoline) != half(places.code_va) && in_one;
        let outside = Placement::of(case_ref, map) == Some(Placement::Outside);
        assert!(opposite || outside, "{what}: trampoline at {trampoline:#x}, {places:x?}");
    }
}

/// Whatever leads out of scratch arenas is Device memory that nobody executes, or can't be reached.
fn is_quiet(case: &Case, map: &MemoryMap, what: &str) {
    let case = case.as_ref();
    let registers = &case.header.registers;
    let is_host = registers.hcr_el2 >> 34 & 1 == 1;
    let ha = registers.tcr_el2 >> if is_host { 39 } else { 21 } & 1 == 1;
    for mapping in case.mappings {
        let granule = case.trees[usize::from(mapping.tree)].format().unwrap().granule;
        let bytes = u64::from(mapping.entries) << granule.entry_bits(mapping.level);
        let first = map.resolve(mapping.output).unwrap();
        let mut arenas = map.arenas().iter();
        if arenas.any(|arena| arena.kind == ArenaKind::Scratch && arena.contains(first, bytes)) {
            continue;
        }
        let attributes = &mapping.attributes;
        let byte = registers.mair_el2 >> (8 * (attributes.mem_attr & 7)) & 0xff;
        let never = if is_host { 3 } else { 2 };
        let is_quiet = byte >> 4 == 0 && attributes.xn & never == never;
        assert!(is_quiet || attributes.af == 0 && !ha, "{what}: {mapping:x?}, MAIR byte {byte:#x}");
    }
}

#[test]
fn random_lives_mean_what_they_say() {
    for (number, machine) in machines().iter().enumerate() {
        let mut machine = Machine::new(machine);
        for vhe in [0, 1000] {
            // Intent and updates go together badly: the tables change under the mappings.
            let space = HypSpace { vhe, hardware_updates: 0, ..HypSpace::BENIGN };
            let (mut succeeded, mut asked) = (0, 0);
            for index in 0..400 {
                let case = match Source::Hyp(space).draw(&machine.abilities, &machine.map, 3, index)
                {
                    Ok(case) => case,
                    Err(NotDrawn::NoHost) if number == 1 && vhe > 0 => continue,
                    Err(why) => panic!("machine {number}, vhe {vhe}, case {index}: {why:?}"),
                };
                asked += case.as_ref().probes.len();
                let what = format!("machine {number}, vhe {vhe}, case {index}");
                succeeded += machine.check(&case, &what);
            }
            assert!(asked > 0 || number == 1 && vhe > 0);
            // Neither all faults nor none.
            assert!(succeeded * 5 >= asked && succeeded * 8 <= asked * 7, "{succeeded} of {asked}");
        }
    }
}

#[test]
fn lives_with_hardware_updates_can_be_lived() {
    let mut machine = Machine::new(&machines()[0]);
    let space = HypSpace { vhe: 500, hardware_updates: 1000, probes: 1, ..HypSpace::BENIGN };
    for index in 0..300 {
        let case = Source::Hyp(space).draw(&machine.abilities, &machine.map, 4, index).unwrap();
        assert!(case.as_ref().flags().has(Flags::UPDATES));
        machine.check(&case, &format!("case {index}"));
    }
}

#[test]
fn every_placement_that_the_memory_allows_is_drawn() {
    for (number, machine) in machines().iter().enumerate() {
        let mut machine = Machine::new(machine);
        let space = HypSpace { hardware_updates: 0, ..HypSpace::BENIGN };
        let mut drawn = BTreeMap::<(u8, Placement), usize>::new();
        for index in 0..Source::Placements(space).round(&machine.abilities) {
            let case =
                match Source::Placements(space).draw(&machine.abilities, &machine.map, 5, index) {
                    Ok(case) => case,
                    Err(why) => {
                        assert_eq!(why, NotDrawn::NoPlacement, "machine {number}, shape {index}");
                        continue;
                    }
                };
            machine.check(&case, &format!("machine {number}, shape {index}"));
            let at = Placement::of(case.as_ref(), &machine.map).unwrap();
            let bits = case.as_ref().format(Role::Ttbr0El2).unwrap().ia_bits;
            *drawn.entry((bits, at)).or_default() += 1;
        }
        let variants = |bits, at| drawn.get(&(bits, at)).copied().unwrap_or(0);
        let bases: Vec<u64> = machine.map.arenas().iter().map(|arena| arena.base).collect();
        for bits in 32..=52u8 {
            for at in Placement::ALL {
                let possible = bases.iter().any(|base| Placement::of_address(*base, bits) == at);
                let drawn = variants(bits, at);
                assert!(possible || drawn == 0, "machine {number}: {bits} bits, {at:?}");
                // 64K and LPA2 alone have more than 48 bits.
                let all = if number == 0 && bits <= 48 && bits > 32 { 1 } else { 0 };
                assert!(
                    !possible || drawn >= all,
                    "machine {number}: {bits} bits, {at:?}: {drawn}"
                );
            }
        }
        assert_eq!(variants(30, Placement::Outside), 0, "there is no exit below 2^30");
        assert!(variants(31, Placement::Upper) > 0 && variants(32, Placement::Lower) > 0);
        assert_eq!(variants(52, Placement::Outside), 0);
    }
}

#[test]
fn what_a_target_lacks_is_told() {
    let [max, a53, _] = machines().map(|machine| Machine::new(&machine));
    let hostile = HypSpace { hostile: 1000, ..HypSpace::BENIGN };
    let drawn = |machine: &Machine, monitor, space: &HypSpace| {
        let abilities = machine.abilities.with_monitor(monitor);
        Source::Hyp(*space).draw(&abilities, &machine.map, 1, 0).map(|case| case.as_ref().flags().0)
    };
    assert_eq!(drawn(&max, false, &hostile), Err(NotDrawn::NoMonitor));
    assert!(drawn(&max, true, &hostile).is_ok_and(|flags| Flags(flags).has(Flags::MONITOR)));
    let vhe = HypSpace { vhe: 1000, ..HypSpace::BENIGN };
    assert_eq!(drawn(&a53, false, &vhe), Err(NotDrawn::NoHost));
    let small = HypSpace { va_bits: 1 << 20, ..HypSpace::BENIGN };
    assert_eq!(drawn(&max, false, &small), Err(NotDrawn::NoSuchHypShape));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    /// Whatever the seed.
    #[test]
    fn any_seed_gives_lives_that_can_be_lived(seed in any::<u64>(), vhe in prop::bool::ANY) {
        let mut machine = Machine::new(&machines()[0]);
        let vhe = if vhe { 1000 } else { 0 };
        let space = HypSpace { vhe, hardware_updates: 0, mappings: [0, 20], ..HypSpace::BENIGN };
        let case = Source::Hyp(space).draw(&machine.abilities, &machine.map, seed, 0).unwrap();
        machine.check(&case, &format!("seed {seed}"));
    }

    /// A hostile case can be built, and its walks stray nowhere more often than those of any other.
    #[test]
    fn hostile_cases_can_be_built(seed in any::<u64>(), vhe in prop::bool::ANY) {
        let mut machine = Machine::new(&machines()[0]);
        let vhe = if vhe { 1000 } else { 0 };
        let space = HypSpace { vhe, hostile: 1000, ..HypSpace::BENIGN };
        let abilities = machine.abilities.with_monitor(true);
        let case = Source::Hyp(space).draw(&abilities, &machine.map, seed, 0).unwrap();
        let Machine { map, twin, learned, .. } = &mut machine;
        let expected = twin.with_tables(&case, map, |tables| {
            let probes = case.as_ref().probes.iter();
            probes.filter(|probe| tables.expect(probe, learned).is_some()).count()
        });
        prop_assert_eq!(expected, Ok(case.as_ref().probes.len()));
    }
}

#[test]
fn what_is_spoiled_is_not_what_a_life_needs() {
    for (number, machine) in machines().iter().enumerate() {
        let mut machine = Machine::new(machine);
        let space = HypSpace { spoiled: 1000, vhe: 300, mappings: [4, 10], ..HypSpace::BENIGN };
        let mut edits = 0;
        for index in 0..400 {
            let Machine { abilities, map, twin, learned, .. } = &mut machine;
            let Ok(case) = Source::Hyp(space).draw(abilities, map, 5, index) else { continue };
            let what = format!("machine {number}, case {index}");
            let flags = case.as_ref().flags();
            assert!(flags.has(Flags::WORLD_SWITCH) && !flags.has(Flags::INTENT), "{what}");
            edits += case.as_ref().edits.len();
            let lives = |tables: &mut Tables<'_>| can_live(&case, map, tables, learned, &what);
            twin.with_tables(&case, map, lives).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        assert!(edits > 200, "machine {number}: {edits} edits");
    }
}

//! Builder and reference walker agree on what the mappings of drawn cases ask for, with no device
//! between them; and the sizes that are drawn are those that the reference walker holds for legal.

use std::collections::BTreeSet;

use case::Case;
use case::abilities::Abilities;
use case::draw::Space;
use case::layout::Variant;
use case::memory::MemoryMap;
use case::source::Source;
use case::vtcr::{Vtcr, start_level_fields, tg0};
use golden::{Implementation, Registers, Stage2Params, Updates};
use judge::intent::violated;
use link::hello::IdRegisters;
use oracle::expectation::Setting;
use oracle::guest::Asker;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use tables::{WordLog, build};

use crate::common::machines;

/// QEMU's max, a Cortex-A53, a Neoverse N1.
fn machines() -> [(IdRegisters, &'static [u64]); 3] {
    [
        (machines::max(), &[0x8000_0000, 0x12_3440_0000, 0xa_5678_9ac0_0000]),
        (machines::cortex_a53(), &[0x8000_0000, 0xc0_0000_0000]),
        (machines::neoverse_n1(), &[0x8000_0000, 0x8123_4560_0000]),
    ]
}

struct Machine {
    pe: Implementation,
    abilities: Abilities,
    map: MemoryMap,
    simulation: Simulation,
    log: WordLog,
}

impl Machine {
    fn new((ids, bases): &(IdRegisters, &[u64])) -> Self {
        let map = machines::with_tables(bases);
        let simulation = Simulation::new(&map);
        let (pe, abilities) = (conform::implementation(ids), ids.abilities());
        Self { pe, abilities, map, simulation, log: WordLog::new() }
    }

    /// Walks for every probe of `case`; returns how many succeeded.
    fn check(&mut self, case: &Case, what: &str) -> usize {
        let built = build(case.as_ref(), &self.map, &mut self.simulation, &mut self.log).unwrap();
        let header = case.as_ref().header.registers;
        let registers = Registers {
            hcr_el2: header.hcr_el2,
            vtcr_el2: header.vtcr_el2,
            vttbr_el2: built.vttbr_el2,
            ..Registers::default()
        };
        let learned = Learned::new([]).unwrap();
        let (mut succeeded, mut updates) = (0, Updates::new());
        for probe in case.as_ref().probes {
            let setting = Setting {
                most: usize::MAX,
                pe: &self.pe,
                registers: &registers,
                memory: &self.simulation,
                asker: Asker::default(),
                learned: &learned,
            };
            let expectation = setting.expect(probe, &mut updates, []).unwrap();
            assert_eq!(expectation.strays_to, None, "{what}: {probe:x?} strays\n{case:#x?}");
            assert!(expectation.complete, "{what}: too many outcomes");
            let first = &expectation.outcomes[0];
            let violated =
                violated(case.as_ref(), &self.map, probe, &first.answer, self.pe.pa_bits);
            assert_eq!(violated, None, "{what}: {probe:x?}\n{case:#x?}");
            let success = |par: &golden::Masked| par.value & 1 == 0;
            succeeded += usize::from(
                matches!(&first.answer, oracle::answer::Answer::Par { par, .. } if success(par)),
            );
        }
        self.log.clear();
        self.simulation.clear();
        succeeded
    }
}

#[test]
fn random_benign_cases_mean_what_they_say() {
    for (number, machine) in machines().iter().enumerate() {
        let mut machine = Machine::new(machine);
        let space = Space { ipa_bits: u64::MAX, hardware_updates: 0, ..Space::BENIGN };
        let (mut succeeded, mut asked) = (0, 0);
        for index in 0..1500 {
            let case =
                Source::Random(space).draw(&machine.abilities, &machine.map, 11, index).unwrap();
            asked += case.as_ref().probes.len();
            succeeded += machine.check(&case, &format!("machine {number}, case {index}"));
        }
        // Neither all faults nor none: both kinds must be common for a campaign to have teeth.
        assert!(succeeded * 5 > asked && succeeded * 4 < asked * 3, "{succeeded} of {asked}");
    }
}

#[test]
fn every_shape_means_what_it_says() {
    for (number, machine) in machines().iter().enumerate() {
        let mut machine = Machine::new(machine);
        let space = Space { hardware_updates: 0, ..Space::BENIGN };
        for index in 0..Source::Shapes(space).round(&machine.abilities) {
            let (abilities, map) = (&machine.abilities, &machine.map);
            let case = Source::Shapes(space).draw(abilities, map, 11, index).unwrap();
            machine.check(&case, &format!("machine {number}, shape {index}"));
        }
    }
}

/// The crate `case` has its own table of legal sizes, the reference walker the pseudocode's rules.
#[test]
fn the_legal_sizes_are_those_of_the_reference_walker() {
    for machine in &machines() {
        let machine = Machine::new(machine);
        let mut seen = BTreeSet::new();
        for variant in Variant::ALL {
            let Variant { granule, ds } = variant;
            if !machine.abilities.has(granule, ds) {
                continue;
            }
            for ia_bits in 0..=64u8 {
                let drawn = variant.start_levels(&machine.abilities, ia_bits);
                for level in -1..=3i8 {
                    let exists = match granule {
                        case::format::Granule::K4 => level >= 0 || ds,
                        case::format::Granule::K16 => level >= 0,
                        case::format::Granule::K64 => level >= 1,
                    };
                    if !exists || ia_bits == 0 {
                        continue;
                    }
                    let (sl0, sl2) = start_level_fields(granule, level);
                    let t0sz = 64 - u64::from(ia_bits);
                    let vtcr = Vtcr::RES1.t0sz(t0sz).sl0(sl0).sl2(sl2).tg0(tg0(granule));
                    let vtcr = vtcr.ps(6).ds(ds).0;
                    let registers = Registers { vtcr_el2: vtcr, ..Registers::default() };
                    // Faults, not clamps: only then is the size itself legal.
                    let profile = &mut golden::Profile::pseudocode();
                    let legal = Stage2Params::resolve(&machine.pe, &registers, profile).is_ok();
                    let what = format!("{variant:?}, {ia_bits} bits, level {level}");
                    assert_eq!(drawn.contains(&level), legal, "{what}");
                    seen.insert((granule, ds, legal));
                }
            }
        }
        assert!(seen.iter().any(|(_, _, legal)| *legal) && seen.iter().any(|(_, _, legal)| !legal));
    }
}

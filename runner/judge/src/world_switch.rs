//! Was the executor where a case with a world switch says, and under its registers?
//!
//! A world switch counts only if the code that was there says so: by its own address, executed with the MMU on, and
//! by the registers as it read them.

use case::CaseRef;
use case::memory::{MemoryMap, Place};
use case::scratch;
use case::tree::Role;
use golden::{Features, Implementation};
use link::observations::{Exception, Point, SwitchTrace};
use oracle::answer::Answer;
use oracle::expectation::Expectation;
use tables::Built;

use crate::verdict::{Fact, Wanted};

/// AMO, IMO and FMO: the executor adds them to what a case says.
const HCR_EL2_ROUTING: u64 = 7 << 3;

/// What is wrong with `trace`: what it should say, and what it says. `arrival` is what a fetch at the
/// trampoline may lead to in the case's own tree, where the case enters by another.
pub fn violated(
    case: CaseRef<'_>,
    map: &MemoryMap,
    pe: &Implementation,
    built: &Built,
    arrival: Option<&Expectation>,
    trace: &SwitchTrace,
) -> Option<(Fact, Fact)> {
    let (registers, places) = (&case.header.registers, &case.header.world_switch);
    let own = Point {
        pc: 0,
        sctlr_el2: registers.sctlr_el2,
        tcr_el2: registers.tcr_el2,
        ttbr0_el2: built.ttbr0_el2,
        ttbr1_el2: if pe.has(Features::FEAT_VHE) { built.ttbr1_el2 } else { 0 },
        hcr_el2: registers.hcr_el2 | HCR_EL2_ROUTING,
    };
    let entered = match case.tree(Role::Idmap) {
        Some(_) => {
            Point { tcr_el2: registers.idmap_tcr_el2, ttbr0_el2: built.idmap_ttbr0_el2, ..own }
        }
        None => own,
    };
    let page = |place: Place| map.resolve(place).map(|base| base + scratch::CODE);
    let points = [
        ("trampoline", page(places.trampoline), entered, trace.trampoline),
        ("runtime", Some(places.code_va), own, trace.runtime),
        ("exit", page(places.exit), own, trace.exit),
    ];
    let wrong = points.into_iter().find_map(|(name, page, registers, found)| {
        let page = page.unwrap_or_default();
        // The last page of an upper range ends where addresses do.
        let is_there = found.pc.wrapping_sub(page) < scratch::CODE_BYTES;
        let wanted = Point { pc: if is_there { found.pc } else { page }, ..registers };
        (wanted != found).then(|| (words(name, &wanted), words(name, &found)))
    });
    wrong.or_else(|| arrived(page(places.trampoline)?, arrival, &trace.arrival))
}

/// What is wrong with the exception by which the runtime was reached.
fn arrived(
    page: u64,
    expectation: Option<&Expectation>,
    arrival: &Exception,
) -> Option<(Fact, Fact)> {
    let is_none = *arrival == Exception::default();
    let Some(expectation) = expectation else {
        return (!is_none).then(|| (Fact::NoArrival, told(arrival)));
    };
    let fits = expectation.outcomes.iter().any(|allowed| match &allowed.answer {
        Answer::Exception(taken) => {
            let in_page = arrival.far.wrapping_sub(page) < scratch::CODE_BYTES;
            taken.abort.exception.esr.admits(arrival.esr) && in_page
        }
        Answer::Reached(reach) => reach.pa == page && is_none,
        Answer::Par { .. } | Answer::Maintained(_) => false,
    });
    let wanted = || {
        let outcomes = Wanted::of(expectation).lines().join(" or ");
        Fact::Told(format!("at the trampoline: {outcomes}"))
    };
    (!fits).then(|| (wanted(), told(arrival)))
}

fn words(name: &str, point: &Point) -> Fact {
    let Point { pc, sctlr_el2, tcr_el2, ttbr0_el2, ttbr1_el2, hcr_el2 } = *point;
    let values = [
        ("PC", pc),
        ("SCTLR_EL2", sctlr_el2),
        ("TCR_EL2", tcr_el2),
        ("TTBR0_EL2", ttbr0_el2),
        ("TTBR1_EL2", ttbr1_el2),
        ("HCR_EL2", hcr_el2),
    ];
    Fact::values(Some(name), values)
}

fn told(arrival: &Exception) -> Fact {
    Fact::values(None, [("ESR_EL2", arrival.esr), ("FAR_EL2", arrival.far)])
}

#[cfg(test)]
mod tests {
    use case::Case;
    use case::draw::el2::HypSpace;
    use case::memory::{Arena, ArenaKind};
    use case::source::Source;
    use link::hello::IdRegisters;

    use super::*;
    use crate::established::Established;
    use crate::known::Known;
    use crate::prepare::{Selection, prepare};
    use crate::prepared::Prepared;
    use oracle::learned::Learned;
    use oracle::simulation::Simulation;
    use oracle::twin::Twin;

    /// A case whose trampoline lies at `placements`, on a PE with all sizes, and a trace as it should be.
    fn sound_case(
        placements: [u64; 3],
    ) -> (Case, MemoryMap, Implementation, Prepared, SwitchTrace) {
        let ids = IdRegisters {
            id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
            id_aa64mmfr1_el1: 0x1021_2122,
            id_aa64mmfr2_el1: 0x1221_0111_1021_1011,
            ..IdRegisters::default()
        };
        let mut map = MemoryMap::new();
        for base in [0x5a00_0000, 0xa5_a500_0000] {
            map.push(Arena { base, size: 4 << 20, kind: ArenaKind::Tables });
            let stage =
                Arena { base: base + (8 << 20), size: scratch::BYTES, kind: ArenaKind::Scratch };
            map.push(stage);
        }
        let space = HypSpace {
            placements,
            va_bits: if placements[1] > 0 { 1 << 40 } else { 1 << 39 },
            hardware_updates: 0,
            ..HypSpace::BENIGN
        };
        let abilities = ids.abilities();
        let drawn =
            (0..).find_map(|index| Source::Hyp(space).draw(&abilities, &map, 1, index).ok());
        let case = drawn.expect("some index has one");
        let pe = conform::implementation(&ids);
        let mut twin = Twin::new(pe, Simulation::new(&map));
        let learned = Learned::new([]).expect("there are no pins");
        let established = Established { learned, known: Known::default() };
        let mut quarantine = Default::default();
        let selection = Selection { wanted: &[0], samples: &[] };
        let prepared = prepare(&mut twin, &case, &map, selection, &established, &mut quarantine);
        let prepared = prepared.expect("it can be built");
        let trace = trace(&case, &map, &prepared);
        (case, map, pe, prepared, trace)
    }

    fn trace(case: &Case, map: &MemoryMap, prepared: &Prepared) -> SwitchTrace {
        let case = case.as_ref();
        let (registers, places, built) =
            (&case.header.registers, &case.header.world_switch, &prepared.built);
        let own = |pc| Point {
            pc,
            sctlr_el2: registers.sctlr_el2,
            tcr_el2: registers.tcr_el2,
            ttbr0_el2: built.ttbr0_el2,
            ttbr1_el2: built.ttbr1_el2,
            hcr_el2: registers.hcr_el2 | HCR_EL2_ROUTING,
        };
        let page = |place| map.resolve(place).unwrap() + 0x40;
        let mut trace = SwitchTrace {
            trampoline: own(page(places.trampoline)),
            runtime: own(places.code_va + 0x100),
            exit: own(page(places.exit)),
            arrival: Exception::default(),
        };
        if case.tree(Role::Idmap).is_some() {
            trace.trampoline.tcr_el2 = registers.idmap_tcr_el2;
            trace.trampoline.ttbr0_el2 = built.idmap_ttbr0_el2;
            // An Instruction Abort from the same EL, Translation fault, level 0.
            trace.arrival = Exception {
                esr: 0x8600_0004,
                far: page(places.trampoline),
                ..Exception::default()
            };
        }
        trace
    }

    #[test]
    fn whatever_is_not_as_the_case_says_is_noticed() {
        for placements in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] {
            let (case, map, pe, prepared, sound) = sound_case(placements);
            let wrong = |change: &dyn Fn(&mut SwitchTrace)| {
                let mut trace = sound;
                change(&mut trace);
                let arrival = prepared.arrival.as_ref();
                violated(case.as_ref(), &map, &pe, &prepared.built, arrival, &trace)
            };
            assert_eq!(wrong(&|_| {}), None, "{placements:?}");
            let bits = case.as_ref().format(Role::Ttbr0El2).unwrap().ia_bits;
            let changes: [&dyn Fn(&mut SwitchTrace); 12] = [
                &|trace| *trace = SwitchTrace::default(),
                &|trace| trace.trampoline = Point::default(),
                &|trace| trace.trampoline.pc += 0x1000,
                // The other half.
                &|trace| trace.runtime.pc ^= 1 << (bits - 1),
                &|trace| trace.exit.pc ^= 1 << (bits - 1),
                &|trace| trace.runtime.tcr_el2 += 1,
                &|trace| trace.trampoline.ttbr0_el2 ^= 0x1000,
                &|trace| trace.runtime.ttbr0_el2 ^= 0x1000,
                &|trace| trace.exit.ttbr1_el2 ^= 0x1000,
                &|trace| trace.runtime.sctlr_el2 ^= 1,
                &|trace| trace.runtime.hcr_el2 ^= 1 << 34,
                &|trace| {
                    // One that came where none was due, or by another fault.
                    trace.arrival.esr = 0x8600_0005;
                },
            ];
            for (number, change) in changes.iter().enumerate() {
                assert!(wrong(change).is_some(), "{placements:?}: change {number}");
            }
        }
    }
}

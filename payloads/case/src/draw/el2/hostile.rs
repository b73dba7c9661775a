//! Hostile set-ups of EL2's stage 1, for the monitor: registers and descriptors under which no code could run.

use super::super::Rng;
use super::super::edits::{self, Fields};
use super::setup::Setup;
use super::world::World;
use crate::Case;
use crate::control::sctlr;
use crate::probe::{Operation, Probe};
use crate::registers::Registers;
use crate::view::Flags;

/// Corrupts registers and descriptors of `case`, and fills it with `count` probes for the monitor.
pub(super) fn corrupt(rng: &mut Rng, world: &World<'_>, case: &mut Case, count: u64) {
    let corrupts_registers = rng.chance(500);
    if corrupts_registers {
        registers(rng, world.setup, case);
    }
    let ha = if world.setup.shape.upper.is_some() { 39 } else { 21 };
    let updates = world.request.abilities.access_flag
        && case.as_ref().header.registers.tcr_el2 >> ha & 1 == 1;
    case.set_flags(Flags(Flags::MONITOR | if updates { Flags::UPDATES } else { 0 }));
    edits::corrupt_descriptors(
        rng,
        world.request,
        &world.trees,
        case,
        u64::from(!corrupts_registers),
    );
    for _ in 0..count {
        let operation = rng.one_of(&Operation::EL2);
        let address =
            edits::address(rng, &world.trees, case.as_ref().edits, [48, 0, 0, 10, 10, 32]);
        // A case has room for all of them.
        let _ = case.push_probe(Probe::new(operation, address));
    }
}

/// Makes one to three fields of the registers what they should not be.
fn registers(rng: &mut Rng, setup: &Setup, case: &mut Case) {
    let is_host = setup.shape.upper.is_some();
    let fields = if is_host { Fields { ps: 32, ds: 59 } } else { Fields { ps: 16, ds: 32 } };
    let Registers { tcr_el2, ttbr0_el2, sctlr_el2, .. } = case.registers_mut();
    for _ in 0..rng.between(1, 3) {
        let odds = [(25, 0), (10, 1), (10, 2), (10, 3), (15, 4), (10, 5), (10, 6), (10, 7)];
        match rng.weighted(odds) {
            6 => *sctlr_el2 ^= sctlr::WXN,
            // T1SZ, or T0SZ.
            7 => {
                let at = if is_host { 16 } else { 0 };
                *tcr_el2 = *tcr_el2 & !(0x3f << at) | rng.below(64) << at;
            }
            kind => edits::corrupt_register(rng, &fields, tcr_el2, ttbr0_el2, setup.oa_bits, kind),
        }
    }
    let Fields { ps, ds } = fields;
    // Nobody says whether the reserved PS = 7 makes base registers those of 52 bits.
    if *tcr_el2 >> ps & 7 == 7 {
        *tcr_el2 ^= 1 << ps;
    }
    // What a reserved granule acts as is the PE's choice; what DS then means to it, nobody's.
    if *tcr_el2 >> ds & 1 == 1 && *tcr_el2 >> 14 & 3 == 3 {
        *tcr_el2 ^= 1 << 14;
    }
}

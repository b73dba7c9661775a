//! Hostile set-ups of EL2's stage 1, for the monitor: registers and descriptors with which nobody could live.

use super::super::{Rng, edits};
use super::setup::Setup;
use super::world::World;
use crate::Case;
use crate::probe::{Operation, Probe};
use crate::tcr::sctlr;
use crate::view::Flags;

/// Corrupts registers and descriptors of `case`, and fills it with `count` probes for the monitor.
pub(super) fn spoil(rng: &mut Rng, world: &World<'_>, case: &mut Case, count: u64) {
    let spoils_registers = rng.chance(500);
    if spoils_registers {
        registers(rng, world.setup, case);
    }
    let ha = if world.setup.shape.upper.is_some() { 39 } else { 21 };
    let updates =
        world.target.abilities.access_flag && case.as_ref().header.registers.tcr_el2 >> ha & 1 == 1;
    case.set_flags(Flags(Flags::MONITOR | if updates { Flags::UPDATES } else { 0 }));
    edits::spoil(rng, world.target, &world.trees, case, u64::from(!spoils_registers));
    for _ in 0..count {
        let operation = rng.one_of(&[Operation::AtS1e2r, Operation::AtS1e2w]);
        let address = edits::address(rng, &world.trees, case.as_ref().edits, [65, 0, 0, 8, 8, 19]);
        // A case has room for all of them.
        let _ = case.push_probe(Probe::new(operation, address));
    }
}

/// Makes one to three fields of the registers what they should not be.
fn registers(rng: &mut Rng, setup: &Setup, case: &mut Case) {
    let is_host = setup.shape.upper.is_some();
    let ps = if is_host { 32 } else { 16 };
    for _ in 0..rng.between(1, 3) {
        let any = rng.bits();
        let registers = case.registers_mut();
        let tcr_el2 = registers.tcr_el2;
        let with = |at: u32, width: u32, value: u64| {
            let mask = ((1 << width) - 1) << at;
            tcr_el2 & !mask | value << at & mask
        };
        let odds = [(25, 0), (10, 1), (10, 2), (10, 3), (10, 4), (15, 5), (10, 6), (10, 7)];
        registers.tcr_el2 = match rng.weighted(odds) {
            // T0SZ and T1SZ: any, or near what the tables are for.
            0 if rng.chance(500) => with(0, 6, any),
            0 => with(0, 6, (tcr_el2 + rng.below(9)).wrapping_sub(4)),
            1 if is_host => with(16, 6, any),
            1 => with(0, 6, any),
            2 => with(14, 2, any),
            3 => with(ps, 3, any),
            4 => tcr_el2 ^ 1 << if is_host { 59 } else { 32 },
            // A root that is not aligned, or is said to be above the output size.
            5 => {
                let high = 1 << rng.between(u64::from(setup.oa_bits).min(47), 47);
                registers.ttbr0_el2 ^= if rng.chance(500) { any & 0xfff } else { high };
                tcr_el2
            }
            6 => {
                registers.sctlr_el2 ^= sctlr::WXN;
                tcr_el2
            }
            // Any one bit: reserved ones, EPD, TBI, HPD, HA, HD, and all of the above.
            _ => tcr_el2 ^ 1 << rng.below(64),
        };
    }
    // Nobody says whether the reserved PS = 7 makes base registers those of 52 bits.
    if case.as_ref().header.registers.tcr_el2 >> ps & 7 == 7 {
        case.registers_mut().tcr_el2 ^= 1 << ps;
    }
    // What a reserved granule acts as is the PE's choice; what DS then means to it, nobody's.
    let tcr_el2 = &mut case.registers_mut().tcr_el2;
    let ds = if is_host { 59 } else { 32 };
    if *tcr_el2 >> ds & 1 == 1 && *tcr_el2 >> 14 & 3 == 3 {
        *tcr_el2 ^= 1 << 14;
    }
}

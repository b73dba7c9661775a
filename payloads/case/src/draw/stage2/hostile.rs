//! Hostile cases of stage 2: registers and descriptors that no hypervisor would write.
//!
//! What a corrupted register makes of the tables can't be foreseen here; the host asks the reference walker where such
//! a case would lead before it sends it.

use core::slice;

use super::super::tree::TreeBuilder;
use super::super::{Rng, Target, edits};
use super::random::operation;
use super::setup::Setup;
use crate::Case;
use crate::probe::Probe;
use crate::view::Flags;
use crate::vtcr::{Vtcr, hcr};

/// Adds edits, corrupts registers, and fills the case with `count` probes that will meet the damage.
pub(super) fn spoil(
    rng: &mut Rng,
    target: Target<'_>,
    setup: &Setup,
    tree: &TreeBuilder,
    case: &mut Case,
    count: u64,
) {
    let spoils_registers = tree.leaves.is_empty() || rng.chance(350);
    if spoils_registers {
        registers(rng, setup, case);
    }
    let trees = slice::from_ref(tree);
    edits::spoil(rng, target, trees, case, u64::from(!spoils_registers));
    let header = case.as_ref().header;
    if header.registers.vtcr_el2 & Vtcr(0).ha(true).0 != 0 && target.abilities.access_flag {
        case.set_flags(Flags(Flags::UPDATES));
    }
    for _ in 0..count {
        let operation = operation(rng);
        let address = edits::address(rng, trees, case.as_ref().edits, [42, 13, 10, 12, 16, 9]);
        // A case has room for all of them.
        let _ = case.push_probe(Probe::new(operation, address));
    }
}

fn registers(rng: &mut Rng, setup: &Setup, case: &mut Case) {
    let registers = case.registers_mut();
    let vtcr = Vtcr(registers.vtcr_el2);
    let any = rng.bits();
    let t0sz = 64 - u64::from(setup.shape.ia_bits);
    let odds = [(20, 0), (20, 1), (8, 2), (10, 3), (10, 4), (16, 5), (6, 6), (6, 7), (2, 8)];
    match rng.weighted(odds) {
        0 if rng.chance(500) => registers.vtcr_el2 = vtcr.t0sz(any).0,
        0 => registers.vtcr_el2 = vtcr.t0sz((t0sz + rng.below(9)).wrapping_sub(4)).0,
        1 => registers.vtcr_el2 = vtcr.sl0(any).sl2(any >> 2).0,
        2 => registers.vtcr_el2 = vtcr.tg0(any).0,
        3 => registers.vtcr_el2 = vtcr.ps(any).0,
        4 => registers.vtcr_el2 ^= Vtcr(0).ds(true).0,
        // A root that is not aligned, or is said to be above the output size.
        5 if rng.chance(500) => registers.vttbr_el2 ^= any & 0xfff,
        5 => registers.vttbr_el2 ^= 1 << rng.between(u64::from(setup.oa_bits).min(47), 47),
        6 => registers.vtcr_el2 = vtcr.ha(any & 1 != 0).hd(any & 2 != 0).0,
        // Any one bit: reserved ones, HWU, NSW, NSA, and all of the above.
        7 => registers.vtcr_el2 ^= 1 << rng.below(64),
        _ => registers.hcr_el2 &= !(hcr::VM | hcr::DC),
    }
}

//! Hostile cases of stage 2: registers and descriptors that no hypervisor would write.
//!
//! What a corrupted register makes of the tables can't be foreseen here; the host asks the reference walker where such
//! a case would lead before it sends it.

use core::slice;

use super::super::edits::{self, Fields};
use super::super::tree::TreeBuilder;
use super::super::{Request, Rng};
use super::random::operation;
use super::setup::Setup;
use crate::Case;
use crate::control::hcr;
use crate::probe::Probe;
use crate::registers::Registers;
use crate::view::Flags;
use crate::vtcr::Vtcr;

/// Adds edits, corrupts registers, and fills the case with `count` probes that will meet the damage.
pub(super) fn corrupt(
    rng: &mut Rng,
    request: Request<'_>,
    setup: &Setup,
    tree: &TreeBuilder,
    case: &mut Case,
    count: u64,
) {
    let corrupts_registers = tree.leaves.is_empty() || rng.chance(350);
    if corrupts_registers {
        registers(rng, setup.oa_bits, case);
    }
    let trees = slice::from_ref(tree);
    edits::corrupt_descriptors(rng, request, trees, case, u64::from(!corrupts_registers));
    let header = case.as_ref().header;
    if header.registers.vtcr_el2 & Vtcr(0).ha(true).0 != 0 && request.abilities.access_flag {
        case.set_flags(Flags(Flags::UPDATES));
    }
    for _ in 0..count {
        let operation = operation(rng);
        let address = edits::address(rng, trees, case.as_ref().edits, [36, 12, 12, 13, 18, 9]);
        // A case has room for all of them.
        let _ = case.push_probe(Probe::new(operation, address));
    }
}

fn registers(rng: &mut Rng, oa_bits: u8, case: &mut Case) {
    let Registers { vtcr_el2, vttbr_el2, hcr_el2, .. } = case.registers_mut();
    let odds = [(20, 0), (8, 1), (10, 2), (10, 3), (16, 4), (6, 5), (20, 6), (6, 7), (2, 8)];
    let kind = rng.weighted(odds);
    let (vtcr, any) = (Vtcr(*vtcr_el2), rng.bits());
    match kind {
        6 => *vtcr_el2 = vtcr.sl0(any).sl2(any >> 2).0,
        7 => *vtcr_el2 = vtcr.ha(any & 1 != 0).hd(any & 2 != 0).0,
        8 => *hcr_el2 &= !(hcr::VM | hcr::DC),
        _ => edits::corrupt_register(
            rng,
            &Fields { ps: 16, ds: 32 },
            vtcr_el2,
            vttbr_el2,
            oa_bits,
            kind,
        ),
    }
}

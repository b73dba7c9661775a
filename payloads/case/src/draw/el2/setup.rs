//! The set-up of a case of EL2: registers, and the scratch arenas that it depends on.

use arrayvec::ArrayVec;

use super::super::leaf::{Regime, Stage1};
use super::super::memory_type::{Mair, MemoryType};
use super::super::pool::holds_tables;
use super::super::registers::{Updates, Walks, output_size, range};
use super::super::tree::TreeKind;
use super::super::{NotDrawn, Request, Rng};
use super::shape::{Shape, placed};
use super::space::HypSpace;
use crate::control::{hcr, sctlr};
use crate::layout::Variant;
use crate::memory::Place;
use crate::placement::Placement;
use crate::registers::Registers;
use crate::tcr::{self, Range, Whole};
use crate::tree::Role;
use crate::vtcr::ps_bits;
use crate::world_switch::SwitchPlaces;

/// Everything of a case but its trees, edits and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub registers: Registers,
    /// Output address size in bits, as the architecture limits it.
    pub oa_bits: u8,
    /// What leaves depend on.
    pub leaves: Stage1,
    /// Top bytes are ignored: in the lower range, and in the upper one.
    pub tbi: [bool; 2],
    /// What the trees are: the lower range first, then the upper one or the idmap.
    pub kinds: ArrayVec<TreeKind, 2>,
    /// The scratch arenas that the world switch uses. The virtual addresses are not known yet.
    pub places: SwitchPlaces,
}

/// Draws the registers and the scratch arenas for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &HypSpace,
    request: Request<'_>,
    shape: &Shape,
) -> Result<Setup, NotDrawn> {
    let Request { abilities, map, .. } = request;
    let &Shape { variant, va_bits, placement, upper } = shape;
    let most = |ps| {
        let of = |variant: Variant| ps_bits(ps).min(variant.address_bits(abilities));
        of(variant).min(upper.map_or(52, |(upper, _)| of(upper)))
    };
    // The trampoline is mapped to itself; with two ranges the exit is in either half of the lower.
    let identity_bits = variant.most_va_bits(abilities);
    let either = upper.is_some() || placement == Placement::Outside;
    let trampolines = |ps| placed(map, most(ps).min(identity_bits), va_bits, |at| at == placement);
    let exits = |ps| {
        let suits = |at| at != Placement::Outside && (either || at == placement);
        placed(map, most(ps), va_bits, suits)
    };
    // All that must be reached lies within the output size.
    let suits = |ps| {
        !trampolines(ps).is_empty()
            && !exits(ps).is_empty()
            && map.arenas().iter().any(|arena| holds_tables(arena, most(ps)))
    };
    let ps = output_size(rng, abilities, suits).ok_or(NotDrawn::NoPlacement)?;
    let oa_bits = most(ps);
    let all = placed(map, oa_bits, va_bits, |_| true);
    let pick = |rng: &mut Rng, numbers: &[u8]| {
        let number = rng.pick(numbers).ok_or(NotDrawn::NoPlacement)?;
        Ok(Place::new(number, 0))
    };
    let trampoline = pick(rng, &trampolines(ps))?;
    // Most hypervisors leave by the page that they came by.
    let same = placement != Placement::Outside && rng.chance(600);
    let exit = if same { trampoline } else { pick(rng, &exits(ps))? };
    let (code, data) = (pick(rng, &all)?, pick(rng, &all)?);
    let places = SwitchPlaces { trampoline, exit, code, data, ..SwitchPlaces::default() };

    let wanted = abilities.access_flag && rng.chance(space.hardware_updates);
    let updates = Updates::draw(rng, abilities, wanted);
    let odds = [(65, MemoryType::Any), (35, MemoryType::Device)];
    let mair = Mair::draw(rng, abilities, &[MemoryType::Any, MemoryType::Device], odds);
    let (wxn, aligned) = (rng.chance(250), rng.chance(200));
    let ds = variant.ds || upper.is_some_and(|(upper, _)| upper.ds);
    let whole = Whole { ps, ha: updates.access, hd: updates.dirty, ds };
    let mut one = |variant, bits| {
        let (walks, tbi) = (Walks::draw(rng), rng.chance(300));
        range(rng, abilities, (variant, bits), walks, tbi)
    };
    let (lower, upper_range) = (one(variant, va_bits), upper.map(|(of, bits)| one(of, bits)));
    let mut registers = registers(rng, request, &lower, upper_range.as_ref(), &whole);
    registers.mair_el2 = mair.value;
    registers.sctlr_el2 |= if wxn { sctlr::WXN } else { 0 } | if aligned { sctlr::A } else { 0 };
    let kind = |role, variant: Variant, bits| TreeKind {
        role,
        variant,
        format: variant.stage1_format(abilities, bits),
    };
    let mut kinds: ArrayVec<TreeKind, 2> =
        [kind(Role::Ttbr0El2, variant, va_bits)].into_iter().collect();
    kinds.extend(upper.map(|(upper, bits)| kind(Role::Ttbr1El2, upper, bits)));
    if placement == Placement::Outside {
        // As many more levels as there are, or just enough bits.
        let base = map.arenas()[usize::from(trampoline.arena())].last();
        let least = 64 - base.leading_zeros() as u8;
        let most = identity_bits;
        let bits =
            if rng.chance(500) { most } else { rng.between(least.into(), most.into()) as u8 };
        let idmap = Range { tsz: 64 - u64::from(bits), ..lower };
        registers.idmap_tcr_el2 = tcr::of_one(&idmap, &whole);
        kinds.push(kind(Role::Idmap, variant, bits));
    }
    let regime = if upper.is_some() { Regime::Host } else { Regime::El2 };
    let leaves = Stage1 { regime, mair, wxn, updates: updates.access };
    let tbi = [lower.tbi, upper_range.is_some_and(|range| range.tbi)];
    Ok(Setup { shape: *shape, registers, oa_bits, leaves, tbi, kinds, places })
}

/// The registers for one range or two.
fn registers(
    rng: &mut Rng,
    request: Request<'_>,
    lower: &Range,
    upper: Option<&Range>,
    whole: &Whole,
) -> Registers {
    let sctlr_el2 = sctlr::RES1_EL2 | sctlr::M | sctlr::C | sctlr::SA | sctlr::I;
    let one = Registers { hcr_el2: hcr::RW, sctlr_el2, ..Registers::default() };
    let Some(upper) = upper else {
        return Registers { tcr_el2: tcr::of_one(lower, whole), ..one };
    };
    let tge = if rng.chance(500) { hcr::TGE } else { 0 };
    let asids = if request.abilities.vmid16 && rng.chance(500) { tcr::AS } else { 0 };
    let a1 = if rng.chance(300) { tcr::A1 } else { 0 };
    Registers {
        hcr_el2: one.hcr_el2 | hcr::E2H | tge,
        tcr_el2: tcr::of_two(lower, upper, whole) | asids | a1,
        ttbr0_el2: rng.below(0x100) << 48,
        ttbr1_el2: rng.below(0x100) << 48,
        ..one
    }
}

//! The set-up of a guest: the registers of both stages.

use super::super::leaf::{self, Regime};
use super::super::memory_type::Mair;
use super::super::pool::holds_tables;
use super::super::registers::{Updates, Walks, output_size, range, vtcr_el2};
use super::super::{NotDrawn, Request, Rng};
use super::shape::Shape;
use super::space::GuestSpace;
use crate::control::{hcr, sctlr};
use crate::memory::{Arena, MemoryMap};
use crate::registers::Registers;
use crate::scratch;
use crate::tcr::{self, Whole};
use crate::vtcr::{Vtcr, ps, ps_bits};

/// Everything of a case but its trees and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub registers: Registers,
    /// Output address size of stage 2 in bits, or of what stands for it: physical addresses have no more.
    pub pa_bits: u8,
    /// Output address size of each range of stage 1 in bits, as the architecture limits it.
    pub stage1_oa_bits: [u8; 2],
    /// Intermediate physical addresses that everything reaches have no more bits.
    pub ipa_bits: u8,
    /// What leaves of each stage depend on.
    pub stage1: leaf::Stage1,
    pub stage2: leaf::Stage2,
    /// The range of stage 1 in which the guest's code lies.
    pub home: usize,
    /// Nothing of what the guest does to Normal memory goes through a cache, unless stage 2 forces it.
    pub uncached: bool,
    /// Top bytes are ignored in the lower and the upper range.
    pub tbi: [bool; 2],
}

impl Setup {
    /// Hardware updates descriptors of either stage.
    pub const fn has_updates(&self) -> bool {
        self.stage1.updates || self.stage2.updates
    }
}

/// Draws the registers for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &GuestSpace,
    request: Request<'_>,
    shape: Shape,
) -> Result<Setup, NotDrawn> {
    let Request { abilities, map, .. } = request;
    let is_corrupted = rng.chance(space.spoiled);
    let has_stage2 = shape.stage2.is_some();
    let [stage1_updates, stage2_updates] = updates(rng, space, request, &shape);
    let has_updates = stage1_updates.access || stage2_updates.access;

    // What hardware updates has to be Write-Back for everybody.
    let cached = has_updates || rng.chance(920);
    let dc = shape.stage1.is_none() && has_stage2 && rng.chance(500);
    let fwb = has_stage2 && abilities.fwb && rng.chance(400);
    let cd = has_stage2 && !has_updates && rng.chance(50);
    let vm = if dc && rng.chance(150) { 0 } else { flag(has_stage2, hcr::VM) };
    let hcr_el2 = hcr::RW
        | vm
        | flag(dc, hcr::DC)
        | flag(cd, hcr::CD)
        | flag(fwb, hcr::FWB)
        | bits(rng, &[(300, hcr::PTW), (50, hcr::ID)]);
    let sctlr_el1 = sctlr_el1(rng, request, shape.stage1.is_some(), cached);

    let most = |ps| {
        shape.stage2.map_or(abilities.pa_bits, |stage2| {
            ps_bits(ps).min(stage2.variant.address_bits(abilities))
        })
    };
    let ps = match shape.stage2 {
        Some(_) => output_size(rng, abilities, |ps| is_enough(map, most(ps))),
        None => Some(ps(abilities.pa_bits)),
    };
    let ps = ps.ok_or(NotDrawn::NoArena)?;
    let (vtcr_el2, vttbr_el2) = stage2_registers(rng, request, &shape, ps, stage2_updates);
    let stage1 = stage1_registers(rng, request, &shape, stage1_updates)?;

    let input_bits = shape.stage2.map_or(abilities.pa_bits, |stage2| stage2.ia_bits);
    let ipa_bits = match shape.stage1 {
        Some(_) => stage1.oa_bits.into_iter().fold(input_bits, u8::min),
        // Whoever runs there has an address of so many bits.
        None => input_bits.min(if abilities.lva { 52 } else { 48 }),
    };
    // Without stage 1 data is Device memory, unless by default it is cacheable.
    let uncached = !cached || cd || shape.stage1.is_none() && !dc;
    let mair = Mair::of_guest(rng, abilities);
    let registers = Registers {
        hcr_el2,
        vtcr_el2,
        vttbr_el2,
        sctlr_el1,
        tcr_el1: stage1.tcr_el1,
        mair_el1: mair.value,
        ttbr0_el1: stage1.asids[0] << 48,
        ttbr1_el1: stage1.asids[1] << 48,
        ..Registers::default()
    };
    let (updates, updates_stage1) = (stage2_updates.access, stage1_updates.access);
    let of_stage2 = leaf::Stage2::new(abilities, &registers, updates);
    let regime = Regime::El10;
    Ok(Setup {
        shape,
        registers,
        pa_bits: if has_stage2 { most(ps) } else { ipa_bits },
        stage1_oa_bits: stage1.oa_bits,
        ipa_bits,
        stage1: leaf::Stage1 { regime, mair, wxn: false, updates: updates_stage1 },
        stage2: leaf::Stage2 { updates_stage1, is_corrupted, ..of_stage2 },
        home: stage1.home,
        uncached,
        tbi: stage1.tbi,
    })
}

/// Which updates hardware makes at stage 1 and at stage 2.
fn updates(rng: &mut Rng, space: &GuestSpace, request: Request<'_>, shape: &Shape) -> [Updates; 2] {
    let has_stage2 = shape.stage2.is_some();
    let wanted = request.abilities.access_flag && rng.chance(space.hardware_updates);
    // Both, stage 1, stage 2.
    let which = rng.weighted([(3, (true, true)), (2, (true, false)), (2, (false, true))]);
    let of_stage1 = wanted && shape.stage1.is_some() && (which.0 || !has_stage2);
    let of_stage2 = wanted && has_stage2 && (which.1 || !of_stage1);
    [of_stage1, of_stage2].map(|wanted| Updates::draw(rng, request.abilities, wanted))
}

/// `bit`, if it is set.
const fn flag(is_set: bool, bit: u64) -> u64 {
    if is_set { bit } else { 0 }
}

/// Each bit of `choices`, so many times out of a thousand.
fn bits(rng: &mut Rng, choices: &[(u64, u64)]) -> u64 {
    choices.iter().fold(0, |all, (chance, bit)| all | flag(rng.chance(*chance), *bit))
}

/// `SCTLR_EL1`.
fn sctlr_el1(rng: &mut Rng, request: Request<'_>, is_on: bool, cached: bool) -> u64 {
    sctlr::RES1_EL1
        | sctlr::WAITS
        | flag(is_on, sctlr::M)
        | flag(cached, sctlr::C)
        | bits(rng, &[(700, sctlr::UCI), (700, sctlr::DZE)])
        | bits(rng, &[(200, sctlr::A), (500, sctlr::SA), (500, sctlr::SA0), (850, sctlr::I)])
        | bits(rng, &[(500, sctlr::UCT), (250, sctlr::WXN)])
        | flag(!request.abilities.pan || rng.chance(500), sctlr::SPAN)
        | flag(request.abilities.pan3 && rng.chance(500), sctlr::EPAN)
}

/// Whether tables, and a scratch arena, lie within `bits` bits.
fn is_enough(map: &MemoryMap, bits: u8) -> bool {
    let has = |suits: fn(&Arena) -> bool| {
        map.arenas().iter().any(|arena| arena.last() >> bits == 0 && suits(arena))
    };
    map.arenas().iter().any(|arena| holds_tables(arena, bits)) && has(scratch::fits)
}

/// `VTCR_EL2`, and `VTTBR_EL2` without the root.
fn stage2_registers(
    rng: &mut Rng,
    request: Request<'_>,
    shape: &Shape,
    ps: u64,
    updates: Updates,
) -> (u64, u64) {
    let wide = request.abilities.vmid16 && rng.chance(500);
    let vmid = rng.bits() & if wide { 0xffff } else { 0xff };
    let walks = Walks::draw(rng).suiting(updates);
    let vtcr = match shape.stage2 {
        Some(shape) => vtcr_el2(&shape, ps, wide, walks, updates),
        // Nothing of it counts but the VMID.
        None => Vtcr::RES1.t0sz(24).ps(ps).vs(wide).0,
    };
    (vtcr, vmid << 48)
}

/// What stage 1's registers say, drawn together.
struct Stage1 {
    tcr_el1: u64,
    asids: [u64; 2],
    home: usize,
    oa_bits: [u8; 2],
    tbi: [bool; 2],
}

fn stage1_registers(
    rng: &mut Rng,
    request: Request<'_>,
    shape: &Shape,
    updates: Updates,
) -> Result<Stage1, NotDrawn> {
    let Request { abilities, map, .. } = request;
    let tbi = [rng.chance(300), rng.chance(300)];
    let wide = abilities.asid16 && rng.chance(500);
    let mut asid = || rng.bits() & if wide { 0xffff } else { 0xff };
    let asids = [asid(), asid()];
    let extra = (if wide { tcr::AS } else { 0 }) | if rng.chance(300) { tcr::A1 } else { 0 };
    let Some(ranges) = shape.stage1 else {
        // Nothing of it counts but TBI.
        let (lower, upper) = (u64::from(tbi[0]) << 37, u64::from(tbi[1]) << 38);
        let ips = ps(abilities.pa_bits) << 32;
        let tcr_el1 = ips | lower | upper | extra;
        return Ok(Stage1 { tcr_el1, asids, home: 0, oa_bits: [abilities.pa_bits; 2], tbi });
    };
    let of = |ips: u64| ranges.map(|range| ps_bits(ips).min(range.variant.address_bits(abilities)));
    let ips = match shape.stage2 {
        Some(_) => {
            let (own, any) = (ps(abilities.pa_bits), rng.below(7));
            rng.weighted([(6, own), (4, any)])
        }
        // Without stage 2 it leads to memory directly.
        None => output_size(rng, abilities, |ips| is_enough(map, of(ips)[0].min(of(ips)[1])))
            .ok_or(NotDrawn::NoArena)?,
    };
    let walked = [0, 1].map(|number: usize| ranges[number].has_walks);
    let home = match walked {
        [true, true] => rng.below(2) as usize,
        [lower, _] => usize::from(!lower),
    };
    let mut one = |number: usize| {
        let of = (ranges[number].variant, ranges[number].va_bits);
        let walks = Walks::draw(rng).suiting(updates);
        range(rng, abilities, of, walks, tbi[number])
    };
    let (lower, upper) = (one(0), one(1));
    let whole = Whole { ps: ips, ha: updates.access, hd: updates.dirty, ds: shape.stage1_ds() };
    let mut tcr_el1 = tcr::of_two(&lower, &upper, &whole) | extra;
    for (number, has_walks) in walked.into_iter().enumerate() {
        // The guest's own code must be within EL0's reach.
        let hidden = abilities.e0pd && rng.chance(150) && number != home;
        tcr_el1 |= if has_walks { 0 } else { tcr::EPD[number] };
        tcr_el1 |= if hidden { tcr::E0PD[number] } else { 0 };
    }
    Ok(Stage1 { tcr_el1, asids, home, oa_bits: of(ips), tbi })
}

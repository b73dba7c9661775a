//! Registers.

use super::super::{NotDrawn, Rng};
use super::memory::Mair;
use super::shape::Shape;
use super::space::GuestSpace;
use crate::abilities::Abilities;
use crate::memory::{Arena, ArenaKind, MemoryMap};
use crate::registers::Registers;
use crate::scratch;
use crate::tcr::{self, Range, Whole};
use crate::vtcr::{Vtcr, hcr, ps, ps_bits, start_level_fields, tg0};

/// Everything of a case but its trees and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub registers: Registers,
    /// Descriptors will be hostile.
    pub is_spoiled: bool,
    /// Output address size of stage 2 in bits, or of what stands for it: physical addresses have no more.
    pub pa_bits: u8,
    /// Output address size of each range of stage 1 in bits, as the architecture limits it.
    pub stage1_oa_bits: [u8; 2],
    /// Intermediate physical addresses that everything reaches have no more bits.
    pub ipa_bits: u8,
    pub mair: Mair,
    /// The range of stage 1 in which the guest's code lies.
    pub home: usize,
    /// Nothing of what the guest does to Normal memory goes through a cache, unless stage 2 forces it.
    pub uncached: bool,
    /// HCR_EL2.FWB.
    pub fwb: bool,
    /// Hardware manages access flags, and dirty state, of stage 1 and stage 2.
    pub stage1_updates: Updates,
    pub stage2_updates: Updates,
    /// Top bytes are ignored in the lower and the upper range.
    pub tbi: [bool; 2],
    /// What EL0 may do, by SCTLR_EL1.
    pub el0: El0,
}

/// Which updates hardware makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Updates {
    /// HA.
    pub access: bool,
    /// HD.
    pub dirty: bool,
}

impl Updates {
    fn draw(rng: &mut Rng, abilities: &Abilities, wanted: bool) -> Self {
        let dirty = rng.chance(600);
        Self { access: wanted, dirty: wanted && abilities.dirty_state && dirty }
    }
}

/// What SCTLR_EL1 lets EL0 do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct El0 {
    /// UCI: cache maintenance by address.
    pub maintains_caches: bool,
    /// DZE: DC ZVA.
    pub zeroes: bool,
}

/// Bits of `SCTLR_EL1`.
mod sctlr {
    /// Bits that are RES1 where nobody has given them a meaning: LSMAOE, nTLSMD, EIS, TSCXT, EOS, SED, ITD.
    pub const RES1: u64 = 0x3050_0980;
    pub const M: u64 = 1;
    pub const A: u64 = 1 << 1;
    pub const C: u64 = 1 << 2;
    pub const SA: u64 = 1 << 3;
    pub const SA0: u64 = 1 << 4;
    pub const I: u64 = 1 << 12;
    pub const DZE: u64 = 1 << 14;
    pub const UCT: u64 = 1 << 15;
    /// What EL0 waits for is its own affair.
    pub const WAITS: u64 = 1 << 16 | 1 << 18;
    pub const WXN: u64 = 1 << 19;
    pub const SPAN: u64 = 1 << 23;
    pub const UCI: u64 = 1 << 26;
    pub const EPAN: u64 = 1 << 57;
}

/// Bits of `TCR_EL1` that `TCR_EL2` lacks; those of the upper range follow the ones of the lower.
mod tcr_el1 {
    pub const EPD: [u64; 2] = [1 << 7, 1 << 23];
    pub const E0PD: [u64; 2] = [1 << 55, 1 << 56];
}

/// HCR_EL2.ID: instructions at stage 2 are non-cacheable.
const HCR_ID: u64 = 1 << 33;

/// Draws the registers for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &GuestSpace,
    abilities: &Abilities,
    map: &MemoryMap,
    shape: Shape,
) -> Result<Setup, NotDrawn> {
    let is_spoiled = rng.chance(space.spoiled);
    let has_stage2 = shape.stage2.is_some();
    // Which stages have updates: both, stage 1, stage 2.
    let wanted = abilities.access_flag && rng.chance(space.hardware_updates);
    let which = rng.weighted([(3, (true, true)), (2, (true, false)), (2, (false, true))]);
    let of_stage1 = wanted && shape.stage1.is_some() && (which.0 || !has_stage2);
    let of_stage2 = wanted && has_stage2 && (which.1 || !of_stage1);
    let stage1_updates = Updates::draw(rng, abilities, of_stage1);
    let stage2_updates = Updates::draw(rng, abilities, of_stage2);
    let has_updates = of_stage1 || of_stage2;

    // What hardware updates has to be Write-Back for everybody.
    let cached = has_updates || rng.chance(920);
    let dc = shape.stage1.is_none() && has_stage2 && rng.chance(500);
    let fwb = has_stage2 && abilities.fwb && rng.chance(400);
    let cd = has_stage2 && !has_updates && rng.chance(50);
    let bits = |rng: &mut Rng, choices: &[(u64, u64)]| {
        choices
            .iter()
            .fold(0, |all, (chance, bit)| all | if rng.chance(*chance) { *bit } else { 0 })
    };
    let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
    let vm = if dc && rng.chance(150) { 0 } else { flag(has_stage2, hcr::VM) };
    let hcr_el2 = hcr::RW
        | vm
        | flag(dc, hcr::DC)
        | flag(cd, hcr::CD)
        | flag(fwb, hcr::FWB)
        | bits(rng, &[(300, hcr::PTW), (50, HCR_ID)]);
    let el0 = El0 { maintains_caches: rng.chance(700), zeroes: rng.chance(700) };
    let sctlr_el1 = sctlr::RES1
        | sctlr::WAITS
        | flag(shape.stage1.is_some(), sctlr::M)
        | flag(cached, sctlr::C)
        | flag(el0.maintains_caches, sctlr::UCI)
        | flag(el0.zeroes, sctlr::DZE)
        | bits(rng, &[(200, sctlr::A), (500, sctlr::SA), (500, sctlr::SA0), (850, sctlr::I)])
        | bits(rng, &[(500, sctlr::UCT), (250, sctlr::WXN)])
        | flag(!abilities.pan || rng.chance(500), sctlr::SPAN)
        | flag(abilities.pan3 && rng.chance(500), sctlr::EPAN);

    let most = |ps| {
        shape.stage2.map_or(abilities.pa_bits, |stage2| {
            ps_bits(ps).min(stage2.variant.address_bits(abilities))
        })
    };
    let ps = match shape.stage2 {
        Some(_) => reaching(rng, abilities, map, most)?,
        None => ps(abilities.pa_bits),
    };
    let (vtcr_el2, vttbr_el2) = stage2_registers(rng, abilities, &shape, ps, stage2_updates);
    let stage1 = stage1_registers(rng, abilities, map, &shape, stage1_updates)?;

    let input_bits = shape.stage2.map_or(abilities.pa_bits, |stage2| stage2.ia_bits);
    let ipa_bits = match shape.stage1 {
        Some(_) => stage1.oa_bits.into_iter().fold(input_bits, u8::min),
        // Whoever runs there has an address of so many bits.
        None => input_bits.min(if abilities.lva { 52 } else { 48 }),
    };
    // Without stage 1 data is Device memory, unless by default it is cacheable.
    let uncached = !cached || cd || shape.stage1.is_none() && !dc;
    let mair = Mair::draw(rng, abilities);
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
    Ok(Setup {
        shape,
        registers,
        is_spoiled,
        pa_bits: if has_stage2 { most(ps) } else { ipa_bits },
        stage1_oa_bits: stage1.oa_bits,
        ipa_bits,
        mair,
        home: stage1.home,
        uncached,
        fwb,
        stage1_updates,
        stage2_updates,
        tbi: stage1.tbi,
        el0,
    })
}

/// An output address size, raw, with which tables and stages are within `bits` of it: mostly what the PE has.
fn reaching(
    rng: &mut Rng,
    abilities: &Abilities,
    map: &MemoryMap,
    bits: impl Fn(u64) -> u8,
) -> Result<u64, NotDrawn> {
    let own = ps(abilities.pa_bits);
    let any = rng.below(7);
    let drawn = rng.weighted([(6, own), (4, any)]);
    let suits = |ps: &u64| {
        let below = |arena: &&Arena| arena.last() >> bits(*ps) == 0;
        let mut reached = map.arenas().iter().filter(below);
        let has = |kind| reached.clone().any(|arena: &Arena| arena.kind == kind);
        has(ArenaKind::Tables) && reached.any(scratch::fits)
    };
    [drawn, own].into_iter().find(suits).ok_or(NotDrawn::NoArena)
}

/// `VTCR_EL2`, and `VTTBR_EL2` without the root.
fn stage2_registers(
    rng: &mut Rng,
    abilities: &Abilities,
    shape: &Shape,
    ps: u64,
    updates: Updates,
) -> (u64, u64) {
    let wide = abilities.vmid16 && rng.chance(500);
    let vmid = rng.bits() & if wide { 0xffff } else { 0xff };
    let walks = walks(rng, updates);
    let Some(shape) = shape.stage2 else {
        // Nothing of it counts but the VMID.
        return (Vtcr::RES1.t0sz(24).ps(ps).vs(wide).0, vmid << 48);
    };
    let (sl0, sl2) = start_level_fields(shape.variant.granule, shape.start_level);
    let vtcr = Vtcr::RES1
        .t0sz(64 - u64::from(shape.ia_bits))
        .sl0(sl0)
        .sl2(sl2)
        .irgn0(walks.cacheability[0])
        .orgn0(walks.cacheability[1])
        .sh0(walks.sh)
        .tg0(tg0(shape.variant.granule))
        .ps(ps)
        .vs(wide)
        .ds(shape.variant.ds)
        .ha(updates.access)
        .hd(updates.dirty);
    (vtcr.0, vmid << 48)
}

/// How walks reach tables.
struct Walks {
    cacheability: [u64; 2],
    sh: u64,
}

/// Write-Back mostly; others are legal and must not change an answer. What hardware updates is Write-Back
/// and Inner Shareable: an update of other memory is the implementation's affair.
fn walks(rng: &mut Rng, updates: Updates) -> Walks {
    let cacheability = [(7, 1), (1, 0), (1, 2), (1, 3)];
    let drawn = [rng.weighted(cacheability), rng.weighted(cacheability)];
    let sh = rng.weighted([(6, 3), (2, 2), (2, 0)]);
    match updates.access {
        true => Walks { cacheability: [1, 1], sh: 3 },
        false => Walks { cacheability: drawn, sh },
    }
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
    abilities: &Abilities,
    map: &MemoryMap,
    shape: &Shape,
    updates: Updates,
) -> Result<Stage1, NotDrawn> {
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
        None => reaching(rng, abilities, map, |ips| of(ips)[0].min(of(ips)[1]))?,
    };
    let walked = [0, 1].map(|number: usize| ranges[number].has_walks);
    let home = match walked {
        [true, true] => rng.below(2) as usize,
        [lower, _] => usize::from(!lower),
    };
    let mut one = |number: usize| {
        let range = ranges[number];
        let Walks { cacheability, sh } = walks(rng, updates);
        Range {
            tsz: 64 - u64::from(range.va_bits),
            granule_bits: range.variant.granule.bits(),
            cacheability,
            sh,
            tbi: tbi[number],
            hpd: abilities.hpds && rng.chance(300),
        }
    };
    let (lower, upper) = (one(0), one(1));
    let whole = Whole { ps: ips, ha: updates.access, hd: updates.dirty, ds: shape.stage1_ds() };
    let mut tcr_el1 = tcr::of_two(&lower, &upper, &whole) | extra;
    for (number, has_walks) in walked.into_iter().enumerate() {
        // The guest's own code must be within EL0's reach.
        let hidden = abilities.e0pd && rng.chance(150) && number != home;
        tcr_el1 |= if has_walks { 0 } else { tcr_el1::EPD[number] };
        tcr_el1 |= if hidden { tcr_el1::E0PD[number] } else { 0 };
    }
    Ok(Stage1 { tcr_el1, asids, home, oa_bits: of(ips), tbi })
}

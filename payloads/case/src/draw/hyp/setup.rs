//! Registers, stages, and where tables lie.

use arrayvec::ArrayVec;

use super::super::{NotDrawn, Rng};
use super::attributes::Mair;
use super::shape::Shape;
use super::space::HypSpace;
use crate::abilities::Abilities;
use crate::format::{AddressFormat, Format};
use crate::layout::Variant;
use crate::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap, Place};
use crate::placement::Placement;
use crate::registers::Registers;
use crate::tcr::{self, Range, Whole, hcr, sctlr};
use crate::tree::Role;
use crate::vtcr::{self, ps, ps_bits};

/// A tree before anything is mapped.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub role: Role,
    pub variant: Variant,
    pub format: Format,
    pub slots: ArrayVec<Place, 4>,
    /// The most tables that the slots have room for.
    pub tables: u64,
}

/// Everything of a case but its mappings, edits and probes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub registers: Registers,
    /// Output address size in bits, as the architecture limits it.
    pub oa_bits: u8,
    pub mair: Mair,
    /// SCTLR_EL2.WXN.
    pub wxn: bool,
    /// SCTLR_EL2.A.
    pub aligned: bool,
    /// Top bytes are ignored: in the lower range, and in the upper one.
    pub tbi: [bool; 2],
    /// HCR_EL2.TGE.
    pub tge: bool,
    /// Whether hardware may update descriptors.
    pub updates: bool,
    /// The trees: the lower range first, then the upper one or the idmap.
    pub plots: ArrayVec<Plot, 2>,
    /// Stage arenas, by number.
    pub trampoline: u8,
    pub exit: u8,
    pub code: u8,
    pub data: u8,
}

/// Draws the registers and the places for `shape`.
pub(super) fn setup(
    rng: &mut Rng,
    space: &HypSpace,
    abilities: &Abilities,
    map: &MemoryMap,
    shape: &Shape,
) -> Result<Setup, NotDrawn> {
    let &Shape { variant, va_bits, placement, upper } = shape;
    let most = |ps| {
        let of = |variant: Variant| ps_bits(ps).min(variant.address_bits(abilities));
        of(variant).min(upper.map_or(52, |(upper, _)| of(upper)))
    };
    let own = ps(abilities.pa_bits);
    // All that must be reached lies within the output size.
    let identity_bits = variant.most_va_bits(abilities);
    let is_host = upper.is_some();
    let stages = |ps: u64| Stages { map, va_bits, identity_bits, oa_bits: most(ps), is_host };
    let suits = |ps: &u64| {
        let stages = stages(*ps);
        stages.trampolines(placement).next().is_some()
            && stages.exits(placement).next().is_some()
            && map.arenas().iter().any(|arena| within(arena, most(*ps)))
    };
    let any = rng.below(7);
    let drawn = rng.weighted([(6, own), (4, any)]);
    let ps = if suits(&drawn) { drawn } else { own };
    if !suits(&ps) {
        return Err(NotDrawn::NoPlacement);
    }
    let (stages, oa_bits) = (stages(ps), most(ps));
    let pick = |rng: &mut Rng, numbers: &mut dyn Iterator<Item = u8>| {
        let numbers: ArrayVec<u8, MAX_ARENAS> = numbers.collect();
        rng.pick(&numbers).ok_or(NotDrawn::NoPlacement)
    };
    let trampoline = pick(rng, &mut stages.trampolines(placement))?;
    // Most hypervisors leave by the page that they came by.
    let same = placement != Placement::Outside && rng.chance(600);
    let exit = if same { trampoline } else { pick(rng, &mut stages.exits(placement))? };
    let code = pick(rng, &mut stages.all())?;
    let data = pick(rng, &mut stages.all())?;

    let updates = abilities.access_flag && rng.chance(space.hardware_updates);
    let mair = Mair::draw(rng, abilities);
    let (wxn, aligned) = (rng.chance(250), rng.chance(200));
    let range = |rng: &mut Rng, variant: Variant, bits: u8| {
        // Write-Back walks mostly; others are legal and must not change an answer.
        let cacheability = [(7, 1), (1, 0), (1, 2), (1, 3)];
        Range {
            tsz: 64 - u64::from(bits),
            granule_bits: variant.granule.bits(),
            cacheability: [rng.weighted(cacheability), rng.weighted(cacheability)],
            sh: rng.weighted([(6, 3), (2, 2), (2, 0)]),
            tbi: rng.chance(300),
            hpd: abilities.hpds && rng.chance(300),
        }
    };
    let ds = variant.ds || upper.is_some_and(|(upper, _)| upper.ds);
    let hd = updates && abilities.dirty_state && rng.chance(600);
    let whole = Whole { ps, ha: updates, hd, ds };
    let lower = range(rng, variant, va_bits);
    let sctlr_el2 = sctlr::RES1
        | sctlr::M
        | sctlr::C
        | sctlr::SA
        | sctlr::I
        | if wxn { sctlr::WXN } else { 0 }
        | if aligned { sctlr::A } else { 0 };
    let mut registers = Registers {
        hcr_el2: vtcr::hcr::RW,
        sctlr_el2,
        mair_el2: mair.value,
        ..Registers::default()
    };
    let mut plots = ArrayVec::new();
    let format = variant.stage1_format(abilities, va_bits);
    plots.push(plot(rng, map, Role::Ttbr0El2, variant, format, oa_bits, plots.len())?);
    let (mut tbi, mut tge) = ([lower.tbi, false], false);
    if let Some((upper, bits)) = upper {
        let above = range(rng, upper, bits);
        tbi[1] = above.tbi;
        tge = rng.chance(500);
        registers.hcr_el2 |= hcr::E2H | if tge { hcr::TGE } else { 0 };
        let asids = if abilities.vmid16 && rng.chance(500) { tcr::AS } else { 0 };
        let a1 = if rng.chance(300) { tcr::A1 } else { 0 };
        registers.tcr_el2 = tcr::of_two(&lower, &above, &whole) | asids | a1;
        registers.ttbr0_el2 = rng.below(0x100) << 48;
        registers.ttbr1_el2 = rng.below(0x100) << 48;
        let format = upper.stage1_format(abilities, bits);
        plots.push(plot(rng, map, Role::Ttbr1El2, upper, format, oa_bits, plots.len())?);
    } else {
        registers.tcr_el2 = tcr::of_one(&lower, &whole);
    }
    if placement == Placement::Outside {
        // As many more levels as there are, or just enough bits.
        let base = map.arenas()[usize::from(trampoline)].last();
        let least = 64 - base.leading_zeros() as u8;
        let most = variant.most_va_bits(abilities);
        let bits =
            if rng.chance(500) { most } else { rng.between(least.into(), most.into()) as u8 };
        let idmap = Range { tsz: 64 - u64::from(bits), ..lower };
        registers.idmap_tcr_el2 = tcr::of_one(&idmap, &whole);
        let format = variant.stage1_format(abilities, bits);
        plots.push(plot(rng, map, Role::Idmap, variant, format, oa_bits, plots.len())?);
    }
    Ok(Setup {
        shape: *shape,
        registers,
        oa_bits,
        mair,
        wxn,
        aligned,
        tbi,
        tge,
        updates,
        plots,
        trampoline,
        exit,
        code,
        data,
    })
}

/// The stages of a target that a set-up reaches.
struct Stages<'a> {
    map: &'a MemoryMap,
    va_bits: u8,
    /// The most bits that an address has that is mapped to itself.
    identity_bits: u8,
    oa_bits: u8,
    /// With two ranges the runtime is in the upper one, and the exit in either half of the lower.
    is_host: bool,
}

impl<'a> Stages<'a> {
    /// All of them, by number.
    fn all(&self) -> impl Iterator<Item = u8> + use<'a> {
        let oa_bits = self.oa_bits;
        let reached =
            move |arena: &Arena| arena.kind == ArenaKind::Scratch && arena.last() >> oa_bits == 0;
        let numbered = (0..).zip(self.map.arenas());
        numbered.filter(move |(_, arena)| reached(arena)).map(|(number, _)| number)
    }

    fn trampolines(&self, placement: Placement) -> impl Iterator<Item = u8> + use<'a> {
        let (map, va_bits, identity_bits) = (self.map, self.va_bits, self.identity_bits);
        self.all().filter(move |number| {
            let arena = &map.arenas()[usize::from(*number)];
            arena.last() >> identity_bits == 0
                && Placement::of_address(arena.base, va_bits) == placement
        })
    }

    /// Where one can leave, with the trampoline at `placement`: in the same half, if it is in one.
    fn exits(&self, placement: Placement) -> impl Iterator<Item = u8> + use<'a> {
        let either = self.is_host || placement == Placement::Outside;
        let (map, va_bits) = (self.map, self.va_bits);
        self.all().filter(move |number| {
            match Placement::of_address(map.arenas()[usize::from(*number)].base, va_bits) {
                Placement::Outside => false,
                half => either || half == placement,
            }
        })
    }
}

/// Whether tables can lie in all of `arena` when output addresses have `oa_bits` bits.
fn within(arena: &Arena, oa_bits: u8) -> bool {
    arena.kind == ArenaKind::Tables && arena.last() >> oa_bits == 0
}

/// Into how many parts each arena is divided: more than a set-up of EL2 has trees.
const PARTS: u64 = 4;

/// Tree number `number`: one slot an arena, in 1 to 4 arenas that the output size reaches. Each tree has a
/// part of each arena of its own.
fn plot(
    rng: &mut Rng,
    map: &MemoryMap,
    role: Role,
    variant: Variant,
    format: Format,
    oa_bits: u8,
    number: usize,
) -> Result<Plot, NotDrawn> {
    const LEAST_TABLES: u64 = 12;
    const MOST_TABLES: u64 = 40;
    let page = format.granule.bytes();
    let root = 2 * format.root_bytes().max(format.root_alignment()) + page;
    let part = |arena: &Arena| arena.size / PARTS;
    let mut usable: ArrayVec<u8, MAX_ARENAS> = ArrayVec::new();
    for (arena_number, arena) in map.arenas().iter().enumerate() {
        if within(arena, oa_bits) && part(arena) >= root + LEAST_TABLES * page {
            usable.push(arena_number as u8);
        }
    }
    // A root of fewer than 64 bytes lies below 2^48: QEMU looks for one above it elsewhere, a known issue,
    // and a life that begins so ends at once.
    let is_small = format.root_bytes() < 64 && format.address != AddressFormat::Bits48;
    let is_low = |number: &u8| map.arenas()[usize::from(*number)].last() >> 48 == 0;
    let roots: ArrayVec<u8, MAX_ARENAS> =
        usable.iter().copied().filter(|number| !is_small || is_low(number)).collect();
    let first = rng.pick(&roots).ok_or(NotDrawn::NoArena)?;
    let wanted = rng.weighted([(4, 1), (3, 2), (2, 3), (1, 4)]).min(usable.len());
    let mut slots = ArrayVec::new();
    let mut tables = MOST_TABLES;
    for slot in 0..wanted {
        let arena = if slot == 0 { first } else { rng.pick(&usable).unwrap_or(first) };
        usable.retain(|number| *number != arena);
        let size = part(&map.arenas()[usize::from(arena)]);
        let fixed = if slot == 0 { root } else { page };
        let share = ((size - fixed) / page).min(MOST_TABLES / wanted as u64);
        tables = tables.min(share * wanted as u64);
        // The root may lie anywhere that its alignment allows; other tables are granule aligned.
        let step = if slot == 0 { format.root_alignment() } else { page };
        let offset = rng.between(0, (size - fixed - share * page) / step) * step;
        slots.push(Place::new(arena, number as u64 * size + offset));
    }
    Ok(Plot { role, variant, format, slots, tables })
}

//! Sequences: touch, change, invalidate, touch again.
//!
//! ```text
//!   touch      loads, fetches and AT of what a descriptor translates: TLBs may hold it now
//!   change     late edits of the descriptor: made invalid, changed, made valid; or changed at once
//!   TLBI       what is sufficient, or what is not
//!   touch      the old, the new, or what of both the maintenance left
//! ```
//!
//! Each descriptor has two late edits, which mostly flip bits, so that they can be done again and again: one
//! makes it invalid, or valid again; the other makes it say something else. A table at level 2 becomes a block once,
//! and stays one.
//!
//! **Speculation.** Whatever a TLB still holds, or mixes of two descriptors, leads to tags, slots, or tables of the
//! case, under either: no more than the addresses of tags of the case are exchanged.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::super::address_space::{Goal, Reach, Reaches};
use super::super::edits::{ACCESS, AF, EXECUTION, VALID};
use super::super::leaf::Purpose;
use super::super::pool::PIECE;
use super::super::tree::{Leaf, TreeBuilder};
use super::edits::is_needed;
use super::maintenance::{Maintenance, Stale, insufficient, sufficient};
use super::probes::Asker;
use super::world::World;
use crate::edit::{Change, Edit};
use crate::format::AddressFormat;
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::probe::{El, Operation, Probe};
use crate::tcr;
use crate::tree::Role;
use crate::vtcr::Vtcr;
use crate::{Case, MAX_EDITS, scratch};

/// The most descriptors that a sequence changes.
const MOST: usize = MAX_EDITS / 2;
/// How often one is looked for.
const TRIES: usize = 40;

/// The smallest page.
const PAGE: u64 = 0x1000;

/// A descriptor that a sequence changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Target {
    /// A page that it translates, of the smallest granule, and what is there.
    page: u64,
    goal: Goal,
    stale: Stale,
    /// Numbers of its late edits: the one that makes it invalid, and the one that makes it another.
    breaks: u8,
    changes: Option<u8>,
}

/// A sequence while it is drawn.
struct Sequence<'a> {
    rng: &'a mut Rng,
    world: &'a World<'a>,
    targets: ArrayVec<Target, MOST>,
    /// What the VMID or ASID of each alternate differs by.
    ids: ArrayVec<u64, 2>,
    pes: u64,
    count: usize,
}

/// Fills `case`, which maps what `world` says, with `count` probes and steps by `pes` PEs.
pub(super) fn fill(rng: &mut Rng, world: &World<'_>, case: &mut Case, count: u64, pes: u64) {
    let reaches = world.reaches();
    let ids = ids(rng, world, case);
    let mut targets = ArrayVec::new();
    for _ in 0..TRIES {
        if targets.is_full() || case.as_ref().edits.len() + 2 > MAX_EDITS {
            break;
        }
        targets.extend(target(rng, world, &reaches, case));
    }
    if targets.is_empty() {
        // Nothing may be changed: questions, as any guest is asked.
        return Asker::new(rng, world, case).ask(rng, case, count, pes);
    }
    let count = count as usize;
    let mut sequence = Sequence { rng, world, targets, ids, pes, count };
    while case.as_ref().probes.len() < count {
        sequence.episode(case);
    }
}

/// What the VMID or ASID of each alternate differs by: one bit, or now and then nothing. The ASID is made that of
/// the register that the alternate is loaded into.
fn ids(rng: &mut Rng, world: &World<'_>, case: &mut Case) -> ArrayVec<u64, 2> {
    let mut ids = ArrayVec::new();
    for alternate in &world.alternates {
        let registers = case.registers_mut();
        let is_wide = match alternate.tree.role {
            Role::Stage2 => registers.vtcr_el2 & Vtcr(0).vs(true).0 != 0,
            role => {
                let a1 = if role == Role::Ttbr1El1 { tcr::A1 } else { 0 };
                registers.tcr_el1 = registers.tcr_el1 & !tcr::A1 | a1;
                registers.tcr_el1 & tcr::AS != 0
            }
        };
        let bit = 1 << rng.below(if is_wide { 16 } else { 8 });
        ids.push(if rng.chance(120) { 0 } else { bit });
    }
    ids
}

/// A descriptor that may be changed, with its late edits added to `case`.
fn target(rng: &mut Rng, world: &World<'_>, reaches: &Reaches, case: &mut Case) -> Option<Target> {
    let wanted = |reach: &&Reach| reach.goal != Goal::MismatchedTags;
    let reach = rng.choose(reaches.iter().filter(wanted))?;
    let va = reach.va + rng.below(reach.bytes) / PAGE * PAGE;
    let holds = |tree: &&TreeBuilder| {
        let input = va & tree.mask();
        tree.address(input) == va && tree.at(input).is_some()
    };
    let range = world.ranges.iter().find(holds);
    let input = range.map_or(va, |tree| va & tree.mask());
    let ipa = range.map_or(Some(va), |tree| tree.output(input))?;
    let at_stage2 = range.is_none() || world.stage2.is_some() && rng.chance(400);
    // Or what stage 2 says of tables of stage 1.
    let tables = range.filter(|_| at_stage2 && rng.chance(250));
    let tables = tables.and_then(|tree| rng.pick(tree.tree.ipas()));
    let ipa = tables.map_or(ipa, |slot| slot / PAGE * PAGE);
    let (tree, input) = match at_stage2 {
        true => (world.stage2.as_ref()?, ipa),
        false => (range?, input),
    };
    let leaf = tree.at(input)?;
    // What a group means of which one entry differs is another question.
    if leaf.attributes.has(Attributes::CONTIGUOUS) {
        return None;
    }
    // Now and then the table above it.
    let is_leaf = leaf.level == tree.format.start_level || rng.chance(850);
    let level = if is_leaf { leaf.level } else { leaf.level - 1 };
    let bits = tree.format.granule.entry_bits(level);
    let is_taken = |edit: &Edit| {
        edit.tree == tree.number && edit.level == level && edit.input >> bits == input >> bits
    };
    if is_needed(world, tree, input, bits) || case.as_ref().edits.iter().any(is_taken) {
        return None;
    }
    let entry = input >> bits << bits;
    let mut edit = |change| {
        let number = case.as_ref().edits.len() as u8;
        let edit = Edit::new(tree.number, entry, level, change).late();
        case.push_edit(edit).ok().map(|()| number)
    };
    let breaks = edit(Change::Flip(VALID))?;
    let changes = match (is_leaf, tables) {
        (true, Some(_)) => edit(Change::Flip(rng.one_of(&[ACCESS[0], ACCESS[1], AF]))),
        (true, None) => edit(Change::Flip(difference(rng, world, tree, leaf))),
        (false, _) if level == 2 && !at_stage2 => {
            let block = invalid_block(rng, world, tree, leaf);
            block.and_then(|block| edit(Change::Replace(block)))
        }
        (false, _) => None,
    };
    let registers = &case.as_ref().header.registers;
    let by_ttbr1 = registers.tcr_el1 & tcr::A1 != 0;
    let ttbr = if by_ttbr1 { registers.ttbr1_el1 } else { registers.ttbr0_el1 };
    let stale = Stale {
        is_stage2: at_stage2,
        address: if at_stage2 { ipa } else { va },
        granule: tree.format.granule,
        level,
        is_leaf,
        ds: match at_stage2 {
            true => registers.vtcr_el2 & Vtcr(0).ds(true).0 != 0,
            false => registers.tcr_el1 & tcr::DS != 0,
        },
        asid: ttbr >> 48,
        is_global: !leaf.attributes.has(Attributes::NG),
    };
    Some(Target { page: va, goal: reach.goal, stale, breaks, changes })
}

/// A block of stage 1 at level 2, with the attributes of `leaf`, where stage 2 maps nothing; invalid yet.
fn invalid_block(rng: &mut Rng, world: &World<'_>, tree: &TreeBuilder, leaf: &Leaf) -> Option<u64> {
    let stage2 = world.stage2.as_ref()?;
    let bits = tree.format.granule.entry_bits(2);
    let mask = (1u64 << world.setup.ipa_bits) - 1;
    let mut ipas = (0..TRIES).map(|_| (rng.bits() & mask) >> bits << bits);
    let ipa = ipas.find(|ipa| stage2.is_free(*ipa, 1 << bits))?;
    let Attributes { mem_attr, ap, sh, xn, af, .. } = leaf.attributes;
    let field = |value: u8, at: u32| u64::from(value) << at;
    let sh = if tree.format.address == AddressFormat::Ds { 0 } else { field(sh, 8) };
    let not_global = u64::from(leaf.attributes.has(Attributes::NG)) << 11;
    let permissions = field(ap, 6) | field(af, 10) | not_global | field(xn, 53);
    Some(output_bits(tree.format.address, ipa) | field(mem_attr & 7, 2) | sh | permissions)
}

/// Bits of `leaf` that make it lead elsewhere, to what is of the same kind, or that change permissions.
fn difference(rng: &mut Rng, world: &World<'_>, tree: &TreeBuilder, leaf: &Leaf) -> u64 {
    let permissions = |rng: &mut Rng| match rng.weighted([(4, 0), (2, 1), (2, 2)]) {
        0 => rng.one_of(&ACCESS),
        1 => rng.one_of(&EXECUTION),
        _ => AF,
    };
    if rng.chance(350) {
        return permissions(rng);
    }
    let moved = moved(rng, world, tree, leaf).unwrap_or_else(|| permissions(rng));
    if rng.chance(150) { moved | rng.one_of(&ACCESS) } else { moved }
}

/// Bits that exchange the tags, or slots, that `leaf` leads to for others.
fn moved(rng: &mut Rng, world: &World<'_>, tree: &TreeBuilder, leaf: &Leaf) -> Option<u64> {
    if leaf.level < 3 {
        return None;
    }
    let page = tree.format.granule.bytes();
    // Another page of the same 64 KB, which lie at a multiple of their size.
    if page < PIECE && rng.chance(300) {
        return Some(page << rng.below(u64::from((PIECE / page).trailing_zeros())));
    }
    let other = if tree.role == Role::Stage2 {
        let (own, offset) = (leaf.place.arena(), leaf.place.offset() / PIECE * PIECE);
        let others = world.scratch_like(own)?.filter(|other| *other != own);
        world.request.map.resolve(Place::new(rng.choose(others)?, offset))?
    } else {
        let (own, alike) = world.windows_like(leaf.output)?;
        let is_data = matches!(own.purpose, Purpose::Tags { .. } | Purpose::Slots);
        rng.choose(alike.filter(|window| is_data && window.ipa != own.ipa))?.ipa
    };
    Some(output_bits(tree.format.address, (leaf.output ^ other) / PIECE * PIECE))
}

/// Where descriptors keep the bits of an output address.
const fn output_bits(format: AddressFormat, address: u64) -> u64 {
    match format {
        AddressFormat::Bits48 => address,
        AddressFormat::Lpa => address & ((1 << 48) - 1) | (address >> 48) << 12,
        AddressFormat::Ds => address & ((1 << 50) - 1) | (address >> 50) << 8,
    }
}

impl Sequence<'_> {
    /// A few probes and steps that belong together.
    fn episode(&mut self, case: &mut Case) {
        let Some(target) = self.rng.pick(&self.targets) else { return };
        if !self.world.alternates.is_empty() && self.rng.chance(350) {
            return self.switch(case, &target);
        }
        self.touch(case, &target, 3);
        let change = target.changes;
        match self.rng.weighted([(5, 0), (if change.is_some() { 3 } else { 0 }, 1), (2, 2)]) {
            // Break before make.
            0 => {
                self.change(case, target.breaks);
                self.perhaps_touch(case, &target, 250);
                self.maintain(case, &target);
                self.perhaps_touch(case, &target, 400);
                if let Some(change) = change {
                    self.change(case, change);
                }
                self.change(case, target.breaks);
            }
            // At once, where that is allowed and where it is not.
            1 => {
                self.change(case, change.unwrap_or(target.breaks));
                self.perhaps_touch(case, &target, 300);
                self.maintain(case, &target);
            }
            // Away, and back again.
            _ => {
                self.change(case, target.breaks);
                self.maintain(case, &target);
                self.touch(case, &target, 2);
                self.change(case, target.breaks);
            }
        }
        self.touch(case, &target, 3);
    }

    /// Another tree, and back again; changes in between are made while the other one is in use.
    fn switch(&mut self, case: &mut Case, target: &Target) {
        let world = self.world;
        let number = self.rng.below(world.alternates.len() as u64) as usize;
        let Some(alternate) = world.alternates.get(number) else { return };
        let id = self.ids.get(number).copied().unwrap_or_default();
        let registers = case.as_ref().header.registers;
        let own = match alternate.tree.role {
            Role::Stage2 => registers.vttbr_el2,
            Role::Ttbr1El1 => registers.ttbr1_el1,
            _ => registers.ttbr0_el1,
        };
        self.touch(case, target, 2);
        self.use_tree(case, alternate.tree.number, own ^ id << 48, id == 0);
        let change = target.changes.filter(|_| self.rng.chance(300));
        self.touch(case, target, 2);
        if let Some(other) = self.rng.pick(&self.targets) {
            self.touch(case, &other, 2);
        }
        if let Some(change) = change {
            self.change(case, target.breaks);
            self.maintain(case, target);
            self.change(case, change);
            self.change(case, target.breaks);
        }
        self.use_tree(case, alternate.of, own, id == 0);
        self.touch(case, target, 3);
    }

    /// Adds a probe, if there is room.
    fn push(&mut self, case: &mut Case, probe: Probe) {
        if case.as_ref().probes.len() < self.count {
            // A case has room for all of them.
            let _ = case.push_probe(probe);
        }
    }

    /// One of the PEs.
    fn pe(&mut self) -> u8 {
        if self.pes > 1 { self.rng.below(self.pes) as u8 } else { 0 }
    }

    fn change(&mut self, case: &mut Case, number: u8) {
        let pe = self.pe();
        self.push(case, Probe::new(Operation::Change, 0).about(number).on(pe));
    }

    /// Loads tree number `number`. Where it has the VMID or ASID of the other, what is left of that one is not for it.
    fn use_tree(&mut self, case: &mut Case, number: u8, value: u64, shares_id: bool) {
        self.push(case, Probe::new(Operation::UseTree, value).about(number));
        if shares_id {
            self.push(case, Probe::new(Operation::TlbiVmalls12e1, 0));
        }
    }

    /// TLB maintenance for what was changed: what is sufficient, mostly.
    fn maintain(&mut self, case: &mut Case, target: &Target) {
        let abilities = self.world.request.abilities;
        let maintenance: Maintenance = match self.rng.chance(700) {
            true => sufficient(self.rng, abilities, &target.stale),
            false => insufficient(self.rng, abilities, &target.stale),
        };
        let pe = self.pe();
        for tlbi in maintenance {
            let for_all = if self.pes > 1 { 8 } else { 2 };
            let domain = self.rng.weighted([
                (4, 0),
                (for_all, Probe::INNER_SHAREABLE),
                (if abilities.tlbi_os { for_all / 2 } else { 0 }, Probe::OUTER_SHAREABLE),
            ]);
            let nxs = if abilities.xs && self.rng.chance(200) { Probe::NXS } else { 0 };
            self.push(case, tlbi.on(pe).with(domain | nxs));
        }
    }

    fn perhaps_touch(&mut self, case: &mut Case, target: &Target, permille: u64) {
        if self.rng.chance(permille) {
            self.touch(case, target, 1);
        }
    }

    /// One to `most` questions that the translation answers. Nothing is stored, for where it went might not
    /// be known.
    fn touch(&mut self, case: &mut Case, target: &Target, most: u64) {
        for _ in 0..self.rng.between(1, most) {
            let rng = &mut *self.rng;
            let is_code = target.goal == Goal::Slots;
            let unit = if is_code { scratch::SLOT_BYTES } else { 8 };
            let address = target.page + rng.below(PAGE / unit) * unit;
            let access = if is_code { Operation::Fetch } else { Operation::Load };
            let probe = match rng.weighted([(14, 0), (2, 1), (2, 2), (1, 3)]) {
                0 => {
                    let el = if rng.chance(400) { El::El0 } else { El::El1 };
                    Probe::new(access, address).by(el)
                }
                1 => Probe::new(Operation::AtS1e1r, address).by(El::El1),
                2 => Probe::new(Operation::AtS12e1r, address),
                _ => Probe::new(Operation::AtS12e0r, address),
            };
            // What the executor asks itself, it asks where it has the case in hand.
            let pe = if probe.el() == Some(El::El2) { 0 } else { self.pe() };
            self.push(case, probe.on(pe));
        }
    }
}

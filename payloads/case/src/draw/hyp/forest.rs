//! The trees of a case while they are filled.

use arrayvec::ArrayVec;

use super::super::{NotDrawn, Rng};
use super::area::{Area, overlap};
use super::attributes::{Purpose, attributes};
use super::setup::{Plot, Setup};
use crate::abilities::Abilities;
use crate::mapping::{Attributes, Mapping};
use crate::memory::{ArenaKind, MAX_ARENAS, MemoryMap, Place};
use crate::placement::Placement;
use crate::stay::Stay;
use crate::tree::{Role, Tree};
use crate::{Case, MAX_MAPPINGS, scratch};

/// How often an address is drawn before the first that is free is looked for.
const TRIES: usize = 8;
/// How many addresses are looked at, one after another.
const LOOKED_AT: u64 = 64;
/// Contiguous groups cost up to 128 words each: few a case.
const MOST_GROUPS: usize = 3;

/// The trees of a case while they are filled.
pub(super) struct Forest<'a> {
    setup: &'a Setup,
    map: &'a MemoryMap,
    mappings: ArrayVec<Mapping, MAX_MAPPINGS>,
    areas: ArrayVec<Area, MAX_MAPPINGS>,
    /// How many more tables each tree has room for.
    left: ArrayVec<u64, 2>,
    groups: usize,
    stay: Stay,
}

/// Leaves that are to be mapped somewhere.
struct Leaves {
    /// Number of the tree.
    tree: usize,
    output: Place,
    level: i8,
    entries: u64,
    attributes: Attributes,
    is_device: bool,
}

impl<'a> Forest<'a> {
    /// Nothing but the roots.
    pub fn new(setup: &'a Setup, map: &'a MemoryMap) -> Self {
        let left = setup.plots.iter().map(|plot| plot.tables).collect();
        Self {
            setup,
            map,
            mappings: ArrayVec::new(),
            areas: ArrayVec::new(),
            left,
            groups: MOST_GROUPS,
            stay: Stay::default(),
        }
    }

    /// Maps what a stay needs.
    pub fn settle(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let setup = self.setup;
        let place = |number| Place::new(number, 0);
        self.stay = Stay {
            trampoline: place(setup.trampoline),
            exit: place(setup.exit),
            code: place(setup.code),
            data: place(setup.data),
            ..Stay::default()
        };
        let outside = setup.shape.placement == Placement::Outside;
        if outside {
            self.map_identity(rng, 1, setup.trampoline)?;
        } else {
            self.map_identity(rng, 0, setup.trampoline)?;
        }
        if outside || setup.exit != setup.trampoline {
            self.map_identity(rng, 0, setup.exit)?;
        }
        let tree = self.runtime();
        let [code_va, data_va] = [
            (setup.code, scratch::CODE, scratch::CODE_BYTES, Purpose::Code),
            (setup.data, scratch::DATA, scratch::DATA_BYTES, Purpose::Data),
        ]
        .map(|(number, offset, bytes, purpose)| {
            let output = Place::new(number, offset);
            let leaves = self.pages(rng, tree, output, bytes, purpose);
            let half = self.half(rng);
            self.map_somewhere(rng, leaves, half, bytes.trailing_zeros())
        });
        let plot = &self.setup.plots[tree];
        let address = |input: Option<u64>| {
            let input = input.ok_or(NotDrawn::NoRoom)?;
            Ok(plot.role.address(plot.format.ia_bits, input))
        };
        (self.stay.code_va, self.stay.data_va) = (address(code_va)?, address(data_va)?);
        Ok(())
    }

    /// How many mappings there are.
    pub fn mapped(&self) -> usize {
        self.mappings.len()
    }

    /// The tree in which the runtime lives.
    fn runtime(&self) -> usize {
        usize::from(self.setup.shape.upper.is_some())
    }

    /// The first address of the half in which the runtime lives, and the end of it. The half that the
    /// trampoline is not in; either, where that is outside; with two ranges all of the upper.
    fn half(&self, rng: &mut Rng) -> (u64, u64) {
        let shape = &self.setup.shape;
        if let Some((_, bits)) = shape.upper {
            return (0, 1 << bits);
        }
        let top = 1 << (shape.va_bits - 1);
        match shape.placement {
            Placement::Lower => (top, 2 * top),
            Placement::Upper => (0, top),
            Placement::Outside if rng.chance(500) => (0, top),
            Placement::Outside => (top, 2 * top),
        }
    }

    /// Pages of tree number `tree` for `bytes` bytes of `output`.
    fn pages(
        &self,
        rng: &mut Rng,
        tree: usize,
        output: Place,
        bytes: u64,
        purpose: Purpose,
    ) -> Leaves {
        let entries = bytes.div_ceil(self.setup.plots[tree].format.granule.bytes());
        let (attributes, is_device) = attributes(rng, self.setup, purpose);
        Leaves { tree, output, level: 3, entries, attributes, is_device }
    }

    fn map_identity(&mut self, rng: &mut Rng, tree: usize, number: u8) -> Result<(), NotDrawn> {
        let output = Place::new(number, scratch::CODE);
        let leaves = self.pages(rng, tree, output, scratch::CODE_BYTES, Purpose::Code);
        let input = self.map.resolve(output).filter(|input| self.is_free(tree, *input, &leaves));
        let input = input.ok_or(NotDrawn::NoRoom)?;
        self.push(input, leaves).ok_or(NotDrawn::NoRoom)
    }

    /// Maps `leaves` at an address between `first` and `end` that is a multiple of 2^`unit_bits`; returns
    /// its first input address.
    fn map_somewhere(
        &mut self,
        rng: &mut Rng,
        mut leaves: Leaves,
        (first, end): (u64, u64),
        unit_bits: u32,
    ) -> Option<u64> {
        let granule = self.setup.plots[leaves.tree].format.granule;
        let bytes = leaves.entries << granule.entry_bits(leaves.level);
        let unit_bits = unit_bits.max(granule.entry_bits(leaves.level));
        let last = end.checked_sub(bytes)?;
        let aligned = |at: u64| at.next_multiple_of(1 << unit_bits);
        let free = |at: u64| {
            (at >= first && at <= last && self.is_free(leaves.tree, at, &leaves)).then_some(at)
        };
        let drawn = (0..TRIES).find_map(|_| {
            let anywhere = aligned(first + rng.bits() % (last.saturating_sub(first) + 1));
            let at = match rng.below(10) {
                0 => aligned(first),
                1 => last >> unit_bits << unit_bits,
                _ => anywhere.min(last >> unit_bits << unit_bits),
            };
            free(at)
        });
        let in_order = || (0..LOOKED_AT).find_map(|n| free(aligned(first) + (n << unit_bits)));
        let input = drawn.or_else(in_order)?;
        let setup = self.setup;
        let group_bits = setup.plots[leaves.tree].variant.contiguous_bits(leaves.level);
        let group = 1 << group_bits;
        let output = self.map.resolve(leaves.output)?;
        let whole = (group << granule.entry_bits(leaves.level)) - 1;
        let is_group = group_bits > 0 && leaves.entries == group && (input | output) & whole == 0;
        if is_group && self.groups > 0 && rng.chance(500) {
            self.groups -= 1;
            leaves.attributes.flags |= Attributes::CONTIGUOUS;
        }
        self.push(input, leaves)?;
        Some(input)
    }

    /// Whether nothing of tree number `tree` is at `input`, where `leaves` would be.
    fn is_free(&self, tree: usize, input: u64, leaves: &Leaves) -> bool {
        let Plot { role, format, .. } = &self.setup.plots[tree];
        let bytes = leaves.entries << format.granule.entry_bits(leaves.level);
        let clear = |area: &Area| {
            area.role != *role
                || input + (bytes - 1) < area.first
                || input > area.first + (area.bytes - 1)
        };
        input >> format.ia_bits == 0
            && (input + (bytes - 1)) >> format.ia_bits == 0
            && self.areas.iter().all(clear)
    }

    /// Adds a mapping; `None` where there is no room for it, or its tables.
    fn push(&mut self, input: u64, leaves: Leaves) -> Option<()> {
        let Leaves { tree, output, level, entries, attributes, is_device } = leaves;
        let Plot { role, format, .. } = &self.setup.plots[tree];
        let below = (level - format.start_level) as u64;
        let left = self.left[tree].checked_sub(below)?;
        let bytes = entries << format.granule.entry_bits(level);
        let pa = self.map.resolve(output)?;
        let reached = |offset, size| {
            let arenas = self.map.arenas().iter();
            let mut stages = arenas.filter(|arena| arena.kind == ArenaKind::Scratch);
            stages.find_map(|arena| overlap(input, bytes, pa, arena.base + offset, size))
        };
        let tags = reached(scratch::TAGS, scratch::TAGS_BYTES);
        let slots = reached(scratch::SLOTS, scratch::SLOTS_BYTES);
        let area = Area {
            role: *role,
            va_bits: format.ia_bits,
            first: input,
            bytes,
            attributes,
            is_device,
            tags,
            slots,
        };
        self.areas.try_push(area).ok()?;
        self.left[tree] = left;
        let tree = tree as u8;
        let entries = entries as u32;
        let reserved = [0; 2];
        self.mappings
            .try_push(Mapping { input, output, entries, level, tree, reserved, attributes })
            .ok()
    }

    /// Maps one thing that a stay does not need, if there is room.
    pub fn map_something(&mut self, rng: &mut Rng, abilities: &Abilities) {
        let tree = match self.setup.shape.upper {
            Some(_) => rng.below(2) as usize,
            None => 0,
        };
        let all = (0, 1 << self.setup.plots[tree].format.ia_bits);
        let mapped = match rng.weighted([(4, 0), (3, 1), (3, 2), (3, 3)]) {
            0 => self.stage_pages(rng, tree, scratch::TAGS, scratch::TAGS_BYTES, Purpose::Stage),
            1 => self.stage_pages(rng, tree, scratch::SLOTS, scratch::SLOTS_BYTES, Purpose::Slots),
            2 => self.quiet(rng, abilities, tree, true),
            _ => self.quiet(rng, abilities, tree, false),
        };
        if let Some((leaves, unit_bits)) = mapped {
            let _ = self.map_somewhere(rng, leaves, all, unit_bits);
        }
    }

    /// Some pages of a stage, out of the `bytes` bytes at `offset`.
    fn stage_pages(
        &self,
        rng: &mut Rng,
        tree: usize,
        offset: u64,
        bytes: u64,
        purpose: Purpose,
    ) -> Option<(Leaves, u32)> {
        let number = self.a_stage(rng)?;
        let page = self.setup.plots[tree].format.granule.bytes();
        let pages = bytes.div_ceil(page);
        let first = if rng.chance(500) { 0 } else { rng.below(pages) };
        let count = if rng.chance(500) { pages - first } else { rng.between(1, pages - first) };
        let output = Place::new(number, offset + first * page);
        let leaves = self.pages(rng, tree, output, count * page, purpose);
        // A table is not left in the midst: all of it is as large as its size.
        Some((leaves, (count * page).next_power_of_two().trailing_zeros()))
    }

    /// Blocks or pages over a stage, or anywhere, that are reached by nobody but a probe.
    fn quiet(
        &self,
        rng: &mut Rng,
        abilities: &Abilities,
        tree: usize,
        over_stage: bool,
    ) -> Option<(Leaves, u32)> {
        let Plot { variant, format, .. } = &self.setup.plots[tree];
        let most_bits = u32::from(format.ia_bits.min(self.setup.oa_bits));
        let levels: ArrayVec<i8, 4> = variant
            .leaf_levels(abilities)
            .into_iter()
            .filter(|level| *level >= format.start_level)
            .filter(|level| format.granule.entry_bits(*level) < most_bits)
            .collect();
        let level = rng.pick(&levels)?;
        let entry_bits = format.granule.entry_bits(level);
        let group_bits = variant.contiguous_bits(level);
        let grouped = group_bits > 0 && entry_bits + group_bits < most_bits && rng.chance(250);
        let unit_bits = if grouped { entry_bits + group_bits } else { entry_bits };
        let entries = if grouped { 1 << group_bits } else { 1 };
        let within = (1u64 << self.setup.oa_bits) - 1;
        let output = if over_stage {
            let number = self.a_stage(rng)?;
            self.map.arenas()[usize::from(number)].base
                + rng.pick(&[scratch::TAGS, scratch::SLOTS])?
        } else {
            let top = 1 << (self.setup.oa_bits - 1);
            rng.bits() & within | if rng.chance(600) { top } else { 0 }
        };
        let output = Place::absolute(output >> unit_bits << unit_bits);
        let reached = over_stage || self.setup.updates || rng.chance(700);
        let purpose = if reached { Purpose::Quiet } else { Purpose::Unreached };
        let (attributes, is_device) = attributes(rng, self.setup, purpose);
        Some((Leaves { tree, output, level, entries, attributes, is_device }, unit_bits))
    }

    /// A stage that the output size reaches.
    fn a_stage(&self, rng: &mut Rng) -> Option<u8> {
        let numbered = (0..).zip(self.map.arenas());
        let reached = numbered.filter(|(_, arena)| {
            arena.kind == ArenaKind::Scratch && arena.last() >> self.setup.oa_bits == 0
        });
        let numbers: ArrayVec<u8, MAX_ARENAS> = reached.map(|(number, _)| number).collect();
        rng.pick(&numbers)
    }

    /// What is mapped, the idmap's left out.
    pub fn areas(&self) -> ArrayVec<Area, MAX_MAPPINGS> {
        self.areas.iter().copied().filter(|area| area.role != Role::Idmap).collect()
    }

    /// The case, with nothing asked.
    pub fn case(&self) -> Case {
        let mut case = Case::new(self.setup.registers);
        for plot in &self.setup.plots {
            let root = plot.slots.first().copied().unwrap_or_default();
            let mut tree = Tree::new(plot.role, plot.format, root);
            // A tree has room for all slots, and a case for all trees and mappings.
            for &slot in plot.slots.iter().skip(1) {
                let _ = tree.push_slot(slot);
            }
            let _ = case.push_tree(tree);
        }
        for &mapping in &self.mappings {
            let _ = case.push_mapping(mapping);
        }
        case.set_stay(self.stay);
        case
    }
}

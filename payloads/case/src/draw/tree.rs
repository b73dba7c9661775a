//! A tree of translation tables under construction: its leaves, and the tables that they need.
//!
//! Leaves never overlap, stand at levels that their granule allows, and find room for their tables in the slots of
//! the tree. Where they lie is random: at either end, in the same table as another leaf, or anywhere.

use core::ops::Range;

use arrayvec::ArrayVec;

use super::Rng;
use super::leaf::Purpose;
use super::memory_type::Stage2Memory;
use crate::abilities::Abilities;
use crate::format::Format;
use crate::layout::Variant;
use crate::mapping::{Attributes, Mapping};
use crate::memory::Place;
use crate::registers::Registers;
use crate::tree::{Role, Tree};
use crate::{Case, MAX_MAPPINGS};

/// The most tables of a tree beside its root.
const MOST_TABLES: usize = 96;
/// Contiguous groups cost up to 128 words each: few a tree.
const MOST_GROUPS: usize = 4;
/// How often an address is drawn before the first that is free is looked for.
const TRIES: usize = 12;
/// How many addresses are looked at, one after another.
const LOOKED_AT: u64 = 64;

/// What a tree is for, and its shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TreeKind {
    pub role: Role,
    pub variant: Variant,
    pub format: Format,
}

/// A tree of tables under construction.
#[derive(Clone, Debug)]
pub(super) struct TreeBuilder {
    /// Its number in the case.
    pub number: u8,
    pub role: Role,
    pub variant: Variant,
    pub format: Format,
    /// Output address size in bits, as the architecture limits it.
    pub oa_bits: u8,
    /// The tree, with its slots.
    pub tree: Tree,
    pub leaves: ArrayVec<Leaf, MAX_MAPPINGS>,
    /// How many tables its slots have room for beside the root.
    room: usize,
    /// How many contiguous groups it may still have.
    groups: usize,
    /// Those that leaves need: level, and the bits of the input address that lead there.
    tables: ArrayVec<(i8, u64), MOST_TABLES>,
}

/// A run of leaf descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leaf {
    /// First input address.
    pub first: u64,
    pub level: i8,
    pub entries: u64,
    pub place: Place,
    /// The address that the first of them leads to.
    pub output: u64,
    pub attributes: Attributes,
    /// The memory type: at stage 1 a combined one.
    pub memory: Stage2Memory,
}

/// Leaf descriptors that are to be put somewhere: how many at which level, and where they lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub level: i8,
    pub entries: u64,
    /// log2 of what their first input address is a multiple of.
    pub unit_bits: u32,
    /// Whether they have the Contiguous bit. Without this they get it all the same where count and alignment allow
    /// it, now and then.
    pub is_group: bool,
    pub place: Place,
    /// The address that the first of them leads to.
    pub output: u64,
}

impl Run {
    /// The same, leading to the physical or intermediate address `output`.
    pub const fn to(self, output: u64) -> Self {
        self.to_place(Place::absolute(output), output)
    }

    /// The same, leading to `place`, which is at `output`.
    pub const fn to_place(self, place: Place, output: u64) -> Self {
        Self { place, output, ..self }
    }
}

impl TreeBuilder {
    /// A tree without leaves, whose slots have room for `room` tables beside the root.
    pub fn new(
        number: u8,
        TreeKind { role, variant, format }: TreeKind,
        oa_bits: u8,
        tree: Tree,
        room: u64,
    ) -> Self {
        let room = room.min(MOST_TABLES as u64) as usize;
        let (leaves, tables, groups) = (ArrayVec::new(), ArrayVec::new(), MOST_GROUPS);
        Self { number, role, variant, format, oa_bits, tree, leaves, room, groups, tables }
    }

    /// Size of `leaf` in bytes.
    pub const fn bytes(&self, leaf: &Leaf) -> u64 {
        leaf.entries << self.format.granule.entry_bits(leaf.level)
    }

    /// The leaf at `input`, if there is one.
    pub fn at(&self, input: u64) -> Option<&Leaf> {
        let holds = |leaf: &&Leaf| input >= leaf.first && input - leaf.first < self.bytes(leaf);
        self.leaves.iter().find(holds)
    }

    /// The address that the leaf at `input` leads it to, if there is one.
    pub fn output(&self, input: u64) -> Option<u64> {
        self.at(input).map(|leaf| leaf.output + (input - leaf.first))
    }

    /// The bits of an input address.
    pub const fn mask(&self) -> u64 {
        (1 << self.format.ia_bits) - 1
    }

    /// The virtual or intermediate address for `input`.
    pub const fn address(&self, input: u64) -> u64 {
        self.role.address(self.format.ia_bits, input)
    }

    /// An address that has to do with the `bytes` bytes at input address `first`, as often as `odds` say of each kind:
    /// inside, at an end, just outside, a neighbour in the tables, any in range, beyond the range.
    pub fn near(&self, rng: &mut Rng, first: u64, bytes: u64, odds: [u64; 6]) -> u64 {
        let (ia_bits, mask) = (u64::from(self.format.ia_bits), self.mask());
        let inside = first + rng.below(bytes);
        let [a, b, c, d, e, f] = odds;
        let input = match rng.weighted([(a, 0), (b, 1), (c, 2), (d, 3), (e, 4), (f, 5)]) {
            0 => inside,
            1 if rng.chance(500) => first,
            1 => first + (bytes - 1),
            2 if rng.chance(500) => first.wrapping_sub(1) & mask,
            2 => (first + bytes) & mask,
            // Another index at some level.
            3 => inside ^ 1 << rng.below(ia_bits),
            4 => rng.bits() & mask,
            // One bit above the range, or all.
            _ if rng.chance(700) => {
                return self.address(inside) ^ 1 << rng.between(ia_bits, 63);
            }
            _ => return rng.bits(),
        };
        self.address(input)
    }

    /// Whether the `bytes` bytes at `input` are in range and nothing is there.
    pub fn is_free(&self, input: u64, bytes: u64) -> bool {
        let last = input.wrapping_add(bytes - 1);
        let clear = |leaf: &Leaf| last < leaf.first || input > leaf.first + (self.bytes(leaf) - 1);
        last >= input && last >> self.format.ia_bits == 0 && self.leaves.iter().all(clear)
    }

    /// The tables on the way to the `bytes` bytes at `input`, with leaves at `level`, that are not there yet. Where
    /// they go beyond a table, they go on in the next.
    fn new_tables(&self, input: u64, bytes: u64, level: i8) -> impl Iterator<Item = (i8, u64)> {
        let granule = self.format.granule;
        let tables = (self.format.start_level + 1..=level).flat_map(move |at| {
            let bits = granule.entry_bits(at - 1);
            let [first, last] = [input >> bits, (input + (bytes - 1)) >> bits];
            (first..=last).map(move |table| (at, table))
        });
        tables.filter(|table| !self.tables.contains(table))
    }

    /// Whether there is room for the tables of leaves.
    fn has_room(&self, input: u64, bytes: u64, level: i8) -> bool {
        self.tables.len() + self.new_tables(input, bytes, level).count() <= self.room
    }

    /// Levels at which leaves may stand that cover no more than 2^`most_bits` bytes, lowest level first.
    pub fn leaf_levels(&self, abilities: &Abilities, most_bits: u32) -> ArrayVec<i8, 4> {
        let levels = self.variant.leaf_levels(abilities).into_iter();
        let fits = |level: &i8| self.format.granule.entry_bits(*level) <= most_bits;
        levels.filter(|level| *level >= self.format.start_level).filter(fits).collect()
    }

    /// One leaf at `level`, which leads nowhere yet.
    pub const fn leaf(&self, level: i8) -> Run {
        let unit_bits = self.format.granule.entry_bits(level);
        Run { level, entries: 1, unit_bits, is_group: false, place: Place::absolute(0), output: 0 }
    }

    /// The same; or now and then a contiguous group, if it covers no more than 2^`most_bits` bytes and there may be
    /// more groups.
    pub fn leaf_or_group(&self, rng: &mut Rng, level: i8, most_bits: u32) -> Run {
        let leaf = self.leaf(level);
        let bits = self.variant.contiguous_bits(level);
        let fits = bits > 0 && leaf.unit_bits + bits <= most_bits && self.groups > 0;
        if !fits || !rng.chance(250) {
            return leaf;
        }
        Run { entries: 1 << bits, unit_bits: leaf.unit_bits + bits, is_group: true, ..leaf }
    }

    /// A leaf of any level, or a contiguous group of them, smaller than the input range and than 2^`oa_bits` bytes.
    pub fn any_leaf(&self, rng: &mut Rng, abilities: &Abilities, oa_bits: u8) -> Option<Run> {
        let most_bits = u32::from(self.format.ia_bits.min(oa_bits)) - 1;
        let level = rng.pick(&self.leaf_levels(abilities, most_bits))?;
        Some(self.leaf_or_group(rng, level, most_bits))
    }

    /// A leaf of any level over the address `over`, or over anything, that nobody but a probe reaches; and for what
    /// it is. With `updates` of its access flag all must be able to bear that it is reached.
    pub fn quiet(
        &self,
        rng: &mut Rng,
        abilities: &Abilities,
        over: Option<u64>,
        updates: bool,
    ) -> Option<(Run, Purpose)> {
        let run = self.any_leaf(rng, abilities, self.oa_bits)?;
        let output = over.unwrap_or_else(|| any_output(rng, self.oa_bits));
        let is_reached = updates || rng.chance(700);
        let purpose = if is_reached { Purpose::Quiet } else { Purpose::Unreached };
        Some((run.to(output >> run.unit_bits << run.unit_bits), purpose))
    }

    /// Pages for `bytes` bytes, aligned to no less than their size.
    pub const fn pages(&self, bytes: u64) -> Run {
        let page = self.format.granule.bytes();
        let entries = bytes.div_ceil(page);
        let unit_bits = (entries * page).next_power_of_two().trailing_zeros();
        Run { entries, unit_bits, ..self.leaf(3) }
    }

    /// A free input address in `range` for `bytes` bytes, a multiple of 2^`unit_bits`, where leaves at `level` find
    /// room for their tables.
    pub fn find(
        &self,
        rng: &mut Rng,
        bytes: u64,
        unit_bits: u32,
        level: i8,
        range: Range<u64>,
    ) -> Option<u64> {
        let aligned = |at: u64| at >> unit_bits << unit_bits;
        let last = aligned(range.end.min(1 << self.format.ia_bits).checked_sub(bytes)?);
        let span = last.checked_sub(range.start)?;
        let free = |at: u64| {
            let is_inside = (range.start..=last).contains(&at);
            let is_possible =
                is_inside && self.is_free(at, bytes) && self.has_room(at, bytes, level);
            is_possible.then_some(at)
        };
        let table_bits = self.format.granule.entry_bits(level) + self.format.granule.stride();
        let near = (1u64 << table_bits) - 1;
        let drawn = (0..TRIES).find_map(|_| {
            let anywhere = range.start + rng.below(span.saturating_add(1));
            let other = rng.pick(&self.leaves).map_or(anywhere, |leaf| leaf.first);
            free(aligned(match rng.weighted([(10, 0), (12, 1), (38, 2), (40, 3)]) {
                0 => range.start,
                1 => last,
                // In the same table as another leaf, mostly.
                2 => other & !near | anywhere & near,
                _ => anywhere,
            }))
        });
        let start = self.leaves.first().map_or(0, |leaf| aligned(leaf.first & !near));
        let start = start.max(range.start);
        let in_order = || (0..LOOKED_AT).find_map(|n| free(start + (n << unit_bits)));
        drawn.or_else(in_order)
    }

    /// Adds `run` at a free input address in `range`, with the attributes and the memory type that `draw` says;
    /// returns its first input address, or `None` where there is no room.
    pub fn add(
        &mut self,
        rng: &mut Rng,
        run: Run,
        range: Range<u64>,
        draw: impl FnOnce(&mut Rng) -> (Attributes, Stage2Memory),
    ) -> Option<u64> {
        let bytes = run.entries << self.format.granule.entry_bits(run.level);
        let first = self.find(rng, bytes, run.unit_bits, run.level, range)?;
        self.put(rng, first, run, draw)?;
        Some(first)
    }

    /// Adds `run` at `first`.
    pub fn put(
        &mut self,
        rng: &mut Rng,
        first: u64,
        run: Run,
        draw: impl FnOnce(&mut Rng) -> (Attributes, Stage2Memory),
    ) -> Option<Stage2Memory> {
        let Run { level, entries, place, output, .. } = run;
        let (mut attributes, memory) = draw(rng);
        let group = 1 << self.variant.contiguous_bits(level);
        let whole = (group << self.format.granule.entry_bits(level)) - 1;
        let fits =
            group > 1 && entries == group && (first | output) & whole == 0 && self.groups > 0;
        if run.is_group || fits && rng.chance(300) {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        self.push(Leaf { first, level, entries, place, output, attributes, memory })?;
        Some(memory)
    }

    /// Adds leaves at a free address; `None` where there is no room for them or their tables.
    pub fn push(&mut self, leaf: Leaf) -> Option<()> {
        let bytes = self.bytes(&leaf);
        if !self.is_free(leaf.first, bytes) || !self.has_room(leaf.first, bytes, leaf.level) {
            return None;
        }
        let new: ArrayVec<(i8, u64), 10> = self.new_tables(leaf.first, bytes, leaf.level).collect();
        self.leaves.try_push(leaf).ok()?;
        self.tables.extend(new);
        Some(())
    }

    /// The request for `leaf`.
    pub const fn mapping(&self, leaf: &Leaf) -> Mapping {
        Mapping {
            input: leaf.first,
            output: leaf.place,
            entries: leaf.entries as u32,
            level: leaf.level,
            tree: self.number,
            reserved: [0; 2],
            attributes: leaf.attributes,
        }
    }
}

/// An output address of `bits` bits: anywhere, mostly with its highest bit set, so that a lost bit shows.
pub(super) fn any_output(rng: &mut Rng, bits: u8) -> u64 {
    let top = 1u64 << (bits - 1);
    rng.bits() & (top | (top - 1)) | if rng.chance(600) { top } else { 0 }
}

/// Some leaf of `trees` and its tree, but for the first `skipped` of each.
pub(super) fn a_leaf<'a>(
    rng: &mut Rng,
    trees: &'a [TreeBuilder],
    skipped: [usize; 2],
) -> Option<(&'a TreeBuilder, &'a Leaf)> {
    let leaves = trees
        .iter()
        .zip(skipped)
        .flat_map(|(tree, skipped)| tree.leaves.iter().skip(skipped).map(move |leaf| (tree, leaf)));
    rng.choose(leaves)
}

/// How many mappings `trees` have.
pub(super) fn mapped<'a>(trees: impl IntoIterator<Item = &'a TreeBuilder>) -> usize {
    trees.into_iter().map(|tree| tree.leaves.len()).sum()
}

/// The case with these registers and trees, with nothing asked.
pub(super) fn case<'a>(
    registers: Registers,
    trees: impl IntoIterator<Item = &'a TreeBuilder>,
) -> Case {
    let mut case = Case::new(registers);
    for builder in trees {
        // A case has room for all trees and mappings.
        let _ = case.push_tree(builder.tree);
        for leaf in &builder.leaves {
            let _ = case.push_mapping(builder.mapping(leaf));
        }
    }
    case
}

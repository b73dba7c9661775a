//! One tree of tables while it is filled: its leaves, and the tables that they need.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::memory::Stage2Memory;
use crate::MAX_MAPPINGS;
use crate::format::Format;
use crate::layout::Variant;
use crate::mapping::{Attributes, Mapping};
use crate::memory::Place;
use crate::tree::{Role, Tree};

/// The most tables of a tree beside its root.
const MOST_TABLES: usize = 96;
/// How often an address is drawn before the first that is free is looked for.
const TRIES: usize = 12;
/// How many addresses are looked at, one after another.
const LOOKED_AT: u64 = 64;

/// A tree while it is filled.
#[derive(Clone, Debug)]
pub(super) struct Trunk {
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

impl Trunk {
    /// A tree without leaves, whose slots have room for `room` tables beside the root.
    pub fn new(
        number: u8,
        (role, variant, format): (Role, Variant, Format),
        oa_bits: u8,
        tree: Tree,
        room: u64,
    ) -> Self {
        let room = room.min(MOST_TABLES as u64) as usize;
        let (leaves, tables) = Default::default();
        Self { number, role, variant, format, oa_bits, tree, leaves, room, tables }
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

    /// The virtual or intermediate address for `input`.
    pub const fn address(&self, input: u64) -> u64 {
        self.role.address(self.format.ia_bits, input)
    }

    /// Whether the `bytes` bytes at `input` are in range and nothing is there.
    pub fn is_free(&self, input: u64, bytes: u64) -> bool {
        let last = input.wrapping_add(bytes - 1);
        let clear = |leaf: &Leaf| last < leaf.first || input > leaf.first + (self.bytes(leaf) - 1);
        last >= input && last >> self.format.ia_bits == 0 && self.leaves.iter().all(clear)
    }

    /// The tables on the way to a leaf at `level` for `input` that are not there yet. A run of leaves never
    /// goes beyond one table.
    fn new_tables(&self, input: u64, level: i8) -> impl Iterator<Item = (i8, u64)> {
        let granule = self.format.granule;
        let on_the_way = self.format.start_level + 1..=level;
        let tables = on_the_way.map(move |at| (at, input >> granule.entry_bits(at - 1)));
        tables.filter(|table| !self.tables.contains(table))
    }

    /// Whether there is room for the tables of a leaf.
    fn has_room(&self, input: u64, level: i8) -> bool {
        self.tables.len() + self.new_tables(input, level).count() <= self.room
    }

    /// A free address below `end` for `bytes` bytes, a multiple of 2^`unit_bits`, where leaves at `level`
    /// find room for their tables.
    pub fn find(
        &self,
        rng: &mut Rng,
        bytes: u64,
        unit_bits: u32,
        level: i8,
        end: u64,
    ) -> Option<u64> {
        let last = end.min(1 << self.format.ia_bits).checked_sub(bytes)? >> unit_bits << unit_bits;
        let free = |at: u64| {
            (at <= last && self.is_free(at, bytes) && self.has_room(at, level)).then_some(at)
        };
        let aligned = |at: u64| at >> unit_bits << unit_bits;
        let table_bits = self.format.granule.entry_bits(level) + self.format.granule.stride();
        let near = (1u64 << table_bits) - 1;
        let drawn = (0..TRIES).find_map(|_| {
            let anywhere = rng.below(last.saturating_add(1));
            let other = rng.pick(&self.leaves).map_or(anywhere, |leaf| leaf.first);
            free(aligned(match rng.weighted([(10, 0), (12, 1), (38, 2), (40, 3)]) {
                0 => 0,
                1 => last,
                // In the same table as another leaf, mostly.
                2 => other & !near | anywhere & near,
                _ => anywhere,
            }))
        });
        let start = self.leaves.first().map_or(0, |leaf| aligned(leaf.first & !near));
        let in_order = || (0..LOOKED_AT).find_map(|n| free(start + (n << unit_bits)));
        drawn.or_else(in_order)
    }

    /// Adds a leaf at a free address; `None` where there is no room for its tables.
    pub fn push(&mut self, leaf: Leaf) -> Option<()> {
        if !self.is_free(leaf.first, self.bytes(&leaf)) || !self.has_room(leaf.first, leaf.level) {
            return None;
        }
        let new: ArrayVec<(i8, u64), 5> = self.new_tables(leaf.first, leaf.level).collect();
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

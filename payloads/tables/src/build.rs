//! From a case to tables in memory.

use arrayvec::ArrayVec;
use case::edit::{Change, Edit};
use case::format::Format;
use case::mapping::Mapping;
use case::memory::{MemoryMap, Place};
use case::registers::Registers;
use case::tree::{self, Role};
use case::{CaseRef, MAX_EDITS, MAX_TREES};

use crate::allocator::{Allocator, Table, seen};
use crate::base::root_bits;
use crate::descriptor::{self, Leaf};
use crate::log::{LogFull, WordLog};
use crate::memory::TableMemory;

/// Why a case can't be built. Nothing but the log's words has been written when one is returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    /// The words of a tree mean nothing.
    #[error("the format or role of tree {tree} is not one that exists")]
    BadTree {
        /// Number of the tree.
        tree: usize,
    },
    /// A mapping or an edit names a tree that the case does not have.
    #[error("the case has no tree {tree}")]
    NoSuchTree {
        /// Number of the tree.
        tree: usize,
    },
    /// The case names no place for its tables.
    #[error("tree {tree} has no slot for its tables")]
    NoSlot {
        /// Number of the tree.
        tree: usize,
    },
    /// A place is not in a table arena of this target.
    #[error("place {place:?} is not in a table arena of this target")]
    NoSuchPlace {
        /// The place.
        place: Place,
    },
    /// A slot is full.
    #[error("slot {slot} of tree {tree} has no room for another table")]
    OutOfMemory {
        /// Number of the tree.
        tree: usize,
        /// Number of the slot.
        slot: usize,
    },
    /// Two mappings meet in one descriptor.
    #[error("input address {input:#x} is mapped already at level {level}")]
    Overlap {
        /// First input address of the descriptor.
        input: u64,
        /// Its level.
        level: i8,
    },
    /// A mapping's level or address does not fit the format.
    #[error("input address {input:#x} can't be mapped at level {level}")]
    BadMapping {
        /// The input address.
        input: u64,
        /// The level asked for.
        level: i8,
    },
    /// An edit's words mean nothing.
    #[error("edit number {number} is not one that exists")]
    BadEdit {
        /// Number of the edit in the case.
        number: usize,
    },
    /// The case writes more words than the log holds.
    #[error("the case writes more words than the log holds")]
    LogFull,
}

impl From<LogFull> for BuildError {
    fn from(_: LogFull) -> Self {
        Self::LogFull
    }
}

/// What a build made: the roots, and the registers that name them, each the case's own value with the
/// address of the root exclusive-ored in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Built {
    /// Physical address of the root of each tree.
    pub roots: ArrayVec<u64, MAX_TREES>,
    /// `VTTBR_EL2`.
    pub vttbr_el2: u64,
    /// `TTBR0_EL2`.
    pub ttbr0_el2: u64,
    /// `TTBR1_EL2`.
    pub ttbr1_el2: u64,
    /// `TTBR0_EL2` while the idmap tree is in use.
    pub idmap_ttbr0_el2: u64,
    /// `TTBR0_EL1`.
    pub ttbr0_el1: u64,
    /// `TTBR1_EL1`.
    pub ttbr1_el1: u64,
    /// What exclusive-ored into a register makes it name the root of each tree: [`root_bits`].
    pub bases: ArrayVec<u64, MAX_TREES>,
    /// The late edits, with the descriptors that they are about.
    pub late: ArrayVec<Late, MAX_EDITS>,
}

/// An edit that waits for its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Late {
    /// The number of the edit.
    pub edit: usize,
    /// The physical address of its descriptor.
    pub pa: u64,
    /// The level of its descriptor, which may be above the one that the edit names.
    pub level: i8,
}

impl Built {
    /// Notes the root of the next tree. Of trees with one role, the first is the one that is loaded.
    fn add(&mut self, trees: &[tree::Tree], role: Role, format: &Format, root: Table) {
        let base = root_bits(format, root.seen);
        let before = &trees[..self.roots.len()];
        self.roots.push(root.pa);
        self.bases.push(base);
        if before.iter().any(|tree| tree.role() == Some(role)) {
            return;
        }
        let register = match role {
            Role::Stage2 => &mut self.vttbr_el2,
            Role::Ttbr0El2 => &mut self.ttbr0_el2,
            Role::Ttbr1El2 => &mut self.ttbr1_el2,
            Role::Idmap => &mut self.idmap_ttbr0_el2,
            Role::Ttbr0El1 => &mut self.ttbr0_el1,
            Role::Ttbr1El1 => &mut self.ttbr1_el1,
        };
        *register ^= base;
    }

    /// The registers of a case, of which this was built, as they are loaded: with the roots.
    pub const fn registers(&self, case: &Registers) -> Registers {
        let Self { vttbr_el2, ttbr0_el2, ttbr1_el2, ttbr0_el1, ttbr1_el1, .. } = *self;
        Registers { vttbr_el2, ttbr0_el2, ttbr1_el2, ttbr0_el1, ttbr1_el1, ..*case }
    }
}

/// Builds the tables of `case` in `memory`, whose arenas `map` describes, and logs each word.
///
/// `log` should be empty. On an error the caller undoes what the log holds.
pub fn build(
    case: CaseRef<'_>,
    map: &MemoryMap,
    memory: &mut impl TableMemory,
    log: &mut WordLog,
) -> Result<Built, BuildError> {
    let registers = &case.header.registers;
    let mut allocator = Allocator::new(case.trees, map)?;
    let mut built = Built {
        vttbr_el2: registers.vttbr_el2,
        ttbr0_el2: registers.ttbr0_el2,
        ttbr1_el2: registers.ttbr1_el2,
        ttbr0_el1: registers.ttbr0_el1,
        ttbr1_el1: registers.ttbr1_el1,
        ..Built::default()
    };
    let mut formats: ArrayVec<Format, MAX_TREES> = ArrayVec::new();
    for (number, tree) in case.trees.iter().enumerate().take(MAX_TREES) {
        let (Some(role), Some(format)) = (tree.role(), tree.format()) else {
            return Err(BuildError::BadTree { tree: number });
        };
        let root = allocator.allocate(number, format.root_bytes(), format.root_alignment())?;
        built.add(case.trees, role, &format, root);
        formats.push(format);
    }
    let mut forest = TreeSet { formats, roots: &built.roots, allocator, memory, log };
    for mapping in case.mappings {
        forest.tree(mapping.tree)?.map(mapping, map)?;
    }
    let late = forest.edit(case.trees, case.edits, map)?;
    built.late = late;
    Ok(built)
}

/// Carries out late edit number `number` of `case`, whose tables are `built`; returns the physical address
/// of the descriptor.
pub fn change(
    case: CaseRef<'_>,
    map: &MemoryMap,
    built: &Built,
    number: usize,
    memory: &mut impl TableMemory,
    log: &mut WordLog,
) -> Result<u64, BuildError> {
    let bad = BuildError::BadEdit { number };
    let edit = case.edits.get(number).ok_or(bad)?;
    let found = built.late.iter().find(|late| late.edit == number);
    let pa = found.ok_or(bad)?.pa;
    let value = edited(case.trees, edit, number, memory.read(pa), map)?;
    log.rewrite(memory, pa, value)?;
    Ok(pa)
}

/// What edit number `number` makes of `descriptor`.
fn edited(
    trees: &[tree::Tree],
    edit: &Edit,
    number: usize,
    descriptor: u64,
    map: &MemoryMap,
) -> Result<u64, BuildError> {
    Ok(match edit.change().ok_or(BuildError::BadEdit { number })? {
        Change::Replace(word) => word,
        Change::Flip(mask) => descriptor ^ mask,
        Change::Table { place, flip } => {
            let none = BuildError::NoSuchTree { tree: edit.tree.into() };
            let tree = trees.get(usize::from(edit.tree)).ok_or(none)?;
            let format = tree.format().ok_or(none)?;
            let next = seen(tree, place, map).ok_or(BuildError::NoSuchPlace { place })?;
            descriptor::table(&format, next) ^ flip
        }
    })
}

/// All trees of a case.
struct TreeSet<'a, M> {
    formats: ArrayVec<Format, MAX_TREES>,
    roots: &'a [u64],
    allocator: Allocator,
    memory: &'a mut M,
    log: &'a mut WordLog,
}

struct Tree<'a, M> {
    number: usize,
    format: Format,
    root: u64,
    allocator: &'a mut Allocator,
    memory: &'a mut M,
    log: &'a mut WordLog,
}

impl<M: TableMemory> TreeSet<'_, M> {
    fn tree(&mut self, number: u8) -> Result<Tree<'_, M>, BuildError> {
        let number = usize::from(number);
        let (Some(&format), Some(&root)) = (self.formats.get(number), self.roots.get(number))
        else {
            return Err(BuildError::NoSuchTree { tree: number });
        };
        let Self { allocator, memory, log, .. } = self;
        Ok(Tree { number, format, root, allocator, memory, log })
    }

    /// Finds the descriptors of all edits, then carries out those that are not late; returns the others.
    fn edit(
        &mut self,
        trees: &[tree::Tree],
        edits: &[Edit],
        map: &MemoryMap,
    ) -> Result<ArrayVec<Late, MAX_EDITS>, BuildError> {
        let mut found: ArrayVec<(u64, i8), MAX_EDITS> = ArrayVec::new();
        for edit in edits.iter().take(MAX_EDITS) {
            found.push(self.tree(edit.tree)?.find(edit.input, edit.level));
        }
        let mut late = ArrayVec::new();
        for (edit, (asked, &(pa, level))) in edits.iter().zip(&found).enumerate() {
            if asked.is_late() {
                late.push(Late { edit, pa, level });
                continue;
            }
            let value = edited(trees, asked, edit, self.memory.read(pa), map)?;
            self.log.rewrite(self.memory, pa, value)?;
        }
        Ok(late)
    }
}

impl<M: TableMemory> Tree<'_, M> {
    fn map(&mut self, mapping: &Mapping, map: &MemoryMap) -> Result<(), BuildError> {
        let Mapping { input, level, .. } = *mapping;
        let bad = BuildError::BadMapping { input, level };
        if level < self.format.start_level || level > 3 {
            return Err(bad);
        }
        let entry_bits = self.format.granule.entry_bits(level);
        let bytes = u64::from(mapping.entries).checked_shl(entry_bits).ok_or(bad)?;
        let end = input.checked_add(bytes).ok_or(bad)?;
        let output = map.resolve(mapping.output);
        let output = output.ok_or(BuildError::NoSuchPlace { place: mapping.output })?;
        if input & ((1 << entry_bits) - 1) != 0 || end > 1 << self.format.ia_bits {
            return Err(bad);
        }

        let leaf = Leaf::new(&self.format, level, &mapping.attributes);
        let mut at = input;
        while at < end {
            let table = self.table_for(at, level)?;
            // All entries up to the end of this table, then look for the next table.
            let first = self.entry(table, at, level);
            let count = self.entries_from(at, level).min((end - at) >> entry_bits);
            for number in 0..count {
                let pa = first + 8 * number;
                if self.memory.read(pa) != 0 {
                    return Err(BuildError::Overlap { input: at, level });
                }
                self.log.write(self.memory, pa, leaf.to(output.wrapping_add(at - input)))?;
                at += 1 << entry_bits;
            }
        }
        Ok(())
    }

    /// The table at `level` on the path of `input`; tables that are missing on the way are made.
    fn table_for(&mut self, input: u64, level: i8) -> Result<u64, BuildError> {
        let mut table = self.root;
        for above in self.format.start_level..level {
            let pa = self.entry(table, input, above);
            let found = self.memory.read(pa);
            table = if descriptor::is_table(found, above) {
                self.next(found)
            } else if found == 0 {
                let bytes = self.format.granule.bytes();
                let fresh = self.allocator.allocate(self.number, bytes, bytes)?;
                self.log.write(self.memory, pa, descriptor::table(&self.format, fresh.seen))?;
                fresh.pa
            } else {
                return Err(BuildError::Overlap { input, level: above });
            };
        }
        Ok(table)
    }

    /// The address and the level of the descriptor on the path of `input` at `level` or, where the path ends
    /// sooner, of the last one on it.
    fn find(&self, input: u64, level: i8) -> (u64, i8) {
        let mut table = self.root;
        let mut at = self.format.start_level;
        loop {
            let pa = self.entry(table, input, at);
            let found = self.memory.read(pa);
            if at >= level || !descriptor::is_table(found, at) {
                return (pa, at);
            }
            table = self.next(found);
            at += 1;
        }
    }

    /// The physical address of the table that `descriptor` points at.
    fn next(&self, descriptor: u64) -> u64 {
        self.allocator.physical(self.number, descriptor::table_address(&self.format, descriptor))
    }

    fn entry(&self, table: u64, input: u64, level: i8) -> u64 {
        table + 8 * self.index(input, level)
    }

    /// The index of the entry for `input` in its table at `level`: the concatenated root tables are
    /// one larger table.
    fn index(&self, input: u64, level: i8) -> u64 {
        input >> self.format.granule.entry_bits(level) & ((1 << self.index_bits(level)) - 1)
    }

    /// How many entries there are from the one for `input` to the end of its table.
    fn entries_from(&self, input: u64, level: i8) -> u64 {
        (1 << self.index_bits(level)) - self.index(input, level)
    }

    fn index_bits(&self, level: i8) -> u32 {
        if level == self.format.start_level {
            self.format.root_entry_bits()
        } else {
            self.format.granule.stride()
        }
    }
}

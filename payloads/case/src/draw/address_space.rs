//! Addresses of a translation regime by outcome: those that reach tags or slots, those with no mapping at some stage, and
//! those that may not be executed.
//!
//! Both stages are followed, so that a load is asked where a tag would tell where it went, and a fetch where a slot
//! would; or where either faults for certain.

use arrayvec::ArrayVec;

use super::Rng;
use super::memory_type::{MemoryType, Stage2Memory};
use super::tree::{Leaf, TreeBuilder};
use crate::memory::{ArenaKind, MemoryMap};
use crate::scratch;
use crate::tree::Role;

/// The most of them that probes choose among.
pub(super) const MOST_REACHES: usize = 96;

/// All that probes choose among.
pub(super) type Reaches = ArrayVec<Reach, MOST_REACHES>;

/// What is at the end of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// Tags, for all that is known reached alike by everybody.
    Tags,
    /// Tags that others reach through caches and this does not, or the other way round.
    MismatchedTags,
    /// Slots.
    Slots,
}

/// Addresses that lead to tags or slots, if permissions let them; by one leaf at each stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    /// First virtual address.
    pub va: u64,
    /// Size in bytes.
    pub bytes: u64,
    pub goal: Goal,
    /// The number of the scratch arena.
    pub arena: u8,
    /// The memory type of both stages together.
    pub memory: MemoryType,
}

/// The addresses of a regime.
pub(super) struct AddressSpace<'a> {
    pub map: &'a MemoryMap,
    /// The ranges of stage 1 that have tables; none where stage 1 is off.
    pub ranges: &'a [TreeBuilder],
    /// Stage 2, if the regime has one and it is on.
    pub stage2: Option<&'a TreeBuilder>,
    /// Without stage 1: the size of addresses in bits, and the memory type.
    pub flat: (u8, MemoryType),
    /// Top bytes are ignored in the lower and the upper range.
    pub tbi: [bool; 2],
    /// Bits of XN with which nobody executes what stage 1 maps.
    pub never: u8,
}

/// A run of addresses, and what it leads to.
#[derive(Clone, Copy)]
struct Run {
    va: u64,
    address: u64,
    bytes: u64,
}

impl Run {
    /// What of it leads to the `bytes` bytes at `wanted`.
    fn within(self, wanted: u64, bytes: u64) -> Option<Self> {
        let start = self.address.max(wanted);
        let end = (self.address + self.bytes).min(wanted + bytes);
        let va = self.va.wrapping_add(start.wrapping_sub(self.address));
        (start < end).then(|| Self { va, address: start, bytes: end - start })
    }

    /// The same, of which each address leads to one of `leaf`.
    fn by(self, tree: &TreeBuilder, leaf: &Leaf) -> Option<Self> {
        let run = self.within(leaf.first, tree.bytes(leaf))?;
        Some(Self { address: leaf.output + (run.address - leaf.first), ..run })
    }
}

impl AddressSpace<'_> {
    /// What the addresses reach, by both stages together.
    pub fn reaches(&self) -> Reaches {
        let mut reaches = Reaches::new();
        if self.ranges.is_empty() {
            let (bits, memory) = self.flat;
            self.through_stage2(Run { va: 0, address: 0, bytes: 1 << bits }, memory, &mut reaches);
        }
        for tree in self.ranges {
            for leaf in &tree.leaves {
                let (va, bytes) = (tree.address(leaf.first), tree.bytes(leaf));
                let Stage2Memory::Combined(memory) = leaf.memory else { continue };
                self.through_stage2(Run { va, address: leaf.output, bytes }, memory, &mut reaches);
            }
        }
        reaches
    }

    fn through_stage2(&self, run: Run, memory: MemoryType, reaches: &mut Reaches) {
        let Some(tree) = self.stage2 else { return self.in_scratch(run, memory, reaches) };
        for leaf in &tree.leaves {
            if let Some(run) = run.by(tree, leaf) {
                self.in_scratch(run, memory.with_stage2(leaf.memory), reaches);
            }
        }
    }

    fn in_scratch(&self, run: Run, memory: MemoryType, reaches: &mut Reaches) {
        let numbered = (0..).zip(self.map.arenas());
        for (number, arena) in numbered.filter(|(_, arena)| arena.kind == ArenaKind::Scratch) {
            let goals = [
                (scratch::TAGS, scratch::TAGS_BYTES, Goal::Tags),
                (scratch::SLOTS, scratch::SLOTS_BYTES, Goal::Slots),
            ];
            for (offset, bytes, goal) in goals {
                if let Some(Run { va, bytes, .. }) = run.within(arena.base + offset, bytes) {
                    // Those that are too many are not asked.
                    let _ = reaches.try_push(Reach { va, bytes, goal, arena: number, memory });
                }
            }
        }
    }

    /// Whether an access at `va` faults for certain: nothing is mapped there, at stage 1 or at stage 2.
    pub fn is_nowhere(&self, va: u64) -> bool {
        let is_upper = va >> 55 & 1 == 1;
        let va = match (self.tbi[usize::from(is_upper)], is_upper) {
            (false, _) => va,
            (true, false) => va & u64::MAX >> 8,
            (true, true) => va | 0xff << 56,
        };
        let at_stage1 = || {
            let holds = |tree: &&TreeBuilder| tree.address(va & tree.mask()) == va;
            let tree = self.ranges.iter().find(holds)?;
            tree.output(va & tree.mask())
        };
        let ipa = if self.ranges.is_empty() { Some(va) } else { at_stage1() };
        let is_at_stage2 = |ipa| self.stage2.is_none_or(|tree| tree.at(ipa).is_some());
        !ipa.is_some_and(is_at_stage2)
    }

    /// The stage that an address meets first: the ranges of stage 1, or stage 2.
    fn first_stage(&self) -> &[TreeBuilder] {
        let stage2 = self.stage2.map_or(&[][..], core::slice::from_ref);
        if self.ranges.is_empty() { stage2 } else { self.ranges }
    }

    /// What the first stage lets nobody execute: first address, and size in bytes.
    pub fn never_executed(&self) -> ArrayVec<(u64, u64), MOST_REACHES> {
        let mut runs = ArrayVec::new();
        for tree in self.first_stage() {
            let never = |leaf: &&Leaf| match tree.role {
                Role::Stage2 => leaf.attributes.xn == 2,
                _ => leaf.attributes.xn & self.never == self.never,
            };
            for leaf in tree.leaves.iter().filter(never) {
                // Those that are too many are not asked.
                let _ = runs.try_push((tree.address(leaf.first), tree.bytes(leaf)));
            }
        }
        runs
    }

    /// Any address: near a leaf of the first stage, as often as `odds` say, see [`TreeBuilder::near`].
    pub fn anywhere(&self, rng: &mut Rng, odds: [u64; 6]) -> u64 {
        let trees = self.first_stage();
        let number = rng.below(trees.len() as u64) as usize;
        let Some(tree) = trees.get(number) else { return rng.bits() };
        let Some(leaf) = rng.pick(&tree.leaves) else { return rng.bits() };
        tree.near(rng, leaf.first, tree.bytes(&leaf), odds)
    }

    /// The address with another top byte, where the range ignores it.
    pub fn tagged(&self, rng: &mut Rng, address: u64) -> u64 {
        let ignored = self.tbi[(address >> 55 & 1) as usize];
        if ignored && rng.chance(300) { address ^ rng.below(0x100) << 56 } else { address }
    }
}

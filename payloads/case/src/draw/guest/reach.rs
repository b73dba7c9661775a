//! What an address of a guest reaches, as probes want to know it.

use arrayvec::ArrayVec;

use super::memory::{Memory, Stage2Memory};
use super::trunk::{Leaf, Trunk};
use super::world::World;
use crate::memory::ArenaKind;
use crate::scratch;
use crate::tree::Role;
use crate::vtcr::hcr;

/// The most of them that probes choose among.
pub(super) const MOST_REACHES: usize = 96;

/// All that probes choose among.
pub(super) type Reaches = ArrayVec<Reach, MOST_REACHES>;

/// What is at the end of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// Tags, of which is known that everybody reaches them alike.
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
    /// The memory type of both stages together.
    pub memory: Memory,
}

/// A run of addresses, what it leads to, and what that makes of memory types.
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
    fn by(self, trunk: &Trunk, leaf: &Leaf) -> Option<Self> {
        let run = self.within(leaf.first, trunk.bytes(leaf))?;
        Some(Self { address: leaf.output + (run.address - leaf.first), ..run })
    }
}

/// What the addresses of a guest reach.
pub(super) fn reaches(world: &World<'_>) -> Reaches {
    let mut reaches = Reaches::new();
    let setup = world.setup;
    if world.ranges.is_empty() {
        let is_default = setup.registers.hcr_el2 & hcr::DC != 0;
        let memory = if is_default { Memory::WriteBack } else { Memory::Device };
        let all = Run { va: 0, address: 0, bytes: 1 << setup.ipa_bits };
        through_stage2(world, all, memory, &mut reaches);
    }
    for trunk in &world.ranges {
        for leaf in &trunk.leaves {
            let bytes = trunk.bytes(leaf);
            let all = Run { va: trunk.address(leaf.first), address: leaf.output, bytes };
            let Stage2Memory::Combined(memory) = leaf.memory else { continue };
            through_stage2(world, all, memory, &mut reaches);
        }
    }
    reaches
}

fn through_stage2(world: &World<'_>, run: Run, memory: Memory, reaches: &mut Reaches) {
    let Some(trunk) = &world.stage2 else {
        return in_stages(world, run, memory, reaches);
    };
    for leaf in &trunk.leaves {
        if let Some(run) = run.by(trunk, leaf) {
            in_stages(world, run, memory.with_stage2(leaf.memory), reaches);
        }
    }
}

fn in_stages(world: &World<'_>, run: Run, memory: Memory, reaches: &mut Reaches) {
    for (number, arena) in (0..).zip(world.map.arenas()) {
        if arena.kind != ArenaKind::Scratch {
            continue;
        }
        let used = world.stages.iter().find(|stage| stage.number == number);
        let suits = used.is_some_and(|stage| match stage.is_cached {
            true => memory == Memory::WriteBack,
            false => memory.is_uncached(),
        });
        let tags = if suits { Goal::Tags } else { Goal::MismatchedTags };
        let goals = [
            (scratch::TAGS, scratch::TAGS_BYTES, tags),
            (scratch::SLOTS, scratch::SLOTS_BYTES, Goal::Slots),
        ];
        for (offset, bytes, goal) in goals {
            if let Some(Run { va, bytes, .. }) = run.within(arena.base + offset, bytes) {
                // Those that are too many are not asked.
                let _ = reaches.try_push(Reach { va, bytes, goal, memory });
            }
        }
    }
}

/// Whether a guest's access at `va` faults for certain: nothing is mapped there, at stage 1 or at stage 2.
pub(super) fn is_nowhere(world: &World<'_>, va: u64) -> bool {
    let is_upper = va >> 55 & 1 == 1;
    let va = match (world.setup.tbi[usize::from(is_upper)], is_upper) {
        (false, _) => va,
        (true, false) => va & u64::MAX >> 8,
        (true, true) => va | 0xff << 56,
    };
    let ipa = if world.ranges.is_empty() {
        Some(va)
    } else {
        let in_range = |trunk: &&Trunk| {
            let ones = trunk.address(0);
            va & ones == ones && (ones != 0 || va >> trunk.format.ia_bits == 0)
        };
        let trunk = world.ranges.iter().find(in_range);
        trunk.and_then(|trunk| {
            let input = va & ((1 << trunk.format.ia_bits) - 1);
            trunk.at(input).map(|leaf| leaf.output + (input - leaf.first))
        })
    };
    let Some(ipa) = ipa else { return true };
    world.stage2.as_ref().is_some_and(|trunk| trunk.at(ipa).is_none())
}

/// The leaves of stage 1 that neither EL executes: PXN and UXN; or of stage 2 where stage 1 is off.
pub(super) fn never_executed(world: &World<'_>) -> ArrayVec<(u64, u64), MOST_REACHES> {
    let mut runs = ArrayVec::new();
    let trunks = world.ranges.iter().chain(world.stage2.iter().filter(|_| world.ranges.is_empty()));
    for trunk in trunks {
        let never = |leaf: &&Leaf| match trunk.role {
            Role::Stage2 => leaf.attributes.xn == 2,
            _ => leaf.attributes.xn == 3,
        };
        for leaf in trunk.leaves.iter().filter(never) {
            // Those that are too many are not asked.
            let _ = runs.try_push((trunk.address(leaf.first), trunk.bytes(leaf)));
        }
    }
    runs
}

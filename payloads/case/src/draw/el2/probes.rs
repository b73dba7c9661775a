//! Probes of EL2: AT anywhere, and accesses where memory tells of them or that fault.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::super::address_space::{AddressSpace, Goal, MOST_REACHES, Reach, Reaches};
use super::super::memory_type::MemoryType;
use super::super::tree::a_leaf;
use super::world::World;
use crate::control::{hcr, sctlr};
use crate::probe::{Operation, Probe};
use crate::scratch;

/// What probes of a case are drawn from.
pub(super) struct Asker<'a> {
    world: &'a World<'a>,
    space: AddressSpace<'a>,
    tags: Reaches,
    slots: Reaches,
    never: ArrayVec<(u64, u64), MOST_REACHES>,
}

impl<'a> Asker<'a> {
    /// For a case that maps what `world` says.
    pub fn new(world: &'a World<'a>) -> Self {
        let setup = world.setup;
        let space = AddressSpace {
            map: world.request.map,
            ranges: world.asked(),
            stage2: None,
            flat: (0, MemoryType::Device),
            tbi: setup.tbi,
            // PXN, or XN with one range.
            never: if setup.shape.upper.is_some() { 1 } else { 2 },
        };
        let reaches = space.reaches();
        let (tags, slots) = reaches.into_iter().partition(|reach: &Reach| reach.goal == Goal::Tags);
        let never = space.never_executed();
        Self { world, space, tags, slots, never }
    }

    /// Draws a probe.
    pub fn probe(&self, rng: &mut Rng) -> Probe {
        match rng.weighted([(40, 0), (20, 1), (12, 2), (20, 3), (8, 4)]) {
            1 => self.data(rng, Operation::Load),
            2 => self.data(rng, Operation::Store),
            3 => self.fetch(rng),
            4 => self.nowhere(rng),
            _ => None,
        }
        .unwrap_or_else(|| self.at(rng))
    }

    fn at(&self, rng: &mut Rng) -> Probe {
        let is_shared = self.world.setup.registers.hcr_el2 & hcr::TGE != 0 && rng.chance(400);
        let operation =
            if is_shared { rng.one_of(&Operation::EL10) } else { rng.one_of(&Operation::EL2) };
        let Some((tree, leaf)) = a_leaf(rng, self.world.asked(), [0; 2]) else {
            return Probe::new(operation, rng.bits());
        };
        let address = tree.near(rng, leaf.first, tree.bytes(leaf), [48, 12, 8, 10, 13, 9]);
        Probe::new(operation, self.space.tagged(rng, address))
    }

    /// A load or store at a tag; or a load of what is aligned worse, where that faults: a store that does not fault
    /// would spoil two tags.
    fn data(&self, rng: &mut Rng, operation: Operation) -> Option<Probe> {
        let reach = rng.pick(&self.tags)?;
        let words = reach.bytes / 8;
        let word = rng.index(words);
        let is_aligned = self.world.setup.registers.sctlr_el2 & sctlr::A != 0;
        let is_device = reach.memory == MemoryType::Device;
        let faults = operation == Operation::Load && (is_aligned || is_device);
        let offset = if faults && rng.chance(80) { rng.between(1, 7) } else { 0 };
        // What is misaligned stays in the page.
        let word = if offset > 0 { word.min(words.saturating_sub(2)) } else { word };
        let address = self.space.tagged(rng, reach.va + 8 * word + offset);
        Some(Probe::new(operation, address))
    }

    /// A call of a slot, or of what may not be executed.
    fn fetch(&self, rng: &mut Rng) -> Option<Probe> {
        let address = if rng.chance(250) {
            let (first, bytes) = rng.pick(&self.never)?;
            first + rng.below(bytes) / 4 * 4
        } else {
            let Reach { va, bytes, .. } = rng.pick(&self.slots)?;
            va + rng.index(bytes / scratch::SLOT_BYTES) * scratch::SLOT_BYTES
        };
        Some(Probe::new(Operation::Fetch, address))
    }

    /// A load or fetch where nothing is mapped, or just beyond the range.
    fn nowhere(&self, rng: &mut Rng) -> Option<Probe> {
        let operation = if rng.chance(500) { Operation::Load } else { Operation::Fetch };
        let trees = self.world.asked();
        let tree = trees.get(rng.below(trees.len() as u64) as usize)?;
        let address = tree.near(rng, 0, 1, [0, 0, 0, 0, 1, 0]) & !7;
        if !self.space.is_nowhere(address) {
            return None;
        }
        let bits = u64::from(tree.format.ia_bits);
        if rng.chance(400) && bits < 52 {
            return Some(Probe::new(operation, address ^ 1 << rng.between(bits, 52)));
        }
        let is_load = operation == Operation::Load;
        Some(Probe::new(operation, if is_load { self.space.tagged(rng, address) } else { address }))
    }
}

//! Probes of a guest: accesses of every kind where memory tells of them, or that fault, and AT anywhere.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::super::address_space::{AddressSpace, Goal, MOST_REACHES, Reach, Reaches};
use super::super::memory_type::MemoryType;
use super::world::World;
use crate::control::{hcr, sctlr};
use crate::edit::Edit;
use crate::probe::{El, Operation, Probe};
use crate::{Case, MAX_EDITS, scratch};

/// How often an address is drawn before a probe of another kind is asked.
const TRIES: usize = 6;
/// How often an address is inside a leaf, at its ends, just outside, a neighbour in the tables, in range, and beyond.
const ANYWHERE: [u64; 6] = [30, 0, 14, 16, 20, 20];
/// Bytes of a cache line, at most.
const LINE: u64 = 64;
/// Bytes of the smallest page: nothing is said about an access that goes beyond one.
const PAGE: u64 = 0x1000;

/// What probes of a case are drawn from.
pub(super) struct Asker<'a> {
    world: &'a World<'a>,
    space: AddressSpace<'a>,
    reaches: Reaches,
    tags: Reaches,
    slots: Reaches,
    never: ArrayVec<(u64, u64), MOST_REACHES>,
    /// Whether an access may cross from one page into another: not where hardware could update for one and
    /// not for the other, or the pages are not as they were mapped.
    crosses: bool,
    /// Places that are asked again and again where an answer depends on those before.
    favourites: ArrayVec<Reach, 3>,
    /// Addresses whose walk passes a descriptor that was edited, and the size of what it covers.
    aims: ArrayVec<(u64, u64), MAX_EDITS>,
}

impl<'a> Asker<'a> {
    /// For `case`, which maps what `world` says, edited or not.
    pub fn new(rng: &mut Rng, world: &'a World<'a>, case: &Case) -> Self {
        let space = world.address_space();
        let reaches = world.reaches();
        let with_goal = |goal| reaches.iter().copied().filter(move |reach| reach.goal == goal);
        let tags: Reaches = with_goal(Goal::Tags).collect();
        let slots = with_goal(Goal::Slots).collect();
        let has_updates = world.setup.has_updates();
        let mut favourites = ArrayVec::new();
        if has_updates {
            favourites.extend((0..3).filter_map(|_| rng.pick(&tags)));
        }
        let edits = case.as_ref().edits;
        let crosses = !has_updates && edits.is_empty();
        let aims = edits.iter().filter_map(|edit| aim(world, edit)).collect();
        let is_nested = case.as_ref().header.registers.hcr_el2 & hcr::NESTED == hcr::NESTED;
        let never = if is_nested { ArrayVec::new() } else { space.never_executed() };
        Self { world, space, reaches, tags, slots, never, crosses, favourites, aims }
    }

    /// Adds `count` probes to `case`, by `pes` PEs.
    pub fn ask(&self, rng: &mut Rng, case: &mut Case, count: u64, pes: u64) {
        loop {
            let left = count.saturating_sub(case.as_ref().probes.len() as u64);
            if left == 0 {
                return;
            }
            if pes > 1 && left > 1 && rng.chance(300) && self.ask_together(rng, case, pes).is_some()
            {
                continue;
            }
            let probe = self.probe(rng);
            // What the executor asks itself, it asks where it has the case in hand.
            let is_anybodys = pes > 1 && probe.el() != Some(El::El2);
            let pe = if is_anybodys { rng.below(pes) as u8 } else { 0 };
            // A case has room for all of them.
            let _ = case.push_probe(probe.on(pe));
        }
    }

    /// Adds two accesses to one page at the same time, each to a line of its own, by two PEs.
    fn ask_together(&self, rng: &mut Rng, case: &mut Case, pes: u64) -> Option<()> {
        let (reach, is_near) = self.tags(rng)?;
        let [first, second] = [(); 2].map(|()| self.data_in(rng, &reach, is_near));
        let pe = rng.below(pes) as u8;
        let other = (pe + 1 + rng.below(pes - 1) as u8) % pes as u8;
        let address = first.address / LINE * LINE;
        case.push_probe(first.at(address).on(pe).with(Probe::TOGETHER)).ok()?;
        case.push_probe(second.at(address ^ LINE).on(other)).ok()
    }

    /// One probe.
    pub fn probe(&self, rng: &mut Rng) -> Probe {
        // Nothing is drawn where nothing is edited.
        if !self.aims.is_empty() && rng.chance(250) {
            return self.aimed(rng);
        }
        let probe =
            match rng.weighted([(40, 0), (16, 1), (5, 2), (12, 3), (7, 4), (14, 5), (10, 6)]) {
                0 => self.data(rng),
                1 => self.fetch(rng),
                2 => self.forbidden_fetch(rng),
                3 => self.nowhere(rng),
                4 => self.maintenance(rng),
                5 => Some(self.own_at(rng)),
                _ => Some(self.executors_at(rng)),
            };
        probe.unwrap_or_else(|| self.own_at(rng))
    }

    /// `probe` by EL1 or EL0, with PSTATE.PAN or not.
    fn by_either(&self, rng: &mut Rng, probe: Probe) -> Probe {
        if rng.chance(450) {
            return probe.by(El::El0);
        }
        let pan = if self.world.request.abilities.pan && rng.chance(300) { Probe::PAN } else { 0 };
        probe.by(El::El1).with(pan)
    }

    /// Tags that an access may reach, and whether they are of those that are asked again and again.
    fn tags(&self, rng: &mut Rng) -> Option<(Reach, bool)> {
        let favourite = rng.pick(&self.favourites).filter(|_| rng.chance(650));
        Some((favourite.or_else(|| rng.pick(&self.tags))?, favourite.is_some()))
    }

    /// An access to tags.
    fn data(&self, rng: &mut Rng) -> Option<Probe> {
        let (reach, is_near) = self.tags(rng)?;
        Some(self.data_in(rng, &reach, is_near))
    }

    /// An access to the tags of `reach`; if it `is_near`, to the first page of them.
    fn data_in(&self, rng: &mut Rng, reach: &Reach, is_near: bool) -> Probe {
        let bytes = rng.weighted([(2, 1), (2, 2), (3, 4), (7, 8)]);
        let operation = self.access(rng, reach.memory);
        let is_pair = matches!(operation, Operation::LoadPair | Operation::StorePair);
        let size = if is_pair { 16 } else { u64::from(bytes) };
        let within = if is_near { reach.bytes.min(PAGE) } else { reach.bytes };
        let units = within / size;
        let aligned = rng.index(units) * size;
        let offset = match needs_alignment(operation) || rng.chance(750) {
            true => aligned,
            false => self.misaligned(rng, reach, aligned, size),
        };
        let address = self.space.tagged(rng, reach.va + offset);
        self.by_either(rng, Probe::new(operation, address).of_bytes(bytes))
    }

    /// An offset near `aligned` that is no multiple of `size`, at the end of a page or not.
    fn misaligned(&self, rng: &mut Rng, reach: &Reach, aligned: u64, size: u64) -> u64 {
        let first_page = (reach.va + aligned) / PAGE * PAGE;
        let next_page = first_page.wrapping_add(PAGE).wrapping_sub(reach.va);
        if self.crosses && rng.chance(400) && next_page + size <= reach.bytes {
            return next_page - rng.between(1, size.max(2) - 1).min(next_page);
        }
        let within = aligned + rng.below(size);
        let page = |offset: u64| (reach.va + offset) / PAGE;
        let fits = within + size <= reach.bytes && page(within) == page(within + size - 1);
        if fits { within } else { aligned }
    }

    /// A load, store, or both at once, of what memory of type `memory` has.
    fn access(&self, rng: &mut Rng, memory: MemoryType) -> Operation {
        let plain = rng.weighted([
            (10, Operation::Load),
            (10, Operation::Store),
            (2, Operation::LoadPair),
            (2, Operation::StorePair),
            (2, Operation::LoadAcquire),
            (2, Operation::StoreRelease),
            (2, Operation::LoadUnprivileged),
            (2, Operation::StoreUnprivileged),
        ]);
        // Exclusives and atomics on other memory are the implementation's affair.
        if memory != MemoryType::WriteBack || rng.chance(650) {
            return plain;
        }
        let lse = if self.world.request.abilities.lse { 2 } else { 0 };
        rng.weighted([
            (1, Operation::LoadExclusive),
            (3, Operation::StoreExclusive),
            (lse, Operation::Swap),
            (lse, Operation::Add),
            (lse, Operation::CompareAndSwap),
        ])
    }

    /// A call of a slot.
    fn fetch(&self, rng: &mut Rng) -> Option<Probe> {
        let reach = rng.pick(&self.slots)?;
        let slot = rng.index(reach.bytes / scratch::SLOT_BYTES);
        let address = reach.va + slot * scratch::SLOT_BYTES;
        Some(self.by_either(rng, Probe::new(Operation::Fetch, address)))
    }

    /// A call of what may not be executed.
    fn forbidden_fetch(&self, rng: &mut Rng) -> Option<Probe> {
        let (first, bytes) = rng.pick(&self.never)?;
        let address = first + rng.below(bytes) / 4 * 4;
        Some(self.by_either(rng, Probe::new(Operation::Fetch, address)))
    }

    /// An access where nothing is mapped: in a hole of either stage, beyond a range, or beyond all.
    fn nowhere(&self, rng: &mut Rng) -> Option<Probe> {
        let address = (0..TRIES).find_map(|_| {
            let address = self.space.anywhere(rng, ANYWHERE) & !15;
            self.space.is_nowhere(address).then_some(address)
        })?;
        let operation =
            if rng.chance(250) { Operation::Fetch } else { self.access(rng, MemoryType::Device) };
        let bytes = rng.one_of(&[1, 2, 4, 8]);
        let is_code = operation == Operation::Fetch;
        let address = if is_code { address } else { self.space.tagged(rng, address) };
        Some(self.by_either(rng, Probe::new(operation, address).of_bytes(bytes)))
    }

    /// Maintenance of a cache, by the address of tags.
    fn maintenance(&self, rng: &mut Rng) -> Option<Probe> {
        let reach = rng.pick(&self.tags)?;
        let operation = rng.weighted([
            (3, Operation::DcCvac),
            (2, Operation::DcCvau),
            (3, Operation::DcCivac),
            // Without stage 2 it throws away what was stored.
            (if self.world.stage2.is_some() { 3 } else { 0 }, Operation::DcIvac),
            (2, Operation::DcZva),
            (2, Operation::IcIvau),
        ]);
        let offset = rng.below(reach.bytes / LINE) * LINE;
        let probe = Probe::new(operation, self.space.tagged(rng, reach.va + offset));
        let sctlr_el1 = self.world.setup.registers.sctlr_el1;
        let may_el0 = match operation {
            Operation::DcIvac => false,
            Operation::DcZva => sctlr_el1 & sctlr::DZE != 0,
            _ => sctlr_el1 & sctlr::UCI != 0,
        };
        Some(if may_el0 { self.by_either(rng, probe) } else { probe.by(El::El1) })
    }

    /// An AT instruction by the guest.
    fn own_at(&self, rng: &mut Rng) -> Probe {
        let address = self.asked(rng);
        if self.world.request.abilities.pan2 && rng.chance(250) {
            let operation = rng.one_of(&[Operation::AtS1e1rp, Operation::AtS1e1wp]);
            let pan = if rng.chance(600) { Probe::PAN } else { 0 };
            return Probe::new(operation, address).by(El::El1).with(pan);
        }
        Probe::new(rng.one_of(&Operation::EL10), address).by(El::El1)
    }

    /// An AT instruction by the executor.
    fn executors_at(&self, rng: &mut Rng) -> Probe {
        let operation = if rng.chance(700) {
            rng.one_of(&Operation::STAGE2)
        } else {
            rng.one_of(&Operation::EL10)
        };
        Probe::new(operation, self.asked(rng))
    }

    /// An address for AT: whatever it leads to.
    fn asked(&self, rng: &mut Rng) -> u64 {
        let reach = rng.pick(&self.reaches).filter(|_| rng.chance(600));
        let favourite = rng.pick(&self.favourites).filter(|_| rng.chance(500));
        let address = match favourite.or(reach) {
            Some(reach) => reach.va + rng.below(reach.bytes),
            None => self.space.anywhere(rng, ANYWHERE),
        };
        self.space.tagged(rng, address)
    }

    /// A probe that meets an edit of stage 1.
    fn aimed(&self, rng: &mut Rng) -> Probe {
        let (first, bytes) = rng.pick(&self.aims).unwrap_or_default();
        let address = first + rng.below(bytes) / 16 * 16;
        let operation = match rng.weighted([(3, 0), (3, 1), (1, 2)]) {
            0 => return Probe::new(rng.one_of(&Operation::EL10), address).by(El::El1),
            1 => self.access(rng, MemoryType::Device),
            _ => Operation::Fetch,
        };
        self.by_either(rng, Probe::new(operation, address))
    }
}

/// The addresses that meet `edit`, where it is one of stage 1.
fn aim(world: &World<'_>, edit: &Edit) -> Option<(u64, u64)> {
    let tree = world.ranges.iter().find(|tree| tree.number == edit.tree)?;
    let bits = tree.format.granule.entry_bits(edit.level).min(tree.format.ia_bits.into());
    let first = edit.input >> bits << bits;
    // Those behind a table meet a leaf there, if it is near what was mapped.
    let near = tree.format.granule.entry_bits(2).min(bits);
    let first = first | (edit.input & ((1 << bits) - 1)) >> near << near;
    Some((tree.address(first), 1 << near))
}

/// Whether what is misaligned is another question than that of translation: exclusives, atomics, and ordered accesses.
fn needs_alignment(operation: Operation) -> bool {
    let [first, last] = [Operation::LoadExclusive, Operation::StoreRelease].map(|of| of as u8);
    (first..=last).contains(&(operation as u8))
}

//! What lies where in the trees of a guest: in physical memory, in IPA space, and in both ranges of virtual addresses.
//!
//! ```text
//!   VA        |code|    |tags|          |slots|   |block of anything|
//!               \          \   ______/                 |              stage 1
//!   IPA       |tbl|  |code|  |tags|  |slots|  |tbl|  |tags|   |quiet|
//!               |       \       |       |        \      |        |    stage 2
//!   PA        table     code    tags    slots   table  the same  anywhere: Device memory
//!             arena      \______scratch arena____/ arena            that nobody executes
//! ```
//!
//! Tables of stage 1, code, tags and slots are windows of IPA space: 64 KB each, which any granule maps,
//! scattered. Without stage 2 a window lies at its physical address.

use arrayvec::ArrayVec;

use super::super::address_space::{AddressSpace, Goal, Reaches};
use super::super::leaf::Purpose;
use super::super::memory_type::{MemoryType, Stage2Memory};
use super::super::pool::{PIECE, PIECE_BITS, Pool, part};
use super::super::tree::{TreeBuilder, case, mapped};
use super::super::{NotDrawn, Request, Rng};
use super::alternate::Alternate;
use super::setup::Setup;
use crate::format::AddressFormat;
use crate::guest::Guest;
use crate::memory::{Arena, MAX_ARENAS, Place};
use crate::{Case, MAX_MAPPINGS, scratch};

/// The most windows of a case.
pub(super) const MOST_WINDOWS: usize = 48;
/// The most scratch arenas that a case uses, beside that of its code.
pub(super) const MOST_SCRATCH: usize = 3;

/// A piece of IPA space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub ipa: u64,
    /// What it is for: code, tables of stage 1, tags, slots; or quiet.
    pub purpose: Purpose,
    /// What stage 2 makes of its memory type.
    pub memory: Stage2Memory,
}

impl Window {
    /// Whether memory of type `memory` at stage 1 agrees with what it is for.
    fn suits(&self, memory: MemoryType) -> bool {
        match self.purpose {
            Purpose::Tags { is_cached } => agrees(is_cached, memory.with_stage2(self.memory)),
            Purpose::Slots => memory != MemoryType::Device,
            _ => true,
        }
    }
}

/// A scratch arena that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scratch {
    /// The number of the arena.
    pub number: u8,
    /// Whether all who reach its tags do so as Write-Back memory, or all without a cache. Whoever mixed them
    /// would have to maintain caches in between.
    pub is_cached: bool,
}

/// Whether memory of type `memory` is used through caches, or without, as `is_cached` says.
fn agrees(is_cached: bool, memory: MemoryType) -> bool {
    if is_cached { memory == MemoryType::WriteBack } else { memory.is_uncached() }
}

/// All that a case maps, while it is drawn.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub setup: &'a Setup,
    pub request: Request<'a>,
    pub pool: Pool<'a>,
    /// Stage 2, if it is on.
    pub stage2: Option<TreeBuilder>,
    /// The ranges of stage 1 that have tables, the one with the guest's code first.
    pub ranges: ArrayVec<TreeBuilder, 2>,
    /// Trees that are loaded in place of others.
    pub alternates: ArrayVec<Alternate, 2>,
    pub windows: ArrayVec<Window, MOST_WINDOWS>,
    pub scratch: ArrayVec<Scratch, MOST_SCRATCH>,
    pub guest: Guest,
}

impl<'a> World<'a> {
    /// What a guest needs: its tables, and its code.
    pub fn new(rng: &mut Rng, setup: &'a Setup, request: Request<'a>) -> Result<Self, NotDrawn> {
        let (stage2, pool, guest) = (None, Pool::new(request), Guest::default());
        let (ranges, alternates, windows, scratch) = Default::default();
        let mut this =
            Self { setup, request, pool, stage2, ranges, alternates, windows, scratch, guest };
        if setup.shape.stage2.is_some() {
            this.stage2 = Some(this.stage2_tree(rng, 0).ok_or(NotDrawn::NoArena)?);
        }
        this.add_range(rng, setup.home)?;
        this.map_code(rng)?;
        this.choose_scratch(rng)?;
        this.add_range(rng, 1 - setup.home)?;
        Ok(this)
    }

    /// Maps `part`, offset and size in bytes, of the 64 KB at `place` by pages of stage 2, or by nothing where
    /// it is off; returns the IPA of `place`, less than 2^`bits`.
    pub fn map_window(
        &mut self,
        rng: &mut Rng,
        place: Place,
        part: (u64, u64),
        bits: u8,
        purpose: Purpose,
    ) -> Option<u64> {
        let (setup, pa) = (self.setup, self.request.map.resolve(place)?);
        if self.windows.is_full() || self.is_full() {
            return None;
        }
        let (ipa, memory) = if let Some(tree) = &mut self.stage2 {
            let ipa = tree.find(rng, PIECE, PIECE_BITS, 3, 0..1 << bits)?;
            let page = tree.format.granule.bytes();
            let first = part.0 / page * page;
            let pages = tree.pages((part.0 + part.1).next_multiple_of(page) - first);
            let place = Place::new(place.arena(), place.offset() + first);
            let run = pages.to_place(place, pa + first);
            let draw = |rng: &mut Rng| setup.stage2.leaf(rng, purpose);
            (ipa, tree.put(rng, ipa + first, run, draw)?)
        } else {
            let is_new = self.windows.iter().all(|window| window.ipa != pa);
            if !is_new || (pa + (PIECE - 1)) >> bits != 0 {
                return None;
            }
            (pa, Stage2Memory::AsStage1)
        };
        self.windows.push(Window { ipa, purpose, memory });
        Some(ipa)
    }

    /// The scratch arenas that this set-up reaches.
    fn reached_scratch(&self) -> ArrayVec<u8, MAX_ARENAS> {
        let numbered = (0..).zip(self.request.map.arenas());
        let reached = numbered.filter(|(_, arena): &(u8, &Arena)| {
            scratch::fits(arena) && arena.last() >> self.setup.pa_bits == 0
        });
        reached.map(|(number, _)| number).collect()
    }

    fn map_code(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let number = rng.pick(&self.reached_scratch()).ok_or(NotDrawn::NoArena)?;
        let (setup, code) = (self.setup, Place::new(number, 0));
        let part = (scratch::GUEST, scratch::GUEST_BYTES);
        let window = self.map_window(rng, code, part, setup.ipa_bits, Purpose::Code);
        let ipa = window.ok_or(NotDrawn::NoRoom)?;
        let Some(tree) = self.ranges.first_mut() else {
            self.guest = Guest { code, code_va: ipa + scratch::GUEST };
            return Ok(());
        };
        let page = tree.format.granule.bytes();
        let offset = scratch::GUEST / page * page;
        let run = tree.pages(page).to(ipa + offset);
        let first = tree.add(rng, run, 0..u64::MAX, |rng| {
            setup.stage1.leaf(rng, Purpose::Code, &|memory| memory != MemoryType::Device)
        });
        let first = first.ok_or(NotDrawn::NoRoom)?;
        self.guest = Guest { code, code_va: tree.address(first + (scratch::GUEST - offset)) };
        Ok(())
    }

    fn choose_scratch(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let mut reached = self.reached_scratch();
        for _ in 0..rng.between(1, MOST_SCRATCH as u64) {
            if reached.is_empty() {
                break;
            }
            let number = reached.swap_remove(rng.below(reached.len() as u64) as usize);
            let is_cached = !self.setup.uncached && rng.chance(700);
            self.scratch.push(Scratch { number, is_cached });
        }
        // At least one window of each kind.
        self.map_scratch(rng, true);
        self.map_scratch(rng, false);
        if self.windows.is_empty() { Err(NotDrawn::NoRoom) } else { Ok(()) }
    }

    /// All trees, by number.
    pub fn trees(&self) -> impl Iterator<Item = &TreeBuilder> {
        let alternates = self.alternates.iter().map(|alternate| &alternate.tree);
        self.stage2.iter().chain(&self.ranges).chain(alternates)
    }

    /// Whether there is no room for another mapping.
    fn is_full(&self) -> bool {
        mapped(self.trees()) >= MAX_MAPPINGS
    }

    /// Maps one thing that the guest does not need, if there is room.
    pub fn map_something(&mut self, rng: &mut Rng) -> Option<()> {
        if self.is_full() {
            return None;
        }
        let at_stage1 = !self.ranges.is_empty() && (self.stage2.is_none() || rng.chance(650));
        let kind = rng.weighted([(4, 0), (3, 1), (3, 2)]);
        if !at_stage1 {
            return if kind < 2 {
                self.map_scratch(rng, kind == 0)
            } else {
                self.map_quiet(rng, None)
            };
        }
        let number = self.a_range(rng)?;
        match kind {
            0 => self.map_pages(rng, number, |purpose| matches!(purpose, Purpose::Tags { .. })),
            1 => self.map_pages(rng, number, |purpose| purpose == Purpose::Slots),
            _ if self.stage2.is_some() => self.map_cover(rng, number),
            _ => self.map_quiet(rng, Some(number)),
        }
    }

    /// A window for the tags of a scratch arena, or for its slots.
    fn map_scratch(&mut self, rng: &mut Rng, is_tags: bool) -> Option<()> {
        let Scratch { number, is_cached } = rng.pick(&self.scratch)?;
        let page = self.stage2.as_ref().map_or(PIECE, |tree| tree.format.granule.bytes());
        let part = part(rng, page);
        let (offset, purpose) = match is_tags {
            true => (scratch::TAGS, Purpose::Tags { is_cached }),
            false => (scratch::SLOTS, Purpose::Slots),
        };
        let (place, bits) = (Place::new(number, offset), self.setup.ipa_bits);
        self.map_window(rng, place, part, bits, purpose).map(|_| ())
    }

    /// A leaf of any level, of range number `number` or of stage 2, over a scratch arena or anywhere, that is reached by
    /// nobody but a probe.
    fn map_quiet(&mut self, rng: &mut Rng, number: Option<usize>) -> Option<()> {
        let setup = self.setup;
        let tree = match number {
            Some(number) => self.ranges.get(number)?,
            None => self.stage2.as_ref()?,
        };
        let over = rng.pick(&self.scratch).filter(|_| rng.chance(400));
        let over = over.and_then(|over| self.request.map.arenas().get(usize::from(over.number)));
        let over = over.map(|arena| arena.base + scratch::TAGS);
        let updates = if number.is_some() { setup.stage1.updates } else { setup.stage2.updates };
        let (run, purpose) = tree.quiet(rng, self.request.abilities, over, updates)?;
        if let Some(number) = number {
            let suits = |memory| purpose == Purpose::Unreached || memory == MemoryType::Device;
            let draw = |rng: &mut Rng| setup.stage1.leaf(rng, purpose, &suits);
            self.ranges[number].add(rng, run, 0..u64::MAX, draw)?;
            return Some(());
        }
        let tree = self.stage2.as_mut()?;
        let ipa = tree.add(rng, run, 0..u64::MAX, |rng| setup.stage2.leaf(rng, purpose))?;
        let memory = tree.leaves.last()?.memory;
        self.windows.try_push(Window { ipa, purpose: Purpose::Quiet, memory }).ok()
    }

    /// A range of stage 1, by its number among those that have tables.
    pub fn a_range(&self, rng: &mut Rng) -> Option<usize> {
        let count = self.ranges.len() as u64;
        (count > 0).then(|| rng.below(count) as usize)
    }

    /// Pages of range number `number` for a window whose purpose `wanted` accepts.
    fn map_pages(
        &mut self,
        rng: &mut Rng,
        number: usize,
        wanted: impl Fn(Purpose) -> bool,
    ) -> Option<()> {
        let windows = self.windows.iter().copied().filter(|window| wanted(window.purpose));
        let window = rng.choose(windows)?;
        let (setup, tree) = (self.setup, &mut self.ranges[number]);
        let (offset, bytes) = part(rng, tree.format.granule.bytes());
        let run = tree.pages(bytes).to(window.ipa + offset);
        let draw =
            |rng: &mut Rng| setup.stage1.leaf(rng, window.purpose, &|memory| window.suits(memory));
        tree.add(rng, run, 0..u64::MAX, draw).map(|_| ())
    }

    /// Leaves of range number `number`, of any level, over a window and what is beside it; or over nothing. Stage 2
    /// alone says what is reached by them.
    fn map_cover(&mut self, rng: &mut Rng, number: usize) -> Option<()> {
        let (setup, tree) = (self.setup, &mut self.ranges[number]);
        // As many as descriptors hold, be it more than there are.
        let most = if tree.format.address == AddressFormat::Bits48 { 48 } else { 52 };
        let run = tree.any_leaf(rng, self.request.abilities, most)?;
        let window = rng.pick(&self.windows).filter(|_| rng.chance(700));
        let output = match window {
            Some(window) => window.ipa,
            None => {
                let bits = rng.between(setup.ipa_bits.into(), most.into());
                rng.bits() & ((1 << bits) - 1) | if rng.chance(500) { 1 << (bits - 1) } else { 0 }
            }
        };
        let run = run.to(output >> run.unit_bits << run.unit_bits);
        let suits = |memory| window.is_none_or(|window| window.suits(memory));
        let draw = |rng: &mut Rng| setup.stage1.leaf(rng, Purpose::Any, &suits);
        tree.add(rng, run, 0..u64::MAX, draw).map(|_| ())
    }

    /// The window that holds `ipa`, and those of the same purpose and memory, itself among them.
    pub fn windows_like(
        &self,
        ipa: u64,
    ) -> Option<(&Window, impl Iterator<Item = &Window> + Clone)> {
        let own = self.windows.iter().find(|window| ipa.wrapping_sub(window.ipa) < PIECE)?;
        let is_like = |other: &&Window| other.purpose == own.purpose && other.memory == own.memory;
        Some((own, self.windows.iter().filter(is_like)))
    }

    /// The numbers of the scratch arenas in use whose tags are reached as those of number `number`, itself among them;
    /// `None` where that one is not in use.
    pub fn scratch_like(&self, number: u8) -> Option<impl Iterator<Item = u8> + Clone> {
        let own = self.scratch.iter().find(|scratch| scratch.number == number)?;
        let like = self.scratch.iter().filter(|other| other.is_cached == own.is_cached);
        Some(like.map(|other| other.number))
    }

    /// The guest's addresses.
    pub fn address_space(&self) -> AddressSpace<'_> {
        let Setup { ipa_bits, tbi, stage2, .. } = self.setup;
        let memory = if stage2.dc { MemoryType::WriteBack } else { MemoryType::Device };
        AddressSpace {
            map: self.request.map,
            ranges: &self.ranges,
            stage2: self.stage2.as_ref(),
            flat: (*ipa_bits, memory),
            tbi: *tbi,
            // PXN and UXN.
            never: 3,
        }
    }

    /// What the guest's addresses reach.
    pub fn reaches(&self) -> Reaches {
        let mut reaches = self.address_space().reaches();
        for reach in reaches.iter_mut().filter(|reach| reach.goal == Goal::Tags) {
            let used = self.scratch.iter().find(|scratch| scratch.number == reach.arena);
            if !used.is_some_and(|scratch| agrees(scratch.is_cached, reach.memory)) {
                reach.goal = Goal::MismatchedTags;
            }
        }
        reaches
    }

    /// The case, with nothing asked.
    pub fn case(&self) -> Case {
        let mut case = case(self.setup.registers, self.trees());
        case.set_guest(self.guest);
        case
    }
}

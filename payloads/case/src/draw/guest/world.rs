//! What lies where: in physical memory, in IPA space, and in the two ranges of virtual addresses.
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

use super::super::{NotDrawn, Rng};
use super::attributes::{Purpose, stage1_attributes, stage2_attributes};
use super::ground::{Ground, PIECE, PIECE_BITS};
use super::memory::{Memory, Stage2Memory};
use super::rival::Rival;
use super::setup::Setup;
use super::trunk::{Leaf, Trunk};
use crate::abilities::Abilities;
use crate::format::AddressFormat;
use crate::guest::Guest;
use crate::mapping::Attributes;
use crate::memory::{Arena, MAX_ARENAS, MemoryMap, Place};
use crate::{Case, MAX_MAPPINGS, scratch};

/// The most windows of a case.
pub(super) const MOST_WINDOWS: usize = 48;
/// The most scratch arenas that a case uses, beside that of its code.
pub(super) const MOST_STAGES: usize = 3;
/// Contiguous groups cost up to 128 words each: few a case.
const MOST_GROUPS: usize = 4;

/// What is in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Tables of stage 1; whether the guest needs them.
    Tables { spine: bool },
    /// Tags of a stage.
    Tags { is_cached: bool },
    /// Slots of a stage.
    Slots,
    /// The guest's code.
    Code,
    /// What nobody but a probe reaches.
    Quiet,
}

/// A piece of IPA space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub ipa: u64,
    pub content: Content,
    /// What stage 2 makes of its memory type.
    pub memory: Stage2Memory,
}

/// A scratch arena that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stage {
    /// The number of the arena.
    pub number: u8,
    /// Whether all who reach its tags do so as Write-Back memory, or all without a cache. Whoever mixed them
    /// would have to maintain caches in between.
    pub is_cached: bool,
}

/// All that a case maps, while it is drawn.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub setup: &'a Setup,
    pub abilities: &'a Abilities,
    pub map: &'a MemoryMap,
    pub ground: Ground<'a>,
    /// Stage 2, if it is on.
    pub stage2: Option<Trunk>,
    /// The ranges of stage 1 that have tables, the one with the guest's code first.
    pub ranges: ArrayVec<Trunk, 2>,
    /// Trees that are loaded in place of others.
    pub rivals: ArrayVec<Rival, 2>,
    pub windows: ArrayVec<Window, MOST_WINDOWS>,
    pub stages: ArrayVec<Stage, MOST_STAGES>,
    pub guest: Guest,
    groups: usize,
}

impl<'a> World<'a> {
    /// What a guest needs: its tables, and its code.
    pub fn new(
        rng: &mut Rng,
        setup: &'a Setup,
        abilities: &'a Abilities,
        map: &'a MemoryMap,
    ) -> Result<Self, NotDrawn> {
        let mut this = Self {
            setup,
            abilities,
            map,
            ground: Ground::new(map),
            stage2: None,
            ranges: ArrayVec::new(),
            rivals: ArrayVec::new(),
            windows: ArrayVec::new(),
            stages: ArrayVec::new(),
            guest: Guest::default(),
            groups: MOST_GROUPS,
        };
        this.plant_stage2(rng)?;
        this.plant_range(rng, setup.home)?;
        this.map_code(rng)?;
        this.choose_stages(rng)?;
        this.plant_range(rng, 1 - setup.home)?;
        Ok(this)
    }

    /// Maps `run`, first and size in bytes, of the 64 KB at `place` by pages of stage 2, or by nothing where
    /// it is off; returns the IPA of `place`, less than 2^`bits`.
    pub fn map_window(
        &mut self,
        rng: &mut Rng,
        place: Place,
        run: (u64, u64),
        bits: u8,
        purpose: Purpose,
        content: Content,
    ) -> Option<u64> {
        let pa = self.map.resolve(place)?;
        if self.windows.is_full() || self.is_full() {
            return None;
        }
        let Some(trunk) = &mut self.stage2 else {
            let is_new = self.windows.iter().all(|window| window.ipa != pa);
            if !is_new || (pa + (PIECE - 1)) >> bits != 0 {
                return None;
            }
            self.windows.push(Window { ipa: pa, content, memory: Stage2Memory::AsStage1 });
            return Some(pa);
        };
        let ipa = trunk.find(rng, PIECE, PIECE_BITS, 3, 1 << bits)?;
        let page = trunk.format.granule.bytes();
        let first = run.0 / page * page;
        let entries = (run.0 + run.1).div_ceil(page) - first / page;
        let (mut attributes, memory) = stage2_attributes(rng, self.setup, self.abilities, purpose);
        let group = 1 << trunk.variant.contiguous_bits(3);
        if group > 1 && entries == group && self.groups > 0 && rng.chance(300) {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        let place = Place::new(place.arena(), place.offset() + first);
        let (first, output) = (ipa + first, pa + first);
        trunk.push(Leaf { first, level: 3, entries, place, output, attributes, memory })?;
        self.windows.push(Window { ipa, content, memory });
        Some(ipa)
    }

    /// The scratch arenas that this set-up reaches.
    fn reached_stages(&self) -> ArrayVec<u8, MAX_ARENAS> {
        let numbered = (0..).zip(self.map.arenas());
        let reached = numbered.filter(|(_, arena): &(u8, &Arena)| {
            scratch::fits(arena) && arena.last() >> self.setup.pa_bits == 0
        });
        reached.map(|(number, _)| number).collect()
    }

    fn map_code(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let number = rng.pick(&self.reached_stages()).ok_or(NotDrawn::NoArena)?;
        let code = Place::new(number, 0);
        let run = (scratch::GUEST, scratch::GUEST_BYTES);
        let bits = self.setup.ipa_bits;
        let window = self.map_window(rng, code, run, bits, Purpose::Code, Content::Code);
        let ipa = window.ok_or(NotDrawn::NoRoom)?;
        let Some(trunk) = self.ranges.first_mut() else {
            self.guest = Guest { code, code_va: ipa + scratch::GUEST };
            return Ok(());
        };
        let granule = trunk.format.granule;
        let offset = scratch::GUEST / granule.bytes() * granule.bytes();
        let end = 1 << trunk.format.ia_bits;
        let first = trunk.find(rng, granule.bytes(), granule.bits(), 3, end);
        let first = first.ok_or(NotDrawn::NoRoom)?;
        let output = ipa + offset;
        let (attributes, memory) =
            stage1_attributes(rng, self.setup, Purpose::Code, &|memory| memory != Memory::Device);
        let place = Place::absolute(output);
        let memory = Stage2Memory::Combined(memory);
        let leaf = Leaf { first, level: 3, entries: 1, place, output, attributes, memory };
        trunk.push(leaf).ok_or(NotDrawn::NoRoom)?;
        self.guest = Guest { code, code_va: trunk.address(first + (scratch::GUEST - offset)) };
        Ok(())
    }

    fn choose_stages(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let mut reached = self.reached_stages();
        for _ in 0..rng.between(1, MOST_STAGES as u64) {
            if reached.is_empty() {
                break;
            }
            let number = reached.swap_remove(rng.below(reached.len() as u64) as usize);
            let is_cached = !self.setup.uncached && rng.chance(700);
            self.stages.push(Stage { number, is_cached });
        }
        // At least one window of each kind.
        self.map_tags(rng);
        self.map_slots(rng);
        if self.windows.is_empty() { Err(NotDrawn::NoRoom) } else { Ok(()) }
    }

    /// All trees, by number.
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        let rivals = self.rivals.iter().map(|rival| &rival.trunk);
        self.stage2.iter().chain(&self.ranges).chain(rivals)
    }

    /// How many mappings there are.
    pub fn mapped(&self) -> usize {
        self.trunks().map(|trunk| trunk.leaves.len()).sum()
    }

    /// Whether there is no room for another mapping.
    pub fn is_full(&self) -> bool {
        self.mapped() >= MAX_MAPPINGS
    }

    /// Maps one thing that the guest does not need, if there is room.
    pub fn map_something(&mut self, rng: &mut Rng) {
        if self.is_full() {
            return;
        }
        let at_stage1 = !self.ranges.is_empty() && (self.stage2.is_none() || rng.chance(650));
        let is_on = self.stage2.is_some();
        match rng.weighted([(4, 0), (3, 1), (3, 2)]) {
            0 if at_stage1 => {
                self.map_pages(rng, |content| matches!(content, Content::Tags { .. }))
            }
            1 if at_stage1 => self.map_pages(rng, |content| content == Content::Slots),
            _ if at_stage1 && is_on => self.map_cover(rng),
            _ if at_stage1 => self.map_quiet_at_stage1(rng),
            0 => self.map_tags(rng),
            1 => self.map_slots(rng),
            _ => self.map_quiet(rng),
        };
    }

    /// A run of the 64 KB of tags or slots: all of it, or some pages.
    fn run(rng: &mut Rng, page: u64) -> (u64, u64) {
        let pages = PIECE / page;
        if rng.chance(600) {
            return (0, PIECE);
        }
        let first = rng.below(pages);
        (first * page, rng.between(1, pages - first) * page)
    }

    fn stage2_page(&self) -> u64 {
        self.stage2.as_ref().map_or(PIECE, |trunk| trunk.format.granule.bytes())
    }

    fn map_tags(&mut self, rng: &mut Rng) -> Option<()> {
        let Stage { number, is_cached } = rng.pick(&self.stages)?;
        let run = Self::run(rng, self.stage2_page());
        let (place, bits) = (Place::new(number, scratch::TAGS), self.setup.ipa_bits);
        let content = Content::Tags { is_cached };
        self.map_window(rng, place, run, bits, Purpose::Tags { is_cached }, content).map(|_| ())
    }

    fn map_slots(&mut self, rng: &mut Rng) -> Option<()> {
        let Stage { number, .. } = rng.pick(&self.stages)?;
        let run = Self::run(rng, self.stage2_page());
        let (place, bits) = (Place::new(number, scratch::SLOTS), self.setup.ipa_bits);
        self.map_window(rng, place, run, bits, Purpose::Slots, Content::Slots).map(|_| ())
    }

    /// A leaf of stage 2, of any level, over a stage or anywhere, that is reached by nobody but a probe.
    fn map_quiet(&mut self, rng: &mut Rng) -> Option<()> {
        let trunk = self.stage2.as_ref()?;
        let (level, unit_bits, entries) = self.unit(rng, trunk, trunk.oa_bits)?;
        let output = self.anywhere(rng, trunk.oa_bits, unit_bits);
        let reached = self.setup.stage2_updates.access || rng.chance(700);
        let purpose = if reached { Purpose::Quiet } else { Purpose::Unreached };
        let (mut attributes, memory) = stage2_attributes(rng, self.setup, self.abilities, purpose);
        let first = trunk.find(rng, 1 << unit_bits, unit_bits, level, 1 << trunk.format.ia_bits)?;
        if entries > 1 {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        let place = Place::absolute(output);
        let leaf = Leaf { first, level, entries, place, output, attributes, memory };
        self.stage2.as_mut()?.push(leaf)?;
        self.windows.try_push(Window { ipa: first, content: Content::Quiet, memory }).ok()
    }

    /// A level at which `trunk` may have leaves, and how many of them, with log2 of their size: one, or a
    /// contiguous group.
    fn unit(&self, rng: &mut Rng, trunk: &Trunk, oa_bits: u8) -> Option<(i8, u32, u64)> {
        let most_bits = u32::from(trunk.format.ia_bits.min(oa_bits));
        let granule = trunk.format.granule;
        let levels: ArrayVec<i8, 4> = trunk
            .variant
            .leaf_levels(self.abilities)
            .into_iter()
            .filter(|level| *level >= trunk.format.start_level)
            .filter(|level| granule.entry_bits(*level) < most_bits)
            .collect();
        let level = rng.pick(&levels)?;
        let entry_bits = granule.entry_bits(level);
        let group_bits = trunk.variant.contiguous_bits(level);
        let fits = group_bits > 0 && entry_bits + group_bits < most_bits && self.groups > 0;
        let group_bits = if fits && rng.chance(250) { group_bits } else { 0 };
        Some((level, entry_bits + group_bits, 1 << group_bits))
    }

    /// A physical address over a stage, or anywhere below 2^`bits`.
    fn anywhere(&self, rng: &mut Rng, bits: u8, unit_bits: u32) -> u64 {
        let top = 1u64 << (bits - 1);
        let stage = rng.pick(&self.stages).filter(|_| rng.chance(400));
        let stage = stage.and_then(|stage| self.map.arenas().get(usize::from(stage.number)));
        let address = match stage {
            Some(arena) => arena.base + scratch::TAGS,
            None => rng.bits() & (top | (top - 1)) | if rng.chance(600) { top } else { 0 },
        };
        address >> unit_bits << unit_bits
    }

    /// A range of stage 1, by its number among those that have tables.
    pub fn a_range(&self, rng: &mut Rng) -> Option<usize> {
        let count = self.ranges.len() as u64;
        (count > 0).then(|| rng.below(count) as usize)
    }

    /// Pages of stage 1 for a window whose content `wanted` accepts.
    fn map_pages(&mut self, rng: &mut Rng, wanted: impl Fn(Content) -> bool) -> Option<()> {
        let number = self.a_range(rng)?;
        let windows: ArrayVec<Window, MOST_WINDOWS> =
            self.windows.iter().copied().filter(|window| wanted(window.content)).collect();
        let window = rng.pick(&windows)?;
        let trunk = &self.ranges[number];
        let granule = trunk.format.granule;
        let (offset, bytes) = Self::run(rng, granule.bytes());
        let entries = bytes / granule.bytes();
        let end = 1 << trunk.format.ia_bits;
        let unit_bits = bytes.next_power_of_two().trailing_zeros();
        let first = trunk.find(rng, bytes, unit_bits, 3, end)?;
        let purpose = match window.content {
            Content::Tags { is_cached } => Purpose::Tags { is_cached },
            _ => Purpose::Slots,
        };
        let (mut attributes, memory) =
            stage1_attributes(rng, self.setup, purpose, &|memory| suits(window, memory));
        let group = 1 << trunk.variant.contiguous_bits(3);
        let output = window.ipa + offset;
        let is_aligned = (first | output) & (bytes - 1) == 0;
        if group > 1 && entries == group && is_aligned && self.groups > 0 && rng.chance(300) {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        let place = Place::absolute(output);
        let memory = Stage2Memory::Combined(memory);
        let leaf = Leaf { first, level: 3, entries, place, output, attributes, memory };
        self.ranges[number].push(leaf)
    }

    /// Leaves of stage 1, of any level, over a window and what is beside it; or over nothing. Stage 2 alone
    /// says what is reached by them.
    fn map_cover(&mut self, rng: &mut Rng) -> Option<()> {
        let number = self.a_range(rng)?;
        let trunk = &self.ranges[number];
        // As many as descriptors hold, be it more than there are.
        let most = if trunk.format.address == AddressFormat::Bits48 { 48 } else { 52 };
        let (level, unit_bits, entries) = self.unit(rng, trunk, most)?;
        let window = rng.pick(&self.windows).filter(|_| rng.chance(700));
        let output = match window {
            Some(window) => window.ipa,
            None => {
                let bits = rng.between(self.setup.ipa_bits.into(), most.into());
                rng.bits() & ((1 << bits) - 1) | if rng.chance(500) { 1 << (bits - 1) } else { 0 }
            }
        };
        let output = output >> unit_bits << unit_bits;
        let first = trunk.find(rng, 1 << unit_bits, unit_bits, level, 1 << trunk.format.ia_bits)?;
        let (mut attributes, memory) =
            stage1_attributes(rng, self.setup, Purpose::Any, &|memory| {
                window.is_none_or(|window| suits(window, memory))
            });
        if entries > 1 {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        let place = Place::absolute(output);
        let memory = Stage2Memory::Combined(memory);
        self.ranges[number].push(Leaf { first, level, entries, place, output, attributes, memory })
    }

    /// The same without stage 2: what nobody but a probe reaches.
    fn map_quiet_at_stage1(&mut self, rng: &mut Rng) -> Option<()> {
        let number = self.a_range(rng)?;
        let trunk = &self.ranges[number];
        let (level, unit_bits, entries) = self.unit(rng, trunk, trunk.oa_bits)?;
        let output = self.anywhere(rng, trunk.oa_bits, unit_bits);
        let reached = self.setup.stage1_updates.access || rng.chance(700);
        let purpose = if reached { Purpose::Quiet } else { Purpose::Unreached };
        let first = trunk.find(rng, 1 << unit_bits, unit_bits, level, 1 << trunk.format.ia_bits)?;
        let (mut attributes, memory) = stage1_attributes(rng, self.setup, purpose, &|memory| {
            !reached || memory == Memory::Device
        });
        if entries > 1 {
            self.groups -= 1;
            attributes.flags |= Attributes::CONTIGUOUS;
        }
        let place = Place::absolute(output);
        let memory = Stage2Memory::Combined(memory);
        self.ranges[number].push(Leaf { first, level, entries, place, output, attributes, memory })
    }

    /// The case, with nothing asked.
    pub fn case(&self) -> Case {
        let mut case = Case::new(self.setup.registers);
        for trunk in self.trunks() {
            // A case has room for all trees and mappings.
            let _ = case.push_tree(trunk.tree);
            for leaf in &trunk.leaves {
                let _ = case.push_mapping(trunk.mapping(leaf));
            }
        }
        case.set_guest(self.guest);
        case
    }
}

/// Whether memory of type `memory` at stage 1 agrees with what `window` is.
fn suits(window: Window, memory: Memory) -> bool {
    match window.content {
        Content::Tags { is_cached: true } => memory.with_stage2(window.memory) == Memory::WriteBack,
        Content::Tags { is_cached: false } => memory.with_stage2(window.memory).is_uncached(),
        Content::Slots => memory != Memory::Device,
        Content::Tables { .. } | Content::Code | Content::Quiet => true,
    }
}

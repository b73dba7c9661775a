//! What lies where: in physical memory, in IPA space, and in the two ranges of virtual addresses.
//!
//! ```text
//!   VA        |code|    |tags|          |slots|   |block of anything|
//!               \          \   ______/                 |              stage 1
//!   IPA       |tbl|  |code|  |tags|  |slots|  |tbl|  |tags|   |quiet|
//!               |       \       |       |        \      |        |    stage 2
//!   PA        table     code    tags    slots   table  the same  anywhere: Device memory
//!             arena      \______stage arena____/ arena            that nobody executes
//! ```
//!
//! Tables of stage 1, code, tags and slots are windows of IPA space: 64 KB each, which any granule maps,
//! scattered. Without stage 2 a window lies at its physical address.

use arrayvec::ArrayVec;

use super::super::{NotDrawn, Rng};
use super::attributes::{Purpose, stage1_attributes, stage2_attributes};
use super::ground::{Ground, PIECE, PIECE_BITS};
use super::memory::{Memory, Stage2Memory};
use super::setup::Setup;
use super::shape::RangeShape;
use super::trunk::{Leaf, Trunk};
use crate::abilities::Abilities;
use crate::format::{AddressFormat, Format, Granule};
use crate::guest::Guest;
use crate::mapping::Attributes;
use crate::memory::{Arena, MAX_ARENAS, MemoryMap, Place};
use crate::tree::{Role, Tree};
use crate::{Case, MAX_MAPPINGS, MAX_SLOTS, stage};

/// The most windows of a case.
pub(super) const MOST_WINDOWS: usize = 48;
/// The most stage arenas that a case uses, beside that of its code.
const MOST_STAGES: u64 = 3;
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

/// A stage arena that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stage {
    /// The number of the arena.
    pub number: u8,
    /// Whether all who reach its tags do so as Write-Back memory, or all without a cache. Whoever mixed them
    /// would have to maintain caches in between.
    pub is_cached: bool,
}

/// A tree that a case loads in place of another for some of its probes, under another VMID or ASID.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    pub trunk: Trunk,
    /// The number of the other.
    pub of: u8,
}

/// All that a case maps, while it is drawn.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub setup: &'a Setup,
    pub abilities: &'a Abilities,
    pub map: &'a MemoryMap,
    ground: Ground<'a>,
    /// Stage 2, if it is on.
    pub stage2: Option<Trunk>,
    /// The ranges of stage 1 that have tables, the one with the guest's code first.
    pub ranges: ArrayVec<Trunk, 2>,
    /// Trees that are loaded in place of others: see [`Rival`].
    pub rivals: ArrayVec<Rival, 2>,
    pub windows: ArrayVec<Window, MOST_WINDOWS>,
    pub stages: ArrayVec<Stage, { MOST_STAGES as usize }>,
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

    fn plant_stage2(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        if self.setup.shape.stage2.is_some() {
            self.stage2 = Some(self.stage2_trunk(rng, 0).ok_or(NotDrawn::NoArena)?);
        }
        Ok(())
    }

    /// A tree of stage 2, number `number` of the case, with nothing in it.
    fn stage2_trunk(&mut self, rng: &mut Rng, number: u8) -> Option<Trunk> {
        let shape = self.setup.shape.stage2?;
        let format = shape.variant.format(self.abilities, shape.ia_bits, shape.start_level);
        let (most, count) = match format.granule {
            Granule::K4 => (64, rng.between(1, 4)),
            Granule::K16 => (48, rng.between(1, 4)),
            Granule::K64 => (28, rng.between(1, 3)),
        };
        let share = most / count;
        let page = format.granule.bytes();
        let (root, alignment) = (format.root_bytes(), format.root_alignment().max(PIECE));
        let bits = root_bits(&format, self.setup.pa_bits);
        let first = self.ground.take(rng, pieces(root.max(PIECE) + share * page), alignment, bits);
        let first = first?;
        // A small root lies anywhere in its piece.
        let choices = (PIECE.max(root) - root) / format.root_alignment();
        let offset = rng.between(0, choices) * format.root_alignment();
        let root = Place::new(first.arena(), first.offset() + offset);
        let mut tree = Tree::new(Role::Stage2, format, root);
        let mut slots = 1;
        for _ in 1..count {
            let bytes = pieces(share * page);
            let Some(place) = self.ground.take(rng, bytes, PIECE, self.setup.pa_bits) else {
                break;
            };
            // A tree has room for all of them.
            let _ = tree.push_slot(place);
            slots += 1;
        }
        let kind = (Role::Stage2, shape.variant, format);
        Some(Trunk::new(number, kind, self.setup.pa_bits, tree, slots * share))
    }

    fn plant_range(&mut self, rng: &mut Rng, number: usize) -> Result<(), NotDrawn> {
        let shape = self.setup.shape.stage1.map(|ranges| ranges[number]);
        let Some(shape) = shape.filter(|shape| shape.has_walks) else { return Ok(()) };
        let at = usize::from(self.stage2.is_some()) + self.ranges.len();
        let trunk = self.range_trunk(rng, number, shape, at as u8);
        self.ranges.push(trunk.ok_or(NotDrawn::NoRoom)?);
        Ok(())
    }

    /// A tree of range number `number`, number `at` of the case, with nothing in it: its slots are windows.
    fn range_trunk(
        &mut self,
        rng: &mut Rng,
        number: usize,
        shape: RangeShape,
        at: u8,
    ) -> Option<Trunk> {
        let setup = self.setup;
        let role = [Role::Ttbr0El1, Role::Ttbr1El1][number];
        let format = shape.variant.stage1_format(self.abilities, shape.va_bits);
        let per_slot = PIECE / format.granule.bytes();
        let mut tree = Tree::in_ipa_space(role, format);
        let depth = (4 - format.start_level) as u64;
        // Its code, and one table of its own for something else.
        let least = (depth + 1).div_ceil(per_slot);
        let most = match format.granule {
            Granule::K4 | Granule::K16 => least + 5,
            Granule::K64 => 10,
        };
        // A third of what IPA space has room for.
        let room = ((1 << setup.ipa_bits) / PIECE / 3).max(least);
        let wanted = rng.between(least, most).min(room).min(MAX_SLOTS as u64);
        let is_home = number == setup.home;
        let mut slots = 0;
        while slots < wanted {
            let is_root = slots == 0;
            let bits = if is_root { root_bits(&format, setup.ipa_bits) } else { setup.ipa_bits };
            let spine = is_home && slots < depth;
            let Some((place, ipa)) = self.table_window(rng, bits, spine) else { break };
            // A root lies anywhere in its first page.
            let choices = (format.granule.bytes() - format.root_bytes()) / format.root_alignment();
            let offset =
                if is_root { rng.between(0, choices) * format.root_alignment() } else { 0 };
            let place = Place::new(place.arena(), place.offset() + offset);
            // A tree has room for all of them.
            let _ = tree.push_slot_at(place, ipa + offset);
            slots += 1;
        }
        let kind = (role, shape.variant, format);
        let oa_bits = setup.stage1_oa_bits[number];
        (slots >= least).then(|| Trunk::new(at, kind, oa_bits, tree, slots * per_slot - 1))
    }

    /// A window for tables of stage 1: where it is, and its IPA.
    fn table_window(&mut self, rng: &mut Rng, bits: u8, spine: bool) -> Option<(Place, u64)> {
        let pa_bits = if self.stage2.is_some() { self.setup.pa_bits } else { bits };
        let before = self.ground.clone();
        let place = self.ground.take(rng, PIECE, PIECE, pa_bits)?;
        let purpose = Purpose::Tables { spine };
        let content = Content::Tables { spine };
        let mapped = match rng.chance(200) {
            true => self.map_block(rng, place, bits, purpose, content),
            false => None,
        };
        let mapped =
            mapped.or_else(|| self.map_window(rng, place, (0, PIECE), bits, purpose, content));
        if mapped.is_none() {
            self.ground = before;
        }
        Some((place, mapped?))
    }

    /// Maps a block of stage 2 over `place` that does not leave the arena; returns the IPA of `place`.
    fn map_block(
        &mut self,
        rng: &mut Rng,
        place: Place,
        bits: u8,
        purpose: Purpose,
        content: Content,
    ) -> Option<u64> {
        let pa = self.map.resolve(place)?;
        let arena = self.map.arenas().get(usize::from(place.arena()))?;
        let trunk = self.stage2.as_mut()?;
        let level = 2;
        let entry_bits = trunk.format.granule.entry_bits(level);
        let first = pa >> entry_bits << entry_bits;
        if trunk.format.start_level > level || !arena.contains(first, 1 << entry_bits) {
            return None;
        }
        let input = trunk.find(rng, 1 << entry_bits, entry_bits, level, 1 << bits)?;
        let (attributes, memory) = stage2_attributes(rng, self.setup, self.abilities, purpose);
        let place = Place::new(place.arena(), first - arena.base);
        trunk.push(Leaf {
            first: input,
            level,
            entries: 1,
            place,
            output: first,
            attributes,
            memory,
        })?;
        let ipa = input + (pa - first);
        self.windows.try_push(Window { ipa, content, memory }).ok()?;
        Some(ipa)
    }

    /// Maps `run`, first and size in bytes, of the 64 KB at `place` by pages of stage 2, or by nothing where
    /// it is off; returns the IPA of `place`, less than 2^`bits`.
    fn map_window(
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

    /// The stage arenas that this set-up reaches.
    fn reached_stages(&self) -> ArrayVec<u8, MAX_ARENAS> {
        let numbered = (0..).zip(self.map.arenas());
        let reached = numbered.filter(|(_, arena): &(u8, &Arena)| {
            stage::fits(arena) && arena.last() >> self.setup.pa_bits == 0
        });
        reached.map(|(number, _)| number).collect()
    }

    fn map_code(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let number = rng.pick(&self.reached_stages()).ok_or(NotDrawn::NoArena)?;
        let code = Place::new(number, 0);
        let run = (stage::GUEST, stage::GUEST_BYTES);
        let bits = self.setup.ipa_bits;
        let window = self.map_window(rng, code, run, bits, Purpose::Code, Content::Code);
        let ipa = window.ok_or(NotDrawn::NoRoom)?;
        let Some(trunk) = self.ranges.first_mut() else {
            self.guest = Guest { code, code_va: ipa + stage::GUEST };
            return Ok(());
        };
        let granule = trunk.format.granule;
        let offset = stage::GUEST / granule.bytes() * granule.bytes();
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
        self.guest = Guest { code, code_va: trunk.address(first + (stage::GUEST - offset)) };
        Ok(())
    }

    fn choose_stages(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let mut reached = self.reached_stages();
        for _ in 0..rng.between(1, MOST_STAGES) {
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
    fn mapped(&self) -> usize {
        self.trunks().map(|trunk| trunk.leaves.len()).sum()
    }

    /// Whether there is no room for another mapping.
    pub fn is_full(&self) -> bool {
        self.mapped() >= MAX_MAPPINGS
    }

    /// Adds a rival of a range of stage 1, if there is room: what is not global differs in part.
    pub fn add_rival_range(&mut self, rng: &mut Rng) -> Option<()> {
        let place = self.a_range(rng)?;
        let role = self.ranges[place].role;
        let number = usize::from(role == Role::Ttbr1El1);
        let shape = self.setup.shape.stage1.map(|ranges| ranges[number])?;
        let at = self.trunks().count() as u8;
        let mut trunk = self.range_trunk(rng, number, shape, at)?;
        // What is global stays in TLBs, whichever tree is loaded: few leaves.
        for leaf in self.ranges[place].leaves.iter_mut() {
            leaf.attributes.flags |= if rng.chance(800) { Attributes::NG } else { 0 };
        }
        let (own, windows) = (self.ranges[place].clone(), self.windows.clone());
        for (number, leaf) in own.leaves.iter().enumerate() {
            let is_code = place == 0 && number == 0;
            let may_differ = !is_code && leaf.attributes.has(Attributes::NG);
            let Some(leaf) = rival_of(rng, leaf, may_differ, |rng, leaf| {
                let window =
                    windows.iter().find(|window| leaf.output.wrapping_sub(window.ipa) < PIECE)?;
                let same = |other: &&Window| {
                    other.content == window.content && other.memory == window.memory
                };
                let others: ArrayVec<u64, MOST_WINDOWS> =
                    windows.iter().filter(same).map(|other| other.ipa).collect();
                let output = rng.pick(&others)? + (leaf.output - window.ipa);
                (leaf.level == 3).then_some((Place::absolute(output), output))
            }) else {
                continue;
            };
            trunk.push(leaf)?;
        }
        self.push_rival(Rival { trunk, of: own.number })
    }

    /// Adds a rival of stage 2, if there is room: other tags lie at the same IPA.
    pub fn add_rival_stage2(&mut self, rng: &mut Rng) -> Option<()> {
        let own = self.stage2.clone()?;
        let at = self.trunks().count() as u8;
        let mut trunk = self.stage2_trunk(rng, at)?;
        let (stages, map) = (self.stages.clone(), self.map);
        for leaf in &own.leaves {
            let used = stages.iter().find(|stage| {
                stage.number == leaf.place.arena() && leaf.place.offset() >= stage::TAGS
            });
            let leaf = rival_of(rng, leaf, used.is_some(), |rng, leaf| {
                let same =
                    |other: &&Stage| used.is_some_and(|used| used.is_cached == other.is_cached);
                let others: ArrayVec<u8, { MOST_STAGES as usize }> =
                    stages.iter().filter(same).map(|other| other.number).collect();
                let place = Place::new(rng.pick(&others)?, leaf.place.offset());
                Some((place, map.resolve(place)?))
            });
            if let Some(leaf) = leaf {
                trunk.push(leaf)?;
            }
        }
        self.push_rival(Rival { trunk, of: own.number })
    }

    fn push_rival(&mut self, rival: Rival) -> Option<()> {
        let fits = self.mapped() + rival.trunk.leaves.len() <= MAX_MAPPINGS;
        self.rivals.try_push(rival).ok().filter(|()| fits).or_else(|| {
            self.rivals.pop();
            None
        })
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
        let (place, bits) = (Place::new(number, stage::TAGS), self.setup.ipa_bits);
        let content = Content::Tags { is_cached };
        self.map_window(rng, place, run, bits, Purpose::Tags { is_cached }, content).map(|_| ())
    }

    fn map_slots(&mut self, rng: &mut Rng) -> Option<()> {
        let Stage { number, .. } = rng.pick(&self.stages)?;
        let run = Self::run(rng, self.stage2_page());
        let (place, bits) = (Place::new(number, stage::SLOTS), self.setup.ipa_bits);
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
            Some(arena) => arena.base + stage::TAGS,
            None => rng.bits() & (top | (top - 1)) | if rng.chance(600) { top } else { 0 },
        };
        address >> unit_bits << unit_bits
    }

    /// A range of stage 1, by its number among those that have tables.
    fn a_range(&self, rng: &mut Rng) -> Option<usize> {
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

/// What a rival has in the place of `leaf`: the same; or, if it may differ, what `elsewhere` says, other
/// permissions, or nothing.
fn rival_of(
    rng: &mut Rng,
    leaf: &Leaf,
    may_differ: bool,
    elsewhere: impl FnOnce(&mut Rng, &Leaf) -> Option<(Place, u64)>,
) -> Option<Leaf> {
    let mut attributes = leaf.attributes;
    match if may_differ { rng.weighted([(2, 0), (5, 1), (2, 2), (1, 3)]) } else { 0 } {
        1 => {
            let (place, output) = elsewhere(rng, leaf).unwrap_or((leaf.place, leaf.output));
            return Some(Leaf { place, output, ..*leaf });
        }
        2 => attributes.ap ^= 1 << rng.below(2),
        3 => return None,
        _ => {}
    }
    Some(Leaf { attributes, ..*leaf })
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

/// How many bits the address of a root may have. QEMU looks for a root of fewer than 64 bytes above 2^48
/// elsewhere, a known issue, and a guest that begins so ends at once.
fn root_bits(format: &Format, bits: u8) -> u8 {
    let is_small = format.root_bytes() < 64 && format.address != AddressFormat::Bits48;
    if is_small { bits.min(48) } else { bits }
}

/// `bytes` in whole pieces.
const fn pieces(bytes: u64) -> u64 {
    bytes.next_multiple_of(PIECE)
}

//! What lies where in the trees of EL2: what the world switch needs, and what else there is to be asked.
//!
//! ```text
//!   VA   |trampoline| |exit|     |code|    |data|   |tags|     |slots|   |block of anything|
//!             \         \          \________\_________\__________/              |
//!   PA      the same address            a scratch arena each          anywhere: Device memory
//!                                                                      that nobody executes
//! ```

use core::ops::Range;

use arrayvec::ArrayVec;

use super::super::leaf::Purpose;
use super::super::memory_type::{MemoryType, Stage2Memory};
use super::super::pool::{Pool, part, root_bits};
use super::super::tree::{Run, TreeBuilder, case, mapped};
use super::super::{NotDrawn, Request, Rng};
use super::setup::Setup;
use super::shape::placed;
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::placement::Placement;
use crate::world_switch::SwitchPlaces;
use crate::{Case, MAX_MAPPINGS, scratch};

/// All that a case maps, while it is drawn.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub setup: &'a Setup,
    pub request: Request<'a>,
    /// The lower range first, then the upper one or the idmap.
    pub trees: ArrayVec<TreeBuilder, 2>,
    /// How many leaves of each tree the world switch needs: the first ones.
    pub spine: [usize; 2],
    places: SwitchPlaces,
}

impl<'a> World<'a> {
    /// What the world switch needs.
    pub fn new(rng: &mut Rng, setup: &'a Setup, request: Request<'a>) -> Result<Self, NotDrawn> {
        let mut pool = Pool::new(request);
        let mut trees = ArrayVec::new();
        for (number, &kind) in (0..).zip(&setup.kinds) {
            let bits = [root_bits(&kind.format, setup.oa_bits), setup.oa_bits];
            let tree = pool.tree(rng, number, kind, bits, kind.format.granule.bytes());
            trees.push(tree.ok_or(NotDrawn::NoArena)?);
        }
        let (spine, places) = ([0; 2], setup.places);
        let mut this = Self { setup, request, trees, spine, places };
        this.settle(rng)?;
        let leaves = |number: usize| this.trees.get(number).map_or(0, |tree| tree.leaves.len());
        this.spine = [leaves(0), leaves(1)];
        Ok(this)
    }

    /// The trees that are asked: all but the idmap.
    pub fn asked(&self) -> &[TreeBuilder] {
        let is_host = self.setup.shape.upper.is_some();
        if is_host { &self.trees } else { &self.trees[..1] }
    }

    fn settle(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        let SwitchPlaces { trampoline, exit, code, data, .. } = self.places;
        let outside = self.setup.shape.placement == Placement::Outside;
        self.map_identity(rng, usize::from(outside), trampoline)?;
        if outside || exit != trampoline {
            self.map_identity(rng, 0, exit)?;
        }
        let data = Place::new(data.arena(), scratch::DATA);
        self.places.code_va = self.map_runtime(rng, code, scratch::CODE_BYTES, Purpose::Code)?;
        self.places.data_va = self.map_runtime(rng, data, scratch::DATA_BYTES, Purpose::Data)?;
        Ok(())
    }

    /// The half in which the runtime lives: the one that the trampoline is not in; either, where that is outside; with
    /// two ranges all of the upper.
    fn half(&self, rng: &mut Rng) -> Range<u64> {
        let shape = &self.setup.shape;
        if shape.upper.is_some() {
            return 0..u64::MAX;
        }
        let top = 1 << (shape.va_bits - 1);
        match shape.placement {
            Placement::Lower => top..2 * top,
            Placement::Upper => 0..top,
            Placement::Outside if rng.chance(500) => 0..top,
            Placement::Outside => top..2 * top,
        }
    }

    /// Maps the code at `place` in tree number `number` at its physical address.
    fn map_identity(&mut self, rng: &mut Rng, number: usize, place: Place) -> Result<(), NotDrawn> {
        let pa = self.request.map.resolve(place).ok_or(NotDrawn::NoRoom)?;
        let run = self.trees[number].pages(scratch::CODE_BYTES).to_place(place, pa);
        let draw = leaf(self.setup, Purpose::Code);
        let put = self.trees[number].put(rng, pa, run, draw);
        put.map(|_| ()).ok_or(NotDrawn::NoRoom)
    }

    /// Maps `bytes` bytes of the runtime at `place`; returns their virtual address.
    fn map_runtime(
        &mut self,
        rng: &mut Rng,
        place: Place,
        bytes: u64,
        purpose: Purpose,
    ) -> Result<u64, NotDrawn> {
        let (pa, half) = (self.request.map.resolve(place), self.half(rng));
        let pa = pa.ok_or(NotDrawn::NoRoom)?;
        let tree = &mut self.trees[usize::from(self.setup.shape.upper.is_some())];
        let run = tree.pages(bytes).to_place(place, pa);
        let input = tree.add(rng, run, half, leaf(self.setup, purpose));
        Ok(tree.address(input.ok_or(NotDrawn::NoRoom)?))
    }

    /// Maps one thing that the world switch does not need, if there is room.
    pub fn map_something(&mut self, rng: &mut Rng) -> Option<()> {
        let number = rng.below(self.asked().len() as u64) as usize;
        if mapped(&self.trees) >= MAX_MAPPINGS {
            return None;
        }
        let is_cached = false;
        let (run, purpose) = match rng.weighted([(4, 0), (3, 1), (3, 2), (3, 3)]) {
            0 => (self.pages(rng, number, scratch::TAGS)?, Purpose::Tags { is_cached }),
            1 => (self.pages(rng, number, scratch::SLOTS)?, Purpose::Slots),
            kind => self.quiet(rng, number, kind == 2)?,
        };
        let tree = &mut self.trees[number];
        tree.add(rng, run, 0..u64::MAX, leaf(self.setup, purpose)).map(|_| ())
    }

    /// Some pages of a scratch arena, out of the 64 KB at `offset`.
    fn pages(&self, rng: &mut Rng, number: usize, offset: u64) -> Option<Run> {
        let arena = self.a_scratch_arena(rng)?;
        let tree = &self.trees[number];
        let (first, bytes) = part(rng, tree.format.granule.bytes());
        let place = Place::new(arena, offset + first);
        Some(tree.pages(bytes).to_place(place, self.request.map.resolve(place)?))
    }

    /// A leaf over a scratch arena, or over anything.
    fn quiet(&self, rng: &mut Rng, number: usize, over_scratch: bool) -> Option<(Run, Purpose)> {
        let arena = self.a_scratch_arena(rng).filter(|_| over_scratch);
        let base = arena.map(|number| self.request.map.arenas()[usize::from(number)].base);
        let over = base.map(|base| base + rng.one_of(&[scratch::TAGS, scratch::SLOTS]));
        self.trees[number].quiet(rng, self.request.abilities, over, self.setup.leaves.updates)
    }

    /// A scratch arena that the output size reaches.
    fn a_scratch_arena(&self, rng: &mut Rng) -> Option<u8> {
        let Setup { oa_bits, shape, .. } = self.setup;
        rng.pick(&placed(self.request.map, *oa_bits, shape.va_bits, |_| true))
    }

    /// The case, with nothing asked.
    pub fn case(&self) -> Case {
        let mut case = case(self.setup.registers, &self.trees);
        case.set_world_switch(self.places);
        case
    }
}

/// Draws what a leaf for `purpose` says.
fn leaf(
    setup: &Setup,
    purpose: Purpose,
) -> impl FnOnce(&mut Rng) -> (Attributes, Stage2Memory) + use<'_> {
    move |rng| {
        let is_device = match purpose {
            Purpose::Quiet => true,
            Purpose::Data | Purpose::Tags { .. } => rng.chance(250),
            Purpose::Unreached => rng.chance(500),
            _ => false,
        };
        setup.leaves.leaf(rng, purpose, &|memory| (memory == MemoryType::Device) == is_device)
    }
}

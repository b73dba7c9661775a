//! The trees of a guest with nothing in them yet: where their tables lie.
//!
//! Tables of stage 1 are windows of IPA space, mapped by stage 2 like everything else that the guest uses.

use super::super::leaf::Purpose;
use super::super::pool::{PIECE, root_bits};
use super::super::tree::{TreeBuilder, TreeKind};
use super::super::{NotDrawn, Rng};
use super::shape::RangeShape;
use super::world::{Window, World};
use crate::MAX_SLOTS;
use crate::format::Granule;
use crate::memory::Place;
use crate::tree::{Role, Tree};

impl World<'_> {
    /// A tree of stage 2, number `number` of the case, with nothing in it.
    pub fn stage2_tree(&mut self, rng: &mut Rng, number: u8) -> Option<TreeBuilder> {
        let (shape, pa_bits) = (self.setup.shape.stage2?, self.setup.pa_bits);
        let variant = shape.variant;
        let format = variant.format(self.request.abilities, shape.ia_bits, shape.start_level);
        let bits = [root_bits(&format, pa_bits), pa_bits];
        self.pool.tree(rng, number, TreeKind { role: Role::Stage2, variant, format }, bits, PIECE)
    }

    /// Gives range number `number` a tree, if stage 1 is on and the range has walks.
    pub fn add_range(&mut self, rng: &mut Rng, number: usize) -> Result<(), NotDrawn> {
        let shape = self.setup.shape.stage1.map(|ranges| ranges[number]);
        let Some(shape) = shape.filter(|shape| shape.has_walks) else { return Ok(()) };
        let at = usize::from(self.stage2.is_some()) + self.ranges.len();
        let tree = self.range_tree(rng, number, shape, at as u8);
        self.ranges.push(tree.ok_or(NotDrawn::NoRoom)?);
        Ok(())
    }

    /// A tree of range number `number`, number `at` of the case, with nothing in it: its slots are windows.
    pub fn range_tree(
        &mut self,
        rng: &mut Rng,
        number: usize,
        shape: RangeShape,
        at: u8,
    ) -> Option<TreeBuilder> {
        let setup = self.setup;
        let role = [Role::Ttbr0El1, Role::Ttbr1El1][number];
        let format = shape.variant.stage1_format(self.request.abilities, shape.va_bits);
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
        let kind = TreeKind { role, variant: shape.variant, format };
        let oa_bits = setup.stage1_oa_bits[number];
        (slots >= least).then(|| TreeBuilder::new(at, kind, oa_bits, tree, slots * per_slot - 1))
    }

    /// A window for tables of stage 1: where it is, and its IPA.
    fn table_window(&mut self, rng: &mut Rng, bits: u8, spine: bool) -> Option<(Place, u64)> {
        let pa_bits = if self.stage2.is_some() { self.setup.pa_bits } else { bits };
        let before = self.pool.clone();
        let place = self.pool.take(rng, PIECE, PIECE, pa_bits)?;
        let purpose = Purpose::Tables { spine };
        let block = if rng.chance(200) { self.map_block(rng, place, bits, purpose) } else { None };
        let ipa = block.or_else(|| self.map_window(rng, place, (0, PIECE), bits, purpose));
        if ipa.is_none() {
            self.pool = before;
        }
        Some((place, ipa?))
    }

    /// Maps a block of stage 2 over `place` that does not leave the arena; returns the IPA of `place`.
    fn map_block(
        &mut self,
        rng: &mut Rng,
        place: Place,
        bits: u8,
        purpose: Purpose,
    ) -> Option<u64> {
        const LEVEL: i8 = 2;
        let (setup, pa) = (self.setup, self.request.map.resolve(place)?);
        let arena = self.request.map.arenas().get(usize::from(place.arena()))?;
        let tree = self.stage2.as_mut()?;
        let block = tree.leaf(LEVEL);
        let first = pa >> block.unit_bits << block.unit_bits;
        if tree.format.start_level > LEVEL || !arena.contains(first, 1 << block.unit_bits) {
            return None;
        }
        let run = block.to_place(Place::new(place.arena(), first - arena.base), first);
        let draw = |rng: &mut Rng| setup.stage2.leaf(rng, purpose);
        let input = tree.add(rng, run, 0..1 << bits, draw)?;
        let (ipa, memory) = (input + (pa - first), tree.leaves.last()?.memory);
        self.windows.try_push(Window { ipa, purpose, memory }).ok()?;
        Some(ipa)
    }
}

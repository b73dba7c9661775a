//! Trees with nothing in them yet: where their tables lie.

use super::super::{NotDrawn, Rng};
use super::attributes::{Purpose, stage2_attributes};
use super::ground::PIECE;
use super::shape::RangeShape;
use super::trunk::{Leaf, Trunk};
use super::world::{Content, Window, World};
use crate::MAX_SLOTS;
use crate::format::{AddressFormat, Format, Granule};
use crate::memory::Place;
use crate::tree::{Role, Tree};

impl World<'_> {
    /// Gives stage 2 a tree, if it is on.
    pub fn plant_stage2(&mut self, rng: &mut Rng) -> Result<(), NotDrawn> {
        if self.setup.shape.stage2.is_some() {
            self.stage2 = Some(self.stage2_trunk(rng, 0).ok_or(NotDrawn::NoArena)?);
        }
        Ok(())
    }

    /// A tree of stage 2, number `number` of the case, with nothing in it.
    pub fn stage2_trunk(&mut self, rng: &mut Rng, number: u8) -> Option<Trunk> {
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

    pub fn plant_range(&mut self, rng: &mut Rng, number: usize) -> Result<(), NotDrawn> {
        let shape = self.setup.shape.stage1.map(|ranges| ranges[number]);
        let Some(shape) = shape.filter(|shape| shape.has_walks) else { return Ok(()) };
        let at = usize::from(self.stage2.is_some()) + self.ranges.len();
        let trunk = self.range_trunk(rng, number, shape, at as u8);
        self.ranges.push(trunk.ok_or(NotDrawn::NoRoom)?);
        Ok(())
    }

    /// A tree of range number `number`, number `at` of the case, with nothing in it: its slots are windows.
    pub fn range_trunk(
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

//! Trees that a case loads in place of others, under another VMID or ASID.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::ground::PIECE;
use super::trunk::{Leaf, Trunk};
use super::world::{MOST_STAGES, MOST_WINDOWS, Stage, Window, World};
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::tree::Role;
use crate::{MAX_MAPPINGS, scratch};

/// A tree that a case loads in place of another for some of its probes, under another VMID or ASID.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    pub trunk: Trunk,
    /// The number of the other.
    pub of: u8,
}

impl World<'_> {
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
                stage.number == leaf.place.arena() && leaf.place.offset() >= scratch::TAGS
            });
            let leaf = rival_of(rng, leaf, used.is_some(), |rng, leaf| {
                let same =
                    |other: &&Stage| used.is_some_and(|used| used.is_cached == other.is_cached);
                let others: ArrayVec<u8, MOST_STAGES> =
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

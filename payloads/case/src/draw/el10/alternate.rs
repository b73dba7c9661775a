//! Alternate contexts: trees that a case loads in place of others, under another VMID or ASID.
//!
//! They map the same addresses to other tags of the same kind, with other permissions, or not at all, so that a TLB entry
//! of the one context that is used in the other shows.

use super::super::Rng;
use super::super::tree::{Leaf, TreeBuilder, mapped};
use super::world::World;
use crate::MAX_MAPPINGS;
use crate::mapping::Attributes;
use crate::memory::Place;
use crate::scratch::TAGS;
use crate::tree::Role;

/// A tree that a case loads in place of another for some of its probes, under another VMID or ASID.
#[derive(Clone, Debug)]
pub(super) struct Alternate {
    pub tree: TreeBuilder,
    /// The number of the other.
    pub of: u8,
}

impl World<'_> {
    /// Adds an alternate to a range of stage 1, if there is room: what is not global differs in part.
    pub fn add_alternate_range(&mut self, rng: &mut Rng) -> Option<()> {
        let place = self.a_range(rng)?;
        let role = self.ranges[place].role;
        let number = usize::from(role == Role::Ttbr1El1);
        let shape = self.setup.shape.stage1.map(|ranges| ranges[number])?;
        let at = self.trees().count() as u8;
        let mut tree = self.range_tree(rng, number, shape, at)?;
        // What is global stays in TLBs, whichever tree is loaded: few leaves.
        for leaf in self.ranges[place].leaves.iter_mut() {
            leaf.attributes.flags |= if rng.chance(800) { Attributes::NG } else { 0 };
        }
        let own = self.ranges[place].clone();
        for (number, leaf) in own.leaves.iter().enumerate() {
            let is_code = place == 0 && number == 0;
            let may_differ = !is_code && leaf.attributes.has(Attributes::NG);
            let leaf = alternate_of(rng, leaf, may_differ, |rng| {
                let (window, alike) = self.windows_like(leaf.output)?;
                let output = rng.choose(alike)?.ipa + (leaf.output - window.ipa);
                (leaf.level == 3).then_some((Place::absolute(output), output))
            });
            if let Some(leaf) = leaf {
                tree.push(leaf)?;
            }
        }
        self.push_alternate(Alternate { tree, of: own.number })
    }

    /// Adds an alternate to stage 2, if there is room: other tags lie at the same IPA.
    pub fn add_alternate_stage2(&mut self, rng: &mut Rng) -> Option<()> {
        let own = self.stage2.clone()?;
        let at = self.trees().count() as u8;
        let mut tree = self.stage2_tree(rng, at)?;
        for leaf in &own.leaves {
            let offset = leaf.place.offset();
            let alike = self.scratch_like(leaf.place.arena()).filter(|_| offset >= TAGS);
            let leaf = alternate_of(rng, leaf, alike.is_some(), |rng| {
                let place = Place::new(rng.choose(alike?)?, offset);
                Some((place, self.request.map.resolve(place)?))
            });
            if let Some(leaf) = leaf {
                tree.push(leaf)?;
            }
        }
        self.push_alternate(Alternate { tree, of: own.number })
    }

    fn push_alternate(&mut self, alternate: Alternate) -> Option<()> {
        let fits = mapped(self.trees()) + alternate.tree.leaves.len() <= MAX_MAPPINGS;
        self.alternates.try_push(alternate).ok().filter(|()| fits).or_else(|| {
            self.alternates.pop();
            None
        })
    }
}

/// What an alternate has in the place of `leaf`: the same; or, if it may differ, what `elsewhere` says, other
/// permissions, or nothing.
fn alternate_of(
    rng: &mut Rng,
    leaf: &Leaf,
    may_differ: bool,
    elsewhere: impl FnOnce(&mut Rng) -> Option<(Place, u64)>,
) -> Option<Leaf> {
    let mut attributes = leaf.attributes;
    match if may_differ { rng.weighted([(2, 0), (5, 1), (2, 2), (1, 3)]) } else { 0 } {
        1 => {
            let (place, output) = elsewhere(rng).unwrap_or((leaf.place, leaf.output));
            return Some(Leaf { place, output, ..*leaf });
        }
        2 => attributes.ap ^= 1 << rng.below(2),
        3 => return None,
        _ => {}
    }
    Some(Leaf { attributes, ..*leaf })
}

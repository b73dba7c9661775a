//! The cases of a suite, by index: host and target find the same case under the same number.
//!
//! ```text
//!   index     0 ........ 99 | 100 .......... 12387 | 12388 ...
//!   shares    0: spelled    | 1: every legality    | 2: random
//!   local     0 ........ 99 | 0 ............ 12287 | 0 .......       seed ^ share << 56
//! ```

use crate::abilities::Abilities;
use crate::draw::NotDrawn;
use crate::memory::MemoryMap;
use crate::source::Source;
use crate::tree::Role;
use crate::vtcr::ps_bits;
use crate::{Case, Flags};

/// One case in so many is audited: the target lists every word of its arenas that is not zero.
pub const AUDIT_EVERY: u64 = 1 << 15;

/// One part of a suite, and how many cases it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// What draws them; `None`: they are spelled out.
    pub source: Option<Source>,
    /// How many; `u64::MAX` where only time ends them.
    pub count: u64,
}

/// What cases depend on beside the suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Environment<'a> {
    /// What the PE can do.
    pub abilities: &'a Abilities,
    /// The memory that cases may use.
    pub map: &'a MemoryMap,
    /// The seed of all that is random.
    pub seed: u64,
}

impl Environment<'_> {
    /// Case number `index` of `shares`, or why this target can't be asked it; `None` behind the last.
    ///
    /// `spelled` is asked for cases that are spelled out, by the number of the share and their number in
    /// it; what it does not have is not there.
    pub fn case(
        &self,
        shares: impl IntoIterator<Item = Share>,
        spelled: impl FnOnce(usize, u64) -> Option<Case>,
        index: u64,
    ) -> Option<Result<Case, NotDrawn>> {
        let mut local = index;
        let (number, share) = shares.into_iter().enumerate().find(|(_, share)| {
            let here = local < share.count;
            if !here {
                local -= share.count;
            }
            here
        })?;
        // Each share has a seed of its own, so that two of a kind differ.
        let seed = self.seed ^ (number as u64) << 56;
        let mut drawn = match share.source {
            Some(source) => source.draw(self.abilities, self.map, seed, local),
            None => spelled_out(spelled(number, local)?, self.map),
        };
        if index.is_multiple_of(AUDIT_EVERY)
            && let Ok(case) = &mut drawn
        {
            case.set_flags(Flags(case.as_ref().flags().0 | Flags::AUDIT));
        }
        Some(drawn)
    }
}

/// A case that is spelled out. If its mappings are to mean what they say, the tables of stage 2 must lie where
/// the output size of its `VTCR_EL2.PS` reaches: not all machines have memory there.
fn spelled_out(case: Case, map: &MemoryMap) -> Result<Case, NotDrawn> {
    let view = case.as_ref();
    let bits = ps_bits(view.header.registers.vtcr_el2 >> 16 & 7);
    let is_far = |place| map.resolve(place).is_some_and(|pa| pa >> bits != 0);
    let is_out_of_reach =
        view.tree(Role::Stage2).is_some_and(|tree| tree.slots().iter().copied().any(is_far));
    if view.flags().has(Flags::INTENT) && is_out_of_reach {
        return Err(NotDrawn::NoArena);
    }
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::Ids;
    use crate::draw::Space;
    use crate::format::{AddressFormat, Format, Granule};
    use crate::memory::Place;
    use crate::memory::{Arena, ArenaKind};
    use crate::registers::Registers;
    use crate::tree::Tree;

    #[test]
    fn a_case_whose_tables_its_output_size_does_not_reach_is_asked_only_where_that_is_the_point() {
        let mut map = MemoryMap::new();
        let arena = Arena { base: 1 << 40, size: 1 << 20, kind: ArenaKind::Tables };
        map.push(arena).expect("it has room");
        let case = |ps: u64, flags| {
            let registers = Registers { vtcr_el2: ps << 16, ..Registers::default() };
            let address = AddressFormat::Bits48;
            let format = Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address };
            let tree = Tree::new(Role::Stage2, format, Place::new(0, 0));
            let mut case = Case::with_tree(registers, tree);
            case.set_flags(Flags(flags));
            spelled_out(case, &map).map(|_| ())
        };
        assert_eq!(case(2, Flags::INTENT), Err(NotDrawn::NoArena));
        assert_eq!(case(2, 0), Ok(()));
        assert_eq!(case(3, Flags::INTENT), Ok(()));
    }

    fn map() -> MemoryMap {
        let mut map = MemoryMap::new();
        let arena = Arena { base: 0x4000_0000, size: 1 << 24, kind: ArenaKind::Tables };
        map.push(arena).expect("it has room");
        map
    }

    fn spelled(share: usize, number: u64) -> Option<Case> {
        let vtcr_el2 = (share as u64) << 8 | number;
        Some(Case::new(Registers { vtcr_el2, ..Registers::default() }))
    }

    #[test]
    fn an_index_runs_through_the_shares() {
        let (abilities, map) = (Abilities::new(&Ids::default()), map());
        let environment = Environment { abilities: &abilities, map: &map, seed: 7 };
        let random = |count| Share { source: Some(Source::Random(Space::BENIGN)), count };
        let shares = [
            Share { source: None, count: 2 },
            random(3),
            Share { source: None, count: 1 },
            random(2),
        ];
        let case = |index| environment.case(shares, spelled, index);
        let vtcr = |index| Some(case(index)?.ok()?.as_ref().header.registers.vtcr_el2);
        assert_eq!((vtcr(0), vtcr(1), vtcr(5)), (Some(0), Some(1), Some(0x200)));
        assert!(case(0).unwrap().unwrap().as_ref().flags().has(Flags::AUDIT));
        assert!(!case(1).unwrap().unwrap().as_ref().flags().has(Flags::AUDIT));
        let drawn = |share: u64, local| {
            Source::Random(Space::BENIGN).draw(&abilities, &map, 7 ^ share << 56, local)
        };
        assert_eq!(case(4), Some(drawn(1, 2)));
        assert_eq!(case(6), Some(drawn(3, 0)));
        assert_eq!(case(8), None);
    }

    #[test]
    fn what_is_not_spelled_out_is_not_there() {
        let (abilities, map) = (Abilities::new(&Ids::default()), map());
        let environment = Environment { abilities: &abilities, map: &map, seed: 7 };
        let shares = [Share { source: None, count: 2 }];
        assert_eq!(environment.case(shares, |_, _| None, 0), None);
    }
}

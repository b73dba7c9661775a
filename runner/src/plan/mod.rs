//! Suite + target's abilities: an ordered stream of cases.

pub mod shard;

use case::abilities::Abilities;
use case::draw::{NotDrawn, exhaustive, guest, hyp, random};
use case::memory::MemoryMap;
use case::tree::Role;
use case::vtcr::ps_bits;
use case::{Case, Flags};

use crate::suite::generator::Generator;
pub use shard::{BLOCK, Shard};

/// One case in so many is audited: the target lists every word of its arenas that is not zero.
const AUDIT_EVERY: u64 = 1 << 15;

/// The cases of a campaign, by index: a pure function of generators, PE, memory map and seed.
#[derive(Clone, Debug)]
pub struct Plan {
    generators: Vec<(Generator, u64)>,
    abilities: Abilities,
    map: MemoryMap,
    seed: u64,
}

impl Plan {
    /// The plan for a PE with these abilities and this memory.
    pub fn new(
        generators: Vec<Generator>,
        abilities: Abilities,
        map: MemoryMap,
        seed: u64,
    ) -> Self {
        let counted = |generator: Generator| {
            let count = match &generator {
                Generator::Random { cases, .. }
                | Generator::Hyp { cases, .. }
                | Generator::Guest { cases, .. }
                | Generator::Tlbi { cases, .. } => cases.unwrap_or(u64::MAX),
                Generator::Placements { space, rounds } => {
                    hyp::placement_count(space, &abilities).saturating_mul(*rounds)
                }
                Generator::Shapes { space, rounds } => {
                    exhaustive::shape_count(space, &abilities).saturating_mul(*rounds)
                }
                Generator::Legality { .. } => exhaustive::LegalityPoint::COUNT,
                Generator::Explicit(cases) => cases.len() as u64,
            };
            (generator, count)
        };
        let generators = generators.into_iter().map(counted).collect();
        Self { generators, abilities, map, seed }
    }

    /// How many cases there are; `u64::MAX` where only time ends them.
    pub fn count(&self) -> u64 {
        self.generators.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The PE's abilities.
    pub const fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The memory that cases may use.
    pub const fn map(&self) -> &MemoryMap {
        &self.map
    }

    /// Case number `index`, or why this target can't be asked it; `None` behind the last.
    pub fn case(&self, index: u64) -> Option<Result<Case, NotDrawn>> {
        let mut local = index;
        let number = self.generators.iter().position(|(_, count)| {
            let here = local < *count;
            if !here {
                local -= count;
            }
            here
        })?;
        // Each generator has a seed of its own, so that two of a kind differ.
        let seed = self.seed ^ (number as u64) << 56;
        let (abilities, map) = (&self.abilities, &self.map);
        let drawn = match &self.generators[number].0 {
            Generator::Random { space, .. } => random::draw(space, abilities, map, seed, local),
            Generator::Shapes { space, .. } => {
                exhaustive::shape(space, abilities, map, seed, local)
            }
            Generator::Legality { space } => {
                exhaustive::legality(space, abilities, map, seed, local)
            }
            Generator::Hyp { space, .. } => hyp::draw(space, abilities, map, seed, local),
            Generator::Placements { space, .. } => {
                hyp::placement(space, abilities, map, seed, local)
            }
            Generator::Guest { space, .. } => guest::draw(space, abilities, map, seed, local),
            Generator::Tlbi { space, .. } => guest::sequence(space, abilities, map, seed, local),
            Generator::Explicit(cases) => spelled_out(&cases[local as usize].case, map),
        };
        let audited = |mut case: Case| {
            if index.is_multiple_of(AUDIT_EVERY) {
                case.set_flags(Flags(case.as_ref().flags().0 | Flags::AUDIT));
            }
            case
        };
        Some(drawn.map(audited))
    }
}

/// A case that is spelled out. If its mappings are to mean what they say, the tables of stage 2 must lie where
/// the output size of its `VTCR_EL2.PS` reaches: not all machines have memory there.
fn spelled_out(case: &Case, map: &MemoryMap) -> Result<Case, NotDrawn> {
    let view = case.as_ref();
    let bits = ps_bits(view.header.registers.vtcr_el2 >> 16 & 7);
    let is_far = |place| map.resolve(place).is_some_and(|pa| pa >> bits != 0);
    let is_out_of_reach =
        view.tree(Role::Stage2).is_some_and(|tree| tree.slots().iter().copied().any(is_far));
    if view.flags().has(Flags::INTENT) && is_out_of_reach {
        return Err(NotDrawn::NoArena);
    }
    Ok(case.clone())
}

#[cfg(test)]
mod tests {
    use case::format::{AddressFormat, Format, Granule};
    use case::memory::{Arena, ArenaKind, Place};
    use case::registers::Registers;
    use case::tree::Tree;

    use super::*;

    #[test]
    fn a_case_whose_tables_its_output_size_does_not_reach_is_asked_only_where_that_is_the_point() {
        let mut map = MemoryMap::new();
        map.push(Arena { base: 1 << 40, size: 1 << 20, kind: ArenaKind::Tables });
        let case = |ps: u64, flags| {
            let registers = Registers { vtcr_el2: ps << 16, ..Registers::default() };
            let address = AddressFormat::Bits48;
            let format = Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address };
            let tree = Tree::new(Role::Stage2, format, Place::new(0, 0));
            let mut case = Case::with_tree(registers, tree);
            case.set_flags(Flags(flags));
            spelled_out(&case, &map).map(|_| ())
        };
        assert_eq!(case(2, Flags::INTENT), Err(NotDrawn::NoArena));
        assert_eq!(case(2, 0), Ok(()));
        assert_eq!(case(3, Flags::INTENT), Ok(()));
    }
}

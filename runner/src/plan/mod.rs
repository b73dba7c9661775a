//! Suite + target's abilities: an ordered stream of cases.

pub mod shard;

use case::abilities::Abilities;
use case::draw::{NotDrawn, exhaustive, guest, hyp, random};
use case::memory::MemoryMap;
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
            Generator::Explicit(cases) => Ok((*cases[local as usize].case).clone()),
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

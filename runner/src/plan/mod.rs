//! Suite + target's abilities: an ordered stream of cases.

pub mod shard;

use case::Case;
use case::abilities::Abilities;
use case::draw::NotDrawn;
use case::memory::MemoryMap;
use case::plan::{Environment, Share};

pub use shard::{BLOCK, Shard};
use suite::generator::Generator;

/// The cases of a campaign, by index: a pure function of generators, PE, memory map and seed.
#[derive(Clone, Debug)]
pub struct Plan {
    generators: Vec<Generator>,
    /// One for each generator.
    shares: Vec<Share>,
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
        let share = |generator: &Generator| share(generator, &abilities);
        let shares = generators.iter().map(share).collect();
        Self { generators, shares, abilities, map, seed }
    }

    /// How many cases there are; `u64::MAX` where only time ends them.
    pub fn count(&self) -> u64 {
        self.shares.iter().fold(0, |sum, share| sum.saturating_add(share.count))
    }

    pub const fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The memory that cases may use.
    pub const fn map(&self) -> &MemoryMap {
        &self.map
    }

    /// The seed of all that is random.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Its parts, in order.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The cases that are spelled out, in the order of their indices.
    pub fn spelled(&self) -> impl Iterator<Item = &Case> {
        self.generators
            .iter()
            .flat_map(|generator| match generator {
                Generator::Explicit(cases) => &cases[..],
                _ => &[],
            })
            .map(|explicit| &*explicit.case)
    }

    /// Case number `index`, or why this target can't be asked it; `None` behind the last.
    pub fn case(&self, index: u64) -> Option<Result<Case, NotDrawn>> {
        let environment =
            Environment { abilities: &self.abilities, map: &self.map, seed: self.seed };
        let spelled = |number: usize, local: u64| match self.generators.get(number)? {
            Generator::Explicit(cases) => Some((*cases.get(local as usize)?.case).clone()),
            _ => None,
        };
        environment.case(self.shares.iter().copied(), spelled, index)
    }
}

/// The part of a plan that `generator` is on a PE with these abilities.
fn share(generator: &Generator, abilities: &Abilities) -> Share {
    match generator {
        Generator::Drawn { source, rounds } => {
            let cases = |rounds: u64| source.round(abilities).saturating_mul(rounds);
            Share { source: Some(*source), count: rounds.map_or(u64::MAX, cases) }
        }
        Generator::Explicit(cases) => Share { source: None, count: cases.len() as u64 },
    }
}

//! The host's copy of the target's table memory.

use std::cell::Cell;

use case::memory::{ArenaKind, MemoryMap};
use golden::{Pa, PhysicalMemory, Refusal};
use tables::TableMemory;

/// The arenas of a target, simulated at the target's addresses: the builder writes it, the reference
/// walker reads it.
///
/// Reads outside the arenas are external aborts, and are remembered: a case whose walk strays there
/// is not put to a machine, where such a read may meet a device. Stages count as outside: no walk
/// has anything to look for there.
#[derive(Debug)]
pub struct Simulation {
    /// By base address.
    blocks: Vec<Block>,
    /// The block that was used last: walks stay close to where they were.
    recent: Cell<usize>,
    strayed: Cell<Option<u64>>,
}

#[derive(Debug)]
struct Block {
    base: u64,
    size: u64,
    /// Empty where the block is void. Zeroed memory costs nothing until it is written.
    words: Vec<u64>,
}

impl Simulation {
    /// The memory that `map` describes, all zero.
    pub fn new(map: &MemoryMap) -> Self {
        let block = |arena: &case::memory::Arena| {
            let words = match arena.kind {
                ArenaKind::Tables => vec![0; (arena.size / 8) as usize],
                ArenaKind::Void => Vec::new(),
                ArenaKind::Stage => return None,
            };
            Some(Block { base: arena.base, size: arena.size, words })
        };
        let mut blocks: Vec<Block> = map.arenas().iter().filter_map(block).collect();
        blocks.sort_by_key(|block| block.base);
        Self { blocks, recent: Cell::new(0), strayed: Cell::new(None) }
    }

    /// The first address outside the arenas that was read since the last call, if there was one.
    pub fn take_strayed(&self) -> Option<u64> {
        self.strayed.take()
    }

    /// Every word that is not zero, by address.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.blocks.iter().flat_map(|block| {
            let words = block.words.iter().enumerate().filter(|(_, word)| **word != 0);
            words.map(|(index, word)| (block.base + 8 * index as u64, *word))
        })
    }

    fn find(&self, pa: u64) -> Option<usize> {
        let holds = |block: &Block| pa.wrapping_sub(block.base) < block.size;
        let recent = self.recent.get();
        if self.blocks.get(recent).is_some_and(holds) {
            return Some(recent);
        }
        let after = self.blocks.partition_point(|block| block.base <= pa);
        let found = after.checked_sub(1).filter(|index| holds(&self.blocks[*index]))?;
        self.recent.set(found);
        Some(found)
    }
}

impl TableMemory for Simulation {
    fn read(&self, pa: u64) -> u64 {
        let block = self.find(pa).map(|index| &self.blocks[index]);
        let word = block.and_then(|block| block.words.get(((pa - block.base) / 8) as usize));
        word.copied().unwrap_or(0)
    }

    fn write(&mut self, pa: u64, value: u64) {
        if let Some(index) = self.find(pa) {
            let block = &mut self.blocks[index];
            if let Some(word) = block.words.get_mut(((pa - block.base) / 8) as usize) {
                *word = value;
            }
        }
    }
}

impl PhysicalMemory for Simulation {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        let Some(index) = self.find(pa.0) else {
            if self.strayed.get().is_none() {
                self.strayed.set(Some(pa.0));
            }
            return Err(Refusal::ExternalAbort);
        };
        let block = &self.blocks[index];
        let word = block.words.get(((pa.0 - block.base) / 8) as usize);
        word.copied().ok_or(Refusal::ExternalAbort)
    }
}

#[cfg(test)]
mod tests {
    use case::memory::Arena;

    use super::*;

    fn simulation() -> Simulation {
        let mut map = MemoryMap::new();
        map.push(Arena { base: 0x8000, size: 0x1000, kind: ArenaKind::Tables });
        map.push(Arena { base: 0x1000, size: 0x1000, kind: ArenaKind::Void });
        map.push(Arena { base: 0x2000, size: 0x1000, kind: ArenaKind::Stage });
        Simulation::new(&map)
    }

    #[test]
    fn memory_void_and_nowhere_are_told_apart() {
        let mut simulation = simulation();
        TableMemory::write(&mut simulation, 0x8ff8, 7);
        assert_eq!(PhysicalMemory::read(&simulation, Pa(0x8ff8)), Ok(7));
        assert_eq!(PhysicalMemory::read(&simulation, Pa(0x1000)), Err(Refusal::ExternalAbort));
        assert_eq!(simulation.take_strayed(), None, "the void is declared");
        for nowhere in [0xff8, 0x2000, 0x9000, !7] {
            assert_eq!(PhysicalMemory::read(&simulation, Pa(nowhere)), Err(Refusal::ExternalAbort));
            assert_eq!(simulation.take_strayed(), Some(nowhere));
        }
    }

    #[test]
    fn words_that_are_not_zero_are_listed() {
        let mut simulation = simulation();
        TableMemory::write(&mut simulation, 0x8010, 7);
        TableMemory::write(&mut simulation, 0x8008, 5);
        TableMemory::write(&mut simulation, 0x8000, 0);
        let words: Vec<_> = simulation.words().collect();
        assert_eq!(words, [(0x8008, 5), (0x8010, 7)]);
    }
}

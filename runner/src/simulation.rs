//! The host's copy of the target's table memory.

use std::cell::Cell;
use std::num::NonZeroU32;

use case::memory::{ArenaKind, MemoryMap};
use golden::{Pa, PhysicalMemory, Refusal};
use tables::TableMemory;

/// The arenas of a target, simulated at the target's addresses: the builder writes it, the reference
/// walker reads it.
///
/// ```text
///   address --> block --> page --> frame          frames: 4 KB each, taken when a page is first
///                            \--> none: zero               written, given back by `clear`
/// ```
///
/// A case writes a few pages anywhere in a hundred megabytes. Their frames lie together and serve case
/// after case, so that they stay in the processor's caches.
///
/// Reads outside the arenas are external aborts, and are remembered: a case whose walk strays there
/// is not put to a machine, where such a read may meet a device.
#[derive(Debug)]
pub struct Simulation {
    /// By base address.
    blocks: Vec<Block>,
    /// Those beyond the ones in use are all zero.
    frames: Vec<Frame>,
    /// The pages that have a frame, by frame: block and number in it.
    used: Vec<(usize, usize)>,
    /// The block that was used last: walks stay close to where they were.
    recent: Cell<usize>,
    strayed: Cell<Option<u64>>,
}

const PAGE_BYTES: u64 = 4096;

type Frame = [u64; PAGE_BYTES as usize / 8];

#[derive(Debug)]
struct Block {
    base: u64,
    size: u64,
    /// The frame of each page, if it has one; empty where the block is void.
    pages: Vec<Option<NonZeroU32>>,
}

impl Simulation {
    /// The memory that `map` describes, all zero.
    pub fn new(map: &MemoryMap) -> Self {
        let block = |arena: &case::memory::Arena| Block {
            base: arena.base,
            size: arena.size,
            pages: match arena.kind {
                ArenaKind::Tables => vec![None; arena.size.div_ceil(PAGE_BYTES) as usize],
                ArenaKind::Void => Vec::new(),
            },
        };
        let mut blocks: Vec<Block> = map.arenas().iter().map(block).collect();
        blocks.sort_by_key(|block| block.base);
        let (frames, used) = Default::default();
        Self { blocks, frames, used, recent: Cell::new(0), strayed: Cell::new(None) }
    }

    /// Zeroes all of it.
    pub fn clear(&mut self) {
        for (frame, (block, page)) in self.frames.iter_mut().zip(self.used.drain(..)) {
            frame.fill(0);
            self.blocks[block].pages[page] = None;
        }
    }

    /// The first address outside the arenas that was read since the last call, if there was one.
    pub fn take_strayed(&self) -> Option<u64> {
        self.strayed.take()
    }

    /// Every word that is not zero, by address.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let pages = self.blocks.iter().flat_map(|block| {
            let bases = (block.base..).step_by(PAGE_BYTES as usize);
            bases.zip(&block.pages).filter_map(|(base, frame)| Some((base, self.frame((*frame)?))))
        });
        pages.flat_map(|(base, frame)| {
            let words = frame.iter().enumerate().filter(|(_, word)| **word != 0);
            words.map(move |(index, word)| (base + 8 * index as u64, *word))
        })
    }

    fn frame(&self, number: NonZeroU32) -> &Frame {
        &self.frames[number.get() as usize - 1]
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

    /// The word at `pa` in block number `block`; `None` where that is void.
    fn word(&self, block: usize, pa: u64) -> Option<u64> {
        let block = &self.blocks[block];
        let (page, word) = place(pa - block.base);
        let frame = *block.pages.get(page)?;
        Some(frame.map_or(0, |frame| self.frame(frame)[word]))
    }
}

/// The number of the page at `offset` in a block, and the word in it.
const fn place(offset: u64) -> (usize, usize) {
    ((offset / PAGE_BYTES) as usize, (offset % PAGE_BYTES / 8) as usize)
}

impl TableMemory for Simulation {
    fn read(&self, pa: u64) -> u64 {
        self.find(pa).and_then(|block| self.word(block, pa)).unwrap_or(0)
    }

    fn write(&mut self, pa: u64, value: u64) {
        let Some(index) = self.find(pa) else { return };
        let block = &mut self.blocks[index];
        let (page, word) = place(pa - block.base);
        let Some(frame) = block.pages.get_mut(page) else { return };
        let number = frame.get_or_insert_with(|| {
            self.used.push((index, page));
            if self.frames.len() < self.used.len() {
                self.frames.push([0; PAGE_BYTES as usize / 8]);
            }
            NonZeroU32::MIN.saturating_add(self.used.len() as u32 - 1)
        });
        self.frames[number.get() as usize - 1][word] = value;
    }
}

impl PhysicalMemory for Simulation {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        let Some(block) = self.find(pa.0) else {
            if self.strayed.get().is_none() {
                self.strayed.set(Some(pa.0));
            }
            return Err(Refusal::ExternalAbort);
        };
        self.word(block, pa.0).ok_or(Refusal::ExternalAbort)
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

    #[test]
    fn what_is_cleared_is_zero_wherever_its_frames_go() {
        let mut map = MemoryMap::new();
        map.push(Arena { base: 0x8000, size: 0x4000, kind: ArenaKind::Tables });
        let mut simulation = Simulation::new(&map);
        for page in [0x8000, 0xa000, 0xb000] {
            TableMemory::write(&mut simulation, page + 8, page);
            assert_eq!(TableMemory::read(&simulation, page + 8), page);
        }
        simulation.clear();
        assert_eq!(simulation.words().next(), None);
        // It takes over a frame that was written at 8.
        TableMemory::write(&mut simulation, 0x9000, 7);
        assert_eq!(simulation.words().collect::<Vec<_>>(), [(0x9000, 7)]);
        assert_eq!(TableMemory::read(&simulation, 0x8008), 0);
        assert_eq!(PhysicalMemory::read(&simulation, Pa(0x9008)), Ok(0));
    }
}

//! The host's copy of the target's table memory.

use std::cell::Cell;

use case::memory::{ArenaKind, MemoryMap};
use golden::{Pa, PhysicalMemory, Refusal, Stale};
use tables::TableMemory;

use crate::tlb::Tlb;

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
/// is not put to a machine, where such a read may meet a device. Stages count as outside: no walk
/// has anything to look for there.
#[derive(Debug)]
pub struct Simulation {
    /// By base address.
    blocks: Vec<Block>,
    /// The first is that of all pages that nobody wrote. It and those beyond the ones in use are zero.
    frames: Vec<Frame>,
    /// The pages that have a frame of their own, by frame: block and number in it.
    used: Vec<(usize, usize)>,
    /// By frame, the bits that were ever set in a word of it.
    bits: Vec<u64>,
    /// Pages that were looked up, each where its number hashes to: walks go through the same few.
    found: [Cell<Found>; FOUND],
    strayed: Cell<Option<u64>>,
    /// What TLBs may hold of words that were changed.
    pub tlb: Tlb,
}

const PAGE_BYTES: u64 = 4096;
/// How many pages are remembered as found.
const FOUND: usize = 64;

type Frame = [u64; PAGE_BYTES as usize / 8];

/// A page of memory and the number of its frame.
#[derive(Clone, Copy, Debug)]
struct Found {
    page: u64,
    frame: u32,
}

impl Found {
    /// No page has this number.
    const NONE: Self = Self { page: u64::MAX, frame: 0 };
}

#[derive(Debug)]
struct Block {
    base: u64,
    size: u64,
    /// The number of each page's frame; empty where the block is void.
    pages: Vec<u32>,
}

impl Simulation {
    /// The memory that `map` describes, all zero. Its table arenas are made of whole pages of 4 KB.
    pub fn new(map: &MemoryMap) -> Self {
        let block = |arena: &case::memory::Arena| {
            let pages = match arena.kind {
                ArenaKind::Tables => vec![0; arena.size.div_ceil(PAGE_BYTES) as usize],
                ArenaKind::Void => Vec::new(),
                ArenaKind::Scratch => return None,
            };
            Some(Block { base: arena.base, size: arena.size, pages })
        };
        let mut blocks: Vec<Block> = map.arenas().iter().filter_map(block).collect();
        blocks.sort_by_key(|block| block.base);
        let frames = vec![[0; PAGE_BYTES as usize / 8]];
        let found = [const { Cell::new(Found::NONE) }; FOUND];
        let (used, strayed, tlb) = (Vec::new(), Cell::new(None), Tlb::default());
        Self { blocks, frames, used, bits: vec![0], found, strayed, tlb }
    }

    /// Zeroes all of it, and empties the TLBs.
    pub fn clear(&mut self) {
        self.tlb = Tlb::default();
        for (frame, (block, page)) in self.frames[1..].iter_mut().zip(self.used.drain(..)) {
            frame.fill(0);
            self.blocks[block].pages[page] = 0;
        }
        self.bits.truncate(1);
        self.found.fill(Cell::new(Found::NONE));
    }

    /// The first address outside the arenas that was read since the last call, if there was one.
    pub fn take_strayed(&self) -> Option<u64> {
        self.strayed.take()
    }

    /// Every word that is not zero, by address.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let pages = self.blocks.iter().flat_map(|block| {
            (block.base..).step_by(PAGE_BYTES as usize).zip(block.pages.iter().copied())
        });
        pages.filter(|(_, frame)| *frame != 0).flat_map(|(base, frame)| {
            let words = self.frames[frame as usize].iter().enumerate();
            let set = words.filter(|(_, word)| **word != 0);
            set.map(move |(index, word)| (base + 8 * index as u64, *word))
        })
    }

    /// The block that holds `pa`.
    fn block(&self, pa: u64) -> Option<usize> {
        let after = self.blocks.partition_point(|block| block.base <= pa);
        after.checked_sub(1).filter(|index| {
            let block = &self.blocks[*index];
            pa - block.base < block.size
        })
    }

    /// The number of the frame of `pa`.
    #[inline]
    fn frame(&self, pa: u64) -> Result<u32, Nothing> {
        let found = self.place(pa).get();
        if found.page == pa / PAGE_BYTES { Ok(found.frame) } else { self.look_up(pa) }
    }

    #[cold]
    fn look_up(&self, pa: u64) -> Result<u32, Nothing> {
        let block = &self.blocks[self.block(pa).ok_or(Nothing::Stray)?];
        let frame = block.pages.get(((pa - block.base) / PAGE_BYTES) as usize);
        let frame = *frame.ok_or(Nothing::Void)?;
        self.place(pa).set(Found { page: pa / PAGE_BYTES, frame });
        Ok(frame)
    }

    /// Where the page of `pa` is remembered.
    fn place(&self, pa: u64) -> &Cell<Found> {
        // The high bits of a product with an odd number without structure.
        let hash = (pa / PAGE_BYTES).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.found[(hash >> (u64::BITS - FOUND.ilog2())) as usize]
    }
}

/// Why there is no word.
enum Nothing {
    /// The address is in a void.
    Void,
    /// It is in no arena.
    Stray,
}

/// The index of a word in its frame.
const fn index(pa: u64) -> usize {
    (pa % PAGE_BYTES / 8) as usize
}

impl TableMemory for Simulation {
    fn read(&self, pa: u64) -> u64 {
        self.frame(pa).map_or(0, |frame| self.frames[frame as usize][index(pa)])
    }

    fn write(&mut self, pa: u64, value: u64) {
        let frame = match self.frame(pa) {
            Err(Nothing::Void | Nothing::Stray) => return,
            Ok(0) => {
                let Some(block) = self.block(pa) else { return };
                let page = ((pa - self.blocks[block].base) / PAGE_BYTES) as usize;
                self.used.push((block, page));
                let frame = self.used.len() as u32;
                self.bits.push(0);
                if self.frames.len() <= self.used.len() {
                    self.frames.push([0; PAGE_BYTES as usize / 8]);
                }
                self.blocks[block].pages[page] = frame;
                self.place(pa).set(Found { page: pa / PAGE_BYTES, frame });
                frame
            }
            Ok(frame) => frame,
        };
        self.frames[frame as usize][index(pa)] = value;
        self.bits[frame as usize] |= value;
    }
}

impl PhysicalMemory for Simulation {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        match self.frame(pa.0) {
            Ok(frame) => Ok(self.frames[frame as usize][index(pa.0)]),
            Err(nothing) => {
                if matches!(nothing, Nothing::Stray) && self.strayed.get().is_none() {
                    self.strayed.set(Some(pa.0));
                }
                Err(Refusal::ExternalAbort)
            }
        }
    }

    fn stale(&self, pa: Pa) -> Option<Stale> {
        self.tlb.stale(pa.0, TableMemory::read(self, pa.0))
    }

    fn set_bits(&self, first: Pa, words: u64) -> u64 {
        let in_page = first.0 % PAGE_BYTES + 8 * words <= PAGE_BYTES;
        self.frame(first.0)
            .map_or(0, |frame| if in_page { self.bits[frame as usize] } else { u64::MAX })
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
        map.push(Arena { base: 0x2000, size: 0x1000, kind: ArenaKind::Scratch });
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
        // It is read before it has a frame, and takes over one that was written at 8.
        assert_eq!(TableMemory::read(&simulation, 0x9000), 0);
        TableMemory::write(&mut simulation, 0x9000, 7);
        assert_eq!(simulation.words().collect::<Vec<_>>(), [(0x9000, 7)]);
        assert_eq!(TableMemory::read(&simulation, 0x8008), 0);
        assert_eq!(PhysicalMemory::read(&simulation, Pa(0x9008)), Ok(0));
    }
}

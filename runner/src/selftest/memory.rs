//! The memory of a device: what accesses find in scratch arenas, and leave there.

use std::collections::BTreeMap;

use case::memory::{ArenaKind, MemoryMap};
use case::operation::pair;
use case::probe::{Operation, Probe};
use case::scratch;
use link::observations::Changed;
use oracle::access::Accesses;
use oracle::answer::Reach;

/// Memory, all tags of which hold their addresses at first. Elsewhere is nothing: zeroes, that stay.
#[derive(Debug)]
pub struct Memory<'a> {
    map: &'a MemoryMap,
    /// Words that were stored to.
    words: BTreeMap<u64, u64>,
}

impl<'a> Memory<'a> {
    /// The scratch arenas of `map`, as they are before a case.
    pub const fn new(map: &'a MemoryMap) -> Self {
        Self { map, words: BTreeMap::new() }
    }

    /// What `probe`, which is number `number` of those that are asked, answers where it goes to `reach`; `None` where it
    /// fetches what is no code of the executor's.
    pub fn access(&mut self, probe: &Probe, number: u16, reach: Reach) -> Option<u64> {
        let accesses = Accesses::of(probe)?;
        let (operation, bytes) = (accesses.operation(), accesses.bytes());
        let value = scratch::stored(number);
        if operation == Operation::Fetch {
            return self.is_slot(reach.pa).then_some(reach.pa);
        }
        let width = bytes.min(8);
        let loaded = self.load(reach, 0, width);
        let mask = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let new = match operation {
            Operation::Add => Some(loaded.wrapping_add(value)),
            Operation::CompareAndSwap => (loaded == probe.address & mask).then_some(value),
            operation => operation.is_store().then_some(value),
        };
        let answer = match operation {
            Operation::LoadPair => pair(loaded, self.load(reach, 8, 8)),
            Operation::Store
            | Operation::StorePair
            | Operation::StoreRelease
            | Operation::StoreUnprivileged => value,
            _ => loaded,
        };
        if let Some(new) = new {
            for number in 0..bytes {
                self.store(reach.byte(number), (new >> (8 * (number % width))) as u8);
            }
        }
        Some(answer)
    }

    /// The tags that are not as they were, by address.
    pub fn changed(&self) -> Vec<Changed> {
        let changed = self.words.iter().filter(|(pa, value)| pa != value);
        changed.map(|(pa, value)| Changed { pa: *pa, value: *value }).collect()
    }

    fn load(&self, reach: Reach, first: u8, bytes: u8) -> u64 {
        let byte = |number| {
            let pa = reach.byte(first + number);
            self.word(pa) >> (8 * (pa & 7)) & 0xff
        };
        (0..bytes).fold(0, |word, number| word | byte(number) << (8 * number))
    }

    fn store(&mut self, pa: u64, byte: u8) {
        if self.is_tag(pa) {
            let (at, word) = (8 * (pa & 7), self.word(pa));
            self.words.insert(pa & !7, word & !(0xff << at) | u64::from(byte) << at);
        }
    }

    fn word(&self, pa: u64) -> u64 {
        let pa = pa & !7;
        self.words.get(&pa).copied().unwrap_or(if self.is_tag(pa) { pa } else { 0 })
    }

    fn is_tag(&self, pa: u64) -> bool {
        self.offset(pa, scratch::TAGS) < scratch::TAGS_BYTES
    }

    fn is_slot(&self, pa: u64) -> bool {
        let offset = self.offset(pa, scratch::SLOTS);
        offset < scratch::SLOTS_BYTES && offset.is_multiple_of(scratch::SLOT_BYTES)
    }

    /// How far `pa` is behind what is at `part` of its scratch arena; `u64::MAX` where it is in none.
    fn offset(&self, pa: u64, part: u64) -> u64 {
        let mut scratch = self.map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Scratch);
        let own = scratch.find(|arena| arena.contains(pa, 1));
        own.map_or(u64::MAX, |arena| pa.wrapping_sub(arena.base + part))
    }
}

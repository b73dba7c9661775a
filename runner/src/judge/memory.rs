//! What loads, stores and fetches tell of the memory that they reached.
//!
//! ```text
//!   load   a tag: the address of the word itself       -> that address
//!          what an earlier probe stored                -> where that probe stored it
//!   store  a tag that holds what was stored            -> its address
//!          or a tag where a later probe stored         -> the same, if it is the one meant
//!   fetch  what a slot returns: its own address        -> that address
//! ```
//!
//! All that is in stage arenas, see [`case::stage`]. Other memory tells nothing: what would reach it is not
//! asked.

use std::collections::BTreeMap;

use case::memory::{ArenaKind, MemoryMap};
use case::probe::Operation;
use case::stage;
use link::observations::Changed;

/// Whether memory at physical address `pa` tells `operation` that it was reached.
pub fn tells(map: &MemoryMap, operation: Operation, pa: u64) -> bool {
    let (first, bytes, step) = match operation {
        Operation::Load | Operation::Store => (stage::TAGS, stage::TAGS_BYTES, 8),
        Operation::Fetch => (stage::SLOTS, stage::SLOTS_BYTES, stage::SLOT_BYTES),
        _ => return false,
    };
    let arenas = map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Stage);
    let mut offsets = arenas.map(|arena| pa.wrapping_sub(arena.base + first));
    offsets.any(|offset| offset < bytes && offset.is_multiple_of(step))
}

/// The stages of a target while the answers to a case's probes are judged, in their order.
#[derive(Debug)]
pub struct Stages<'a> {
    map: &'a MemoryMap,
    /// The tags that are not as they were when all was over.
    changed: &'a [Changed],
    /// Where probes have stored so far, and the last one that did.
    stored: BTreeMap<u64, u16>,
}

impl<'a> Stages<'a> {
    /// Stages in which nothing is stored yet, and `changed` will be in the end.
    pub fn new(map: &'a MemoryMap, changed: &'a [Changed]) -> Self {
        Self { map, changed, stored: BTreeMap::new() }
    }

    /// The physical address that `operation` reached, asked as probe number `probe` and answered by
    /// `word`, where `meant` is the one that it should reach; `None` where nothing tells.
    pub fn reached(
        &mut self,
        operation: Operation,
        probe: u16,
        word: u64,
        meant: Option<u64>,
    ) -> Option<u64> {
        match operation {
            Operation::Store => {
                let pa = self.store(probe, word, meant)?;
                self.stored.insert(pa, probe);
                Some(pa)
            }
            Operation::Load if word >> 48 == stage::STORED >> 48 => {
                let by = |(_, number): &(&u64, &u16)| stage::stored(**number) == word;
                self.stored.iter().find(by).map(|(pa, _)| *pa)
            }
            _ => {
                let is_stale = operation == Operation::Load && self.stored.contains_key(&word);
                (tells(self.map, operation, word) && !is_stale).then_some(word)
            }
        }
    }

    fn store(&self, probe: u16, word: u64, meant: Option<u64>) -> Option<u64> {
        let value = stage::stored(probe);
        let mut found = self.changed.iter().filter(|changed| changed.value == value);
        match (word == value, found.next(), found.next()) {
            (true, Some(changed), None) => Some(changed.pa),
            (true, None, _) => meant.filter(|pa| {
                let later = |number: u64| (u64::from(probe) + 1..1 << 16).contains(&number);
                let over =
                    |changed: &Changed| changed.pa == *pa && later(changed.value ^ stage::STORED);
                self.changed.iter().any(over)
            }),
            _ => None,
        }
    }

    /// A tag that changed though no probe that was judged stored there what it holds.
    pub fn changed_by_nobody(&self) -> Option<&'a Changed> {
        let by_probe = |changed: &&Changed| {
            let probe = self.stored.get(&changed.pa);
            probe.is_some_and(|probe| stage::stored(*probe) == changed.value)
        };
        self.changed.iter().find(|changed| !by_probe(changed))
    }
}

#[cfg(test)]
mod tests {
    use case::memory::Arena;

    use super::*;

    const BASE: u64 = 0x5b00_0000;
    const TAG: u64 = BASE + stage::TAGS;

    fn map() -> MemoryMap {
        let mut map = MemoryMap::new();
        map.push(Arena { base: BASE, size: stage::BYTES, kind: ArenaKind::Stage });
        map
    }

    #[test]
    fn tags_tell_of_loads_and_stores_and_slots_of_fetches() {
        let tells = |operation, pa| tells(&map(), operation, pa);
        assert!(tells(Operation::Load, TAG) && tells(Operation::Store, TAG + 0xfff8));
        assert!(!tells(Operation::Load, TAG + 4) && !tells(Operation::Load, TAG + 0x1_0000));
        assert!(tells(Operation::Fetch, BASE + stage::SLOTS + 0x20));
        assert!(!tells(Operation::Fetch, BASE + stage::SLOTS + 4) && !tells(Operation::Fetch, TAG));
        assert!(!tells(Operation::AtS1e2r, TAG));
    }

    #[test]
    fn a_load_tells_what_was_stored_where() {
        let map = map();
        let changed = [Changed { pa: TAG, value: stage::stored(1) }];
        let mut stages = Stages::new(&map, &changed);
        let meant = Some(TAG);
        assert_eq!(stages.reached(Operation::Load, 0, TAG, meant), meant);
        assert_eq!(stages.reached(Operation::Store, 1, stage::stored(1), meant), meant);
        assert_eq!(stages.reached(Operation::Load, 2, stage::stored(1), meant), meant);
        assert_eq!(stages.reached(Operation::Load, 3, TAG, meant), None, "it holds that no more");
        assert_eq!(stages.reached(Operation::Load, 4, TAG + 0x1000, meant), Some(TAG + 0x1000));
        assert_eq!(stages.changed_by_nobody(), None);
    }

    #[test]
    fn a_store_that_went_elsewhere_or_nowhere_is_seen() {
        let map = map();
        let elsewhere = [Changed { pa: TAG + 0x1000, value: stage::stored(0) }];
        let reached = |changed: &[Changed], word| {
            Stages::new(&map, changed).reached(Operation::Store, 0, word, Some(TAG))
        };
        assert_eq!(reached(&elsewhere, stage::stored(0)), Some(TAG + 0x1000));
        assert_eq!(reached(&[], stage::stored(0)), None);
        let later = [Changed { pa: TAG, value: stage::stored(7) }];
        assert_eq!(reached(&later, stage::stored(0)), Some(TAG), "stored over");
        let twice = [TAG, TAG + 8].map(|pa| Changed { pa, value: stage::stored(0) });
        assert_eq!(reached(&twice, stage::stored(0)), None);
    }

    #[test]
    fn what_nobody_stored_is_told() {
        let map = map();
        let changed = [Changed { pa: TAG, value: 7 }];
        assert_eq!(Stages::new(&map, &changed).changed_by_nobody(), Some(&changed[0]));
    }
}

//! The memory that accesses reach, byte by byte.
//!
//! ```text
//!   tag    holds its own physical address, until it is stored to    loads, stores, atomics
//!   slot   returns its own physical address                         fetches
//! ```
//!
//! All that is in scratch arenas, see [`case::scratch`]. Other memory tells nothing: what would reach it is not
//! asked. A store is not seen until all is over, and what it left may have been stored over by then: where
//! the architecture allows it to go to several places, each may hold what it stored or what was there, until
//! a load tells, or what the tags hold in the end.

use std::collections::BTreeMap;

use case::memory::{ArenaKind, MemoryMap};
use case::operation::pair;
use case::probe::{Operation, Probe};
use case::scratch;
use link::observations::Changed;
use oracle::answer::{Partial, Reach};
use smallvec::SmallVec;
use suite::hex::Hex;

use crate::judged::Violation;
use crate::verdict::{Defect, Fact, Word};

/// Whether memory tells that `operation` of `bytes` bytes went to `reach`.
pub fn tells(map: &MemoryMap, operation: Operation, bytes: u8, reach: Reach) -> bool {
    let arenas = || map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Scratch);
    if operation == Operation::Fetch {
        let mut offsets = arenas().map(|arena| reach.pa.wrapping_sub(arena.base + scratch::SLOTS));
        return offsets.any(|offset| {
            offset < scratch::SLOTS_BYTES && offset.is_multiple_of(scratch::SLOT_BYTES)
        });
    }
    (0..bytes).all(|number| {
        let offset = |arena: &case::memory::Arena| {
            reach.byte(number).wrapping_sub(arena.base + scratch::TAGS)
        };
        arenas().any(|arena| offset(arena) < scratch::TAGS_BYTES)
    })
}

/// Values that a byte may have: nearly always one.
type Values = SmallVec<[u8; 4]>;

/// An access that was done, and what it answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    operation: Operation,
    /// How many bytes it has.
    bytes: u8,
    /// The number of the probe among those that are asked.
    probe: u16,
    /// The address that it asked for, with which a compare-and-swap compares.
    address: u64,
    word: u64,
}

impl Access {
    /// The access of `probe`, number `number` of those that are asked, which answered `word`; `None` where
    /// it is none.
    pub fn new(probe: &Probe, number: u16, word: u64) -> Option<Self> {
        let accesses = oracle::access::Accesses::of(probe)?;
        let (operation, bytes) = (accesses.operation(), accesses.bytes());
        Some(Self { operation, bytes, probe: number, address: probe.address, word })
    }

    /// How many bytes it loads or stores by one register.
    const fn width(&self) -> u8 {
        if self.bytes == 16 { 8 } else { self.bytes }
    }

    const fn value(&self) -> u64 {
        scratch::stored(self.probe)
    }

    /// What byte number `number` holds after it, if it stores there.
    fn leaves(&self, number: u8) -> Option<u8> {
        let width = self.width();
        let mask = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let word = match self.operation {
            Operation::Add => self.word.wrapping_add(self.value()),
            Operation::CompareAndSwap if self.word != self.address & mask => return None,
            operation if operation.is_store() => self.value(),
            _ => return None,
        };
        Some((word >> (8 * (number % width))) as u8)
    }

    const fn is_plain_store(&self) -> bool {
        matches!(
            self.operation,
            Operation::Store
                | Operation::StorePair
                | Operation::StoreRelease
                | Operation::StoreUnprivileged
        )
    }

    /// Whether what it stores is found nowhere else: no tag has such a value, and no other probe stores it.
    const fn is_unique(&self) -> bool {
        self.is_plain_store() && self.bytes == 8
    }
}

/// Memory as probes have left it, as far as it is known.
#[derive(Clone, Debug)]
pub struct Memory<'a> {
    map: &'a MemoryMap,
    /// The tags that are not as they were when all was over.
    changed: &'a [Changed],
    /// What bytes may hold, where a probe may have stored.
    bytes: BTreeMap<u64, Values>,
    /// The last probe that may have stored to a byte.
    last: BTreeMap<u64, u16>,
    /// Stores that may have gone to several places, and are not found at one alone.
    unsettled: Vec<(Access, SmallVec<[Reach; 2]>)>,
    /// What probes stored where they may not, and nobody knows where: any byte may hold a byte of it. The
    /// probe itself has been found out.
    strays: Values,
}

impl<'a> Memory<'a> {
    /// Memory in which nothing is stored yet, and `changed` will be in the end.
    pub fn new(map: &'a MemoryMap, changed: &'a [Changed]) -> Self {
        Self {
            map,
            changed,
            bytes: BTreeMap::new(),
            last: BTreeMap::new(),
            unsettled: Vec::new(),
            strays: Values::new(),
        }
    }

    /// Where `access` went: those of the places in `allowed` that explain its answer, or another that the
    /// answer tells of. Empty where nothing tells.
    pub fn done(
        &mut self,
        access: Access,
        allowed: impl Iterator<Item = Reach>,
    ) -> SmallVec<[Reach; 2]> {
        let mut fitting: SmallVec<[Reach; 2]> = SmallVec::new();
        for reach in allowed {
            if !fitting.contains(&reach) && self.explains(access, reach) {
                fitting.push(reach);
            }
        }
        if access.operation == Operation::Fetch {
            let told = Reach::new(access.word);
            let is_told = fitting.is_empty() && tells(self.map, access.operation, 4, told);
            return if is_told { SmallVec::from_iter([told]) } else { fitting };
        }
        if access.is_unique() && access.word == access.value() {
            self.find(access, &mut fitting);
        }
        match fitting[..] {
            [] => {
                self.strays.extend((0..access.bytes).filter_map(|number| access.leaves(number)));
                let told = Reach::new(access.word);
                let is_tag = access.operation == Operation::Load
                    && access.bytes == 8
                    && self.explains(access, told)
                    && tells(self.map, access.operation, 8, told);
                fitting.extend(is_tag.then_some(told));
            }
            [reach] => self.settle(access, reach),
            _ => self.spread(access, &fitting),
        }
        fitting
    }

    /// Narrows `fitting` down by what the tags hold in the end, of a store whose value is found nowhere
    /// else; or tells where else it went.
    fn find(&mut self, access: Access, fitting: &mut SmallVec<[Reach; 2]>) {
        let value = access.value();
        let mut found = self.changed.iter().filter(|changed| changed.value == value);
        match (found.next(), found.next()) {
            (Some(only), None) => {
                let here = |reach: &Reach| reach.rest.is_none() && reach.pa == only.pa;
                if fitting.iter().any(here) {
                    fitting.retain(|reach| here(reach));
                } else {
                    *fitting = SmallVec::from_iter([Reach::new(only.pa)]);
                }
            }
            (None, _) => {
                let told = |reach: &Reach| self.will_change(*reach, access.bytes);
                if fitting.iter().any(told) {
                    fitting.retain(|reach| told(reach));
                } else {
                    // What an earlier store left may look like it, where a later one hides the difference:
                    // whether there is one is seen in the end.
                    fitting.retain(|reach| {
                        (0..access.bytes).any(|number| self.last.contains_key(&reach.byte(number)))
                    });
                    if !fitting.is_empty() {
                        self.unsettled.push((access, fitting.iter().copied().collect()));
                    }
                }
            }
            // Elsewhere an atomic's sum may be the same, or strays may have left it byte by byte. What nobody may
            // have left there is a violation in the end.
            (Some(_), Some(_)) => {
                let is_there = |reach: &Reach| {
                    (0..access.bytes)
                        .all(|number| self.finally(reach.byte(number)) == byte(value, number))
                };
                fitting.retain(|reach| is_there(reach));
            }
        }
    }

    /// Whether the bytes at `reach` are in the end other than they are now, strays aside: so somebody stores
    /// there.
    fn will_change(&self, reach: Reach, bytes: u8) -> bool {
        let mut places = (0..bytes).map(|number| reach.byte(number));
        places.any(|pa| !self.is_known_to_hold(pa, self.finally(pa)))
    }

    /// Whether the answer is one that an access to `reach` gives.
    fn explains(&self, access: Access, reach: Reach) -> bool {
        let Access { operation, bytes, word, .. } = access;
        if operation == Operation::Fetch {
            return reach.pa == word;
        }
        if access.is_plain_store() {
            return word == access.value();
        }
        if operation == Operation::LoadPair {
            return (0..8).all(|number| {
                // Which byte of the second word meets it: see `pair`.
                let other = 8 + (number + 4) % 8;
                let values = |number| self.values(reach.byte(number));
                let meets =
                    |one: u8| values(other).iter().any(|other| one ^ other == byte(word, number));
                values(number).iter().any(|one| meets(*one))
            });
        }
        let rest = if bytes == 8 { 0 } else { word >> (8 * bytes) };
        rest == 0 && (0..bytes).all(|number| self.may_hold(reach.byte(number), byte(word, number)))
    }

    /// Notes that `access` went to `reach`, and nowhere else.
    fn settle(&mut self, access: Access, reach: Reach) {
        for number in 0..access.bytes {
            let pa = reach.byte(number);
            match access.leaves(number) {
                Some(value) => {
                    self.bytes.insert(pa, SmallVec::from_iter([value]));
                    self.last.insert(pa, access.probe);
                }
                // What was loaded is what is there. A pair tells of two bytes at once.
                None if !access.is_plain_store() && access.bytes != 16 => {
                    let found = byte(access.word, number);
                    if self.values(pa)[..] != [found] {
                        self.bytes.insert(pa, SmallVec::from_iter([found]));
                    }
                }
                None => {}
            }
        }
    }

    /// Notes that `access` went to one of these.
    fn spread(&mut self, access: Access, places: &[Reach]) {
        for reach in places {
            for number in 0..access.bytes {
                if let Some(value) = access.leaves(number) {
                    self.may_be(reach.byte(number), value, access.probe);
                }
            }
        }
        if access.operation.is_store() {
            self.unsettled.push((access, places.iter().copied().collect()));
        }
    }

    /// Notes that `access` was stopped, and a part of it may be done.
    pub fn stopped(&mut self, access: Access, partial: Partial) {
        for number in 0..partial.bytes {
            let byte = byte(access.value(), (partial.first + number) % access.width());
            self.may_be(partial.pa + u64::from(number), byte, access.probe);
        }
    }

    fn may_be(&mut self, pa: u64, value: u8, probe: u16) {
        let mut values = self.values(pa);
        if !values.contains(&value) {
            values.push(value);
        }
        self.bytes.insert(pa, values);
        self.last.insert(pa, probe);
    }

    fn values(&self, pa: u64) -> Values {
        let known = self.bytes.get(&pa).cloned();
        let mut values = known.unwrap_or_else(|| SmallVec::from_iter([tag(pa)]));
        values.extend_from_slice(&self.strays);
        values
    }

    fn may_hold(&self, pa: u64, value: u8) -> bool {
        self.is_known_to_hold(pa, value) || self.strays.contains(&value)
    }

    /// The same, but for what strays may have left there.
    fn is_known_to_hold(&self, pa: u64, value: u8) -> bool {
        match self.bytes.get(&pa) {
            Some(values) => values.contains(&value),
            None => tag(pa) == value,
        }
    }

    /// What the byte holds in the end.
    fn finally(&self, pa: u64) -> u8 {
        let word = self.changed.iter().find(|changed| changed.pa == pa & !7);
        word.map_or_else(|| tag(pa), |changed| byte(changed.value, (pa & 7) as u8))
    }

    /// What is wrong with memory in the end: what it should hold, and what it does.
    pub fn violated(&self) -> Option<Violation> {
        let words = self.bytes.keys().map(|pa| pa & !7);
        let mut words: Vec<u64> = words.chain(self.changed.iter().map(|word| word.pa)).collect();
        words.sort_unstable();
        words.dedup();
        let is_wrong =
            |word: &u64| (*word..*word + 8).any(|pa| !self.may_hold(pa, self.finally(pa)));
        if let Some(pa) = words.into_iter().find(is_wrong) {
            let found =
                (pa..pa + 8).rev().fold(0, |word, pa| word << 8 | u64::from(self.finally(pa)));
            let found = Fact::Word(Word::new(pa, found));
            let is_stored_to = (pa..pa + 8).any(|pa| self.bytes.contains_key(&pa));
            return Some(match is_stored_to {
                true => Violation { defect: Defect::MemoryOtherwise, wanted: self.word(pa), found },
                false => Violation { defect: Defect::MemoryChanged, wanted: Fact::NoWord, found },
            });
        }
        let is_nowhere = |(access, places): &&(Access, SmallVec<[Reach; 2]>)| {
            places.iter().all(|reach| !self.may_have_been(*access, *reach))
        };
        self.unsettled.iter().find(is_nowhere).map(|(access, places)| {
            let places = places.iter().map(|reach| Hex(reach.pa)).collect();
            let wanted = Fact::Store { value: Hex(access.value()), places };
            Violation { defect: Defect::StoreLost, wanted, found: Fact::NoWord }
        })
    }

    /// Whether `access` may have stored at `reach`: what it left is there, or somebody stored over it.
    fn may_have_been(&self, access: Access, reach: Reach) -> bool {
        (0..access.bytes).all(|number| {
            let pa = reach.byte(number);
            let later = self.last.get(&pa).is_some_and(|probe| *probe > access.probe);
            later || access.leaves(number).is_none_or(|value| value == self.finally(pa))
        })
    }

    /// What the word at `pa` may hold, byte for byte.
    fn word(&self, pa: u64) -> Fact {
        let values = (pa..pa + 8).rev().map(|pa| self.values(pa).to_vec()).collect();
        Fact::Bytes { pa: Hex(pa), values }
    }
}

/// Byte number `number` of a word.
const fn byte(word: u64, number: u8) -> u8 {
    (word >> (8 * number)) as u8
}

/// The byte at `pa` as long as nobody stored to it.
const fn tag(pa: u64) -> u8 {
    byte(pa & !7, (pa & 7) as u8)
}

const _: () = assert!(
    pair(1, 0) == 1 && pair(0, 1) == 1 << 32,
    "byte n of a pair's answer is of byte n of the first word and byte n + 4 of the second"
);

#[cfg(test)]
mod tests {
    use case::memory::Arena;
    use case::probe::El;

    use super::*;

    const BASE: u64 = 0x5b00_0000;
    const TAG: u64 = BASE + scratch::TAGS;
    const OTHER: u64 = TAG + 0x1000;
    /// The address that probes ask for.
    const VA: u64 = 0x1000;

    fn map() -> MemoryMap {
        let mut map = MemoryMap::new();
        map.push(Arena { base: BASE, size: scratch::BYTES, kind: ArenaKind::Scratch });
        map
    }

    fn access(operation: Operation, bytes: u8, number: u16, word: u64) -> Access {
        let probe = Probe::new(operation, VA).by(El::El1).of_bytes(bytes);
        Access::new(&probe, number, word).unwrap()
    }

    fn at(pa: u64) -> Reach {
        Reach::new(pa)
    }

    /// Memory that will hold these words in the end.
    fn memory<'a>(map: &'a MemoryMap, changed: &'a [Changed]) -> Memory<'a> {
        Memory::new(map, changed)
    }

    /// Where an access may have gone of these places.
    fn done(memory: &mut Memory<'_>, access: Access, places: &[u64]) -> Vec<u64> {
        let reached = memory.done(access, places.iter().map(|pa| at(*pa)));
        reached.iter().map(|reach| reach.pa).collect()
    }

    fn defect(memory: &Memory<'_>) -> Option<Defect> {
        memory.violated().map(|violation| violation.defect)
    }

    #[test]
    fn tags_tell_of_loads_and_stores_and_slots_of_fetches() {
        let tells = |operation, bytes, pa| tells(&map(), operation, bytes, at(pa));
        assert!(tells(Operation::Load, 8, TAG) && tells(Operation::Store, 1, TAG + 0xffff));
        assert!(tells(Operation::Load, 8, TAG + 4) && !tells(Operation::Load, 8, TAG + 0xfffc));
        assert!(!tells(Operation::Load, 8, TAG + 0x1_0000));
        assert!(tells(Operation::Fetch, 4, BASE + scratch::SLOTS + 0x20));
        assert!(!tells(Operation::Fetch, 4, BASE + scratch::SLOTS + 4));
        assert!(!tells(Operation::Fetch, 4, TAG));
        // Page-crossing, with the second page elsewhere.
        let across = Reach { pa: TAG + 0xffc, rest: Some((4, 0x4000_0000)) };
        assert!(!super::tells(&map(), Operation::Load, 8, across));
    }

    #[test]
    fn a_load_of_any_size_tells_the_bytes_that_are_there() {
        let map = map();
        let mut memory = memory(&map, &[]);
        let tag = TAG + 0x1238;
        assert_eq!(done(&mut memory, access(Operation::Load, 8, 0, tag), &[tag]), [tag]);
        assert_eq!(done(&mut memory, access(Operation::Load, 2, 1, 0x1238), &[tag]), [tag]);
        assert_eq!(done(&mut memory, access(Operation::Load, 1, 2, 0x12), &[tag + 1]), [tag + 1]);
        let high = access(Operation::Load, 1, 3, 0x112);
        assert_eq!(done(&mut memory, high, &[tag + 1]), [0; 0], "it is not zero-extended");
        // Bytes 4 to 11: the upper half of one word, which is 0, and the lower one of the next.
        let across = access(Operation::Load, 8, 4, (tag + 8) << 32);
        assert_eq!(done(&mut memory, across, &[tag + 4]), [tag + 4]);
        let reach = Reach { pa: TAG + 0xffe, rest: Some((2, OTHER + 0x2000)) };
        let crossing = access(Operation::Load, 4, 5, (OTHER + 0x2000) << 16 & 0xffff_0000);
        assert_eq!(memory.done(crossing, [reach].into_iter())[..], [reach]);
        let together = access(Operation::LoadPair, 8, 6, pair(tag, tag + 8));
        assert_eq!(done(&mut memory, together, &[tag]), [tag]);
        assert_eq!(done(&mut memory, together, &[tag + 8]), [0; 0]);
    }

    #[test]
    fn a_load_tells_what_was_stored_where() {
        let map = map();
        let changed = [Changed { pa: TAG, value: scratch::stored(1) }];
        let mut memory = memory(&map, &changed);
        let load = |number, word| access(Operation::Load, 8, number, word);
        assert_eq!(done(&mut memory, load(0, TAG), &[TAG]), [TAG]);
        let store = access(Operation::Store, 8, 1, scratch::stored(1));
        assert_eq!(done(&mut memory, store, &[TAG]), [TAG]);
        assert_eq!(done(&mut memory, load(2, scratch::stored(1)), &[TAG]), [TAG]);
        assert_eq!(done(&mut memory, load(3, TAG), &[TAG]), [0; 0], "it holds that no more");
        assert_eq!(done(&mut memory, load(4, OTHER), &[TAG]), [OTHER], "another was loaded");
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn what_is_left_of_a_store_tells_of_it_after_a_stray() {
        let map = map();
        // An unaligned store, whose first bytes another one overwrites.
        let value = scratch::stored(2);
        let changed = [
            Changed { pa: TAG, value: scratch::stored(3) },
            Changed { pa: TAG + 8, value: (TAG + 8) & !0xff_ffff_ffff | value >> 24 },
        ];
        let mut memory = memory(&map, &changed);
        let store = |number| access(Operation::Store, 8, number, scratch::stored(number));
        assert_eq!(done(&mut memory, store(1), &[]), [0; 0], "a stray");
        assert_eq!(done(&mut memory, store(2), &[TAG + 5]), [TAG + 5]);
        assert_eq!(done(&mut memory, store(3), &[TAG]), [TAG]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn a_store_between_two_others_that_hide_it_is_believed_and_no_other() {
        let map = map();
        // One at 5, one like it, and one at 0 that leaves of them what both left.
        let left = (TAG + 8) & !0xff_ffff_ffff | scratch::stored(0) >> 24;
        let changed =
            [Changed { pa: TAG, value: scratch::stored(3) }, Changed { pa: TAG + 8, value: left }];
        let store = |number| access(Operation::Store, 8, number, scratch::stored(number));
        let mut memory = memory(&map, &changed);
        assert_eq!(done(&mut memory, store(1), &[TAG + 5]), [TAG + 5]);
        assert_eq!(done(&mut memory, store(2), &[TAG + 5]), [TAG + 5]);
        assert_eq!(done(&mut memory, store(3), &[TAG]), [TAG]);
        assert_eq!(defect(&memory), None);
        // Nobody hides this one.
        let changed = [Changed { pa: TAG, value: scratch::stored(1) }];
        let mut memory = self::memory(&map, &changed);
        assert_eq!(done(&mut memory, store(1), &[TAG]), [TAG]);
        done(&mut memory, store(2), &[TAG]);
        assert!(defect(&memory).is_some());
    }

    #[test]
    fn a_store_whose_value_a_stray_makes_up_elsewhere_is_where_it_should_be() {
        let map = map();
        let changed = [TAG, TAG + 0x100].map(|pa| Changed { pa, value: scratch::stored(2) });
        let store = |number| access(Operation::Store, 8, number, scratch::stored(number));
        let mut memory = memory(&map, &changed);
        assert_eq!(done(&mut memory, store(2), &[TAG]), [TAG]);
        assert_eq!(defect(&memory), Some(Defect::MemoryChanged), "it is in two places");
        let mut memory = self::memory(&map, &changed);
        assert_eq!(done(&mut memory, store(1), &[]), [0; 0], "a stray");
        assert_eq!(done(&mut memory, store(2), &[TAG]), [TAG]);
        assert_eq!(done(&mut memory, store(2), &[OTHER]), [0; 0], "it is not there");
    }

    #[test]
    fn a_store_whose_value_a_sum_makes_up_elsewhere_is_where_it_should_be() {
        let map = map();
        let sum = scratch::stored(2) + 0x30;
        let changed = [TAG, OTHER].map(|pa| Changed { pa, value: sum });
        let mut memory = memory(&map, &changed);
        let swap = access(Operation::Swap, 8, 0, OTHER);
        assert_eq!(done(&mut memory, swap, &[OTHER]), [OTHER]);
        let store =
            |bytes, number| access(Operation::Store, bytes, number, scratch::stored(number));
        for half in [OTHER, OTHER + 4] {
            let number = if half == OTHER { 0x30 } else { 0 };
            assert_eq!(done(&mut memory, store(4, number), &[half]), [half]);
        }
        let add = access(Operation::Add, 8, 2, 0x30);
        assert_eq!(done(&mut memory, add, &[OTHER]), [OTHER]);
        assert_eq!(done(&mut memory, store(8, 0x32), &[TAG]), [TAG]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn a_store_changes_its_own_bytes() {
        let map = map();
        // Probe 0x123 stores its lower two bytes at offset 2.
        let changed = [Changed { pa: TAG, value: TAG & !0xffff_0000 | 0x0123_0000 }];
        let mut memory = memory(&map, &changed);
        let store = access(Operation::Store, 2, 0x123, scratch::stored(0x123));
        assert_eq!(done(&mut memory, store, &[TAG + 2]), [TAG + 2]);
        let load = access(Operation::Load, 4, 0x124, 0x0123_0000 | TAG & 0xffff);
        assert_eq!(done(&mut memory, load, &[TAG]), [TAG]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn a_store_that_went_elsewhere_or_nowhere_is_seen() {
        let map = map();
        let elsewhere = [Changed { pa: OTHER, value: scratch::stored(0) }];
        let store = |bytes| access(Operation::Store, bytes, 0, scratch::stored(0));
        let reached = |changed: &[Changed]| done(&mut memory(&map, changed), store(8), &[TAG]);
        assert_eq!(reached(&elsewhere), [OTHER]);
        assert_eq!(reached(&[]), [0; 0]);
        let later = [Changed { pa: TAG, value: scratch::stored(7) }];
        assert_eq!(reached(&later), [TAG], "stored over");
        let twice = [TAG, OTHER].map(|pa| Changed { pa, value: scratch::stored(0) });
        assert_eq!(reached(&twice), [TAG], "what is elsewhere is found in the end");
        // Smaller ones are found out in the end.
        let mut memory = memory(&map, &[]);
        done(&mut memory, store(4), &[TAG]);
        assert_eq!(defect(&memory), Some(Defect::MemoryOtherwise));
    }

    #[test]
    fn what_a_stray_store_left_is_not_told_again() {
        let map = map();
        // Stored at an address that is not aligned, where only a fault is allowed.
        let value = |word: u64| TAG & 0xffff_ffff | word << 40;
        let changed = [
            Changed { pa: TAG, value: value(scratch::stored(0x77)) },
            Changed {
                pa: TAG + 8,
                value: (TAG + 8) & !0xff_ffff_ffff | scratch::stored(0x77) >> 24,
            },
        ];
        let mut memory = memory(&map, &changed);
        let store = access(Operation::Store, 8, 0x77, scratch::stored(0x77));
        assert_eq!(done(&mut memory, store, &[]), [0; 0]);
        let load = |word| access(Operation::Load, 8, 0x78, word);
        assert_eq!(done(&mut memory, load(changed[0].value), &[TAG]), [TAG]);
        assert_eq!(done(&mut memory, load(TAG ^ 0x1000), &[TAG]), [TAG ^ 0x1000], "another tag");
        assert_eq!(defect(&memory), None);
        // Something else is told as ever.
        let changed = [Changed { pa: OTHER, value: OTHER ^ 0x88 }];
        let mut memory = self::memory(&map, &changed);
        assert_eq!(done(&mut memory, store, &[]), [0; 0]);
        assert_eq!(defect(&memory), Some(Defect::MemoryChanged));
    }

    #[test]
    fn what_nobody_stored_is_told() {
        let map = map();
        let changed = [Changed { pa: TAG, value: 7 }];
        let memory = memory(&map, &changed);
        assert_eq!(defect(&memory), Some(Defect::MemoryChanged));
    }

    #[test]
    fn of_two_places_the_one_that_changed_is_the_one() {
        let map = map();
        let changed = [Changed { pa: OTHER, value: scratch::stored(0) }];
        let mut memory = memory(&map, &changed);
        let store = access(Operation::Store, 8, 0, scratch::stored(0));
        assert_eq!(done(&mut memory, store, &[TAG, OTHER]), [OTHER]);
        let load = |number, word| access(Operation::Load, 8, number, word);
        assert_eq!(done(&mut memory, load(1, scratch::stored(0)), &[TAG]), [0; 0]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn of_two_places_a_store_must_be_at_one() {
        let map = map();
        let small = |number| access(Operation::Store, 1, number, scratch::stored(number));
        let load = |number, word| access(Operation::Load, 1, number, word);
        // Nothing is found in the end.
        let mut nowhere = memory(&map, &[]);
        assert_eq!(done(&mut nowhere, small(0x55), &[TAG, OTHER]), [TAG, OTHER]);
        assert_eq!(defect(&nowhere), Some(Defect::StoreLost));
        // Both may hold either, until a load tells.
        let changed = [Changed { pa: OTHER, value: OTHER | 0x55 }];
        let mut memory = memory(&map, &changed);
        done(&mut memory, small(0x55), &[TAG, OTHER]);
        assert_eq!(done(&mut memory, load(0x56, 0), &[TAG]), [TAG]);
        assert_eq!(done(&mut memory, load(0x57, 0x55), &[TAG]), [0; 0]);
        assert_eq!(done(&mut memory, load(0x58, 0x55), &[OTHER]), [OTHER]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn atomics_answer_what_was_there() {
        let map = map();
        let sum = TAG.wrapping_add(scratch::stored(0)) & 0xffff_ffff;
        let changed = [
            Changed { pa: TAG, value: sum },
            Changed { pa: OTHER, value: scratch::stored(1) },
            Changed { pa: OTHER + 8, value: scratch::stored(4) },
        ];
        let mut memory = memory(&map, &changed);
        let add = access(Operation::Add, 4, 0, TAG);
        assert_eq!(done(&mut memory, add, &[TAG]), [TAG]);
        let swap = access(Operation::Swap, 8, 1, OTHER);
        assert_eq!(done(&mut memory, swap, &[OTHER]), [OTHER]);
        let wrong = access(Operation::LoadExclusive, 8, 2, OTHER);
        assert_eq!(done(&mut memory, wrong, &[OTHER]), [0; 0]);
        // It compares with the address, which is not what is there.
        let compare = access(Operation::CompareAndSwap, 8, 3, OTHER + 16);
        assert_eq!(done(&mut memory, compare, &[OTHER + 16]), [OTHER + 16]);
        let exclusive = access(Operation::StoreExclusive, 8, 4, OTHER + 8);
        assert_eq!(done(&mut memory, exclusive, &[OTHER + 8]), [OTHER + 8]);
        assert_eq!(defect(&memory), None);
    }

    #[test]
    fn a_compare_and_swap_that_finds_its_address_stores() {
        let mut map = MemoryMap::new();
        map.push(Arena { base: 0, size: scratch::BYTES, kind: ArenaKind::Scratch });
        let tag = scratch::TAGS;
        let probe = Probe::new(Operation::CompareAndSwap, tag).by(El::El1);
        let compare = Access::new(&probe, 0, tag).unwrap();
        let mut memory = memory(&map, &[]);
        assert_eq!(done(&mut memory, compare, &[tag]), [tag]);
        assert_eq!(defect(&memory), Some(Defect::MemoryOtherwise));
    }

    #[test]
    fn what_a_stopped_store_leaves_is_old_or_new() {
        let map = map();
        let store = access(Operation::Store, 4, 0, 0);
        // Bytes 2 and 3 of the value, which are 0.
        let partial = Partial { first: 2, bytes: 2, pa: TAG + 0x4320 };
        for value in [0x4320, 0x4300, 0x0020, 0].map(|low| TAG & !0xffff | low) {
            let changed = [Changed { pa: TAG + 0x4320, value }];
            let mut memory = memory(&map, &changed);
            memory.stopped(store, partial);
            assert_eq!(defect(&memory), None, "{value:#x}");
        }
        let changed = [Changed { pa: TAG + 0x4320, value: TAG & !0xffff | 0x20 << 8 }];
        let mut memory = memory(&map, &changed);
        memory.stopped(store, partial);
        assert!(memory.violated().is_some());
    }
}

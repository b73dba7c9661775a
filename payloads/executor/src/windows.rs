//! Windows: where arenas are mapped in the executor's address space.
//!
//! Arenas may lie at any physical address up to 2^52, and the executor's addresses have 48 bits. So
//! all arenas are mapped close together, in an otherwise unused sixteenth of the address space:
//!
//! ```text
//!  va  base                                               base + 2^44
//!      +---------+-------+--------------+-------+---------+-- - - --+
//!      | arena 0 |  gap  |   arena 1    |  gap  | arena 2 |         |
//!      +---------+-------+--------------+-------+---------+-- - - --+
//! ```
//!
//! Each arena keeps its address modulo a page, or modulo a block where it is that large: then few
//! tables map it. The gaps are not mapped.

use arrayvec::ArrayVec;
use case::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap};

use crate::el2_tables::{Geometry, Range, RangeKind};

/// log2 of the part of the address space that windows share.
const SPACE_BITS: u32 = 44;

/// An arena of memory and where it is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The number of the arena.
    pub arena: u8,
    /// What the arena is to a case.
    pub kind: ArenaKind,
    /// First physical address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// First virtual address.
    pub va: u64,
}

impl Window {
    pub const fn range(&self) -> Range {
        Range { va: self.va, pa: self.base, bytes: self.size, kind: RangeKind::Data }
    }
}

/// The windows of a memory map, by physical address.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    windows: ArrayVec<Window, MAX_ARENAS>,
}

impl Windows {
    /// No windows.
    pub const fn none() -> Self {
        Self { windows: ArrayVec::new_const() }
    }

    /// Places the arenas of `map` that are memory beside what `identity` maps. `None` when they have no place
    /// or overlap each other.
    pub fn new(map: &MemoryMap, geometry: Geometry, identity: &[Range]) -> Option<Self> {
        let part = |address: u64| address >> SPACE_BITS;
        let is_free = |&number: &u64| {
            identity.iter().all(|range| {
                let last = range.va.saturating_add(range.bytes.saturating_sub(1));
                number < part(range.va) || number > part(last)
            })
        };
        // Part 0 is left alone: a null pointer should fault.
        let space = (1..16).rev().find(is_free)?;

        let mut windows = ArrayVec::new();
        let mut next = space << SPACE_BITS;
        for (number, arena) in map.arenas().iter().enumerate() {
            if arena.kind == ArenaKind::Void {
                continue;
            }
            let large = arena.size >= geometry.block();
            let modulus = if large { geometry.block() } else { geometry.page() };
            let skew = arena.base.wrapping_sub(next) & (modulus - 1);
            let va = next + skew;
            let end = va.checked_add(arena.size)?.checked_next_multiple_of(geometry.page())?;
            next = end + geometry.page();
            if part(next) != space {
                return None;
            }
            let Arena { base, size, kind } = *arena;
            windows.push(Window { arena: number as u8, kind, base, size, va });
        }
        Self::in_order(windows)
    }

    /// The arenas of `map` that are memory, where they are without a map. `None` when they overlap each other.
    pub fn flat(map: &MemoryMap) -> Option<Self> {
        let memory = (0..).zip(map.arenas()).filter(|(_, arena)| arena.kind != ArenaKind::Void);
        let windows = memory.map(|(arena, &Arena { base, size, kind })| Window {
            arena,
            kind,
            base,
            size,
            va: base,
        });
        Self::in_order(windows.collect())
    }

    /// `windows`, none of which overlaps another.
    fn in_order(mut windows: ArrayVec<Window, MAX_ARENAS>) -> Option<Self> {
        windows.sort_unstable_by_key(|window: &Window| window.base);
        let apart = |pair: &[Window]| pair[0].base + pair[0].size <= pair[1].base;
        windows.windows(2).all(apart).then_some(Self { windows })
    }

    /// The windows, by physical address.
    pub fn all(&self) -> &[Window] {
        &self.windows
    }

    /// The window that holds physical address `pa`.
    pub fn find(&self, pa: u64) -> Option<&Window> {
        let after = self.windows.partition_point(|window| window.base <= pa);
        let window = self.windows.get(after.checked_sub(1)?)?;
        (pa - window.base < window.size).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry::smallest(5).expect("4K")
    }

    fn map(arenas: &[(u64, u64)]) -> MemoryMap {
        let mut map = MemoryMap::new();
        map.push(Arena { base: 0xff00_0000_0000, size: 1 << 30, kind: ArenaKind::Void });
        for &(base, size) in arenas {
            map.push(Arena { base, size, kind: ArenaKind::Tables });
        }
        map
    }

    #[test]
    fn without_a_map_arenas_are_where_they_are() {
        let windows = Windows::flat(&map(&[(1 << 45, 1 << 21), (0x4123_4000, 16 << 20)]));
        let windows = windows.expect("they are apart");
        let places: ArrayVec<_, 2> =
            windows.all().iter().map(|window| (window.arena, window.va, window.base)).collect();
        assert_eq!(places[..], [(2, 0x4123_4000, 0x4123_4000), (1, 1 << 45, 1 << 45)]);
        assert!(Windows::flat(&map(&[(0x1000, 0x2000), (0x2000, 0x1000)])).is_none());
    }

    #[test]
    fn windows_are_apart_and_keep_their_alignment() {
        let map = map(&[(0xf_0000_0012_3000, 0x5000), (0x4123_4000, 16 << 20), (1 << 45, 1 << 21)]);
        // The highest part of the address space is taken.
        let image = [Range::identity(0xf000_1234_0000, 0x1000, RangeKind::Code)];
        let windows = Windows::new(&map, geometry(), &image).expect("room");
        let all = windows.all();
        assert_eq!(
            all.iter().map(|window| window.arena).collect::<ArrayVec<_, 4>>()[..],
            [2, 3, 1]
        );
        for window in all {
            let modulus = if window.size >= 1 << 21 { 1 << 21 } else { 1 << 12 };
            assert_eq!(window.va % modulus, window.base % modulus);
            assert_eq!(window.va >> SPACE_BITS, 14);
            for other in all {
                let gap = other.va >= window.va + window.size + 0x1000;
                assert!(gap || other.va <= window.va);
            }
        }
        let arena = |pa| windows.find(pa).map(|window| window.arena);
        assert_eq!(arena(0x4123_4000), Some(2));
        assert_eq!(arena((1 << 45) + (1 << 21) - 1), Some(3));
        assert_eq!(arena((1 << 45) + (1 << 21)), None);
        assert_eq!(arena(0x4123_3fff), None);
        assert_eq!(arena(0xff00_0000_0000), None, "void is not mapped");
        assert_eq!(arena(u64::MAX), None);
    }

    #[test]
    fn arenas_that_overlap_or_are_too_large_are_refused() {
        let refused = |arenas| Windows::new(&map(arenas), geometry(), &[]).is_none();
        assert!(refused(&[(0x1000, 0x2000), (0x2000, 0x1000)]));
        assert!(refused(&[(0, 1 << SPACE_BITS)]));
        assert!(!refused(&[(0x1000, 0x1000), (0x2000, 0x1000)]));
    }
}

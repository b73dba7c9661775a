//! Arenas, places in them, and the map that resolves a place to a physical address.

use arrayvec::ArrayVec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most arenas that a memory map holds.
pub const MAX_ARENAS: usize = 64;

/// A place in target memory, kept symbolic until a case is built.
///
/// ```text
///  63      56 55                                  0
/// +----------+-------------------------------------+
/// |  arena   |               offset                |
/// +----------+-------------------------------------+
/// ```
///
/// Arena 0xff ([`Place::ABSOLUTE`]) means that the offset is itself the physical address: what a
/// leaf maps to need not be memory that the case may touch.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Place(u64);

impl Place {
    /// The arena number that stands for "offset is a physical address".
    pub const ABSOLUTE: u8 = 0xff;
    const OFFSET: u64 = (1 << 56) - 1;

    /// A place `offset` bytes into arena number `arena`. Offset bits 63:56 are dropped.
    pub const fn new(arena: u8, offset: u64) -> Self {
        Self((arena as u64) << 56 | offset & Self::OFFSET)
    }

    /// The physical address `pa` itself, whatever lies there.
    pub const fn absolute(pa: u64) -> Self {
        Self::new(Self::ABSOLUTE, pa)
    }

    /// The number of the arena, or [`Place::ABSOLUTE`].
    pub const fn arena(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// Bytes from the start of the arena, or the physical address of an absolute place.
    pub const fn offset(self) -> u64 {
        self.0 & Self::OFFSET
    }
}

impl core::fmt::Debug for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.arena() {
            Self::ABSOLUTE => write!(f, "pa:{:#x}", self.offset()),
            arena => write!(f, "{arena}+{:#x}", self.offset()),
        }
    }
}

/// What a piece of the physical address space is to a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ArenaKind {
    /// Memory that belongs to the case: zero before it is built and after it is undone.
    Tables = 0,
    /// Addresses where nothing answers: a walk that reaches them takes an external abort.
    Void = 1,
    /// The executor's code and data in a set-up of EL2, and what its probes reach: see
    /// [`crate::scratch`].
    Scratch = 2,
}

impl ArenaKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Tables, Self::Void, Self::Scratch];

    /// The kind whose number is `number`.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u64 == number)
    }
}

/// One contiguous piece of the physical address space that a case may point a walk at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arena {
    /// First physical address, in bytes.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// What it is to a case.
    pub kind: ArenaKind,
}

impl Arena {
    /// Whether the `bytes` from physical address `pa` lie in this arena.
    pub const fn contains(&self, pa: u64, bytes: u64) -> bool {
        pa >= self.base && bytes <= self.size && pa - self.base <= self.size - bytes
    }

    /// The last physical address of the arena.
    pub const fn last(&self) -> u64 {
        self.base + (self.size - 1)
    }
}

/// The arenas of a target, in the order that gives them their numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryMap {
    arenas: ArrayVec<Arena, MAX_ARENAS>,
}

impl MemoryMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an arena and returns its number; `None` when the map is full, or the arena is empty or
    /// reaches beyond bit 55, the last that a [`Place`] can name.
    pub fn push(&mut self, arena: Arena) -> Option<u8> {
        let last = arena.base.checked_add(arena.size.checked_sub(1)?)?;
        if last > Place::OFFSET || self.arenas.is_full() {
            return None;
        }
        self.arenas.push(arena);
        Some(self.arenas.len() as u8 - 1)
    }

    /// The arenas, by number.
    pub fn arenas(&self) -> &[Arena] {
        &self.arenas
    }

    /// The physical address of `place`; `None` where its arena does not exist or is too small.
    pub fn resolve(&self, place: Place) -> Option<u64> {
        if place.arena() == Place::ABSOLUTE {
            return Some(place.offset());
        }
        let arena = self.arenas.get(place.arena() as usize)?;
        (place.offset() < arena.size).then(|| arena.base + place.offset())
    }

    /// The number of the arena that holds physical address `pa`, if one does.
    pub fn arena_of(&self, pa: u64) -> Option<u8> {
        let at = self.arenas.iter().position(|arena| arena.contains(pa, 1))?;
        Some(at as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> MemoryMap {
        let mut map = MemoryMap::new();
        let ram = Arena { base: 0x4000_0000, size: 0x1000, kind: ArenaKind::Tables };
        assert_eq!(map.push(ram), Some(0));
        map
    }

    #[test]
    fn a_place_resolves_inside_its_arena_only() {
        assert_eq!(map().resolve(Place::new(0, 0xfff)), Some(0x4000_0fff));
        assert_eq!(map().resolve(Place::new(0, 0x1000)), None);
        assert_eq!(map().resolve(Place::new(1, 0)), None);
        assert_eq!(map().resolve(Place::absolute(0xf_0000)), Some(0xf_0000));
    }

    #[test]
    fn arenas_that_no_place_could_name_are_refused() {
        let mut map = map();
        assert_eq!(map.push(Arena { base: 0, size: 0, kind: ArenaKind::Void }), None);
        assert_eq!(map.push(Arena { base: 1 << 56, size: 1, kind: ArenaKind::Void }), None);
        assert_eq!(map.push(Arena { base: u64::MAX, size: 2, kind: ArenaKind::Void }), None);
    }

    #[test]
    fn containment_does_not_wrap() {
        let arena = map().arenas()[0];
        assert!(arena.contains(0x4000_0ff8, 8));
        assert!(!arena.contains(0x4000_0ff9, 8));
        assert!(!arena.contains(u64::MAX, 8));
        assert!(!arena.contains(0x4000_0000, u64::MAX));
    }
}

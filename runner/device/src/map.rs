//! The memory map: from a target's description and its first words to the arenas that cases may use.
//!
//! ```text
//!   number   what                                    why in this order
//!   0..      arenas at declared addresses            low RAM comes first
//!   ..       arenas carved from free RAM, top down
//!   ..       the arenas of the DIMMs, as listed
//!   ..       void ranges                             no table is ever placed there
//!   ..       scratch arenas                          no walk ever goes there
//! ```
//!
//! A case is drawn from the map, so the map must not change when the executor's image does: nothing
//! here depends on where a free region begins.

use case::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap};
use link::hello::Region;

use crate::description::{Address, Carve, Description, Dimm, Range, Size};

/// The target's memory can't be laid out as its description asks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MapError {
    /// An arena is not in memory that is known to be free.
    #[error(
        "the arena {arena} lies neither in a DIMM nor in RAM that the target reports free ({free}): \
         move it in the target file"
    )]
    NotFree {
        arena: Range,
        /// The free regions, for reading.
        free: String,
    },
    /// Too little free RAM to carve from.
    #[error(
        "no room for {count} arenas of {size} in the RAM that the target reports free ({free}): ask \
         for less in the target file"
    )]
    NoRoom {
        /// How many were asked for.
        count: usize,
        size: Size,
        /// The free regions, for reading.
        free: String,
    },
    /// A void range has RAM in it.
    #[error("the void range {void} has RAM in it: the target reports {free} free")]
    NotVoid {
        void: Range,
        /// The free regions, for reading.
        free: String,
    },
    /// More arenas than a case can name.
    #[error(
        "{0} arenas, void ranges and scratch arenas are more than the {MAX_ARENAS} that a case can name"
    )]
    TooMany(usize),
}

/// The memory map of the target that `description` describes, where it reports `free` RAM.
pub fn memory_map(description: &Description, free: &[Region]) -> Result<MemoryMap, MapError> {
    let dimms = description.dimms();
    let free = sane(free);
    let told = || list(&free);

    let scratch: Vec<Range> = description.scratch().collect();
    let placed: Vec<Range> = description.arenas.iter().chain(&scratch).copied().collect();
    for &arena in &placed {
        let in_dimm = dimms.iter().any(|dimm| dimm.range().contains(&arena));
        if !in_dimm && !free.iter().any(|region| region.contains(&arena)) {
            return Err(MapError::NotFree { arena, free: told() });
        }
    }
    if let Some(&void) =
        description.void.iter().find(|void| free.iter().any(|region| region.overlaps(void)))
    {
        return Err(MapError::NotVoid { void, free: told() });
    }

    let mut ranges = description.arenas.clone();
    if let Some(carve) = description.carve {
        ranges.extend(carved(carve, &free, &placed).ok_or_else(|| MapError::NoRoom {
            count: carve.count,
            size: carve.size,
            free: told(),
        })?);
    }
    ranges.extend(dimms.iter().map(Dimm::arena).filter(|arena| arena.size.0 != 0));

    let count = ranges.len() + description.void.len() + scratch.len();
    let arenas = ranges.iter().map(|range| (range, ArenaKind::Tables));
    let voids = description.void.iter().map(|range| (range, ArenaKind::Void));
    let scratch = scratch.iter().map(|range| (range, ArenaKind::Scratch));
    let mut map = MemoryMap::new();
    for (range, kind) in arenas.chain(voids).chain(scratch) {
        map.push(Arena { base: range.address.0, size: range.size.0, kind })
            .ok_or(MapError::TooMany(count))?;
    }
    Ok(map)
}

/// The regions as ranges, highest first, without those that are none.
fn sane(free: &[Region]) -> Vec<Range> {
    let good = free.iter().filter(|region| region.base.checked_add(region.size).is_some());
    let mut ranges: Vec<_> = good
        .map(|region| Range { address: Address(region.base), size: Size(region.size) })
        .collect();
    ranges.sort_by_key(|range| std::cmp::Reverse(range.address));
    ranges
}

/// Cuts arenas from the tops of `free`, around `taken`.
fn carved(carve: Carve, free: &[Range], taken: &[Range]) -> Option<Vec<Range>> {
    let size = carve.size.0;
    let mut found = Vec::new();
    for region in free {
        let mut end = region.end() & !(size - 1);
        while found.len() < carve.count && end >= size && end - size >= region.address.0 {
            let range = Range { address: Address(end - size), size: carve.size };
            if !taken.iter().any(|arena| arena.overlaps(&range)) {
                found.push(range);
            }
            end -= size;
        }
    }
    (found.len() == carve.count).then_some(found)
}

fn list(ranges: &[Range]) -> String {
    let texts: Vec<_> = ranges.iter().map(Range::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn described(text: &str) -> Description {
        let head = "name: t\nstart: { qemu: { machine: virt, cpu: max, memory: 2G, dimms: [ \
                    { address: 0x1_5a00_0000, size: 16M, arena: 4M } ] } }\ntransport: uart\n";
        Description::from_text(&format!("{head}{text}"), Path::new("t.yaml")).expect("it is whole")
    }

    fn region(base: u64, end: u64) -> Region {
        Region { base, size: end - base }
    }

    fn bases(map: &MemoryMap) -> Vec<u64> {
        map.arenas().iter().map(|arena| arena.base).collect()
    }

    #[test]
    fn low_ram_comes_before_dimms_and_stages_come_last() {
        let description = described(
            "arenas: [{ address: 0x5000_0000, size: 8M }]\ncarve: { count: 1, size: 8M }\n\
             void: [{ address: 0x1000_0000_0000, size: 1M }]\n\
             scratch: [0x5100_0000, 0x1_5a80_0000]",
        );
        let map = memory_map(&description, &[region(0x4800_0000, 0xc000_0000)]).expect("it fits");
        let tables_and_void = [0x5000_0000, 0xbf80_0000, 0x1_5a00_0000, 0x1000_0000_0000];
        assert_eq!(bases(&map), [&tables_and_void[..], &[0x5100_0000, 0x1_5a80_0000]].concat());
        assert_eq!(map.arenas()[3].kind, ArenaKind::Void);
        assert!(map.arenas()[4..].iter().all(case::scratch::fits), "{map:x?}");
    }

    #[test]
    fn carving_does_not_depend_on_where_a_region_begins() {
        let description = described(
            "arenas: [{ address: 0xbf00_0000, size: 8M }]\ncarve: { count: 3, size: 8M }",
        );
        let of = |begin| memory_map(&description, &[region(begin, 0xc000_0000)]);
        let map = of(0x4020_0000).expect("it fits");
        assert_eq!(&bases(&map)[1..4], [0xbf80_0000, 0xbe80_0000, 0xbe00_0000]);
        assert_eq!(Ok(map), of(0x4321_0000));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let free = [region(0x4000_0000, 0x4100_0000), Region { base: u64::MAX, size: 2 }];
        let of = |text| memory_map(&described(text), &free);
        let arena = of("arenas: [{ address: 0x4080_0000, size: 16M }]");
        assert!(matches!(arena, Err(MapError::NotFree { .. })), "{arena:?}");
        let arena = of("scratch: [0x40ff_0000]");
        assert!(matches!(arena, Err(MapError::NotFree { .. })), "{arena:?}");
        // Carving goes around it.
        let carve = of("carve: { count: 2, size: 8M }\nscratch: [0x4080_0000]");
        assert!(matches!(carve, Err(MapError::NoRoom { .. })), "{carve:?}");
        let carve = of("carve: { count: 3, size: 8M }");
        assert!(matches!(carve, Err(MapError::NoRoom { .. })), "{carve:?}");
        let many = of("carve: { count: 100, size: 64K }");
        assert_eq!(many, Err(MapError::TooMany(101)));
        let description = described("void: [{ address: 0x4_0000_0000, size: 1M }]");
        let void = memory_map(&description, &[region(0x4_0000_0000, 0x4_1000_0000)]);
        assert!(matches!(void, Err(MapError::NotVoid { .. })), "{void:?}");
    }
}

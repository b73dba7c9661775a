//! Free RAM: memory less what is in use, in whole pieces of 2 MB.

use arrayvec::ArrayVec;
use link::hello::{MAX_REGIONS, Region};

/// What a free region is a multiple of, in address and size.
pub const ALIGNMENT: u64 = 2 << 20;

/// The most pieces that are kept while holes are cut out.
const MAX_PIECES: usize = 128;

/// The parts of `memory` that no region of `used` touches, by address. When there are more than a
/// hello holds, the largest are kept.
pub fn regions(memory: &[Region], used: &[Region]) -> ArrayVec<Region, MAX_REGIONS> {
    let mut pieces: ArrayVec<Region, MAX_PIECES> = ArrayVec::new();
    for &region in memory {
        // Memory that is listed twice is one memory: what is known already is cut out of the rest.
        let known = pieces.clone();
        if pieces.try_push(region).is_err() {
            break;
        }
        known.iter().for_each(|&other| cut(&mut pieces, known.len(), other));
    }
    used.iter().for_each(|&hole| cut(&mut pieces, 0, hole));

    let mut free: ArrayVec<Region, MAX_PIECES> = pieces.iter().filter_map(aligned).collect();
    free.sort_unstable_by_key(|region| core::cmp::Reverse(region.size));
    free.truncate(MAX_REGIONS);
    free.sort_unstable_by_key(|region| region.base);
    free.into_iter().collect()
}

/// Cuts `hole` out of the pieces from number `first` on. Where there is no room for another piece,
/// the smaller half of a split is dropped: it is then not reported as free, which is safe.
fn cut(pieces: &mut ArrayVec<Region, MAX_PIECES>, first: usize, hole: Region) {
    let hole_end = hole.base.saturating_add(hole.size);
    let mut at = first;
    // Pieces that are split off go to the end, and touch the hole no more.
    let end = pieces.len();
    while at < end {
        let piece = pieces[at];
        let piece_end = piece.base.saturating_add(piece.size);
        if hole.size > 0 && hole.base < piece_end && piece.base < hole_end {
            let low = between(piece.base, hole.base);
            let high = between(hole_end, piece_end);
            let (keep, spare) = if low.size >= high.size { (low, high) } else { (high, low) };
            pieces[at] = keep;
            if spare.size > 0 {
                // Full: the smaller part is given up.
                let _ = pieces.try_push(spare);
            }
        }
        at += 1;
    }
}

fn between(from: u64, to: u64) -> Region {
    Region { base: from, size: to.saturating_sub(from) }
}

fn aligned(region: &Region) -> Option<Region> {
    let base = region.base.checked_next_multiple_of(ALIGNMENT)?;
    let end = region.base.saturating_add(region.size) & !(ALIGNMENT - 1);
    (end > base).then(|| between(base, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1 << 20;

    fn region(base: u64, size: u64) -> Region {
        Region { base, size }
    }

    #[test]
    fn holes_are_cut_out_and_edges_rounded_inwards() {
        let memory = [region(0x4000_0000, 512 * MB)];
        let used = [region(0x4000_0000, 0x1_2345), region(0x4900_0100, 8)];
        let free = regions(&memory, &used);
        let want = [region(0x4020_0000, 142 * MB), region(0x4920_0000, 366 * MB)];
        assert_eq!(free.as_slice(), want);
    }

    #[test]
    fn memory_that_is_listed_twice_counts_once() {
        let memory = [region(0, 8 * MB), region(4 * MB, 8 * MB)];
        assert_eq!(regions(&memory, &[]).iter().map(|free| free.size).sum::<u64>(), 12 * MB);
    }

    #[test]
    fn memory_at_the_end_of_the_address_space_does_not_wrap() {
        let free = regions(&[region(u64::MAX - 5 * MB, u64::MAX)], &[region(u64::MAX, 9)]);
        assert!(free.iter().all(|free| free.base.checked_add(free.size).is_some()));
    }

    proptest! {
        #[test]
        fn no_free_region_touches_a_used_one(
            memory in prop::collection::vec((0u64..1 << 30, 0u64..1 << 28), 0..6),
            used in prop::collection::vec((0u64..1 << 30, 0u64..1 << 24), 0..70),
        ) {
            let list = |pairs: &[(u64, u64)]| -> ArrayVec<Region, 70> {
                pairs.iter().map(|&(base, size)| region(base, size)).collect()
            };
            let (memory, used) = (list(&memory), list(&used));
            let free = regions(&memory, &used);
            for (number, piece) in free.iter().enumerate() {
                let (base, end) = (piece.base, piece.base + piece.size);
                prop_assert!(base % ALIGNMENT == 0 && end % ALIGNMENT == 0 && base < end);
                for hole in used.iter().chain(&free[number + 1..]) {
                    prop_assert!(hole.size == 0 || end <= hole.base || hole.base + hole.size <= base);
                }
                prop_assert!(memory.iter().any(|ram| base < ram.base + ram.size));
            }
        }
    }
}

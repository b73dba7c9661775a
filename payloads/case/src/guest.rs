//! A guest: where its code lies, and what the executor has it do.
//!
//! ```text
//!   executor, EL2 --ERET--> the piece of code for the probe, at EL1 or EL0
//!        ^                    |  the access under test
//!        +----- BRK ----------+
//!        +--- abort, taken to EL2
//!        +----- BRK ---------- vectors of EL1 <--- abort, taken to EL1
//! ```
//!
//! MDCR_EL2.TDE routes BRK to EL2 from either EL, so that both come back in the same way.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;
use crate::operation::Operation;

/// How often a `STXR` that fails is tried again. It may fail for ever where memory has no exclusives.
pub const EXCLUSIVE_TRIES: u64 = 64;
/// The answer of a `STXR` that never succeeded. No physical address, and nothing that is stored.
pub const NOT_STORED: u64 = 0xfa11_0000_0000_0000;

/// Where a guest's code is. The executor keeps a copy of it in each scratch arena, at
/// [`crate::scratch::GUEST`].
///
/// What a set-up must map, in both stages as far as they are on, or no probe comes back:
/// [`crate::scratch::GUEST_BYTES`] of `code` at `code_va`, to be executed by EL1 and EL0, with access flags
/// that are 1.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Guest {
    /// The start of a scratch arena.
    pub code: Place,
    /// The virtual address of its guest code: a multiple of [`crate::scratch::GUEST_BYTES`].
    pub code_va: u64,
}

/// Size of a piece of the guest's code, in bytes.
pub const PIECE_BYTES: u64 = 32;
/// Offset in the guest's code of the vectors of EL1, in bytes.
pub const VECTORS: u64 = 0x800;

/// Operations with one piece for each size of access: 1, 2, 4 and 8 bytes.
const SIZED: [Operation; 11] = [
    Operation::Load,
    Operation::Store,
    Operation::LoadExclusive,
    Operation::StoreExclusive,
    Operation::Swap,
    Operation::Add,
    Operation::CompareAndSwap,
    Operation::LoadAcquire,
    Operation::StoreRelease,
    Operation::LoadUnprivileged,
    Operation::StoreUnprivileged,
];

/// Operations with one piece.
const UNSIZED: [Operation; 16] = [
    Operation::Fetch,
    Operation::LoadPair,
    Operation::StorePair,
    Operation::DcCvac,
    Operation::DcCvau,
    Operation::DcCivac,
    Operation::DcIvac,
    Operation::DcZva,
    Operation::IcIvau,
    Operation::AtS1e1r,
    Operation::AtS1e1w,
    Operation::AtS1e0r,
    Operation::AtS1e0w,
    Operation::AtS1e1rp,
    Operation::AtS1e1wp,
    Operation::RoundTrip,
];

/// Offset in the guest's code of the piece that does `operation` with `bytes` bytes, 1, 2, 4 or 8; `None`
/// where a guest does no such thing.
///
/// ```text
///   +0     the access under test; of store_exclusive the LDXR
///   +4     of store_exclusive the STXR
///   ..     BRK, wherever the piece ends
/// ```
pub const fn piece(operation: Operation, bytes: u8) -> Option<u64> {
    let number = match (place(&SIZED, operation), place(&UNSIZED, operation)) {
        (Some(number), _) => 4 * number + bytes.trailing_zeros() as usize,
        (None, Some(number)) => 4 * SIZED.len() + number,
        (None, None) => return None,
    };
    Some(number as u64 * PIECE_BYTES)
}

/// The number of `operation` in `list`.
const fn place(list: &[Operation], operation: Operation) -> Option<usize> {
    let mut number = 0;
    while number < list.len() {
        if list[number] as u8 == operation as u8 {
            return Some(number);
        }
        number += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::GUEST_BYTES;

    #[test]
    fn pieces_lie_side_by_side_below_the_vectors() {
        let sized = SIZED.iter().flat_map(|each| [1, 2, 4, 8].map(|bytes| (*each, bytes)));
        let all = sized.chain(UNSIZED.iter().map(|each| (*each, 8)));
        let offsets = all.map(|(operation, bytes)| piece(operation, bytes).unwrap());
        let count = (4 * SIZED.len() + UNSIZED.len()) as u64;
        assert!(offsets.eq((0..count).map(|number| number * PIECE_BYTES)));
        assert!(count * PIECE_BYTES <= VECTORS && VECTORS + 0x800 <= GUEST_BYTES);
        assert_eq!(piece(Operation::Change, 8), None);
    }
}

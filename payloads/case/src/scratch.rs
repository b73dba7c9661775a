//! What lies where in a scratch arena.
//!
//! ```text
//!  +0x0_0000  code     the executor's world-switch code, the same in every arena: trampoline, runtime, vectors
//!  +0x0_4000  guest    the guest's code, likewise: a piece for each kind of probe, vectors
//!  +0x1_0000  data     what the runtime works in
//!  +0x2_0000  tags     each 8-byte word holds its own physical address: for loads and stores
//!  +0x3_0000  slots    32-byte pieces of code that return their own physical address: for fetches
//!  +0x4_0000  end
//! ```
//!
//! Whoever loads a tag, or calls a slot, learns which physical page a mapping led to. A store leaves
//! [`stored`] in a tag; the executor looks for it afterwards, and restores the tag.

use crate::memory::{Arena, ArenaKind};

/// Offset of the code, in bytes.
pub const CODE: u64 = 0;
/// Size of the code, in bytes: what a case has to map of it.
pub const CODE_BYTES: u64 = 0x1000;
/// Offset of the guest's code, in bytes: the start of a page of 4 KB or 16 KB, and in the page of the code
/// where pages are larger.
pub const GUEST: u64 = 0x4000;
/// Size of the guest's code, in bytes.
pub const GUEST_BYTES: u64 = 0x1000;
/// Offset of the data, in bytes.
pub const DATA: u64 = 0x1_0000;
/// Size of the data, in bytes: what a case has to map of it.
pub const DATA_BYTES: u64 = 0x1_0000;
/// Offset of the tags, in bytes.
pub const TAGS: u64 = 0x2_0000;
/// Size of all tags, in bytes.
pub const TAGS_BYTES: u64 = 0x1_0000;
/// Offset of the slots, in bytes.
pub const SLOTS: u64 = 0x3_0000;
/// Size of all slots, in bytes.
pub const SLOTS_BYTES: u64 = 0x1_0000;
/// Size of a slot in bytes, and what the address of one is a multiple of.
pub const SLOT_BYTES: u64 = 32;
/// Size of the whole, in bytes.
pub const BYTES: u64 = 0x4_0000;
/// What the base of a scratch arena is a multiple of: the largest page.
pub const ALIGNMENT: u64 = 0x1_0000;

/// The word that probe number `probe` stores. No physical address has such high bits.
pub const fn stored(probe: u16) -> u64 {
    STORED | probe as u64
}

/// What is common to all words that probes store.
pub const STORED: u64 = 0x5704 << 48;

/// Whether `arena` can be a scratch arena: large enough, aligned, and below 2^52.
pub fn fits(arena: &Arena) -> bool {
    arena.kind == ArenaKind::Scratch
        && arena.size >= BYTES
        && arena.base.is_multiple_of(ALIGNMENT)
        && arena.last() >> 52 == 0
}

/// The code in the slot at physical address `pa`, less than 2^52.
///
/// ```text
///   bti  c                      a branch target, should the page be guarded
///   movz x0, #pa[15:0]
///   movk x0, #pa[31:16], lsl #16
///   movk x0, #pa[47:32], lsl #32
///   movk x0, #pa[51:48], lsl #48
///   ret
/// ```
pub const fn slot(pa: u64) -> [u32; SLOT_BYTES as usize / 4] {
    const BTI_C: u32 = 0xd503_245f;
    const RET: u32 = 0xd65f_03c0;
    // Whoever falls through is stopped.
    const UDF: u32 = 0;
    [BTI_C, mov(pa, 0), mov(pa, 1), mov(pa, 2), mov(pa, 3), RET, UDF, UDF]
}

/// The instruction that moves quarter number `number` of `value` to its place in x0; the first one
/// zeroes the others.
const fn mov(value: u64, number: u32) -> u32 {
    const MOVZ_X0: u32 = 0xd280_0000;
    const MOVK_X0: u32 = 0xf280_0000;
    let opcode = if number == 0 { MOVZ_X0 } else { MOVK_X0 };
    let quarter = (value >> (16 * number)) as u32 & 0xffff;
    opcode | number << 21 | quarter << 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_the_code_that_an_assembler_makes() {
        // bti c; mov x0, #0x5678; movk x0, #0x1234, lsl #16; movk x0, #0xabcd, lsl #32;
        // movk x0, #0xf, lsl #48; ret
        let made =
            [0xd503_245f, 0xd28a_cf00, 0xf2a2_4680, 0xf2d5_79a0, 0xf2e0_01e0, 0xd65f_03c0, 0, 0];
        assert_eq!(slot(0x000f_abcd_1234_5678), made);
    }

    #[test]
    fn what_is_stored_is_no_tag() {
        assert_eq!(stored(0x1ff), 0x5704_0000_0000_01ff);
        assert!(stored(0) >> 52 != 0);
    }

    #[test]
    fn a_scratch_arena_is_large_aligned_and_within_reach() {
        let is_one = |base, size, kind| fits(&Arena { base, size, kind });
        assert!(is_one(1 << 51, BYTES, ArenaKind::Scratch));
        assert!(!is_one(1 << 51, BYTES, ArenaKind::Tables));
        assert!(!is_one(1 << 51, BYTES - 1, ArenaKind::Scratch));
        assert!(!is_one(0x1000, BYTES, ArenaKind::Scratch));
        assert!(!is_one(1 << 52, BYTES, ArenaKind::Scratch));
    }
}

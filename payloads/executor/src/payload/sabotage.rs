//! Sabotage of self-test builds: a start that fails on purpose, as the word in front of the image says.
//!
//! | word: `sabotag` and | what fails |
//! |---|---|
//! | 1 | the executor's own map lacks its data: the first access faults |
//! | 2 | it lacks its code: not even the vectors can be fetched |
//! | 3 | it leads to other memory |
//! | 4 | the interrupt controller never answers |

use arrayvec::ArrayVec;
use executor::el2_tables::Range;

/// What a map is made of, in place of `ranges`.
#[cfg(feature = "self-test")]
pub fn spoil(ranges: &ArrayVec<Range, 8>) -> ArrayVec<Range, 8> {
    use executor::el2_tables::RangeKind;

    let is_lacking = |range: &Range| match wanted() {
        1 => range.kind == RangeKind::Data,
        2 => range.kind == RangeKind::Code,
        _ => false,
    };
    let mut ranges: ArrayVec<_, 8> =
        ranges.iter().filter(|range| !is_lacking(range)).copied().collect();
    if let (3, Some(last)) =
        (wanted(), ranges.iter_mut().rfind(|range| range.kind == RangeKind::Constants))
    {
        last.pa += 1 << 16;
    }
    ranges
}

/// Hangs where that is wanted at the interrupt controller.
#[cfg(feature = "self-test")]
pub fn hang_at_gic() {
    while wanted() == 4 {
        core::hint::spin_loop();
    }
}

/// What the word in front of the image says, if it is about this.
#[cfg(feature = "self-test")]
fn wanted() -> u64 {
    use crate::payload::asm::Image;

    const MAGIC: u64 = u64::from_le_bytes(*b"\0sabotag");
    // SAFETY: RAM that nobody writes, on the machines of the self-test; the MMU is off.
    let word = unsafe { core::ptr::read_volatile((Image::start() - 8) as *const u64) };
    if word & !0xff == MAGIC { word & 0xff } else { 0 }
}

/// What a map is made of: in a real build, just that.
#[cfg(not(feature = "self-test"))]
pub fn spoil(ranges: &ArrayVec<Range, 8>) -> ArrayVec<Range, 8> {
    ranges.clone()
}

/// Nothing, in a real build.
#[cfg(not(feature = "self-test"))]
pub fn hang_at_gic() {}

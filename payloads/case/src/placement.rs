//! Where the trampoline of a world switch lies, seen from the case's own addresses.

use crate::CaseRef;
use crate::memory::MemoryMap;
use crate::tree::Role;
use crate::view::Flags;

/// Where the trampoline lies in the addresses of a set-up with one range.
///
/// ```text
///   0             1 << (bits - 1)          1 << bits
///   |    Lower    |         Upper          |  Outside ...
/// ```
///
/// The trampoline is mapped to itself, so the runtime lives in the other half. One that is outside is
/// reached by tables of its own, which have more address bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Placement {
    /// In the lower half.
    Lower,
    /// In the upper half.
    Upper,
    /// Beyond the last address.
    Outside,
}

impl Placement {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lower, Self::Upper, Self::Outside];

    /// The name in suites and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Outside => "outside",
        }
    }

    /// Where physical address `pa` lies in virtual addresses of `va_bits` bits, 1 to 63.
    pub const fn of_address(pa: u64, va_bits: u8) -> Self {
        match pa >> (va_bits - 1) {
            0 => Self::Lower,
            1 => Self::Upper,
            _ => Self::Outside,
        }
    }

    /// Where the trampoline of `case` lies; `None` without a world switch.
    pub fn of(case: CaseRef<'_>, map: &MemoryMap) -> Option<Self> {
        let format =
            case.format(Role::Ttbr0El2).filter(|_| case.flags().has(Flags::WORLD_SWITCH))?;
        let pa = map.resolve(case.header.world_switch.trampoline)?;
        (format.ia_bits > 0).then(|| Self::of_address(pa, format.ia_bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bit_decides_over_the_half() {
        let of = |pa| Placement::of_address(pa, 39);
        assert_eq!(of(0x5b00_0000), Placement::Lower);
        assert_eq!((of((1 << 38) - 1), of(1 << 38)), (Placement::Lower, Placement::Upper));
        assert_eq!((of((1 << 39) - 1), of(1 << 39)), (Placement::Upper, Placement::Outside));
        assert_eq!(of(1 << 51), Placement::Outside);
    }
}

//! The base address field of a table base register.

use case::format::{AddressFormat, Format};

/// The bits of `VTTBR_EL2` that hold the physical address `base` of the root.
///
/// ```text
///   48-bit format   63    48 47                      1 0
///                  +--------+-------------------------+-+
///                  |        |       base[47:1]        | |
///                  +--------+-------------------------+-+
///   52-bit formats  63    48 47            6 5       2 1 0
///                  +--------+---------------+---------+---+
///                  |        |  base[47:6]   |base     |   |
///                  |        |               | [51:48] |   |
///                  +--------+---------------+---------+---+
/// ```
///
/// The 64K granule uses the second form only with PS = 0b110, but a base that is 64-byte aligned and
/// below 2^48 reads the same in both.
pub fn root_bits(format: &Format, base: u64) -> u64 {
    match format.address {
        AddressFormat::Bits48 => base & 0x0000_ffff_ffff_fffe,
        AddressFormat::Lpa | AddressFormat::Ds => {
            base & 0x0000_ffff_ffff_ffc0 | (base >> 48 & 0xf) << 2
        }
    }
}

#[cfg(test)]
mod tests {
    use case::format::Granule;

    use super::*;

    #[test]
    fn high_bits_go_below_the_low_ones() {
        let format =
            |address| Format { granule: Granule::K64, start_level: 1, ia_bits: 52, address };
        let base = 0x000a_0000_0001_0040;
        assert_eq!(root_bits(&format(AddressFormat::Lpa), base), 0x0001_0040 | 0xa << 2);
        assert_eq!(root_bits(&format(AddressFormat::Bits48), 0x8000_0020), 0x8000_0020);
    }
}

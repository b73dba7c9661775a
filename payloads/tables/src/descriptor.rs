//! Descriptors in the VMSAv8-64 format, encoded.
//!
//! The two stages keep fields of like purpose in the same bits, so that one encoder serves both:
//!
//! ```text
//!  stage 2 | XN[1:0]  | DBM | FnXS | AF | SH | S2AP    | MemAttr
//!  stage 1 | UXN, PXN | DBM | nG   | AF | SH | AP[2:1] | NS, AttrIndx
//!
//! leaf, 48-bit output address (block, or page at level 3):
//!  63   59 58  55 54 53 52  51  50  48 47            n  16  15 12 11 10 9  8 7  6 5     2 1 0
//! +-------+------+-----+---+---+------+---------------+----+-----+--+--+----+----+-------+---+
//! |ignored| soft | XN  |Con|DBM|ignor.| OA[47:n]      |nT *|  0  |Fn|AF| SH |S2AP|MemAttr|1 T|
//! |       | ware |     |tig|   |      |               |    |     |XS|  |    |    |       |   |
//! +-------+------+-----+---+---+------+---------------+----+-----+--+--+----+----+-------+---+
//!   * blocks only                                        T: 1 at level 3, 0 above
//!
//! 64K with FEAT_LPA:  OA[51:48] in bits 15:12
//! DS = 1:             OA[49:48] in bits 49:48, OA[51:50] in bits 9:8 (instead of SH)
//!
//! table:               next-level table address as the leaf's, bits 1:0 = 0b11
//! ```

use case::format::{AddressFormat, Format};
use case::mapping::Attributes;

const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 1 << 1;

/// A table descriptor that points at physical address `next`, which is granule aligned.
pub(crate) fn table(format: &Format, next: u64) -> u64 {
    address(format, next) | TABLE_OR_PAGE | VALID
}

/// Whether `descriptor`, made by this module at `level`, points at a table.
pub(crate) fn is_table(descriptor: u64, level: i8) -> bool {
    level < 3 && descriptor & (TABLE_OR_PAGE | VALID) == TABLE_OR_PAGE | VALID
}

/// The physical address that a table descriptor made by this module points at.
pub(crate) fn table_address(format: &Format, descriptor: u64) -> u64 {
    let low = descriptor & field(47, format.granule.bits());
    match format.address {
        AddressFormat::Bits48 => low,
        AddressFormat::Lpa => low | (descriptor >> 12 & 0xf) << 48,
        AddressFormat::Ds => low | descriptor & field(49, 48) | (descriptor >> 8 & 3) << 50,
    }
}

/// Leaves that differ in their output address only.
pub(crate) struct Leaf {
    format: Format,
    /// The bits that an output address has.
    output: u64,
    /// All of the leaf but its address.
    fixed: u64,
}

impl Leaf {
    /// Leaves at `level` with these attributes.
    pub(crate) fn new(format: &Format, level: i8, attributes: &Attributes) -> Self {
        let output = !(field(format.granule.entry_bits(level) - 1, 0));
        let kind = if level == 3 { TABLE_OR_PAGE } else { 0 };
        Self { format: *format, output, fixed: fields(format, level, attributes) | kind | VALID }
    }

    /// The leaf for the output address `output`. Address bits below its size are dropped.
    pub(crate) fn to(&self, output: u64) -> u64 {
        address(&self.format, output & self.output) | self.fixed
    }
}

fn fields(format: &Format, level: i8, attributes: &Attributes) -> u64 {
    let put = |value: u8, width: u32, at: u32| (u64::from(value) & ((1 << width) - 1)) << at;
    let flag = |flag, at: u32| u64::from(attributes.has(flag)) << at;
    let sh = match format.address {
        AddressFormat::Ds => 0,
        AddressFormat::Bits48 | AddressFormat::Lpa => put(attributes.sh, 2, 8),
    };
    let nt = if level == 3 { 0 } else { flag(Attributes::NT, 16) };
    put(attributes.mem_attr, 4, 2)
        | put(attributes.ap, 2, 6)
        | sh
        | put(attributes.af, 1, 10)
        | flag(Attributes::FNXS, 11)
        | nt
        | flag(Attributes::DBM, 51)
        | flag(Attributes::CONTIGUOUS, 52)
        | put(attributes.xn, 2, 53)
        | put(attributes.software, 4, 55)
}

fn address(format: &Format, address: u64) -> u64 {
    let low = address & field(47, format.granule.bits());
    match format.address {
        AddressFormat::Bits48 => low,
        AddressFormat::Lpa => low | (address >> 48 & 0xf) << 12,
        AddressFormat::Ds => low | address & field(49, 48) | (address >> 50 & 3) << 8,
    }
}

/// A mask of bits `high` to `low`, both included.
const fn field(high: u32, low: u32) -> u64 {
    (u64::MAX >> (63 - high)) & (u64::MAX << low)
}

#[cfg(test)]
mod tests {
    use case::format::Granule;
    use proptest::prelude::*;

    use super::*;

    fn format(granule: Granule, address: AddressFormat) -> Format {
        Format { granule, start_level: 0, ia_bits: 48, address }
    }

    #[test]
    fn a_page_has_each_field_in_its_place() {
        let format = format(Granule::K4, AddressFormat::Bits48);
        let leaf = |attributes| Leaf::new(&format, 3, &attributes).to(0x1234_5000);
        let none = Attributes::default();
        assert_eq!(leaf(none), 0x1234_5003);
        assert_eq!(leaf(Attributes { mem_attr: 0xf, ..none }), 0x1234_503f);
        assert_eq!(leaf(Attributes { ap: 3, ..none }), 0x1234_50c3);
        assert_eq!(leaf(Attributes { sh: 3, ..none }), 0x1234_5303);
        assert_eq!(leaf(Attributes { af: 1, ..none }), 0x1234_5403);
        assert_eq!(leaf(Attributes { xn: 3, ..none }), 0x0060_0000_1234_5003);
        assert_eq!(leaf(Attributes { software: 0xf, ..none }), 0x0780_0000_1234_5003);
        let flags = |flags| leaf(Attributes { flags, ..none });
        assert_eq!(flags(Attributes::CONTIGUOUS), 0x0010_0000_1234_5003);
        assert_eq!(flags(Attributes::DBM), 0x0008_0000_1234_5003);
        assert_eq!(flags(Attributes::FNXS), 0x1234_5803);
        assert_eq!(flags(Attributes::NT), 0x1234_5003, "a page has no nT");
    }

    #[test]
    fn a_block_has_nt_and_drops_low_address_bits() {
        let format = format(Granule::K4, AddressFormat::Bits48);
        let nt = Attributes { flags: Attributes::NT, ..Default::default() };
        let leaf = Leaf::new(&format, 2, &nt).to(0x123f_f000);
        assert_eq!(leaf, 0x1221_0001 & !0x1f_0000 | 0x1_0000);
    }

    #[test]
    fn address_bits_51_to_48_go_where_the_format_says() {
        let none = Attributes { sh: 3, ..Default::default() };
        let high = 0x000f_0000_0000_0000;
        let leaf = |granule, address| Leaf::new(&format(granule, address), 3, &none).to(high);
        assert_eq!(leaf(Granule::K64, AddressFormat::Lpa), 0xf303);
        assert_eq!(leaf(Granule::K16, AddressFormat::Ds), 0x0003_0000_0000_0303);
    }

    proptest! {
        #[test]
        fn a_table_address_comes_back(bits in 12u8..=16, address in 0u8..=2, pa in 0u64..1 << 52) {
            let Some(granule) = Granule::from_bits(bits) else { return Ok(()) };
            let (address, width) = match (address, granule) {
                (1, Granule::K64) => (AddressFormat::Lpa, 52),
                (2, Granule::K4 | Granule::K16) => (AddressFormat::Ds, 52),
                _ => (AddressFormat::Bits48, 48),
            };
            let pa = pa & field(width - 1, granule.bits());
            let format = format(granule, address);
            let descriptor = table(&format, pa);
            prop_assert!(is_table(descriptor, 0));
            prop_assert!(!is_table(descriptor, 3));
            prop_assert_eq!(table_address(&format, descriptor), pa);
        }
    }
}

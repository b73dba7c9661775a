//! Which shapes of stage 2, and of stage 1, the architecture allows, as drawing needs it.
//!
//! The sizes are those of the Arm ARM's tables of stage 2 start levels (DDI 0487, D8.2.4). A mistake
//! here shows as a disagreement between a benign case's intent and the reference walker.

use arrayvec::ArrayVec;

use crate::abilities::Abilities;
use crate::format::{AddressFormat, Format, Granule};

/// Granule and descriptor format: what decides over sizes and levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant {
    /// Page size.
    pub granule: Granule,
    /// VTCR_EL2.DS.
    pub ds: bool,
}

impl Variant {
    /// All variants that exist, whether or not a PE has them.
    pub const ALL: [Self; 5] = [
        Self { granule: Granule::K4, ds: false },
        Self { granule: Granule::K16, ds: false },
        Self { granule: Granule::K64, ds: false },
        Self { granule: Granule::K4, ds: true },
        Self { granule: Granule::K16, ds: true },
    ];

    /// The largest address, input or output, that the format can express on this PE, in bits.
    pub fn address_bits(self, abilities: &Abilities) -> u8 {
        let wide = self.ds || (self.granule == Granule::K64 && abilities.lpa());
        abilities.pa_bits.min(if wide { 52 } else { 48 })
    }

    /// The smallest input address size, in bits.
    pub fn least_ia_bits(self, abilities: &Abilities) -> u8 {
        match (abilities.ttst, self.granule) {
            (false, _) => 25,
            (true, Granule::K64) => 17,
            (true, _) => 16,
        }
    }

    /// Where descriptors keep the highest address bits.
    pub fn address_format(self, abilities: &Abilities) -> AddressFormat {
        match (self.ds, self.granule) {
            (true, _) => AddressFormat::Ds,
            (false, Granule::K64) if abilities.lpa() => AddressFormat::Lpa,
            (false, _) => AddressFormat::Bits48,
        }
    }

    /// The start levels that are legal for input addresses of `ia_bits` bits, lowest level first.
    pub fn start_levels(self, abilities: &Abilities, ia_bits: u8) -> ArrayVec<i8, 5> {
        (-1..=3).filter(|level| self.is_legal(*level, abilities, ia_bits)).collect()
    }

    /// Whether any start level is legal for input addresses of `ia_bits` bits.
    pub fn has_start_level(self, abilities: &Abilities, ia_bits: u8) -> bool {
        (-1..=3).any(|level| self.is_legal(level, abilities, ia_bits))
    }

    fn is_legal(self, level: i8, abilities: &Abilities, ia_bits: u8) -> bool {
        (self.least_ia_bits(abilities)..=self.address_bits(abilities)).contains(&ia_bits)
            && self.reaches(level, ia_bits)
            && self.allows(level, abilities)
    }

    /// Whether a start level resolves `ia_bits` bits with 1 to 16 concatenated tables, and at least
    /// two entries.
    fn reaches(self, level: i8, ia_bits: u8) -> bool {
        if level < self.lowest_level() {
            return false;
        }
        let entry = self.granule.entry_bits(level);
        (entry + 1..=entry + self.granule.stride() + 4).contains(&u32::from(ia_bits))
    }

    const fn lowest_level(self) -> i8 {
        match (self.granule, self.ds) {
            (Granule::K4, true) => -1,
            (Granule::K4, false) | (Granule::K16, true) => 0,
            (Granule::K16, false) | (Granule::K64, _) => 1,
        }
    }

    /// Whether the PE's address size and features allow the start level.
    fn allows(self, level: i8, abilities: &Abilities) -> bool {
        match (self.granule, level) {
            (Granule::K4, 0) | (Granule::K64, 1) => abilities.pa_bits >= 44,
            (Granule::K4, 3) => abilities.ttst,
            (Granule::K16, 1) => abilities.pa_bits >= 42,
            _ => true,
        }
    }

    /// The levels at which a leaf may stand, lowest level first.
    pub fn leaf_levels(self, abilities: &Abilities) -> ArrayVec<i8, 4> {
        let first = match (self.granule, self.ds) {
            (Granule::K4, true) => 0,
            (Granule::K4, false) | (Granule::K16, true) => 1,
            (Granule::K64, _) if abilities.lpa() => 1,
            (Granule::K16 | Granule::K64, _) => 2,
        };
        (first..=3).collect()
    }

    /// log2 of the entries in a contiguous group at `level`; 0 where the bit is ignored.
    pub const fn contiguous_bits(self, level: i8) -> u32 {
        match (self.granule, level) {
            (Granule::K4, 1..=3) => 4,
            (Granule::K16, 3) => 7,
            (Granule::K16, 2) => 5,
            (Granule::K64, 2 | 3) => 5,
            _ => 0,
        }
    }

    /// The largest virtual address of stage 1, in bits.
    pub const fn most_va_bits(self, abilities: &Abilities) -> u8 {
        let wide = self.ds || (matches!(self.granule, Granule::K64) && abilities.lva);
        if wide { 52 } else { 48 }
    }

    /// The shape of a tree of stage 1 for virtual addresses of `va_bits` bits: their size alone decides
    /// over the start level.
    pub fn stage1_format(self, abilities: &Abilities, va_bits: u8) -> Format {
        let levels = (u32::from(va_bits) - self.granule.bits()).div_ceil(self.granule.stride());
        self.format(abilities, va_bits, 4 - levels as i8)
    }

    /// The shape of a tree of this variant.
    pub fn format(self, abilities: &Abilities, ia_bits: u8, start_level: i8) -> Format {
        let address = self.address_format(abilities);
        Format { granule: self.granule, start_level, ia_bits, address }
    }
}

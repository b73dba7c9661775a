//! Translation table descriptors, 64 bits each: their type, and the addresses in them.
//!
//! ```text
//!  63            52 51 50 49:48 47                      12 11 10 9:8  7:2     1:0
//! | upper         |DBM|  |OA*  | output or table address  |nG|AF|SH*|attrs  | type |
//!   attributes                                             * with DS = 1, SH holds OA[51:50] and
//!                                                            bits 49:48 hold OA[49:48]
//!  64KB granule: bits 15:12 hold OA[51:48]
//! ```

use core::fmt;

use crate::granule::{DESCRIPTOR_LOG2, Granule};
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::rule::Rule;

/// The access flag.
pub(crate) const AF: u64 = 1 << 10;
/// Dirty bit modifier.
pub(crate) const DBM: u64 = 1 << 51;
/// AP[2] of a stage 1 leaf: read-only, or clean. With indirect permissions, nDirty.
pub(crate) const AP_READ_ONLY: u64 = 1 << 7;
/// S2AP[1] of a stage 2 leaf: writable, or dirty. With indirect permissions, Dirty.
pub(crate) const S2AP_WRITE: u64 = 1 << 7;
/// The contiguous bit.
pub(crate) const CONTIGUOUS: u64 = 1 << 52;
/// Block translation entry.
pub(crate) const NT: u64 = 1 << 16;

/// The descriptor is valid.
pub(crate) const VALID: u64 = 1 << 0;
const TABLE_OR_PAGE: u64 = 1 << 1;

/// What decides how the descriptors of a stage are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The granule.
    pub granule: Granule,
    /// DS, where it takes effect: 52-bit addresses with the 4KB or 16KB granule.
    pub ds: bool,
    /// The input address size in bits, after clamping.
    pub ia_bits: u32,
    /// The output address size in bits.
    pub oa_bits: u32,
    /// The level of the first lookup.
    pub start: Level,
    /// Where descriptors hold address bits 51:48.
    pub(crate) high: HighBits,
    pa_bits: u8,
}

/// Where a descriptor holds address bits 51:48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HighBits {
    /// Nowhere: they are zero.
    None,
    /// In bits 15:12: the 64KB granule with FEAT_LPA.
    In15To12,
    /// Bits 51:50 in bits 9:8, bits 49:48 in their own place: DS.
    In9To8,
    /// Bits 49:48 in their own place, bits 51:50 nowhere: what an erratum may make of DS.
    In49To48,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { granule, ds, ia_bits, oa_bits, start, .. } = self;
        let ds = if *ds { ", DS" } else { "" };
        write!(
            f,
            "{granule} granule{ds}, input {ia_bits} bits, output {oa_bits} bits, from level {start}"
        )
    }
}

/// The type of a descriptor (the pseudocode's `DescriptorType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Not valid, by this rule.
    Invalid(Rule),
    /// A table of the next level at this address.
    Table(u64),
    /// A block or a page.
    Leaf,
}

impl Format {
    pub(crate) fn new(
        pe: &Implementation,
        granule: Granule,
        ds: bool,
        ia_bits: u32,
        oa_bits: u32,
        start: Level,
    ) -> Self {
        let high = match granule {
            Granule::K64 if pe.has(Features::FEAT_LPA) => HighBits::In15To12,
            Granule::K64 => HighBits::None,
            _ if ds => HighBits::In9To8,
            _ => HighBits::None,
        };
        Self { granule, ds, ia_bits, oa_bits, start, high, pa_bits: pe.pa_bits }
    }

    /// Source: `AArch64.DecodeDescriptorType`.
    #[inline]
    pub(crate) fn decode(&self, descriptor: u64, level: Level) -> Descriptor {
        if descriptor & VALID == 0 {
            return Descriptor::Invalid(Rule::DescriptorInvalid);
        }
        match (descriptor & TABLE_OR_PAGE != 0, level == Level::FINAL) {
            (true, true) => Descriptor::Leaf,
            (true, false) => Descriptor::Table(self.address(descriptor, self.granule.bits())),
            (false, false) if self.granule.has_blocks(level, self.ds, self.pa_bits) => {
                Descriptor::Leaf
            }
            (false, _) => Descriptor::Invalid(Rule::BlockNotSupported),
        }
    }

    /// The address in a descriptor, from bit `lsb` up.
    ///
    /// Source: `AArch64.LeafBase`, `AArch64.NextTableBase`.
    #[inline]
    fn address(&self, descriptor: u64, lsb: u32) -> u64 {
        let low = descriptor & ones(48) & !ones(lsb);
        let high = match self.high {
            HighBits::None => 0,
            HighBits::In15To12 => descriptor >> 12 & 0b1111,
            HighBits::In9To8 => (descriptor >> 8 & 0b11) << 2 | descriptor >> 48 & 0b11,
            HighBits::In49To48 => descriptor >> 48 & 0b11,
        };
        low | high << 48
    }

    /// The address in a descriptor, block or page, as far as its bits go.
    #[inline]
    pub(crate) fn whole_address(&self, descriptor: u64) -> u64 {
        self.address(descriptor, self.granule.bits())
    }

    /// Does the contiguous bit take effect in a leaf at this level?
    ///
    /// Source: `AArch64.ContiguousBit`.
    #[inline]
    pub(crate) fn is_contiguous(&self, descriptor: u64, level: Level) -> bool {
        descriptor & CONTIGUOUS != 0 && self.granule.contiguous_log2(level) > 0
    }

    /// The size of what a leaf at this level maps, log2: the whole contiguous range, if it is part of one.
    #[inline]
    pub(crate) fn range_bits(&self, level: Level, contiguous: bool) -> u32 {
        let group = if contiguous { self.granule.contiguous_log2(level) } else { 0 };
        self.granule.leaf_bits(level) + group
    }

    /// The output address that a leaf gives an input address. The bits within the range, which with the
    /// contiguous bit is the whole group's, come from the input address.
    ///
    /// Source: `StageOA`.
    #[inline]
    pub(crate) fn output(&self, descriptor: u64, level: Level, contiguous: bool, ia: u64) -> u64 {
        let base = self.address(descriptor, self.granule.leaf_bits(level));
        let within = ones(self.range_bits(level, contiguous));
        base & !within | ia & within
    }

    /// The place of the entry for an input address in the first table.
    ///
    /// Source: `AArch64.S1SLTTEntryAddress`, `AArch64.S2SLTTEntryAddress`.
    #[inline]
    pub(crate) fn first_offset(&self, ia: u64) -> u64 {
        (ia & ones(self.ia_bits)) >> self.granule.leaf_bits(self.start) << DESCRIPTOR_LOG2
    }

    /// The place of the entry for an input address in a table of a later level.
    ///
    /// Source: `AArch64.TTEntryAddress`.
    #[inline]
    pub(crate) fn offset(&self, ia: u64, level: Level) -> u64 {
        (ia >> self.granule.leaf_bits(level) & ones(self.granule.stride())) << DESCRIPTOR_LOG2
    }

    /// Is an address beyond the output size?
    ///
    /// Source: `AArch64.OAOutOfRange`.
    #[inline]
    pub(crate) const fn out_of_range(&self, address: u64) -> bool {
        address >> self.oa_bits != 0
    }

    /// log2 of the alignment of the first table, in bytes.
    #[inline]
    pub(crate) fn base_alignment(&self, wide: bool) -> u32 {
        let entries = self.ia_bits.saturating_sub(self.granule.leaf_bits(self.start));
        let alignment = entries + DESCRIPTOR_LOG2;
        if wide { alignment.max(WIDE_BASE_ALIGNMENT) } else { alignment }
    }

    /// Does a table base register hold address bits 51:48, in its bits 5:2? `ps` is the encoded output
    /// size.
    #[inline]
    pub(crate) const fn has_wide_base(&self, ps: u64) -> bool {
        match self.high {
            HighBits::In9To8 => true,
            HighBits::In15To12 => ps == PS_52,
            HighBits::None | HighBits::In49To48 => false,
        }
    }

    /// The address in a table base register, and the bits of it that should be zero below the table's
    /// alignment.
    ///
    /// ```text
    ///  47             6 5        2 1     0
    /// | BADDR[47:6]    | BADDR[51:48] |CnP|     with 52-bit addresses
    /// | BADDR[47:1]                   |CnP|     else
    /// ```
    ///
    /// Source: `AArch64.S1TTBaseAddress`, `AArch64.S2TTBaseAddress`.
    #[inline]
    pub(crate) fn base(&self, ttbr: u64, ps: u64) -> (u64, u64) {
        let wide = self.has_wide_base(ps);
        let lsb = if wide { WIDE_BASE_ALIGNMENT } else { DESCRIPTOR_LOG2 };
        let high = if wide { (ttbr >> 2 & 0b1111) << 48 } else { 0 };
        let address = ttbr & ones(48) & !ones(lsb) | high;
        let below = ones(self.base_alignment(wide));
        (address & !below, address & below)
    }

    /// The same, where a base that holds address bits 51:48 is aligned to its table alone.
    pub(crate) fn base_aligned_to_its_table(&self, ttbr: u64, ps: u64) -> (u64, u64) {
        let (base, below) = self.base(ttbr, ps);
        if !self.has_wide_base(ps) {
            return (base, below);
        }
        let address = ttbr & ones(48) & !ones(DESCRIPTOR_LOG2) | base & !ones(48);
        let below = ones(self.base_alignment(false));
        // Bits 5:2 are address bits elsewhere: that they are set here misaligns nothing.
        (address & !below, address & below & !ones(WIDE_BASE_ALIGNMENT))
    }
}

/// PS and IPS: 48 bits.
pub(crate) const PS_48: u64 = 0b101;
/// PS and IPS: 52 bits.
pub(crate) const PS_52: u64 = 0b110;

/// Bits 5:0 of a base register that holds a 52-bit address are not part of the address.
const WIDE_BASE_ALIGNMENT: u32 = 6;

/// The output address size in bits that PS or IPS selects. The reserved 0b111 acts as the largest.
///
/// Source: `AArch64.PhysicalAddressSize`.
pub(crate) fn output_bits(pe: &Implementation, ps: u64, granule: Granule, lpa2: bool) -> u32 {
    let selected = match ps {
        0b000 => 32,
        0b001 => 36,
        0b010 => 40,
        0b011 => 42,
        0b100 => 44,
        0b101 => 48,
        _ => 52,
    };
    let wide = (granule == Granule::K64 || lpa2) && pe.has(Features::FEAT_LPA);
    selected.min(pe.pa_max()).min(if wide { 52 } else { 48 })
}

/// As many low bits set.
pub(crate) const fn ones(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

//! A request to the table builder: this range to that output, with these attributes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;

/// A run of consecutive leaf descriptors at one level of one tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Mapping {
    /// First input address; a multiple of what one entry at `level` covers. Of an address in an upper
    /// range it is what the tables resolve: without the ones in front.
    pub input: u64,
    /// Output of the first entry; later ones follow on.
    pub output: Place,
    /// How many leaf descriptors, at least 1.
    pub entries: u32,
    /// The level of the leaves, 0 to 3.
    pub level: i8,
    /// The number of the tree.
    pub tree: u8,
    /// Reserved, 0.
    pub reserved: [u8; 2],
    /// What each leaf says.
    pub attributes: Attributes,
}

/// The fields of a leaf descriptor other than its address, unpositioned. The two stages keep fields
/// of like purpose in the same bits; where they differ, the comment says so.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Attributes {
    /// Stage 2: MemAttr, 4 bits. Stage 1: AttrIndx, 3 bits, and NS above them.
    pub mem_attr: u8,
    /// Stage 2: S2AP, 2 bits, bit 0 read, bit 1 write. Stage 1: AP\[2:1\], bit 0 unprivileged access
    /// (RES1 in a regime with one VA range), bit 1 read-only.
    pub ap: u8,
    /// SH, 2 bits. Not written where DS = 1: the descriptor has no room for it.
    pub sh: u8,
    /// Stage 2: XN, 2 bits. Stage 1: bit 0 PXN, bit 1 UXN; in a regime with one VA range bit 1 is XN
    /// and bit 0 is RES0.
    pub xn: u8,
    /// AF, 1 bit.
    pub af: u8,
    /// Flags, see the constants.
    pub flags: u8,
    /// Software bits 58:55, 4 bits.
    pub software: u8,
    /// Reserved, 0.
    pub reserved: u8,
}

impl Attributes {
    /// Flag: the Contiguous bit.
    pub const CONTIGUOUS: u8 = 1;
    /// Flag: DBM, dirty bit modifier.
    pub const DBM: u8 = 2;
    /// Flag: nT, block translation entry.
    pub const NT: u8 = 4;
    /// Flag: FnXS, at stage 2.
    pub const FNXS: u8 = 8;
    /// Flag: nG, at stage 1: in the bit that stage 2 uses for FnXS.
    pub const NG: u8 = Self::FNXS;

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

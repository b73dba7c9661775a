//! A request to the table builder: this range to that output, with these attributes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;

/// A run of consecutive leaf descriptors at one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Mapping {
    /// First input address; a multiple of what one entry at `level` covers.
    pub input: u64,
    /// Output of the first entry; later ones follow on.
    pub output: Place,
    /// How many leaf descriptors, at least 1.
    pub entries: u32,
    /// The level of the leaves, 0 to 3.
    pub level: i8,
    /// Reserved, 0.
    pub reserved: [u8; 3],
    /// What each leaf says.
    pub attributes: Stage2Attributes,
}

/// The fields of a stage 2 leaf descriptor other than its address, unpositioned.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stage2Attributes {
    /// MemAttr, 4 bits.
    pub mem_attr: u8,
    /// S2AP, 2 bits: bit 0 read, bit 1 write.
    pub s2ap: u8,
    /// SH, 2 bits. Not written where DS = 1: the descriptor has no room for it.
    pub sh: u8,
    /// XN, 2 bits.
    pub xn: u8,
    /// AF, 1 bit.
    pub af: u8,
    /// Flags, see the constants.
    pub flags: u8,
    /// Software bits 58:55 and ignored bits, 4 bits.
    pub software: u8,
    /// Reserved, 0.
    pub reserved: u8,
}

impl Stage2Attributes {
    /// Flag: the Contiguous bit.
    pub const CONTIGUOUS: u8 = 1;
    /// Flag: DBM, dirty bit modifier.
    pub const DBM: u8 = 2;
    /// Flag: nT, block translation entry.
    pub const NT: u8 = 4;
    /// Flag: FnXS.
    pub const FNXS: u8 = 8;

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

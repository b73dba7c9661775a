//! Granule, level, and the shape of one tree of tables.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A translation granule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Granule {
    /// 4 KB pages, 512 entries a table.
    K4 = 12,
    /// 16 KB pages, 2048 entries a table.
    K16 = 14,
    /// 64 KB pages, 8192 entries a table.
    K64 = 16,
}

impl Granule {
    /// All granules, smallest first.
    pub const ALL: [Self; 3] = [Self::K4, Self::K16, Self::K64];

    /// The granule whose page offset has `bits` bits: 12, 14 or 16.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            12 => Some(Self::K4),
            14 => Some(Self::K16),
            16 => Some(Self::K64),
            _ => None,
        }
    }

    /// log2 of the page size in bytes.
    pub const fn bits(self) -> u32 {
        self as u32
    }

    /// Page size in bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.bits()
    }

    /// Address bits that one level of table resolves: 9, 11 or 13.
    pub const fn stride(self) -> u32 {
        self.bits() - 3
    }

    /// log2 of the bytes that one entry at `level` covers.
    pub const fn entry_bits(self, level: i8) -> u32 {
        self.bits() + self.stride() * (3 - level) as u32
    }
}

/// The shape of one tree of translation tables, as the builder needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Page size.
    pub granule: Granule,
    /// The level of the root, -1 to 3.
    pub start_level: i8,
    /// Input address size in bits.
    pub ia_bits: u8,
    /// How descriptors hold an output address.
    pub address: AddressFormat,
}

/// Where descriptors keep output address bits 51:48.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum AddressFormat {
    /// Nowhere: 48-bit addresses.
    Bits48 = 0,
    /// Bits 15:12 of the descriptor: 64K granule with FEAT_LPA.
    Lpa = 1,
    /// Bits 9:8 (address 51:50), and 49:48 in place: 4K and 16K granule with DS = 1.
    Ds = 2,
}

impl Format {
    /// Levels of table below the root.
    pub const fn levels_below(&self) -> u32 {
        (3 - self.start_level) as u32
    }

    /// log2 of the number of entries in the root, all concatenated tables counted.
    pub const fn root_entry_bits(&self) -> u32 {
        (self.ia_bits as u32).saturating_sub(self.granule.entry_bits(self.start_level))
    }

    /// Size of the root in bytes, all concatenated tables counted.
    pub const fn root_bytes(&self) -> u64 {
        8 << self.root_entry_bits()
    }

    /// Alignment in bytes that the root must have: its size, but at least 64 where the base
    /// register holds a 52-bit address.
    pub const fn root_alignment(&self) -> u64 {
        let least = match self.address {
            AddressFormat::Bits48 => 8,
            AddressFormat::Lpa | AddressFormat::Ds => 64,
        };
        let size = self.root_bytes();
        if size > least { size } else { least }
    }
}

/// [`Format`] and the counts of a case as they cross the wire: any bit pattern is a value of this
/// type, and [`RawFormat::decode`] says whether it means something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RawFormat {
    granule_bits: u8,
    start_level: i8,
    ia_bits: u8,
    address: u8,
    reserved: [u8; 4],
}

impl RawFormat {
    /// The format that these bytes stand for; `None` for bytes that stand for none.
    pub fn decode(&self) -> Option<Format> {
        let address = match self.address {
            0 => AddressFormat::Bits48,
            1 => AddressFormat::Lpa,
            2 => AddressFormat::Ds,
            _ => return None,
        };
        let granule = Granule::from_bits(self.granule_bits)?;
        let format =
            Format { granule, start_level: self.start_level, ia_bits: self.ia_bits, address };
        // No granule has a level whose entries cover more than 2^48 bytes.
        let levels = (-1..=3).contains(&self.start_level)
            && granule.entry_bits(self.start_level) <= 48
            && self.ia_bits <= 56;
        // 16 concatenated tables add four bits to what one table of the start level resolves.
        (levels && format.root_entry_bits() <= granule.stride() + 4).then_some(format)
    }
}

impl From<Format> for RawFormat {
    fn from(format: Format) -> Self {
        Self {
            granule_bits: format.granule as u8,
            start_level: format.start_level,
            ia_bits: format.ia_bits,
            address: format.address as u8,
            reserved: [0; 4],
        }
    }
}

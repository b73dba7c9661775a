//! What the host says of a board: what no device tree tells the executor, or tells it wrongly.
//!
//! What is said here counts more than what the executor finds in a device tree or in UEFI's tables:
//!
//! | item | where the host says it |
//! |---|---|
//! | console, PSCI, interrupt controller | it takes the place of the one that was found |
//! | RAM | it takes the place of all RAM that was found |
//! | reserved regions | they are added to those that were found |
//!
//! As built, nothing is said. Whoever reads a block takes it for untrusted: a number that has no meaning
//! says nothing.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::hello::{MAX_PES, Region};

/// The most regions of each kind that the host can say.
pub const MAX_BOARD_REGIONS: usize = 8;

/// What the host says of the board.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Board {
    /// The UART.
    pub console: Console,
    /// The firmware that starts PEs.
    pub psci: Psci,
    /// The interrupt controller.
    pub gic: Gic,
    /// RAM.
    pub memory: Regions,
    /// Parts of it that somebody else keeps: firmware, a frame buffer, Secure memory.
    pub reserved: Regions,
}

impl Board {
    /// Nothing is said.
    pub const SILENT: Self = Self {
        console: Console { base: 0, kind: 0, shift: 0, bits: 0 },
        psci: Psci { conduit: 0, count: 0, pes: [0; MAX_PES] },
        gic: Gic { kind: 0, distributor: 0, per_pe: Region { base: 0, size: 0 } },
        memory: Regions::NONE,
        reserved: Regions::NONE,
    };
}

/// A UART: its kind is one of the constants, and 0 where nothing is said.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Console {
    /// Physical address of its registers.
    pub base: u64,
    /// What it is.
    pub kind: u32,
    /// Of a 16550, log2 of the distance of two registers in bytes: 0 to 4.
    pub shift: u16,
    /// Of a 16550, the bits of an access: 8 or 32.
    pub bits: u16,
}

impl Console {
    /// Arm PL011.
    pub const PL011: u32 = 1;
    /// SBSA generic UART: a PL011 that its firmware has set up.
    pub const SBSA: u32 = 2;
    /// 16550 and its children.
    pub const NS16550: u32 = 3;
    /// Cadence UART, as in Zynq and ZynqMP.
    pub const CADENCE: u32 = 4;
    /// NXP's UART of i.MX.
    pub const IMX: u32 = 5;
}

/// PSCI: its conduit is one of the constants, and 0 where nothing is said.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Psci {
    /// How it is called.
    pub conduit: u64,
    /// How many of `pes` count; 0: those that were found.
    pub count: u64,
    /// The affinities of the PEs that it starts, as their `MPIDR_EL1` has them.
    pub pes: [u64; MAX_PES],
}

impl Psci {
    /// There is none.
    pub const NONE: u64 = 1;
    /// By SMC. (HVC at EL2 would end at EL2.)
    pub const SMC: u64 = 2;

    /// The affinities that count.
    pub fn pes(&self) -> &[u64] {
        &self.pes[..counted(self.count, MAX_PES)]
    }
}

/// An interrupt controller: its kind is one of the constants, and 0 where nothing is said.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Gic {
    /// What it is.
    pub kind: u64,
    /// Physical address of the distributor.
    pub distributor: u64,
    /// The CPU interface of a GICv2, of which only the address counts, or the redistributors of a GICv3.
    pub per_pe: Region,
}

impl Gic {
    /// There is none that may be touched.
    pub const NONE: u64 = 1;
    /// GICv2.
    pub const V2: u64 = 2;
    /// GICv3 and later.
    pub const V3: u64 = 3;
}

/// Up to [`MAX_BOARD_REGIONS`] regions.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Regions {
    count: u64,
    regions: [Region; MAX_BOARD_REGIONS],
}

impl Regions {
    const NONE: Self = Self { count: 0, regions: [Region { base: 0, size: 0 }; MAX_BOARD_REGIONS] };

    /// Adds `region`; `None` where there is no room.
    pub fn push(&mut self, region: Region) -> Option<()> {
        let at = usize::try_from(self.count).ok()?;
        *self.regions.get_mut(at)? = region;
        self.count += 1;
        Some(())
    }

    /// The regions that count.
    pub fn all(&self) -> &[Region] {
        &self.regions[..counted(self.count, MAX_BOARD_REGIONS)]
    }
}

impl FromIterator<Region> for Regions {
    /// Those of the regions, from the first on, for which there is room.
    fn from_iter<I: IntoIterator<Item = Region>>(regions: I) -> Self {
        let mut all = Self::NONE;
        regions.into_iter().map_while(|region| all.push(region)).for_each(drop);
        all
    }
}

/// How many of `most` count, when a block says `count`.
fn counted(count: u64, most: usize) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_room_for_as_many_as_is_said() {
        let mut regions = Regions::default();
        for base in 0..MAX_BOARD_REGIONS as u64 {
            assert_eq!(regions.push(Region { base, size: 1 }), Some(()));
        }
        assert_eq!(regions.push(Region { base: 99, size: 1 }), None);
        assert_eq!(regions.all().len(), MAX_BOARD_REGIONS);
        assert_eq!(regions.all()[7], Region { base: 7, size: 1 });
    }

    #[test]
    fn a_block_of_any_bytes_is_read() {
        let board = Board::read_from_bytes(&[0xff; size_of::<Board>()]).expect("it is as long");
        assert_eq!(board.memory.all().len(), MAX_BOARD_REGIONS);
        assert_eq!(board.psci.pes().len(), MAX_PES);
    }
}

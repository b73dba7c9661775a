//! What the host writes into the executor's image before it is started.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::board::Board;

/// The executor's configuration block, in a section of its own that the host finds by name and
/// overwrites. As built, it leaves everything to the device tree, or to UEFI's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Config {
    /// [`Config::MAGIC`].
    pub magic: u64,
    /// [`crate::VERSION`].
    pub version: u64,
    /// Physical address of the mailbox, 4 KB aligned; 0: talk over the console.
    pub mailbox: u64,
    /// Which PE runs cases, by the affinity fields of its `MPIDR_EL1`; [`Config::ANY_PE`]: the one that the
    /// loader starts.
    pub pe: u64,
    /// What the host says of the board.
    pub board: Board,
}

impl Config {
    /// The name of the ELF section that holds the block.
    pub const SECTION: &str = ".hypwalk.config";
    /// "hypwalk\0" as a little-endian number.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"hypwalk\0");

    /// No PE in particular: no affinity has all bits set.
    pub const ANY_PE: u64 = u64::MAX;

    /// The block as built.
    pub const fn new() -> Self {
        Self {
            magic: Self::MAGIC,
            version: crate::VERSION as u64,
            mailbox: 0,
            pe: Self::ANY_PE,
            board: Board::SILENT,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

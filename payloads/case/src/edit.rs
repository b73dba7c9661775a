//! A hostile change to a descriptor, made after the tables are built.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::Place;

/// A change to one descriptor: the one on the path of `input` at `level`, as the builder left it.
///
/// Naming a descriptor by path and not by table number lets a generator aim at what its probes
/// will walk without building the tables first. Where the path ends above `level`, the last
/// descriptor on it is meant. All edits of a case find their descriptors before any is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Edit {
    /// An input address on whose path the descriptor lies.
    pub input: u64,
    /// What is done, see the constants.
    kind: u8,
    /// The level of the descriptor, -1 to 3.
    pub level: i8,
    /// The number of the tree.
    pub tree: u8,
    late: u8,
    reserved: [u8; 4],
    /// The place that a [`Change::Table`] points at; 0 otherwise.
    place: Place,
    /// Raw bits, by `kind`.
    bits: u64,
}

/// What an [`Edit`] does to its descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Replaces it by a raw word.
    Replace(u64),
    /// Flips bits of it.
    Flip(u64),
    /// Replaces it by a table descriptor for `place`, with `flip` exclusive-ored into it.
    Table {
        /// Where the next-level table is said to be.
        place: Place,
        /// Bits flipped in the finished descriptor.
        flip: u64,
    },
}

impl Edit {
    const REPLACE: u8 = 0;
    const FLIP: u8 = 1;
    const TABLE: u8 = 2;

    /// An edit of the descriptor on the path of `input` at `level` of tree number `tree`.
    pub const fn new(tree: u8, input: u64, level: i8, change: Change) -> Self {
        let (kind, place, bits) = match change {
            Change::Replace(word) => (Self::REPLACE, Place::new(0, 0), word),
            Change::Flip(mask) => (Self::FLIP, Place::new(0, 0), mask),
            Change::Table { place, flip } => (Self::TABLE, place, flip),
        };
        Self { input, kind, level, tree, late: 0, reserved: [0; 4], place, bits }
    }

    /// The same edit, carried out only by a [`crate::probe::Operation::Change`] that names it. Its descriptor
    /// is found with those of the others.
    pub const fn late(self) -> Self {
        Self { late: 1, ..self }
    }

    /// Whether it waits for a step that names it.
    pub const fn is_late(&self) -> bool {
        self.late != 0
    }

    /// What is done; `None` when the words came from outside and mean nothing.
    pub const fn change(&self) -> Option<Change> {
        match self.kind {
            Self::REPLACE => Some(Change::Replace(self.bits)),
            Self::FLIP => Some(Change::Flip(self.bits)),
            Self::TABLE => Some(Change::Table { place: self.place, flip: self.bits }),
            _ => None,
        }
    }
}

//! A case as words that somebody else owns: the wire's form of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::edit::Edit;
use crate::format::Format;
use crate::guest::Guest;
use crate::mapping::Mapping;
use crate::memory::Place;
use crate::probe::Probe;
use crate::registers::Registers;
use crate::tree::{Role, Tree};
use crate::world_switch::SwitchPlaces;
use crate::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_TREES};

/// The fixed part of a case.
///
/// On the wire it is followed by the trees, the mappings, the edits and the probes, in that order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Registers to set.
    pub registers: Registers,
    /// How many trees follow.
    pub trees: u32,
    /// How many mappings follow those.
    pub mappings: u32,
    /// How many edits follow those.
    pub edits: u32,
    /// How many probes follow those.
    pub probes: u32,
    /// See [`Flags`].
    pub flags: u64,
    /// Where the code and data of the world switch lie, if there is one.
    pub world_switch: SwitchPlaces,
    /// Where its guest's code is, if it has one.
    pub guest: Guest,
}

/// What the executor is to do beside asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// A probe may change tables (hardware updates): re-read the written words after each.
    pub const UPDATES: u64 = 1;
    /// Report every non-zero word of the arenas before the tables are undone.
    pub const AUDIT: u64 = 2;
    /// For the judge, not the executor: the registers are those that the tables were made for and
    /// nothing is edited, so a walk must find what the mappings ask for.
    pub const INTENT: u64 = 4;
    /// The executor goes over to the case's EL2 registers, as [`SwitchPlaces`] says, and asks from there.
    pub const WORLD_SWITCH: u64 = 8;
    /// The monitor at EL3 loads the case's EL2 registers, and asks from there.
    pub const MONITOR: u64 = 16;
    /// Guests ask, as [`Guest`] says: those probes whose EL is not 2. Steps and the others are the
    /// executor's own.
    pub const GUEST: u64 = 32;

    /// Whether all of `bits` are set.
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }
}

/// A case, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaseRef<'a> {
    /// The fixed part.
    pub header: &'a Header,
    /// The trees of tables.
    pub trees: &'a [Tree],
    /// What is mapped.
    pub mappings: &'a [Mapping],
    /// What is changed after that.
    pub edits: &'a [Edit],
    /// What is asked.
    pub probes: &'a [Probe],
}

impl<'a> CaseRef<'a> {
    /// Reads a case from bytes that are 8-byte aligned; `None` when they are too few, misaligned, or
    /// a count is out of range. Bytes beyond the case are left alone.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
        let counts = [
            (header.trees, MAX_TREES),
            (header.mappings, MAX_MAPPINGS),
            (header.edits, MAX_EDITS),
            (header.probes, MAX_PROBES),
        ];
        if counts.iter().any(|&(count, most)| count as usize > most) {
            return None;
        }
        let (trees, rest) = part(rest, header.trees)?;
        let (mappings, rest) = part(rest, header.mappings)?;
        let (edits, rest) = part(rest, header.edits)?;
        let (probes, _) = part(rest, header.probes)?;
        Some(Self { header, trees, mappings, edits, probes })
    }

    /// The tree with this role, if the case has one; the first, if it has several.
    pub fn tree(&self, role: Role) -> Option<&'a Tree> {
        self.trees.iter().find(|tree| tree.role() == Some(role))
    }

    /// The format of the tree with this role, if the case has one that means something.
    pub fn format(&self, role: Role) -> Option<Format> {
        self.tree(role)?.format()
    }

    /// All places from which tables are allocated.
    pub fn slots(&self) -> impl Iterator<Item = Place> + use<'a> {
        self.trees.iter().flat_map(|tree| tree.slots().iter().copied())
    }

    /// What the executor is to do beside asking.
    pub fn flags(&self) -> Flags {
        Flags(self.header.flags)
    }

    /// Size of the case on the wire, in bytes.
    pub fn wire_bytes(&self) -> usize {
        size_of::<Header>()
            + size_of_val(self.trees)
            + size_of_val(self.mappings)
            + size_of_val(self.edits)
            + size_of_val(self.probes)
    }

    /// Writes the case to the front of `out`; returns the bytes written, or `None` when `out` is too
    /// small.
    pub fn write_to(&self, out: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        let parts = [
            self.header.as_bytes(),
            self.trees.as_bytes(),
            self.mappings.as_bytes(),
            self.edits.as_bytes(),
            self.probes.as_bytes(),
        ];
        for part in parts {
            out.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        Some(at)
    }
}

fn part<T: FromBytes + Immutable + KnownLayout>(bytes: &[u8], count: u32) -> Option<(&[T], &[u8])> {
    <[T]>::ref_from_prefix_with_elems(bytes, count as usize).ok()
}

//! A case as words that somebody else owns: the wire's form of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::edit::Edit;
use crate::format::RawFormat;
use crate::mapping::Mapping;
use crate::memory::Place;
use crate::probe::Probe;
use crate::registers::Registers;
use crate::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_SLOTS};

/// The fixed part of a case.
///
/// On the wire it is followed by the mappings, the edits and the probes, in that order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Registers to set.
    pub registers: Registers,
    /// The shape of the stage 2 tree.
    pub format: RawFormat,
    /// Where tables are allocated: table number n comes from `slots[n % slot_count]`.
    pub slots: [Place; MAX_SLOTS],
    /// How many of `slots` count, 1 to 8.
    pub slot_count: u32,
    /// How many mappings follow.
    pub mappings: u32,
    /// How many edits follow those.
    pub edits: u32,
    /// How many probes follow those.
    pub probes: u32,
    /// See [`Flags`].
    pub flags: u64,
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
            (header.slot_count, MAX_SLOTS),
            (header.mappings, MAX_MAPPINGS),
            (header.edits, MAX_EDITS),
            (header.probes, MAX_PROBES),
        ];
        if header.slot_count == 0 || counts.iter().any(|&(count, most)| count as usize > most) {
            return None;
        }
        let (mappings, rest) = part(rest, header.mappings)?;
        let (edits, rest) = part(rest, header.edits)?;
        let (probes, _) = part(rest, header.probes)?;
        Some(Self { header, mappings, edits, probes })
    }

    /// The slots that count.
    pub fn slots(&self) -> &'a [Place] {
        let count = (self.header.slot_count as usize).min(MAX_SLOTS);
        &self.header.slots[..count]
    }

    /// What the executor is to do beside asking.
    pub fn flags(&self) -> Flags {
        Flags(self.header.flags)
    }

    /// Size of the case on the wire, in bytes.
    pub fn wire_bytes(&self) -> usize {
        size_of::<Header>()
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

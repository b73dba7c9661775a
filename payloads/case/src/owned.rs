//! A case that owns its parts.

use arrayvec::ArrayVec;

use crate::edit::Edit;
use crate::format::Format;
use crate::mapping::Mapping;
use crate::memory::Place;
use crate::probe::Probe;
use crate::registers::Registers;
use crate::view::{CaseRef, Flags, Header};
use crate::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_SLOTS};

/// One set-up of translation registers and tables, with its probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    header: Header,
    mappings: ArrayVec<Mapping, MAX_MAPPINGS>,
    edits: ArrayVec<Edit, MAX_EDITS>,
    probes: ArrayVec<Probe, MAX_PROBES>,
}

/// A part was added to a case that has no room for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaseFull;

impl Case {
    /// A case with one slot and nothing mapped, edited or asked.
    pub fn new(registers: Registers, format: Format, root: Place) -> Self {
        let mut slots = [Place::default(); MAX_SLOTS];
        slots[0] = root;
        let header = Header {
            registers,
            format: format.into(),
            slots,
            slot_count: 1,
            mappings: 0,
            edits: 0,
            probes: 0,
            flags: 0,
        };
        let (mappings, edits, probes) = Default::default();
        Self { header, mappings, edits, probes }
    }

    /// A copy of a borrowed case.
    pub fn from_ref(case: CaseRef<'_>) -> Self {
        Self {
            header: *case.header,
            mappings: case.mappings.iter().copied().collect(),
            edits: case.edits.iter().copied().collect(),
            probes: case.probes.iter().copied().collect(),
        }
    }

    /// The case, borrowed.
    pub fn as_ref(&self) -> CaseRef<'_> {
        CaseRef {
            header: &self.header,
            mappings: &self.mappings,
            edits: &self.edits,
            probes: &self.probes,
        }
    }

    /// The registers, to change.
    pub fn registers_mut(&mut self) -> &mut Registers {
        &mut self.header.registers
    }

    /// Sets what the executor is to do beside asking.
    pub fn set_flags(&mut self, flags: Flags) {
        self.header.flags = flags.0;
    }

    /// Adds a place from which tables are allocated.
    pub fn push_slot(&mut self, place: Place) -> Result<(), CaseFull> {
        let count = self.header.slot_count as usize;
        *self.header.slots.get_mut(count).ok_or(CaseFull)? = place;
        self.header.slot_count += 1;
        Ok(())
    }

    /// Adds a mapping.
    pub fn push_mapping(&mut self, mapping: Mapping) -> Result<(), CaseFull> {
        self.mappings.try_push(mapping).map_err(|_| CaseFull)?;
        self.header.mappings += 1;
        Ok(())
    }

    /// Adds an edit.
    pub fn push_edit(&mut self, edit: Edit) -> Result<(), CaseFull> {
        self.edits.try_push(edit).map_err(|_| CaseFull)?;
        self.header.edits += 1;
        Ok(())
    }

    /// Adds a probe.
    pub fn push_probe(&mut self, probe: Probe) -> Result<(), CaseFull> {
        self.probes.try_push(probe).map_err(|_| CaseFull)?;
        self.header.probes += 1;
        Ok(())
    }

    /// Keeps the probes that `keep` wants, by index.
    pub fn retain_probes(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut index = 0;
        self.probes.retain(|_| {
            index += 1;
            keep(index - 1)
        });
        self.header.probes = self.probes.len() as u32;
    }
}

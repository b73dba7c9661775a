//! A case that owns its parts.

use arrayvec::ArrayVec;

use crate::edit::Edit;
use crate::guest::Guest;
use crate::mapping::Mapping;
use crate::probe::Probe;
use crate::registers::Registers;
use crate::tree::Tree;
use crate::view::{CaseRef, Flags, Header};
use crate::world_switch::SwitchPlaces;
use crate::{MAX_EDITS, MAX_MAPPINGS, MAX_PROBES, MAX_TREES};

/// One set-up of translation registers and tables, with its probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    header: Header,
    trees: ArrayVec<Tree, MAX_TREES>,
    mappings: ArrayVec<Mapping, MAX_MAPPINGS>,
    edits: ArrayVec<Edit, MAX_EDITS>,
    probes: ArrayVec<Probe, MAX_PROBES>,
}

/// A part was added to a case that has no room for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaseFull;

impl Case {
    /// A case without trees, with nothing mapped, edited or asked.
    pub fn new(registers: Registers) -> Self {
        let header = Header {
            registers,
            trees: 0,
            mappings: 0,
            edits: 0,
            probes: 0,
            flags: 0,
            world_switch: SwitchPlaces::default(),
            guest: Guest::default(),
        };
        let (trees, mappings, edits, probes) = Default::default();
        Self { header, trees, mappings, edits, probes }
    }

    /// A case with one tree.
    pub fn with_tree(registers: Registers, tree: Tree) -> Self {
        let mut case = Self::new(registers);
        case.trees.push(tree);
        case.header.trees = 1;
        case
    }

    /// A copy of a borrowed case.
    pub fn from_ref(case: CaseRef<'_>) -> Self {
        Self {
            header: *case.header,
            trees: case.trees.iter().copied().collect(),
            mappings: case.mappings.iter().copied().collect(),
            edits: case.edits.iter().copied().collect(),
            probes: case.probes.iter().copied().collect(),
        }
    }

    /// The case, borrowed.
    pub fn as_ref(&self) -> CaseRef<'_> {
        CaseRef {
            header: &self.header,
            trees: &self.trees,
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

    /// Says where the code and data of the world switch lie.
    pub fn set_world_switch(&mut self, world_switch: SwitchPlaces) {
        self.header.world_switch = world_switch;
    }

    /// Says where the guest's code is.
    pub fn set_guest(&mut self, guest: Guest) {
        self.header.guest = guest;
    }

    /// Adds a tree; the number by which mappings and edits name it is how many there were before.
    pub fn push_tree(&mut self, tree: Tree) -> Result<(), CaseFull> {
        self.trees.try_push(tree).map_err(|_| CaseFull)?;
        self.header.trees += 1;
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

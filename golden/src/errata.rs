//! Errata: named ways in which a device breaks a rule, which a walk can be made with.
//!
//! A device is the architecture and a set of errata. What the architecture leaves open is asked of [`Choices`];
//! beside it, at the points below, the device may do otherwise:
//!
//! ```text
//!   registers, features        a field or a feature is taken for another value        Errata::machine
//!   parameters of a stage      resolved otherwise                                     stage1_params, stage2_params, ..
//!   descriptor                 bits of it are taken for others                        descriptor
//!   table base                 its bits are taken for others                          base
//!   a check that fails         its rule is not applied                                lifts, lifts_without_leaf
//!   a check that is not due    its rule is applied, or too late                       imposes, postpones
//!   a check of an address      made of another address                                out_of_range
//!   permissions                come out otherwise                                     stage1_permissions, ..
//!   address, attributes        come out otherwise, of a stage or of both together     address, attributes, combined
//!   hardware update            made, or left out                                      update
//!   report                     the fault, the syndrome, PAR_EL1                        fault, walk_fault, exception, par
//!   instruction                does nothing, or is made of two                        does_nothing, halves
//!   device                     dies or hangs by a fault                               Erratum::kills
//!   TLB maintenance            takes other things away                                Erratum::of_tlbi
//! ```
//!
//! [`all`] names them, [`Flawed`] walks with some of them. A walk whose [`Choices`] have none compiles to what
//! it would be without: every method does nothing unless it is implemented.
//!
//! [`Choices`]: crate::Choices

mod erratum;
mod flawed;
mod table;

use crate::access::{Operation, StageAccess};
use crate::at::At;
use crate::attributes::MemoryAttributes;
use crate::descriptor::Format;
use crate::el::El;
use crate::exception::{Cause, Exception};
use crate::fault::{Fault, Stage};
use crate::granule::Granule;
use crate::implementation::Implementation;
use crate::level::Level;
use crate::maintenance::Maintenance;
use crate::masked::Masked;
use crate::params::{Stage1Params, Stage2Params};
use crate::permissions::{self, Permissions, TableLimits};
use crate::registers::Registers;
use crate::rule::Rule;
use crate::translate::Stage2Operation;

pub use erratum::{Effect, Erratum, Point};
pub use flawed::{ErrataSet, Flawed};
pub use table::{all, named};

/// What a device does otherwise. Every method does nothing unless it is implemented, and costs nothing then.
pub trait Errata {
    /// What the device takes its features and registers for, where that is not what they are.
    #[inline]
    fn machine(
        &self,
        _implementation: &Implementation,
        _registers: &Registers,
    ) -> Option<(Implementation, Registers)> {
        None
    }

    /// Is this rule not applied, where its fault is due?
    #[inline]
    fn lifts(&self, _site: &Site, _rule: Rule) -> bool {
        false
    }

    /// Is this rule not applied where what it looks at is not said by a leaf of the stage: stage 1 is off, or stage 2
    /// leaves it to stage 1?
    #[inline]
    fn lifts_without_leaf(&self, _rule: Rule) -> bool {
        false
    }

    /// Is this rule applied where it is not due, though what it asks for is there? Its fault is of level 0.
    #[inline]
    fn imposes(&self, _site: &Site, _rule: Rule) -> bool {
        false
    }

    /// Is this rule applied after all others of the stage and after the update of the leaf, with a fault of
    /// level 0?
    #[inline]
    fn postpones(&self, _site: &Site, _rule: Rule) -> bool {
        false
    }

    /// Is the output of a leaf with this value larger than the output size?
    #[inline]
    fn out_of_range(&self, _site: &Site, format: &Format, _descriptor: u64, output: u64) -> bool {
        format.out_of_range(output)
    }

    /// The base of the first table, and the bits of it that should be zero.
    #[inline]
    fn base(&self, _site: &Site, _base: &TableBase<'_>, taken: (u64, u64)) -> (u64, u64) {
        taken
    }

    /// The smallest `VTCR_EL2.T0SZ`, where PS stands for so many bits.
    #[inline]
    fn stage2_min_txsz(&self, min: u64, _ps_bits: u32) -> u64 {
        min
    }

    /// May stage 2 not start at this level although it may, where PS stands for so many bits?
    #[inline]
    fn refuses_start(&self, _granule: Granule, _start: Level, _ps_bits: u32) -> bool {
        false
    }

    /// In which parts is the access translated?
    #[inline]
    fn halves(&self, _subject: &Subject) -> Halves {
        Halves::Together
    }

    /// The parameters of stage 1.
    #[inline]
    fn stage1_params(&self, _subject: &Subject, params: Stage1Params) -> Stage1Params {
        params
    }

    /// The parameters of stage 2.
    #[inline]
    fn stage2_params(&self, _subject: &Subject, params: Stage2Params) -> Stage2Params {
        params
    }

    /// What a descriptor is taken for. It must be told from the descriptor and the site alone.
    #[inline]
    fn descriptor(&self, _site: &Site, descriptor: u64) -> u64 {
        descriptor
    }

    /// What a stage 1 leaf allows.
    #[inline]
    fn stage1_permissions(
        &self,
        _site: &Site,
        permissions: Permissions,
        _leaf: &Stage1Leaf<'_>,
    ) -> Permissions {
        permissions
    }

    /// What a stage 2 leaf allows.
    #[inline]
    fn stage2_permissions(&self, _site: &Site, permissions: Permissions) -> Permissions {
        permissions
    }

    /// What a leaf says of memory.
    #[inline]
    fn attributes(&self, _site: &Site, attributes: MemoryAttributes) -> MemoryAttributes {
        attributes
    }

    /// What both stages together say of memory.
    #[inline]
    fn combined(&self, combination: &Combination) -> MemoryAttributes {
        combination.both
    }

    /// The output address of a leaf.
    #[inline]
    fn address(&self, _site: &Site, address: u64) -> u64 {
        address
    }

    /// The value that hardware gives a leaf.
    #[inline]
    fn update(&self, _site: &Site, update: &LeafUpdate) -> u64 {
        update.new
    }

    /// The fault that a translation ends in.
    #[inline]
    fn fault(&self, _subject: &Subject, fault: Fault) -> Fault {
        fault
    }

    /// The fault of stage 2 on a walk of stage 1, whose own lookup is the site.
    #[inline]
    fn walk_fault(&self, _site: &Site, fault: Fault) -> Fault {
        fault
    }

    /// The exception that reports a fault.
    #[inline]
    fn exception(&self, _subject: &Subject, _fault: &Fault, exception: Exception) -> Exception {
        exception
    }

    /// What an address translation instruction leaves in `PAR_EL1`. `sh` is SH as it is written for the leaf
    /// of stage 1, where that was alone.
    #[inline]
    fn par(&self, _subject: &Subject, _sh: Option<u64>, par: Masked) -> Masked {
        par
    }

    /// Does the instruction do nothing at all?
    #[inline]
    fn does_nothing(&self, _subject: &Subject) -> bool {
        false
    }
}

macro_rules! forward_errata {
    ($self:ident => $to:expr) => {
        #[inline]
        fn machine(
            &$self,
            implementation: &crate::Implementation,
            registers: &crate::Registers,
        ) -> Option<(crate::Implementation, crate::Registers)> {
            $to.machine(implementation, registers)
        }
        #[inline]
        fn lifts(&$self, site: &crate::errata::Site, rule: crate::Rule) -> bool {
            $to.lifts(site, rule)
        }
        #[inline]
        fn lifts_without_leaf(&$self, rule: crate::Rule) -> bool {
            $to.lifts_without_leaf(rule)
        }
        #[inline]
        fn imposes(&$self, site: &crate::errata::Site, rule: crate::Rule) -> bool {
            $to.imposes(site, rule)
        }
        #[inline]
        fn postpones(&$self, site: &crate::errata::Site, rule: crate::Rule) -> bool {
            $to.postpones(site, rule)
        }
        #[inline]
        fn out_of_range(
            &$self,
            site: &crate::errata::Site,
            format: &crate::Format,
            descriptor: u64,
            output: u64,
        ) -> bool {
            $to.out_of_range(site, format, descriptor, output)
        }
        #[inline]
        fn base(
            &$self,
            site: &crate::errata::Site,
            base: &crate::errata::TableBase<'_>,
            taken: (u64, u64),
        ) -> (u64, u64) {
            $to.base(site, base, taken)
        }
        #[inline]
        fn stage2_min_txsz(&$self, min: u64, ps_bits: u32) -> u64 {
            $to.stage2_min_txsz(min, ps_bits)
        }
        #[inline]
        fn refuses_start(
            &$self,
            granule: crate::Granule,
            start: crate::Level,
            ps_bits: u32,
        ) -> bool {
            $to.refuses_start(granule, start, ps_bits)
        }
        #[inline]
        fn halves(&$self, subject: &crate::errata::Subject) -> crate::errata::Halves {
            $to.halves(subject)
        }
        #[inline]
        fn stage1_params(
            &$self,
            subject: &crate::errata::Subject,
            params: crate::Stage1Params,
        ) -> crate::Stage1Params {
            $to.stage1_params(subject, params)
        }
        #[inline]
        fn stage2_params(
            &$self,
            subject: &crate::errata::Subject,
            params: crate::Stage2Params,
        ) -> crate::Stage2Params {
            $to.stage2_params(subject, params)
        }
        #[inline]
        fn descriptor(&$self, site: &crate::errata::Site, descriptor: u64) -> u64 {
            $to.descriptor(site, descriptor)
        }
        #[inline]
        fn stage1_permissions(
            &$self,
            site: &crate::errata::Site,
            permissions: crate::Permissions,
            leaf: &crate::errata::Stage1Leaf<'_>,
        ) -> crate::Permissions {
            $to.stage1_permissions(site, permissions, leaf)
        }
        #[inline]
        fn stage2_permissions(
            &$self,
            site: &crate::errata::Site,
            permissions: crate::Permissions,
        ) -> crate::Permissions {
            $to.stage2_permissions(site, permissions)
        }
        #[inline]
        fn attributes(
            &$self,
            site: &crate::errata::Site,
            attributes: crate::MemoryAttributes,
        ) -> crate::MemoryAttributes {
            $to.attributes(site, attributes)
        }
        #[inline]
        fn combined(&$self, combination: &crate::errata::Combination) -> crate::MemoryAttributes {
            $to.combined(combination)
        }
        #[inline]
        fn address(&$self, site: &crate::errata::Site, address: u64) -> u64 {
            $to.address(site, address)
        }
        #[inline]
        fn update(
            &$self,
            site: &crate::errata::Site,
            update: &crate::errata::LeafUpdate,
        ) -> u64 {
            $to.update(site, update)
        }
        #[inline]
        fn fault(&$self, subject: &crate::errata::Subject, fault: crate::Fault) -> crate::Fault {
            $to.fault(subject, fault)
        }
        #[inline]
        fn walk_fault(&$self, site: &crate::errata::Site, fault: crate::Fault) -> crate::Fault {
            $to.walk_fault(site, fault)
        }
        #[inline]
        fn exception(
            &$self,
            subject: &crate::errata::Subject,
            fault: &crate::Fault,
            exception: crate::Exception,
        ) -> crate::Exception {
            $to.exception(subject, fault, exception)
        }
        #[inline]
        fn par(
            &$self,
            subject: &crate::errata::Subject,
            sh: Option<u64>,
            par: crate::Masked,
        ) -> crate::Masked {
            $to.par(subject, sh, par)
        }
        #[inline]
        fn does_nothing(&$self, subject: &crate::errata::Subject) -> bool {
            $to.does_nothing(subject)
        }
    };
}
pub(crate) use forward_errata;

/// What an instruction asks, in whose name all stages walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The instruction.
    pub instruction: Instruction,
    /// The exception level whose permissions count.
    pub el: El,
    /// The instruction's PSTATE.PAN, whether it obeys it or not.
    pub pan: bool,
    /// What the syndrome of a fault may tell of the instruction.
    pub cause: Cause,
}

/// The parts in which an access is translated that reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halves {
    /// Both at once: what the architecture asks for.
    Together,
    /// As a load, and if that meets no fault as a store.
    LoadFirst,
    /// As a store, and if that meets no fault as a load.
    StoreFirst,
}

/// A table base register of a walk.
#[derive(Clone, Copy, Debug)]
pub struct TableBase<'a> {
    /// The format of the walk's descriptors.
    pub format: &'a Format,
    /// The register.
    pub ttbr: u64,
    /// The encoded output size.
    pub ps: u64,
}

/// The instruction, as far as translation depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// A load, store, atomic, fetch or DC ZVA.
    Access(Operation),
    /// An address translation instruction.
    At(At),
    /// A cache maintenance instruction.
    Maintenance(Maintenance),
    /// None: stage 2 was asked alone.
    Stage2(Stage2Operation),
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// What is asked.
    pub subject: Subject,
    /// The stage that walks.
    pub stage: Stage,
    /// Stage 2 translates the address of a stage 1 descriptor.
    pub s1_walk: bool,
    /// The level of the lookup. Level 0 stands for what has none, as it does in faults.
    pub level: Level,
}

/// A leaf of stage 1, and what its permissions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Stage1Leaf<'a> {
    /// Its value.
    pub descriptor: u64,
    /// The parameters of the walk.
    pub params: &'a Stage1Params,
    pub(crate) limits: TableLimits,
    pub(crate) access: &'a StageAccess,
}

impl Stage1Leaf<'_> {
    /// What it would allow if its value were this one, and the access obeyed PSTATE.PAN as given.
    pub(crate) fn as_if(&self, descriptor: u64, pan: bool) -> Permissions {
        let access = StageAccess { pan, ..*self.access };
        permissions::stage1(descriptor, self.limits, self.params, &access)
    }
}

/// How both stages' memory attributes came together.
#[derive(Clone, Copy, Debug)]
pub struct Combination {
    /// What stage 1 says.
    pub stage1: MemoryAttributes,
    /// What stage 2 says; with FEAT_S2FWB, with stage 1's part in it.
    pub stage2: MemoryAttributes,
    /// `MemAttr[3:0]` of the stage 2 leaf.
    pub memattr: u64,
    /// Is `HCR_EL2.FWB` in effect?
    pub fwb: bool,
    /// What comes out.
    pub both: MemoryAttributes,
}

/// How a leaf is updated after an access.
#[derive(Clone, Copy, Debug)]
pub struct LeafUpdate {
    /// The leaf as it was read.
    pub old: u64,
    /// What it becomes.
    pub new: u64,
    /// The leaf with dirty state set, where it has DBM.
    pub written: u64,
    /// Does hardware manage dirty state?
    pub hd: bool,
    /// What became of the access at this stage.
    pub result: Result<(), Fault>,
}

//! One erratum: its name, the rule that it breaks, and what it does.

use core::fmt;

use crate::attributes::MemoryAttributes;
use crate::descriptor::Format;
use crate::errata::{
    Combination, Halves, Instruction, LeafUpdate, Site, Stage1Leaf, Subject, TableBase,
};
use crate::exception::Exception;
use crate::fault::{Fault, FaultKind, Stage};
use crate::granule::Granule;
use crate::implementation::{Features, Implementation};
use crate::level::Level;
use crate::masked::Masked;
use crate::params::{Stage1Params, Stage2Params};
use crate::permissions::Permissions;
use crate::registers::{Field, Registers};
use crate::rule::Rule;
use crate::tlbi::Tlbi;

/// A named way in which a device breaks a rule.
#[derive(Clone, Copy)]
pub struct Erratum {
    /// Its name: words of the manual, with hyphens.
    pub name: &'static str,
    /// What the device does.
    pub does: &'static str,
    /// What it breaks: a function of the pseudocode, or a field or section of DDI 0487.
    pub breaks: &'static str,
    /// How it is walked with.
    pub effect: Effect,
}

impl Erratum {
    pub(crate) const fn new(
        name: &'static str,
        does: &'static str,
        breaks: &'static str,
        effect: Effect,
    ) -> Self {
        Self { name, does, breaks, effect }
    }

    /// Does the device die or hang by an instruction that ends in this fault?
    #[must_use]
    pub fn kills(&self, instruction: &Instruction, fault: &Fault) -> bool {
        match self.effect {
            Effect::Kills { by, stage, s1_walk, kind } => {
                let is_its = (stage, s1_walk, kind) == (fault.stage, fault.s1_walk, fault.kind);
                by(instruction) && is_its
            }
            _ => false,
        }
    }

    /// Does the device die or hang by it?
    #[must_use]
    pub const fn is_deadly(&self) -> bool {
        matches!(self.effect, Effect::Kills { .. })
    }

    /// What a device with it makes of a TLBI.
    #[must_use]
    pub fn of_tlbi(&self, mut tlbi: Tlbi) -> Tlbi {
        if let Effect::Tlbi(change) = self.effect {
            change(&mut tlbi);
        }
        tlbi
    }
}

/// What an erratum does to a walk.
#[derive(Clone, Copy)]
pub enum Effect {
    /// A rule is not applied, at one stage or at both.
    Lifts(Option<Stage>, Rule),
    /// A rule is not applied where what it looks at is not said by a leaf of the stage.
    LiftsWithoutLeaf(Rule),
    /// A rule is applied where it is not due, at such sites.
    Imposes(Rule, fn(&Site) -> bool),
    /// A rule is applied after all others of its stage, with a fault of level 0.
    Postpones(Rule),
    /// Another address of a leaf is held against the output size: its format, its value, its output.
    CheckedAddress(Stage, fn(&Format, u64, u64) -> u64),
    /// The base of the first table comes out otherwise, and the bits of it that should be zero.
    Base(Stage, fn(&TableBase<'_>) -> (u64, u64)),
    /// The smallest `VTCR_EL2.T0SZ` is another, for so many bits of PS.
    Stage2MinTxsz(fn(u64, u32) -> u64),
    /// Stage 2 does not start at such levels, by the granule and the bits that PS stands for.
    NoStart(fn(Granule, Level, u32) -> bool),
    /// An atomic is translated in two parts.
    Halves(Halves),
    /// A field of a register is taken for this value, where the condition on all registers holds.
    Register {
        /// The register in those of the device.
        register: fn(&mut Registers) -> &mut u64,
        /// The field.
        field: Field,
        /// What it is taken for.
        value: u64,
        /// Where the register has this field.
        within: fn(&Implementation, &Registers) -> bool,
    },
    /// A feature that the ID registers tell of is not there.
    Without(Features),
    /// A feature is there that the ID registers do not tell of.
    With(Features),
    /// Bits of a descriptor are taken for others: leaf or table, its value.
    Descriptor(Stage, fn(&Site, u64) -> u64),
    /// The parameters of stage 1 come out otherwise.
    Stage1(fn(&Subject, &mut Stage1Params)),
    /// The parameters of stage 2 come out otherwise.
    Stage2(fn(&Subject, &mut Stage2Params)),
    /// What a stage 1 leaf allows comes out otherwise.
    Stage1Permissions(fn(&Site, &mut Permissions, &Stage1Leaf<'_>)),
    /// What a stage 2 leaf allows comes out otherwise.
    Stage2Permissions(fn(&Site, &mut Permissions)),
    /// What a leaf says of memory comes out otherwise.
    Attributes(Stage, fn(&Site, &mut MemoryAttributes)),
    /// What both stages together say of memory comes out otherwise.
    Combined(fn(&Combination) -> MemoryAttributes),
    /// The output address of a leaf comes out otherwise.
    Address(Stage, fn(&Site, u64) -> u64),
    /// Hardware updates a leaf otherwise.
    Update(Option<Stage>, fn(&Site, &LeafUpdate) -> u64),
    /// A fault comes out otherwise.
    Fault(fn(&Subject, &mut Fault)),
    /// A fault of stage 2 on a walk of stage 1 comes out otherwise, at this lookup of stage 1.
    WalkFault(fn(&Site, &mut Fault)),
    /// A syndrome comes out otherwise.
    Exception(fn(&Subject, &Fault, &mut Exception)),
    /// `PAR_EL1` comes out otherwise; SH as it is written, where stage 1 was alone.
    Par(fn(Option<u64>, &mut Masked)),
    /// An instruction does nothing.
    Nothing(fn(&Subject) -> bool),
    /// An instruction that ends in such a fault ends the device.
    Kills {
        /// The instructions.
        by: fn(&Instruction) -> bool,
        /// The stage of the fault.
        stage: Stage,
        /// Is it on a walk of stage 1?
        s1_walk: bool,
        /// Its kind.
        kind: FaultKind,
    },
    /// A TLBI takes other things away. No walk sees that: it is for whoever follows what TLBs may hold.
    Tlbi(fn(&mut Tlbi)),
}

/// A kind of point of a walk at which errata act.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Point {
    /// Features and registers are looked at.
    Machine,
    /// An instruction begins.
    Instruction,
    /// The parameters of a stage are resolved.
    Params,
    /// A descriptor is read.
    Descriptor,
    /// An address comes out of a register or a descriptor, or is held against its size.
    Address,
    /// A rule is applied.
    Rule,
    /// What a leaf allows comes out of it.
    Permissions,
    /// What a leaf, or both stages, say of memory comes out.
    Attributes,
    /// Hardware updates a leaf.
    Update,
    /// A fault, a syndrome or `PAR_EL1` is made.
    Report,
    /// The device dies.
    Death,
    /// TLB maintenance is carried out.
    Tlbi,
}

impl Point {
    /// How many kinds there are.
    pub const COUNT: usize = Self::Tlbi as usize + 1;
}

impl Effect {
    /// The kind of point at which it acts.
    #[must_use]
    pub const fn point(&self) -> Point {
        match self {
            Self::Register { .. } | Self::Without(_) | Self::With(_) => Point::Machine,
            Self::Halves(_) | Self::Nothing(_) => Point::Instruction,
            Self::Stage2MinTxsz(_) | Self::NoStart(_) | Self::Stage1(_) | Self::Stage2(_) => {
                Point::Params
            }
            Self::Descriptor(..) => Point::Descriptor,
            Self::CheckedAddress(..) | Self::Base(..) | Self::Address(..) => Point::Address,
            Self::Lifts(..)
            | Self::LiftsWithoutLeaf(_)
            | Self::Imposes(..)
            | Self::Postpones(_) => Point::Rule,
            Self::Stage1Permissions(_) | Self::Stage2Permissions(_) => Point::Permissions,
            Self::Attributes(..) | Self::Combined(_) => Point::Attributes,
            Self::Update(..) => Point::Update,
            Self::Fault(_) | Self::WalkFault(_) | Self::Exception(_) | Self::Par(_) => {
                Point::Report
            }
            Self::Kills { .. } => Point::Death,
            Self::Tlbi(_) => Point::Tlbi,
        }
    }
}

impl fmt::Debug for Erratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Erratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.does, self.breaks)
    }
}

impl PartialEq for Erratum {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Erratum {}

//! What is asked of a translation: an access of an exception level.

use core::fmt;

use crate::address::Va;
use crate::el::El;
use crate::maintenance::Maintenance;
use crate::syndrome::InstructionSyndrome;

/// What an instruction does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A data read.
    Load,
    /// A data write.
    Store,
    /// An atomic read-modify-write, such as LDADD or CAS.
    Atomic,
    /// An instruction fetch.
    Fetch,
    /// DC ZVA: the write of an aligned block, which lies within a page.
    Zero,
}

impl Operation {
    /// Does it read data?
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Atomic)
    }

    /// What kind of access its stages see.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Load | Self::Store | Self::Atomic => Kind::Data,
            Self::Fetch => Kind::Fetch,
            Self::Zero => Kind::Zero,
        }
    }

    /// Does it write data?
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Store | Self::Atomic | Self::Zero)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Store => "store",
            Self::Atomic => "atomic",
            Self::Fetch => "fetch",
            Self::Zero => "DC ZVA",
        })
    }
}

/// What a load or store promises beyond its transfer. It decides whether it may be unaligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// Nothing.
    #[default]
    Plain,
    /// It acquires or releases, such as LDAR, LDAPR and STLR.
    Ordered,
    /// A Load-Exclusive or Store-Exclusive, whether it acquires and releases or not. The store is one that
    /// still has its monitor: without, it may fail and not ask the MMU at all.
    Exclusive,
}

/// How an access lies in memory.
///
/// An access that crosses into another page is asked about in two parts, each at its own address: the first
/// with the alignment of the whole, the other as its [rest](Self::Rest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alignment {
    /// At a multiple of its size; of a pair, of the size of one register.
    #[default]
    Aligned,
    /// Not aligned, but within 16 bytes that are.
    Within16,
    /// Not aligned, and across a multiple of 16.
    Across16,
    /// The rest of an access that is not aligned, in the next page, after its first part met nothing.
    Rest,
}

impl Alignment {
    /// How an access of so many bytes lies at this address; for a Load-Exclusive Pair and the like, the
    /// bytes of both registers.
    ///
    /// Source: `IsAligned`, `AllInAlignedQuantity`.
    #[must_use]
    pub const fn of(va: Va, bytes: u64) -> Self {
        Self::new(va, bytes, bytes)
    }

    /// How a pair of registers of so many bytes each lies at this address. That is for pairs that are one
    /// access (with FEAT_LSE2), whose halves need alignment only one by one; without, each half is an access
    /// of its own.
    ///
    /// Source: `Mem`, with `ispair`.
    #[must_use]
    pub const fn of_pair(va: Va, bytes_each: u64) -> Self {
        Self::new(va, bytes_each, bytes_each.saturating_mul(2))
    }

    const fn new(va: Va, unit: u64, bytes: u64) -> Self {
        if va.0.is_multiple_of(unit) {
            Self::Aligned
        } else if (va.0 % QUANTITY).saturating_add(bytes) <= QUANTITY {
            Self::Within16
        } else {
            Self::Across16
        }
    }

    /// Is it aligned?
    #[must_use]
    pub const fn is_aligned(self) -> bool {
        matches!(self, Self::Aligned)
    }
}

/// The aligned quantity within which FEAT_LSE2 makes unaligned accesses single-copy atomic, in bytes.
const QUANTITY: u64 = 16;

/// An access by an instruction that the PE executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// What it does.
    pub operation: Operation,
    /// The exception level that executes it.
    pub el: El,
    /// An unprivileged load or store (LDTR, STTR and the like).
    pub unprivileged: bool,
    /// What it promises. An [atomic](Operation::Atomic) is one whatever stands here, and a fetch and DC ZVA
    /// promise nothing.
    pub semantics: Semantics,
    /// How it lies. A fetch and DC ZVA are always aligned.
    pub alignment: Alignment,
    /// PSTATE.PAN.
    pub pan: bool,
    /// PSTATE.UAO.
    pub uao: bool,
    /// What a stage 2 fault's syndrome says of the instruction, if it is a plain or an
    /// [ordered](Semantics::Ordered) load or store. All others are [invalid](InstructionSyndrome::Invalid)
    /// whatever stands here.
    pub instruction: InstructionSyndrome,
}

impl Access {
    /// A plain, aligned access with PSTATE.PAN and PSTATE.UAO clear, by an instruction not told.
    #[must_use]
    pub const fn new(operation: Operation, el: El) -> Self {
        Self {
            operation,
            el,
            unprivileged: false,
            semantics: Semantics::Plain,
            alignment: Alignment::Aligned,
            pan: false,
            uao: false,
            instruction: InstructionSyndrome::NotTold,
        }
    }

    /// The same access with PSTATE.PAN as given.
    #[must_use]
    pub const fn with_pan(mut self, pan: bool) -> Self {
        self.pan = pan;
        self
    }

    /// The same access with these semantics.
    #[must_use]
    pub const fn with_semantics(mut self, semantics: Semantics) -> Self {
        self.semantics = semantics;
        self
    }

    /// The same access, lying so.
    #[must_use]
    pub const fn with_alignment(mut self, alignment: Alignment) -> Self {
        self.alignment = alignment;
        self
    }

    /// The same access, by an instruction of which the syndrome says this.
    #[must_use]
    pub const fn with_instruction(mut self, instruction: InstructionSyndrome) -> Self {
        self.instruction = instruction;
        self
    }

    /// Must the whole access be single-copy atomic in memory, and not only in part?
    pub(crate) const fn is_atomic(&self) -> bool {
        match self.operation {
            Operation::Atomic => true,
            Operation::Load | Operation::Store => matches!(self.semantics, Semantics::Exclusive),
            Operation::Fetch | Operation::Zero => false,
        }
    }

    /// Does it acquire or release, and is no atomic and no exclusive?
    pub(crate) const fn is_ordered(&self) -> bool {
        matches!(self.operation, Operation::Load | Operation::Store)
            && matches!(self.semantics, Semantics::Ordered)
    }
}

/// What kind of access a stage is asked about (the pseudocode's `AccessType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A data access by an instruction.
    Data,
    /// An instruction fetch.
    Fetch,
    /// DC ZVA.
    Zero,
    /// A cache maintenance instruction.
    Maintenance(Maintenance),
    /// The read or update of a translation table descriptor.
    Walk,
    /// An address translation instruction.
    At,
}

/// An access as a stage of translation sees it (the pseudocode's `AccessDescriptor`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageAccess {
    pub kind: Kind,
    /// The exception level whose permissions count.
    pub el: El,
    pub reads: bool,
    pub writes: bool,
    pub alignment: Alignment,
    /// Does PSTATE.PAN apply to it, and is it set?
    pub pan: bool,
}

impl StageAccess {
    /// The read of a descriptor on behalf of this access.
    ///
    /// Source: `CreateAccDescS1TTW`.
    pub const fn walk_read(self) -> Self {
        let alignment = Alignment::Aligned;
        Self { kind: Kind::Walk, reads: true, writes: false, alignment, pan: false, ..self }
    }

    /// The hardware update of a descriptor on behalf of this access.
    ///
    /// Source: `CreateAccDescTTEUpdate`.
    pub const fn walk_update(self) -> Self {
        Self { writes: true, ..self.walk_read() }
    }

    /// Would a fault on it be reported as one on a write, unless a check finds out more? An access that
    /// reads too counts as a read.
    pub const fn reported_as_write(self) -> bool {
        self.writes && !self.reads
    }
}

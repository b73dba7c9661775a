//! What is asked of a translation: an access of an exception level.

use core::fmt;

use crate::el::El;

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
}

impl Operation {
    /// Does it read data?
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Atomic)
    }

    /// Does it write data?
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Store | Self::Atomic)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Store => "store",
            Self::Atomic => "atomic",
            Self::Fetch => "fetch",
        })
    }
}

/// An access by an instruction that the PE executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// What it does.
    pub operation: Operation,
    /// The exception level that executes it.
    pub el: El,
    /// An unprivileged load or store (LDTR, STTR and the like).
    pub unprivileged: bool,
    /// Is it aligned to its size?
    pub aligned: bool,
    /// PSTATE.PAN.
    pub pan: bool,
    /// PSTATE.UAO.
    pub uao: bool,
}

impl Access {
    /// An ordinary, aligned access with PSTATE.PAN and PSTATE.UAO clear.
    #[must_use]
    pub const fn new(operation: Operation, el: El) -> Self {
        Self { operation, el, unprivileged: false, aligned: true, pan: false, uao: false }
    }

    /// The same access with PSTATE.PAN as given.
    #[must_use]
    pub const fn with_pan(mut self, pan: bool) -> Self {
        self.pan = pan;
        self
    }

    /// The same access, aligned to its size or not.
    #[must_use]
    pub const fn with_aligned(mut self, aligned: bool) -> Self {
        self.aligned = aligned;
        self
    }
}

/// What kind of access a stage is asked about (the pseudocode's `AccessType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A data access by an instruction.
    Data,
    /// An instruction fetch.
    Fetch,
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
    pub aligned: bool,
    /// Does PSTATE.PAN apply to it, and is it set?
    pub pan: bool,
}

impl StageAccess {
    /// The read of a descriptor on behalf of this access.
    ///
    /// Source: `CreateAccDescS1TTW`.
    pub const fn walk_read(self) -> Self {
        Self { kind: Kind::Walk, reads: true, writes: false, aligned: true, pan: false, ..self }
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

//! One question to the MMU, or one step between questions.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use crate::operation::{Operation, pair};

/// An input address and what is done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Probe {
    /// The input address, a VA of the regime that the operation names; or the operand of a step.
    pub address: u64,
    operation: u8,
    el: u8,
    bytes: u8,
    /// The number of the edit, or the tree, that a step is about.
    pub number: u8,
    /// The number of the PE that does it, 0 for the one that has the case in hand.
    pub pe: u8,
    /// See the constants.
    pub flags: u8,
    reserved: [u8; 2],
}

/// Who executes a probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum El {
    /// The executor itself, in its own set-up or wherever the case's flags say.
    El2 = 0,
    /// A guest at EL1.
    El1 = 1,
    /// A guest at EL0.
    El0 = 2,
}

impl El {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::El2, Self::El1, Self::El0];

    /// The number of the exception level, 0 to 2.
    pub const fn level(self) -> u8 {
        2 - self as u8
    }
}

impl Probe {
    /// Flag of a guest's access: PSTATE.PAN is 1.
    pub const PAN: u8 = 1;
    /// Flag of a TLBI: for all PEs of the Inner Shareable domain, `..IS`.
    pub const INNER_SHAREABLE: u8 = 1 << 1;
    /// Flag of a TLBI: for all PEs of the Outer Shareable domain, `..OS`. FEAT_TLBIOS.
    pub const OUTER_SHAREABLE: u8 = 1 << 2;
    /// Flag of a TLBI: it does not wait for accesses with the XS attribute, `..nXS`. FEAT_XS.
    pub const NXS: u8 = 1 << 3;
    /// Flag: it is done at the same time as the next probe, on another PE, where both are guests'. Probes of
    /// such a run that one PE does, it does in their order.
    pub const TOGETHER: u8 = 1 << 4;

    /// The question `operation` at `address`, by the executor itself, of 8 bytes where that matters.
    pub const fn new(operation: Operation, address: u64) -> Self {
        Self {
            address,
            operation: operation as u8,
            el: El::El2 as u8,
            bytes: 0,
            number: 0,
            pe: 0,
            flags: 0,
            reserved: [0; 2],
        }
    }

    /// The same probe, by a guest.
    pub const fn by(self, el: El) -> Self {
        Self { el: el as u8, ..self }
    }

    /// The same probe, of an access of `bytes` bytes: 1, 2, 4 or 8.
    pub const fn of_bytes(self, bytes: u8) -> Self {
        Self { bytes: if bytes == 8 { 0 } else { bytes }, ..self }
    }

    /// The same probe with these flags too.
    pub const fn with(self, flags: u8) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    /// The same probe, at another address.
    pub const fn at(self, address: u64) -> Self {
        Self { address, ..self }
    }

    /// The same probe, by PE number `pe`.
    pub const fn on(self, pe: u8) -> Self {
        Self { pe, ..self }
    }

    /// The same step, about edit or tree number `number`.
    pub const fn about(self, number: u8) -> Self {
        Self { number, ..self }
    }

    /// What is asked; `None` when the words came from outside and mean nothing.
    pub fn operation(&self) -> Option<Operation> {
        Operation::from_number(self.operation)
    }

    /// Who asks; `None` when the words came from outside and mean nothing.
    pub fn el(&self) -> Option<El> {
        El::ALL.into_iter().find(|el| *el as u8 == self.el)
    }

    /// Size in bytes of the access to one register's worth: 1, 2, 4 or 8. 8 where the words came from
    /// outside and mean nothing.
    pub const fn bytes(&self) -> u8 {
        match self.bytes {
            bytes @ (1 | 2 | 4) => bytes,
            _ => 8,
        }
    }

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The number of the operation, whatever it is.
    pub const fn operation_number(&self) -> u8 {
        self.operation
    }
}

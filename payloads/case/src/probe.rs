//! One question to the MMU.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An input address and what is done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Probe {
    /// The input address, a VA of the regime that the operation names.
    pub address: u64,
    operation: u8,
    reserved: [u8; 7],
}

/// What a probe does with its address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Operation {
    /// `AT S12E1R`: stages 1 and 2, EL1, read.
    AtS12e1r = 0,
    /// `AT S12E1W`: stages 1 and 2, EL1, write.
    AtS12e1w = 1,
    /// `AT S12E0R`: stages 1 and 2, EL0, read.
    AtS12e0r = 2,
    /// `AT S12E0W`: stages 1 and 2, EL0, write.
    AtS12e0w = 3,
    /// `AT S1E2R`: stage 1 of EL2, read.
    AtS1e2r = 4,
    /// `AT S1E2W`: stage 1 of EL2, write.
    AtS1e2w = 5,
    /// `AT S1E1R`: stage 1 of EL1, or of EL2 where HCR_EL2.{E2H, TGE} are 1; read.
    AtS1e1r = 6,
    /// `AT S1E1W`: the same, write.
    AtS1e1w = 7,
    /// `AT S1E0R`: stage 1 of EL0, in the regime of `AT S1E1R`; read.
    AtS1e0r = 8,
    /// `AT S1E0W`: the same, write.
    AtS1e0w = 9,
    /// A load of 8 bytes at EL2; the answer is what was loaded.
    Load = 10,
    /// A store of 8 bytes at EL2: [`crate::stage::stored`] of the probe's number, which is the answer
    /// too.
    Store = 11,
    /// A call of the address at EL2; the answer is what the code there returns. In a stage arena that
    /// is its own physical address, see [`crate::stage`].
    Fetch = 12,
    /// Self-test builds only: the executor jumps to `address` at EL2.
    FaultCode = 0xf0,
    /// Self-test builds only: the executor loads from `address` at EL2.
    FaultData = 0xf1,
    /// Self-test builds only: the executor pushes with its stack pointer at `address`.
    FaultStack = 0xf2,
    /// Self-test builds only: the executor spins for ever.
    Hang = 0xf3,
}

impl Operation {
    /// All operations that put a question to the MMU under test.
    pub const QUESTIONS: [Self; 13] = [
        Self::AtS12e1r,
        Self::AtS12e1w,
        Self::AtS12e0r,
        Self::AtS12e0w,
        Self::AtS1e2r,
        Self::AtS1e2w,
        Self::AtS1e1r,
        Self::AtS1e1w,
        Self::AtS1e0r,
        Self::AtS1e0w,
        Self::Load,
        Self::Store,
        Self::Fetch,
    ];

    /// Those of them that ask stage 2, from wherever they are asked.
    pub const STAGE2: [Self; 4] = [Self::AtS12e1r, Self::AtS12e1w, Self::AtS12e0r, Self::AtS12e0w];

    /// All operations of a self-test build, which hurt the executor itself.
    pub const SELF_TEST: [Self; 4] =
        [Self::FaultCode, Self::FaultData, Self::FaultStack, Self::Hang];

    /// The operation whose number is `number`.
    pub fn from_number(number: u8) -> Option<Self> {
        let all = Self::QUESTIONS.iter().chain(&Self::SELF_TEST);
        all.copied().find(|operation| *operation as u8 == number)
    }

    /// The name in suites, reports and reproducers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtS12e1r => "at_s12e1r",
            Self::AtS12e1w => "at_s12e1w",
            Self::AtS12e0r => "at_s12e0r",
            Self::AtS12e0w => "at_s12e0w",
            Self::AtS1e2r => "at_s1e2r",
            Self::AtS1e2w => "at_s1e2w",
            Self::AtS1e1r => "at_s1e1r",
            Self::AtS1e1w => "at_s1e1w",
            Self::AtS1e0r => "at_s1e0r",
            Self::AtS1e0w => "at_s1e0w",
            Self::Load => "load",
            Self::Store => "store",
            Self::Fetch => "fetch",
            Self::FaultCode => "fault_code",
            Self::FaultData => "fault_data",
            Self::FaultStack => "fault_stack",
            Self::Hang => "hang",
        }
    }

    /// Whether it is an address translation instruction: it reaches no memory but tables.
    pub const fn is_at(self) -> bool {
        (self as u8) < Self::Load as u8
    }

    /// The operation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = Self::QUESTIONS.iter().chain(&Self::SELF_TEST);
        all.copied().find(|operation| operation.name() == name)
    }
}

impl Probe {
    /// The question `operation` at `address`.
    pub const fn new(operation: Operation, address: u64) -> Self {
        Self { address, operation: operation as u8, reserved: [0; 7] }
    }

    /// What is asked; `None` when the words came from outside and mean nothing.
    pub fn operation(&self) -> Option<Operation> {
        Operation::from_number(self.operation)
    }

    /// The number of the operation, whatever it is: for a dispatch table.
    pub const fn number(&self) -> u8 {
        self.operation
    }
}

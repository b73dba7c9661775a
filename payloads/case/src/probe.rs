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
    pub const QUESTIONS: [Self; 4] =
        [Self::AtS12e1r, Self::AtS12e1w, Self::AtS12e0r, Self::AtS12e0w];

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
            Self::FaultCode => "fault_code",
            Self::FaultData => "fault_data",
            Self::FaultStack => "fault_stack",
            Self::Hang => "hang",
        }
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

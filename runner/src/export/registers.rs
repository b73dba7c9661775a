//! The registers that an exported case sets, in the order in which they are written.

use case::control::hcr;
use case::registers;

use super::{fields, hex};

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Those of the EL1&0 regime and of stage 2, but for those that turn translation on.
    pub el1: Vec<Register>,
    pub sctlr_el1: Register,
    pub hcr_el2: Register,
    /// Those of EL2's own stage 1 that are written once HCR_EL2.E2H is, which chooses what `TCR_EL2` means.
    pub el2: Vec<Register>,
    pub sctlr_el2: Register,
}

/// A register and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    pub name: &'static str,
    value: u64,
    /// Its fields.
    words: String,
}

impl Register {
    pub fn value(&self) -> String {
        hex(self.value)
    }

    /// What it says, as a line of comment.
    pub fn comment(&self) -> String {
        format!("        // {} {:#x}: {}", self.name, self.value, self.words)
    }

    /// The line that writes it.
    pub fn set(&self) -> String {
        let name = self.name.to_lowercase();
        let line = format!("        set     {name}, {:#x}", self.value);
        if self.words.is_empty() { line } else { format!("{line:<48}// {}", self.words) }
    }
}

impl Registers {
    /// Those with the values of `registers`.
    pub fn new(registers: &registers::Registers) -> Self {
        let named = |name| {
            let found = registers.named().into_iter().find(|(other, _)| *other == name);
            let value = found.map_or(0, |(_, value)| value);
            Register { name, value, words: fields::words(name, value, registers.hcr_el2) }
        };
        let el1 =
            ["VTCR_EL2", "VTTBR_EL2", "MAIR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1"].map(named);
        // Without FEAT_VHE there is no TTBR1_EL2, and without E2H nothing looks at it.
        let is_host = registers.hcr_el2 & hcr::E2H != 0;
        let el2 = ["MAIR_EL2", "TCR_EL2", "TTBR0_EL2", "TTBR1_EL2"].into_iter();
        let el2 = el2.filter(|name| is_host || *name != "TTBR1_EL2");
        Self {
            el1: el1.into(),
            sctlr_el1: named("SCTLR_EL1"),
            hcr_el2: named("HCR_EL2"),
            el2: el2.map(named).collect(),
            sctlr_el2: named("SCTLR_EL2"),
        }
    }
}

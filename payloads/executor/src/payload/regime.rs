//! The registers of the EL1&0 regime that are loaded now.
//!
//! Each is written only where it changes: a write costs an emulator a flush of its TLB.

use aarch64_cpu::registers::*;

/// What a TLB entry may depend on, beside the roots of stage 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// `HCR_EL2`.
    Hcr,
    /// `SCTLR_EL1`.
    Sctlr,
    /// `TCR_EL1`.
    Tcr,
    /// `MAIR_EL1`.
    Mair,
    /// `TTBR0_EL1`.
    Ttbr0,
    /// `TTBR1_EL1`.
    Ttbr1,
}

/// See the module's page.
pub struct Regime {
    /// By the register's number; `None` where it is not known.
    held: [Option<u64>; 6],
}

impl Regime {
    /// Nothing is known.
    pub const fn unknown() -> Self {
        Self { held: [None; 6] }
    }

    /// Loads `register` with `value`. An ISB makes it count.
    pub fn load(&mut self, register: Register, value: u64) {
        let held = &mut self.held[register as usize];
        if *held == Some(value) {
            return;
        }
        // Not known, should an exception come in between.
        *held = None;
        match register {
            Register::Hcr => HCR_EL2.set(value),
            Register::Sctlr => SCTLR_EL1.set(value),
            Register::Tcr => TCR_EL1.set(value),
            Register::Mair => MAIR_EL1.set(value),
            Register::Ttbr0 => TTBR0_EL1.set(value),
            Register::Ttbr1 => TTBR1_EL1.set(value),
        }
        *held = Some(value);
    }

    /// Writes all that is known again, whatever the registers hold.
    pub fn restore(&mut self) {
        const ALL: [Register; 6] = [
            Register::Hcr,
            Register::Sctlr,
            Register::Tcr,
            Register::Mair,
            Register::Ttbr0,
            Register::Ttbr1,
        ];
        for register in ALL {
            if let Some(value) = self.held[register as usize].take() {
                self.load(register, value);
            }
        }
    }
}

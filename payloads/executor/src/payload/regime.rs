//! EL1&0 regime: the registers of it that are loaded at this PE.
//!
//! The executor runs at EL2 with HCR_EL2.E2H at 0: whatever is loaded here has no effect on how its own memory is
//! seen.
//!
//! Most are written only where they change: a write costs an emulator a flush of its TLB.

use aarch64_cpu::registers::*;
use case::registers::Registers;
use executor::abi::HCR_EL2_ROUTING;
use tables::Built;

use crate::payload::asm;

/// Bits of `HCR_EL2` with which the executor could not go on in its own context: E2H and TGE.
pub const HCR_EL2_REFUSED: u64 = 1 << 34 | 1 << 27;

/// A register with the root of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// `VTTBR_EL2`.
    Vttbr,
    /// `TTBR0_EL1`.
    Ttbr0,
    /// `TTBR1_EL1`.
    Ttbr1,
}

/// What a TLB entry may depend on, beside stage 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Register {
    Hcr,
    Sctlr,
    Tcr,
    Mair,
    Ttbr0,
    Ttbr1,
}

impl Register {
    const ALL: [Self; 6] =
        [Self::Hcr, Self::Sctlr, Self::Tcr, Self::Mair, Self::Ttbr0, Self::Ttbr1];
}

/// What of a case's regime is known before its tables are built.
#[derive(Clone, Copy)]
pub struct Controls {
    hcr_el2: u64,
    sctlr_el1: u64,
    tcr_el1: u64,
    mair_el1: u64,
    vtcr_el2: u64,
}

/// Where its tables begin.
#[derive(Clone, Copy)]
pub struct Roots {
    vttbr_el2: u64,
    ttbr0_el1: u64,
    ttbr1_el1: u64,
}

impl Controls {
    /// Those of `registers`, with `traps` set in `HCR_EL2`. What is refused here, a world switch sets.
    pub const fn new(registers: &Registers, traps: u64) -> Self {
        Self {
            hcr_el2: registers.hcr_el2 & !HCR_EL2_REFUSED | HCR_EL2_ROUTING | traps,
            sctlr_el1: registers.sctlr_el1,
            tcr_el1: registers.tcr_el1,
            mair_el1: registers.mair_el1,
            vtcr_el2: registers.vtcr_el2,
        }
    }
}

impl Roots {
    /// Those of `built`.
    pub const fn new(built: &Built) -> Self {
        let Built { vttbr_el2, ttbr0_el1, ttbr1_el1, .. } = *built;
        Self { vttbr_el2, ttbr0_el1, ttbr1_el1 }
    }
}

pub struct Regime {
    /// By the register's number; `None` where it is not known.
    held: [Option<u64>; Register::ALL.len()],
}

impl Regime {
    /// Nothing is known.
    pub const fn unknown() -> Self {
        Self { held: [None; Register::ALL.len()] }
    }

    /// Loads what a TLB entry may depend on, but for roots, and then empties the TLB. The empty root of stage 2
    /// is loaded.
    pub fn prepare(&mut self, controls: &Controls) {
        self.load(Register::Hcr, controls.hcr_el2);
        self.load(Register::Sctlr, controls.sctlr_el1);
        self.load(Register::Tcr, controls.tcr_el1);
        self.load(Register::Mair, controls.mair_el1);
        empty_tlb();
    }

    /// Loads the roots of tables that walks see. Where stage 1 is on, the TLB is emptied once more.
    pub fn enter(&mut self, controls: &Controls, roots: &Roots) {
        VTCR_EL2.set(controls.vtcr_el2);
        VTTBR_EL2.set(roots.vttbr_el2);
        self.load(Register::Ttbr0, roots.ttbr0_el1);
        self.load(Register::Ttbr1, roots.ttbr1_el1);
        asm::isb();
        if has_stage1(controls.sctlr_el1) {
            empty_tlb();
        }
    }

    /// Loads `register` with `value`. An ISB makes it count.
    fn load(&mut self, register: Register, value: u64) {
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

    /// Loads the root of another tree.
    pub fn use_root(&mut self, root: Root, value: u64) {
        match root {
            Root::Vttbr => VTTBR_EL2.set(value),
            Root::Ttbr0 => self.load(Register::Ttbr0, value),
            Root::Ttbr1 => self.load(Register::Ttbr1, value),
        }
        asm::isb();
    }

    /// Writes all that is known again, whatever the registers hold, and empties the TLB.
    pub fn restore(&mut self) {
        for register in Register::ALL {
            if let Some(value) = self.held[register as usize].take() {
                self.load(register, value);
            }
        }
        empty_tlb();
    }
}

/// Whether stage 1 of the EL1&0 regime may be on: SCTLR_EL1.M. (HCR_EL2.DC would turn it off.)
pub const fn has_stage1(sctlr_el1: u64) -> bool {
    sctlr_el1 & 1 != 0
}

/// Empties the TLB of the EL1&0 regime at this PE. The registers written before count, and stores before are
/// seen by walks, before it is done; and nothing that was made before is left.
fn empty_tlb() {
    asm::isb();
    asm::dsb_ish();
    asm::tlbi_alle1();
    asm::dsb_nsh();
    asm::isb();
}

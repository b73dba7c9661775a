//! Exception levels and the translation regimes that belong to them.

use core::fmt;

use crate::implementation::{Features, Implementation};
use crate::registers::Registers;

/// An exception level. EL3 translates by a regime that is out of scope, but exceptions may name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum El {
    /// Applications.
    El0,
    /// Operating systems.
    El1,
    /// Hypervisors.
    El2,
    /// Firmware.
    El3,
}

impl El {
    /// Its number, 0 to 3.
    #[must_use]
    pub const fn get(self) -> u8 {
        self as u8
    }

    /// The exception level of that number, if there is one.
    #[must_use]
    pub const fn new(el: u8) -> Option<Self> {
        Some(match el {
            0 => Self::El0,
            1 => Self::El1,
            2 => Self::El2,
            3 => Self::El3,
            _ => return None,
        })
    }
}

impl fmt::Display for El {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EL{}", self.get())
    }
}

/// A translation regime of the Non-secure state (the pseudocode's `Regime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// EL1&0: `TCR_EL1`, two address ranges, and stage 2 behind it.
    El10,
    /// EL2 with `HCR_EL2.E2H` = 0: one address range, no unprivileged accesses, one stage.
    El2,
    /// EL2&0, with `HCR_EL2.E2H` = 1: `TCR_EL2` laid out as `TCR_EL1`, one stage.
    El20,
}

impl Regime {
    /// The regime by which an access of this exception level is translated.
    /// `None` for EL3, which is out of scope.
    ///
    /// Source: `TranslationRegime`, `ELIsInHost`.
    #[must_use]
    pub fn of(el: El, implementation: &Implementation, registers: &Registers) -> Option<Self> {
        let hcr = registers.hcr_el2();
        let e2h = implementation.has(Features::FEAT_VHE) && hcr.e2h();
        Some(match el {
            El::El0 if e2h && hcr.tge() => Self::El20,
            El::El0 | El::El1 => Self::El10,
            El::El2 if e2h => Self::El20,
            El::El2 => Self::El2,
            El::El3 => return None,
        })
    }

    /// Does the regime serve EL0 too, and so tell privileged from unprivileged?
    ///
    /// Source: `HasUnprivileged`.
    #[must_use]
    pub const fn has_unprivileged(self) -> bool {
        matches!(self, Self::El10 | Self::El20)
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::El10 => "EL1&0",
            Self::El2 => "EL2",
            Self::El20 => "EL2&0",
        })
    }
}

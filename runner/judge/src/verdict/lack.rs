//! What cases want done that a target can't do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a case wants done that its target, or the executor, can't do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// It takes more PEs than there are.
    Pes,
    /// It takes a monitor at EL3.
    Monitor,
    /// It takes FEAT_VHE.
    Vhe,
    /// A guest asks in a case without the flag that says so.
    GuestFlag,
    /// Guests, in a case whose EL2 registers are switched to.
    SwitchedGuests,
    /// Steps, in a case whose EL2 registers are switched to.
    SwitchedSteps,
    /// A step by a guest.
    GuestStep,
    /// A secondary PE does what only the first one does.
    SecondaryPe,
    /// A form of TLB maintenance that the PE does not have.
    TlbiForm,
    /// A guest in AArch32 state.
    AArch32,
    /// A guest with PSTATE.PAN, without FEAT_PAN.
    Pan,
    /// The target refuses it, and the host does not know why.
    Untold,
}

impl Lack {
    pub const ALL: [Self; 12] = [
        Self::Pes,
        Self::Monitor,
        Self::Vhe,
        Self::GuestFlag,
        Self::SwitchedGuests,
        Self::SwitchedSteps,
        Self::GuestStep,
        Self::SecondaryPe,
        Self::TlbiForm,
        Self::AArch32,
        Self::Pan,
        Self::Untold,
    ];

    /// The same in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Pes => "it takes more PEs than the target has",
            Self::Monitor => "it takes a monitor at EL3, and the target has none",
            Self::Vhe => "it takes FEAT_VHE, which the PE does not have",
            Self::GuestFlag => "a guest asks by `el` 1 or 0, and the case lacks the flag `guest`",
            Self::SwitchedGuests => {
                "no guest runs where the executor switches to the case's EL2 registers"
            }
            Self::SwitchedSteps => {
                "no step is done where the executor switches to the case's EL2 registers"
            }
            Self::GuestStep => "a step is done by EL2, and not by a guest",
            Self::SecondaryPe => {
                "another PE than the first asks by guests, by steps or by AT instructions of EL1&0, in a case with guests"
            }
            Self::TlbiForm => "the PE has no such form of TLB maintenance",
            Self::AArch32 => "guests run in AArch64 state alone: HCR_EL2.RW is 0",
            Self::Pan => "it takes FEAT_PAN, which the PE does not have",
            Self::Untold => "the target can't do what the case asks",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

//! Faults of the memory management unit.

use core::fmt;

use crate::address::Ipa;
use crate::level::Level;

/// The stage of translation that raised a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Stage 1.
    One,
    /// Stage 2.
    Two,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "stage 1",
            Self::Two => "stage 2",
        })
    }
}

/// What went wrong (the pseudocode's `Fault`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No translation for the address.
    Translation,
    /// An address larger than the output size.
    AddressSize,
    /// The access flag is clear, and the hardware does not set it.
    AccessFlag,
    /// The access is not permitted.
    Permission,
    /// An unaligned access, to Device memory or at all. It has no level.
    Alignment,
    /// A synchronous External abort on a translation table walk.
    ExternalAbortOnWalk,
    /// A hardware update of a descriptor in memory that does not support it. It has no level.
    UnsupportedUpdate,
    /// The TLB holds conflicting entries. It has no level.
    TlbConflict,
    /// An exclusive or atomic access to memory that does not support it. It has no level.
    UnsupportedAtomic,
}

impl FaultKind {
    /// Does the level say anything about a fault of this kind?
    #[must_use]
    pub const fn has_level(self) -> bool {
        !matches!(
            self,
            Self::Alignment | Self::UnsupportedUpdate | Self::TlbConflict | Self::UnsupportedAtomic
        )
    }

    /// Is it an External abort?
    #[must_use]
    pub const fn is_external_abort(self) -> bool {
        matches!(self, Self::ExternalAbortOnWalk)
    }

    /// The fault status code of the long-descriptor format, as in `ESR_ELx.DFSC` and `PAR_EL1.FST`.
    ///
    /// Source: `EncodeLDFSC`.
    #[must_use]
    pub const fn status_code(self, level: Level) -> u64 {
        let (base, at_minus_1) = match self {
            Self::AddressSize => (0b00_0000, 0b10_1001),
            Self::Translation => (0b00_0100, 0b10_1011),
            // There is no leaf at level -1, and so no fault of a leaf. The base is used all the same,
            // so that the function has a value everywhere.
            Self::AccessFlag => (0b00_1000, 0b00_1000),
            Self::Permission => (0b00_1100, 0b00_1100),
            Self::ExternalAbortOnWalk => (0b01_0100, 0b01_0011),
            Self::Alignment => return 0b10_0001,
            Self::TlbConflict => return 0b11_0000,
            Self::UnsupportedUpdate => return 0b11_0001,
            Self::UnsupportedAtomic => return 0b11_0101,
        };
        if level.get() < 0 { at_minus_1 } else { base + level.get() as u64 }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Translation => "Translation fault",
            Self::AddressSize => "Address size fault",
            Self::AccessFlag => "Access flag fault",
            Self::Permission => "Permission fault",
            Self::Alignment => "Alignment fault",
            Self::ExternalAbortOnWalk => "External abort on translation table walk",
            Self::UnsupportedUpdate => "Unsupported atomic hardware update fault",
            Self::TlbConflict => "TLB conflict abort",
            Self::UnsupportedAtomic => "Unsupported Exclusive or Atomic access",
        })
    }
}

/// A fault of a translation (the pseudocode's `FaultRecord`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The level of the lookup that failed; meaningless where [`FaultKind::has_level`] says so.
    pub level: Level,
    /// The stage that failed.
    pub stage: Stage,
    /// A stage 2 fault on the access to a stage 1 descriptor.
    pub s1_walk: bool,
    /// For a stage 2 fault, the address that could not be translated.
    pub ipa: Option<Ipa>,
    /// Was it a write that failed?
    pub write: bool,
    /// A Permission fault because the descriptor says clean and the hardware does not manage dirty state.
    pub dirty_bit: bool,
}

impl Fault {
    /// Its fault status code.
    #[must_use]
    pub const fn status_code(&self) -> u64 {
        self.kind.status_code(self.level)
    }

    /// Does `HPFAR_EL2` hold the faulting IPA?
    ///
    /// Source: `IPAValid`.
    #[must_use]
    pub const fn ipa_valid(&self) -> bool {
        match (self.stage, self.kind) {
            (Stage::One, _) => false,
            (_, FaultKind::Translation | FaultKind::AddressSize | FaultKind::AccessFlag) => true,
            (_, FaultKind::Permission) => self.s1_walk,
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.stage, self.kind)?;
        if self.kind.has_level() {
            write!(f, ", level {}", self.level)?;
        }
        if self.s1_walk {
            f.write_str(", on a stage 1 walk")?;
        }
        match self.ipa {
            Some(ipa) => write!(f, ", IPA {ipa}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Fault {}

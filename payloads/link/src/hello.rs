//! What is said before and after the cases.

use case::abilities::{Abilities, Ids};
use case::memory::{Arena, ArenaKind, MAX_ARENAS, MemoryMap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::surroundings::Surroundings;

/// The most regions of free RAM that a target reports.
pub const MAX_REGIONS: usize = 16;
/// The most PEs that a target lends.
pub const MAX_PES: usize = 4;

/// Declares [`IdRegisters`] and what goes through all of them, from one list: field and Arm's name.
macro_rules! id_registers {
    ($($field:ident $name:literal)*) => {
        /// ID registers of one PE, raw.
        #[derive(
            Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(C)]
        pub struct IdRegisters {
            $(#[doc = concat!("`", $name, "`.")] pub $field: u64,)*
        }

        impl IdRegisters {
            /// How many there are.
            pub const COUNT: usize = [$($name),*].len();

            /// Name and value of each register, in the order of the fields.
            pub fn named(&self) -> [(&'static str, u64); Self::COUNT] {
                [$(($name, self.$field)),*]
            }

            /// The registers whose values `value` tells by their names.
            pub fn from_named(value: impl Fn(&'static str) -> u64) -> Self {
                Self { $($field: value($name)),* }
            }
        }
    };
}

id_registers! {
    midr_el1 "MIDR_EL1"
    mpidr_el1 "MPIDR_EL1"
    revidr_el1 "REVIDR_EL1"
    ctr_el0 "CTR_EL0"
    id_aa64pfr0_el1 "ID_AA64PFR0_EL1"
    id_aa64pfr1_el1 "ID_AA64PFR1_EL1"
    id_aa64dfr0_el1 "ID_AA64DFR0_EL1"
    id_aa64isar0_el1 "ID_AA64ISAR0_EL1"
    id_aa64isar1_el1 "ID_AA64ISAR1_EL1"
    id_aa64isar2_el1 "ID_AA64ISAR2_EL1"
    id_aa64mmfr0_el1 "ID_AA64MMFR0_EL1"
    id_aa64mmfr1_el1 "ID_AA64MMFR1_EL1"
    id_aa64mmfr2_el1 "ID_AA64MMFR2_EL1"
    id_aa64mmfr3_el1 "ID_AA64MMFR3_EL1"
    id_aa64mmfr4_el1 "ID_AA64MMFR4_EL1"
}

impl IdRegisters {
    /// What drawing wants to know: the same on host and target. What no ID register says is not there.
    pub fn abilities(&self) -> Abilities {
        macro_rules! ids {
            ($($field:ident)*) => { Ids { $($field: self.$field,)* } };
        }
        Abilities::new(&case::ids!(ids))
    }
}

/// A piece of the physical address space.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Region {
    /// First physical address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
}

/// The target's first words: who it is and what it found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Hello {
    /// [`crate::VERSION`] of the executor.
    pub version: u32,
    /// The EL at which it was entered, 1 to 3.
    pub entry_el: u32,
    /// Physical address of the first byte of its image.
    pub image: u64,
    /// `HCR_EL2` at entry, before anything was set.
    pub entry_hcr_el2: u64,
    /// `SCTLR_EL2` at entry.
    pub entry_sctlr_el2: u64,
    /// The ID registers.
    pub ids: IdRegisters,
    /// How many PEs it can lend, itself included: 1 to [`MAX_PES`].
    pub pes: u64,
    /// What it found around itself.
    pub surroundings: Surroundings,
    /// How many of `free` count.
    pub free_count: u64,
    /// RAM that belongs to nobody: neither image, device tree, reserved memory nor mailbox.
    pub free: [Region; MAX_REGIONS],
    /// What became of its own map.
    pub own_map: OwnMap,
}

/// What became of the executor's own map: EL2's stage 1 translation, in which it lives.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct OwnMap {
    /// See the constants.
    pub state: u64,
    /// `ESR_EL2` of the exception.
    pub esr: u64,
    /// `ELR_EL2` of the exception, relative to the image where it lies in it.
    pub elr: u64,
    /// `FAR_EL2` of the exception, or the address that led elsewhere; relative to the image where it lies in it.
    pub far: u64,
}

impl OwnMap {
    /// State: it is in use.
    pub const IN_USE: u64 = 0;
    /// State: it led to an exception, and the MMU is off.
    pub const EXCEPTION: u64 = 1;
    /// State: it led to other memory, and the MMU is off.
    pub const ELSEWHERE: u64 = 2;

    /// The map is in use.
    pub const ON: Self = Self { state: Self::IN_USE, esr: 0, elr: 0, far: 0 };

    /// Whether it is in use.
    pub const fn is_on(&self) -> bool {
        self.state == Self::IN_USE
    }
}

impl core::fmt::Display for OwnMap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { state, esr, elr, far } = self;
        match *state {
            Self::IN_USE => f.write_str("EL2's own stage 1 is on"),
            Self::ELSEWHERE => {
                write!(
                    f,
                    "EL2's own stage 1 leads from image + {far:#x} to other memory; the MMU is off"
                )
            }
            _ => write!(
                f,
                "EL2's own stage 1 led to an exception (ESR_EL2 {esr:#x}, at image + {elr:#x}, FAR_EL2 image + \
                 {far:#x}); the MMU is off"
            ),
        }
    }
}

impl Hello {
    /// Whether there is a monitor at EL3: the executor leaves one where it is entered there.
    pub const fn has_monitor(&self) -> bool {
        self.entry_el == 3
    }

    /// What cases for this target are drawn by.
    pub fn abilities(&self) -> Abilities {
        self.ids.abilities().with_monitor(self.has_monitor())
    }

    /// The regions of free RAM that count.
    pub fn free(&self) -> &[Region] {
        let count = usize::try_from(self.free_count).unwrap_or(usize::MAX);
        &self.free[..count.min(MAX_REGIONS)]
    }
}

/// The host's answer: the arenas, by number, and how many PEs it wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Configure {
    /// How many PEs take part in cases. Others than the first are started for it.
    pub pes: u64,
    count: u64,
    arenas: [ConfiguredArena; MAX_ARENAS],
}

#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
/// One arena, as it crosses the wire.
#[repr(C)]
pub struct ConfiguredArena {
    region: Region,
    kind: u64,
}

impl Configure {
    /// The message for `map`, and for one PE.
    pub fn new(map: &MemoryMap) -> Self {
        let mut arenas = [ConfiguredArena::default(); MAX_ARENAS];
        for (slot, arena) in arenas.iter_mut().zip(map.arenas()) {
            slot.region = Region { base: arena.base, size: arena.size };
            slot.kind = arena.kind as u64;
        }
        Self { pes: 1, count: map.arenas().len() as u64, arenas }
    }

    /// The same message, for `pes` PEs.
    pub const fn with_pes(self, pes: u64) -> Self {
        Self { pes, ..self }
    }

    /// The map that the message carries; `None` when it makes no sense.
    pub fn map(&self) -> Option<MemoryMap> {
        let count = usize::try_from(self.count).ok()?;
        let mut map = MemoryMap::new();
        for arena in self.arenas.get(..count)? {
            let kind = ArenaKind::from_number(arena.kind)?;
            map.push(Arena { base: arena.region.base, size: arena.region.size, kind })?;
        }
        Some(map)
    }
}

/// The executor's last words.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Epitaph {
    /// Why, see the constants.
    pub reason: u64,
    /// `ESR_EL2`, or the line number of a panic.
    pub esr: u64,
    /// `ELR_EL2`, relative to the start of the image.
    pub elr: u64,
    /// `FAR_EL2`.
    pub far: u64,
}

impl Epitaph {
    /// It was entered at EL1, from where EL2 can't be reached.
    pub const NO_EL2: u64 = 1;
    /// A Rust panic.
    pub const PANIC: u64 = 2;
    /// An exception where none can be survived.
    pub const EXCEPTION: u64 = 3;
    /// The configuration can't be mapped on this PE.
    pub const BAD_CONFIGURATION: u64 = 4;
    /// HCR_EL2.E2H can't be 0 on this PE.
    pub const E2H_FIXED: u64 = 5;
    /// Another PE does not start. `far` is its affinity, `elr` 1 where firmware was asked for it, and `esr` what
    /// that answered.
    pub const PE_MISSING: u64 = 6;
    /// Another PE took an exception that it can't survive.
    pub const PE_LOST: u64 = 7;

    /// The reason in words.
    pub const fn reason_name(&self) -> &'static str {
        match self.reason {
            Self::NO_EL2 => {
                "the executor was entered at EL1: the target must start it at EL2 or EL3"
            }
            Self::PANIC => "the executor panicked",
            Self::EXCEPTION => "the executor took an exception that it can't survive",
            Self::BAD_CONFIGURATION => "the executor can't map the arenas that it was given",
            Self::E2H_FIXED => {
                "HCR_EL2.E2H is always 1 on this PE: the executor needs EL2 without it"
            }
            Self::PE_MISSING => "another PE, which the executor was told to use, does not start",
            Self::PE_LOST => "another PE of the executor took an exception that it can't survive",
            _ => "the executor gave no reason that is known",
        }
    }
}

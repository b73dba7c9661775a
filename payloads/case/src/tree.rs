//! One tree of translation tables: what it is for, its shape, and where its tables lie.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::MAX_SLOTS;
use crate::format::{Format, RawFormat};
use crate::memory::Place;
use crate::owned::CaseFull;

/// What a tree translates, and by which register a walk finds its root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Role {
    /// Stage 2 of the EL1&0 regime: `VTTBR_EL2`.
    Stage2 = 0,
    /// Stage 1 of EL2, or the lower range of EL2&0: `TTBR0_EL2`.
    Ttbr0El2 = 1,
    /// The upper range of EL2&0: `TTBR1_EL2`.
    Ttbr1El2 = 2,
    /// Stage 1 of EL2 while the executor enters a set-up whose own tree can't map the trampoline to
    /// itself: `TTBR0_EL2`, and `TCR_EL2` as [`crate::registers::Registers::idmap_tcr_el2`] says.
    Idmap = 3,
    /// Stage 1 of EL1&0, the lower range: `TTBR0_EL1`. Its tables are found by their IPAs.
    Ttbr0El1 = 4,
    /// The upper range of EL1&0: `TTBR1_EL1`, likewise.
    Ttbr1El1 = 5,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Stage2, Self::Ttbr0El2, Self::Ttbr1El2, Self::Idmap, Self::Ttbr0El1, Self::Ttbr1El1];

    /// The role whose number is `number`.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == number)
    }

    /// The name in suites, reports and reproducers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stage2 => "stage2",
            Self::Ttbr0El2 => "ttbr0_el2",
            Self::Ttbr1El2 => "ttbr1_el2",
            Self::Idmap => "idmap",
            Self::Ttbr0El1 => "ttbr0_el1",
            Self::Ttbr1El1 => "ttbr1_el1",
        }
    }

    /// Whether descriptors are those of stage 1.
    pub const fn is_stage1(self) -> bool {
        !matches!(self, Self::Stage2)
    }

    /// Whether the walker finds its tables by their IPAs: stage 1 of a regime that has a stage 2.
    pub const fn is_in_ipa_space(self) -> bool {
        matches!(self, Self::Ttbr0El1 | Self::Ttbr1El1)
    }

    /// The virtual or intermediate address for `input`, which has `ia_bits` bits: mappings and edits
    /// name an address of an upper range without the ones in front of it.
    pub const fn address(self, ia_bits: u8, input: u64) -> u64 {
        match self {
            Self::Ttbr1El2 | Self::Ttbr1El1 => input | u64::MAX << ia_bits,
            Self::Stage2 | Self::Ttbr0El2 | Self::Idmap | Self::Ttbr0El1 => input,
        }
    }
}

/// One tree of tables. Any bit pattern is a value of this type; the getters say what it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tree {
    format: RawFormat,
    role: u8,
    slot_count: u8,
    reserved: [u8; 6],
    slots: [Place; MAX_SLOTS],
    ipas: [u64; MAX_SLOTS],
}

impl Tree {
    /// A tree with one slot, whose tables the walker finds by their physical addresses.
    pub fn new(role: Role, format: Format, root: Place) -> Self {
        let mut slots = [Place::default(); MAX_SLOTS];
        slots[0] = root;
        Self {
            format: format.into(),
            role: role as u8,
            slot_count: 1,
            reserved: [0; 6],
            slots,
            ipas: [0; MAX_SLOTS],
        }
    }

    /// A tree without slots. Its role is one whose tables are found by IPA.
    pub fn in_ipa_space(role: Role, format: Format) -> Self {
        Self { slot_count: 0, ..Self::new(role, format, Place::default()) }
    }

    /// Adds a place from which tables are allocated.
    pub fn push_slot(&mut self, place: Place) -> Result<(), CaseFull> {
        self.push_slot_at(place, 0)
    }

    /// Adds a place from which tables are allocated, whose first byte has this IPA.
    pub fn push_slot_at(&mut self, place: Place, ipa: u64) -> Result<(), CaseFull> {
        let number = usize::from(self.slot_count);
        *self.slots.get_mut(number).ok_or(CaseFull)? = place;
        self.ipas[number] = ipa;
        self.slot_count += 1;
        Ok(())
    }

    /// What it is for; `None` when the words came from outside and mean nothing.
    pub fn role(&self) -> Option<Role> {
        Role::from_number(self.role)
    }

    /// Its shape; `None` when the words came from outside and mean nothing.
    pub fn format(&self) -> Option<Format> {
        self.format.decode()
    }

    /// Where its tables are allocated: table number n comes from slot n modulo their number, 1 to 16.
    pub fn slots(&self) -> &[Place] {
        &self.slots[..usize::from(self.slot_count).min(MAX_SLOTS)]
    }

    /// The IPA of the first byte of each slot, of a tree whose tables are found by IPA; 0 in any other.
    /// What is in a slot follows on: byte n of it has the n-th IPA behind.
    pub fn ipas(&self) -> &[u64] {
        &self.ipas[..self.slots().len()]
    }
}

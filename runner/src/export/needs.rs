//! What the program needs of a PE: the fields of ID registers on which it depends what is allowed.
//!
//! What is allowed was worked out for the PE on which the case was found. Each field is varied alone: the program goes
//! on where its value is one by which the same is allowed.

use case::control::hcr;
use case::operation::Operation;
use case::probe::Probe;
use case::{Case, Flags};
use golden::Updates;
use link::hello::IdRegisters;
use oracle::expectation::{Expectation, Setting};
use oracle::guest::Asker;
use oracle::learned::Learned;
use oracle::twin::Tables;

/// Register, its name for an assembler that may be older, field, and where that begins. All fields are of 4 bits.
const FIELDS: [(&str, &str, &str, u32); 34] = [
    (PFR0, "id_aa64pfr0_el1", "RAS", 28),
    (ISAR0, "id_aa64isar0_el1", "Atomic", 20),
    (ISAR1, "id_aa64isar1_el1", "APA", 4),
    (ISAR1, "id_aa64isar1_el1", "API", 8),
    (ISAR1, "id_aa64isar1_el1", "XS", 56),
    (ISAR1, "id_aa64isar1_el1", "LS64", 60),
    ("ID_AA64ISAR2_EL1", "S3_0_C0_C6_2", "APA3", 12),
    (MMFR0, "id_aa64mmfr0_el1", "PARange", 0),
    (MMFR0, "id_aa64mmfr0_el1", "TGran16", 20),
    (MMFR0, "id_aa64mmfr0_el1", "TGran64", 24),
    (MMFR0, "id_aa64mmfr0_el1", "TGran4", 28),
    (MMFR0, "id_aa64mmfr0_el1", "TGran16_2", 32),
    (MMFR0, "id_aa64mmfr0_el1", "TGran64_2", 36),
    (MMFR0, "id_aa64mmfr0_el1", "TGran4_2", 40),
    (MMFR1, "id_aa64mmfr1_el1", "HAFDBS", 0),
    (MMFR1, "id_aa64mmfr1_el1", "VMIDBits", 4),
    (MMFR1, "id_aa64mmfr1_el1", "VH", 8),
    (MMFR1, "id_aa64mmfr1_el1", "HPDS", 12),
    (MMFR1, "id_aa64mmfr1_el1", "PAN", 20),
    (MMFR1, "id_aa64mmfr1_el1", "XNX", 28),
    (MMFR1, "id_aa64mmfr1_el1", "CMOW", 56),
    (MMFR2, "S3_0_C0_C7_2", "CnP", 0),
    (MMFR2, "S3_0_C0_C7_2", "UAO", 4),
    (MMFR2, "S3_0_C0_C7_2", "VARange", 16),
    (MMFR2, "S3_0_C0_C7_2", "NV", 24),
    (MMFR2, "S3_0_C0_C7_2", "ST", 28),
    (MMFR2, "S3_0_C0_C7_2", "AT", 32),
    (MMFR2, "S3_0_C0_C7_2", "FWB", 40),
    (MMFR2, "S3_0_C0_C7_2", "BBM", 52),
    (MMFR2, "S3_0_C0_C7_2", "E0PD", 60),
    (MMFR3, "S3_0_C0_C7_3", "TCRX", 0),
    (MMFR3, "S3_0_C0_C7_3", "S1PIE", 8),
    (MMFR3, "S3_0_C0_C7_3", "S2PIE", 12),
    (MMFR3, "S3_0_C0_C7_3", "AIE", 24),
];

const PFR0: &str = "ID_AA64PFR0_EL1";
const ISAR0: &str = "ID_AA64ISAR0_EL1";
const ISAR1: &str = "ID_AA64ISAR1_EL1";
const MMFR0: &str = "ID_AA64MMFR0_EL1";
const MMFR1: &str = "ID_AA64MMFR1_EL1";
const MMFR2: &str = "ID_AA64MMFR2_EL1";
const MMFR3: &str = "ID_AA64MMFR3_EL1";

/// A field of an ID register, and the values by which the program goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// As the assembler knows the register.
    pub register: &'static str,
    /// Register and field.
    pub name: String,
    pub lsb: u32,
    /// A bit for each value.
    pub values: u16,
}

/// What is asked, and what is allowed on the PE on which it was found.
#[derive(Clone, Copy)]
pub struct Asked<'a, 't> {
    pub case: &'a Case,
    pub probe: &'a Probe,
    pub tables: &'a Tables<'t>,
    pub learned: &'a Learned,
    pub ids: &'a IdRegisters,
    pub expectation: &'a Expectation,
}

impl Need {
    /// Those of what is `asked`.
    pub fn all(asked: Asked<'_, '_>) -> Vec<Self> {
        let need = |(name, register, field, lsb): (&str, &'static str, &str, u32)| {
            let is_fine = |value: &u16| {
                asked.has_instructions(name, field, *value)
                    && asked.allows_the_same(&asked.with(name, lsb, (*value).into()))
            };
            let values = (0..16).filter(is_fine).fold(0, |values, value| values | 1 << value);
            Self { register, name: format!("{name}.{field}"), lsb, values }
        };
        FIELDS.into_iter().map(need).filter(|need| need.values != u16::MAX).collect()
    }

    /// The values, as a number for the assembler.
    pub fn mask(&self) -> String {
        format!("{:#06x}", self.values)
    }
}

impl Asked<'_, '_> {
    /// The ID registers with another value of a field.
    fn with(&self, name: &str, lsb: u32, value: u64) -> IdRegisters {
        let named = self.ids.named();
        let old = |other| named.iter().find(|(it, _)| *it == other).map_or(0, |it| it.1);
        IdRegisters::from_named(|other| match other == name {
            true => old(other) & !(0xf << lsb) | value << lsb,
            false => old(other),
        })
    }

    /// Whether a PE with these ID registers may answer the same, and nothing else.
    fn allows_the_same(&self, ids: &IdRegisters) -> bool {
        let pe = &conform::implementation(ids);
        if pe == self.tables.pe() {
            return true;
        }
        let Self { tables, learned, .. } = *self;
        let (registers, memory) = (&tables.registers, &*tables.memory);
        let asker = Asker::of(self.case.as_ref(), None);
        let setting = Setting { pe, registers, memory, asker, learned, most: usize::MAX };
        let other = setting.expect(self.probe, &mut Updates::new(), []);
        other.is_some_and(|other| {
            other.is_within(self.expectation) && self.expectation.is_within(&other)
        })
    }

    /// Whether a PE with this value of a field has the instructions and registers that are used, whatever the MMU does.
    fn has_instructions(&self, register: &str, field: &str, value: u16) -> bool {
        use Operation::{Add, AtS1e1rp, AtS1e1wp, CompareAndSwap, Swap};
        let case = self.case.as_ref();
        let operation = self.probe.operation();
        match (register, field) {
            (ISAR0, "Atomic") => {
                value >= 2 || !matches!(operation, Some(Add | Swap | CompareAndSwap))
            }
            (MMFR1, "PAN") => {
                let is_at = matches!(operation, Some(AtS1e1rp | AtS1e1wp));
                (value >= 2 || !is_at) && (value >= 1 || !self.probe.has(Probe::PAN))
            }
            (MMFR1, "VH") => {
                let is_of_el2 = case.flags().0 & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0;
                value >= 1 || !is_of_el2 || case.header.registers.hcr_el2 & hcr::E2H == 0
            }
            _ => true,
        }
    }
}

//! Registers by Arm's names, raw.

use schemars::JsonSchema;
use serde::Deserialize;

use suite::hex::Hex;

macro_rules! registers {
    ($(#[$doc:meta])* $fields:ident, $name:literal, $golden:ty: $($register:ident $field:ident,)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = $name)]
        #[expect(non_snake_case, reason = "the registers' own names are the keys")]
        pub(super) struct $fields {
            $(#[doc = concat!("Raw value of ", stringify!($register), ".")] $register: Hex,)*
        }

        impl From<$fields> for $golden {
            fn from(fields: $fields) -> Self {
                Self { $($field: fields.$register.0,)* }
            }
        }
    };
}

registers! {
    /// Raw values of system registers; those left out are 0.
    RegisterFields, "Registers", golden::Registers:
    HCR_EL2 hcr_el2,
    HCRX_EL2 hcrx_el2,
    VTCR_EL2 vtcr_el2,
    VTTBR_EL2 vttbr_el2,
    S2PIR_EL2 s2pir_el2,
    SCTLR_EL1 sctlr_el1,
    TCR_EL1 tcr_el1,
    TCR2_EL1 tcr2_el1,
    TTBR0_EL1 ttbr0_el1,
    TTBR1_EL1 ttbr1_el1,
    MAIR_EL1 mair_el1,
    MAIR2_EL1 mair2_el1,
    PIR_EL1 pir_el1,
    PIRE0_EL1 pire0_el1,
    SCTLR_EL2 sctlr_el2,
    TCR_EL2 tcr_el2,
    TCR2_EL2 tcr2_el2,
    TTBR0_EL2 ttbr0_el2,
    TTBR1_EL2 ttbr1_el2,
    MAIR_EL2 mair_el2,
    MAIR2_EL2 mair2_el2,
    PIR_EL2 pir_el2,
    PIRE0_EL2 pire0_el2,
}

registers! {
    /// Raw values of the ID registers; those left out are 0.
    IdRegisterFields, "IdRegisters", golden::IdRegisters:
    ID_AA64PFR0_EL1 id_aa64pfr0_el1,
    ID_AA64ISAR1_EL1 id_aa64isar1_el1,
    ID_AA64ISAR2_EL1 id_aa64isar2_el1,
    ID_AA64MMFR0_EL1 id_aa64mmfr0_el1,
    ID_AA64MMFR1_EL1 id_aa64mmfr1_el1,
    ID_AA64MMFR2_EL1 id_aa64mmfr2_el1,
    ID_AA64MMFR3_EL1 id_aa64mmfr3_el1,
}

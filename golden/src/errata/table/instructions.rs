//! Instructions that do nothing.

use crate::errata::{Effect, Erratum, Instruction};
use crate::maintenance::Maintenance;

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "DC-by-VA-does-not-translate",
        "DC CVAC, CVAU, CIVAC and IVAC do not translate their address",
        "AArch64.DC",
        Effect::Nothing(|subject| {
            matches!(
                subject.instruction,
                Instruction::Maintenance(
                    Maintenance::DcCvac
                        | Maintenance::DcCvau
                        | Maintenance::DcCivac
                        | Maintenance::DcIvac
                )
            )
        }),
    ),
    Erratum::new(
        "DC-CVAC-does-not-translate",
        "DC CVAC does not translate its address",
        "AArch64.DC",
        Effect::Nothing(|subject| {
            subject.instruction == Instruction::Maintenance(Maintenance::DcCvac)
        }),
    ),
    Erratum::new(
        "DC-CVAU-does-not-translate",
        "DC CVAU does not translate its address",
        "AArch64.DC",
        Effect::Nothing(|subject| {
            subject.instruction == Instruction::Maintenance(Maintenance::DcCvau)
        }),
    ),
    Erratum::new(
        "DC-CIVAC-does-not-translate",
        "DC CIVAC does not translate its address",
        "AArch64.DC",
        Effect::Nothing(|subject| {
            subject.instruction == Instruction::Maintenance(Maintenance::DcCivac)
        }),
    ),
    Erratum::new(
        "DC-IVAC-does-not-translate",
        "DC IVAC does not translate its address",
        "AArch64.DC",
        Effect::Nothing(|subject| {
            subject.instruction == Instruction::Maintenance(Maintenance::DcIvac)
        }),
    ),
    Erratum::new(
        "IC-IVAU-does-not-translate",
        "IC IVAU does not translate its address",
        "AArch64.IC",
        Effect::Nothing(|subject| {
            subject.instruction == Instruction::Maintenance(Maintenance::IcIvau)
        }),
    ),
];

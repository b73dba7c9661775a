//! Faults by which a device dies or hangs.

use crate::errata::{Effect, Erratum, Instruction};
use crate::fault::{FaultKind, Stage};

macro_rules! deaths {
    ($($kind:ident $name:literal $text:literal: $($stage:ident $at:literal)*;)*) => {
        &[$($(Erratum {
            name: concat!("AT-ends-the-device-by-a-stage", $at, "-", $name),
            does: concat!("an AT that ends in ", $text, " of stage ", $at, " ends the device"),
            breaks: "AArch64.AT, AArch64.EncodePAR",
            effect: Effect::Kills {
                by: |instruction| matches!(instruction, Instruction::At(_)),
                stage: Stage::$stage,
                kind: FaultKind::$kind,
            },
        },
        Erratum {
            name: concat!("access-ends-the-device-by-a-stage", $at, "-", $name),
            does: concat!("an access that ends in ", $text, " of stage ", $at, " ends the device"),
            breaks: "AArch64.Abort",
            effect: Effect::Kills {
                by: |instruction| matches!(instruction, Instruction::Access(_)),
                stage: Stage::$stage,
                kind: FaultKind::$kind,
            },
        },)*)*]
    };
}

pub(super) const ALL: &[Erratum] = deaths! {
    Translation "Translation-fault" "a Translation fault": One "1" Two "2";
    AddressSize "Address-size-fault" "an Address size fault": One "1" Two "2";
    AccessFlag "Access-flag-fault" "an Access flag fault": One "1" Two "2";
    Permission "Permission-fault" "a Permission fault": One "1" Two "2";
};

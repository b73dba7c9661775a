//! Faults by which a device dies or hangs.

use crate::errata::{Effect, Erratum, Instruction};
use crate::fault::{FaultKind, Stage};

macro_rules! deaths {
    ($($kind:ident $name:literal $text:literal;)*) => {
        &[$(
            death!(At "AT" "an AT" "AArch64.AT, AArch64.EncodePAR", $kind $name $text, One "stage1" "stage 1" false),
            death!(Access "access" "an access" "AArch64.Abort", $kind $name $text, One "stage1" "stage 1" false),
            death!(At "AT" "an AT" "AArch64.AT, AArch64.EncodePAR", $kind $name $text, Two "stage2" "stage 2" false),
            death!(Access "access" "an access" "AArch64.Abort", $kind $name $text, Two "stage2" "stage 2" false),
            death!(At "AT" "an AT" "AArch64.AT, AArch64.EncodePAR", $kind $name $text,
                Two "table-walk" "stage 2 on a walk of stage 1" true),
            death!(Access "access" "an access" "AArch64.Abort", $kind $name $text,
                Two "table-walk" "stage 2 on a walk of stage 1" true),
        )*]
    };
}

macro_rules! death {
    ($by:ident $who:literal $what:literal $breaks:literal, $kind:ident $name:literal $text:literal,
        $stage:ident $at:literal $of:literal $s1_walk:literal) => {
        Erratum {
            name: concat!($who, "-ends-the-device-by-a-", $at, "-", $name),
            does: concat!($what, " that ends in ", $text, " of ", $of, " ends the device"),
            breaks: $breaks,
            effect: Effect::Kills {
                by: |instruction| matches!(instruction, Instruction::$by(_)),
                stage: Stage::$stage,
                s1_walk: $s1_walk,
                kind: FaultKind::$kind,
            },
        }
    };
}

pub(super) const ALL: &[Erratum] = deaths! {
    Translation "Translation-fault" "a Translation fault";
    AddressSize "Address-size-fault" "an Address size fault";
    AccessFlag "Access-flag-fault" "an Access flag fault";
    Permission "Permission-fault" "a Permission fault";
};

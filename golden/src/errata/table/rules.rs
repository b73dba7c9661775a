//! Rules that are not applied.

use crate::errata::{Effect, Erratum, Instruction};
use crate::fault::Stage;
use crate::rule::Rule;

macro_rules! lifted {
    ($($name:literal $text:literal: $rule:ident $($stage:ident)*;)*) => {
        &[$($(Erratum {
            name: lifted!(@name $stage $name),
            does: lifted!(@does $stage $text),
            breaks: Rule::$rule.function(),
            effect: Effect::Lifts(lifted!(@stage $stage), Rule::$rule),
        },)*)*]
    };
    (@name One $name:literal) => { concat!("stage1-no-", $name) };
    (@name Two $name:literal) => { concat!("stage2-no-", $name) };
    (@name Any $name:literal) => { concat!("no-", $name) };
    (@does One $text:literal) => { concat!("stage 1 does without the ", $text) };
    (@does Two $text:literal) => { concat!("stage 2 does without the ", $text) };
    (@does Any $text:literal) => { concat!("it does without the ", $text) };
    (@stage One) => { Some(Stage::One) };
    (@stage Two) => { Some(Stage::Two) };
    (@stage Any) => { None };
}

/// Rules that are applied otherwise.
pub(super) const MISAPPLIED: &[Erratum] = &[
    Erratum::new(
        "no-alignment-check-of-device-memory-while-stage-1-is-off",
        "the alignment of memory that is Device since stage 1 is off is not checked",
        "AArch64.S1DisabledOutput, AArch64.S1HasAlignmentFault",
        Effect::LiftsWithoutLeaf(Rule::DeviceAlignment),
    ),
    Erratum::new(
        "protection-of-table-walks-comes-last",
        "stage 2 protects table walks after all its other checks, with a fault of level 0",
        "AArch64.S2Translate, AArch64.S2CheckPermissions",
        Effect::Postpones(Rule::ProtectedTableWalk),
    ),
    Erratum::new(
        "AT-protects-table-walks-without-stage-2",
        "an AT that asks stage 1 alone obeys HCR_EL2.PTW where stage 2 is off, as if that made all memory Device",
        "AArch64.S2Translate",
        Effect::Imposes(
            Rule::ProtectedTableWalk,
            |site| matches!(site.subject.instruction, Instruction::At(at) if !at.is_both_stages()),
        ),
    ),
];

pub(super) const ALL: &[Erratum] = lifted! {
    "alignment-check-by-SCTLR.A" "alignment check by SCTLR_ELx.A": AlignmentCheck Any;
    "alignment-check-of-ordered-and-atomic-accesses" "alignment check of ordered and atomic accesses": UnalignedAtomic Any;
    "alignment-check-of-device-memory" "alignment check of Device memory": DeviceAlignment Any One Two;
    "alignment-fault-of-dc-zva-to-device-memory" "alignment fault of DC ZVA to Device memory": ZeroDevice Any One Two;
    "address-size-check-while-it-is-off" "address size check while it is off": Stage1DisabledAddressSize One;
    "check-of-the-address-range" "check of the address range": VaOutOfRange One;
    "check-of-the-ipa-size" "check of the IPA size": IpaOutOfRange Two;
    "check-of-E0PD" "check of E0PD": E0pd One;
    "check-of-EPD" "check of EPD": Epd One;
    "address-size-check-of-the-table-base" "address size check of the table base": BaseOutOfRange Any One Two;
    "address-size-check-of-tables" "address size check of tables": TableOutOfRange Any One Two;
    "address-size-check-of-the-output" "address size check of the output": OutputOutOfRange Any One Two;
    "check-whether-a-block-is-allowed" "check whether a block, or 01 at level 3, is allowed": BlockNotSupported One Two;
    "check-of-the-access-flag" "check of the access flag": AccessFlag Any One Two;
    "check-of-execute-permission" "check of execute permission": NoExecute Any One Two;
    "check-of-read-permission" "check of read permission": NoRead Any One Two;
    "check-of-write-permission" "check of write permission": NoWrite Any One Two;
    "check-of-dirty-state" "check of dirty state": NotDirty Any One Two;
    "protection-of-table-walks" "protection of table walks": ProtectedTableWalk Two;
};

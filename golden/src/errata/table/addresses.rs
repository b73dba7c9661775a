//! Output addresses that come out otherwise.

use crate::descriptor::ones;
use crate::errata::{Effect, Erratum};
use crate::fault::Stage;

macro_rules! addresses {
    ($($one:literal $two:literal $does:literal $function:literal: $change:expr;)*) => {
        &[$(
            Erratum { name: $one, does: concat!("stage 1 ", $does), breaks: $function, effect: Effect::Address(Stage::One, $change) },
            Erratum { name: $two, does: concat!("stage 2 ", $does), breaks: $function, effect: Effect::Address(Stage::Two, $change) },
        )*]
    };
}

pub(super) const CHECKS: &[Erratum] = &[
    Erratum::new(
        "stage1-output-checked-as-it-stands-in-the-leaf",
        "stage 1 holds the address field of a leaf against the output size, with the bits below a block and \
         without the offset into it",
        "StageOA, AArch64.OAOutOfRange",
        Effect::CheckedAddress(Stage::One, |format, leaf, _| format.whole_address(leaf)),
    ),
    Erratum::new(
        "stage2-output-checked-as-it-stands-in-the-leaf",
        "stage 2 holds the address field of a leaf against the output size, with the bits below a block and \
         without the offset into it",
        "StageOA, AArch64.OAOutOfRange",
        Effect::CheckedAddress(Stage::Two, |format, leaf, _| format.whole_address(leaf)),
    ),
];

pub(super) const ALL: &[Erratum] = addresses! {
    "stage1-output-lost-above-48-bits" "stage2-output-lost-above-48-bits" "loses output address bits above 47" "AArch64.LeafBase":
        |_, address| address & ones(48);
    "stage1-output-lost-above-50-bits" "stage2-output-lost-above-50-bits" "loses output address bits above 49" "AArch64.LeafBase":
        |_, address| address & ones(50);
    "stage1-output-lost-above-44-bits" "stage2-output-lost-above-44-bits" "loses output address bits above 43" "AArch64.LeafBase":
        |_, address| address & ones(44);
    "stage1-output-lost-above-40-bits" "stage2-output-lost-above-40-bits" "loses output address bits above 39" "AArch64.LeafBase":
        |_, address| address & ones(40);
    "stage1-output-lost-above-32-bits" "stage2-output-lost-above-32-bits" "loses output address bits above 31" "AArch64.LeafBase":
        |_, address| address & ones(32);
};

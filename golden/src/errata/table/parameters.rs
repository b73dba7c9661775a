//! Parameters that are resolved otherwise.

use crate::errata::{Effect, Erratum};

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "stage1-output-size-is-48-bits",
        "stage 1 checks addresses against 48 bits, whatever PS or IPS and the implemented size say",
        "AArch64.PhysicalAddressSize",
        Effect::Stage1(|_, params| params.format.oa_bits = 48),
    ),
    Erratum::new(
        "stage2-output-size-is-48-bits",
        "stage 2 checks addresses against 48 bits, whatever PS and the implemented size say",
        "AArch64.PhysicalAddressSize",
        Effect::Stage2(|_, params| params.format.oa_bits = 48),
    ),
    Erratum::new(
        "stage1-output-size-is-52-bits",
        "stage 1 checks addresses against 52 bits, whatever PS or IPS and the implemented size say",
        "AArch64.PhysicalAddressSize",
        Effect::Stage1(|_, params| params.format.oa_bits = 52),
    ),
    Erratum::new(
        "stage2-output-size-is-52-bits",
        "stage 2 checks addresses against 52 bits, whatever PS and the implemented size say",
        "AArch64.PhysicalAddressSize",
        Effect::Stage2(|_, params| params.format.oa_bits = 52),
    ),
    Erratum::new(
        "stage1-TTBR-bits-of-a-wide-base-ignored",
        "stage 1 takes bits 51:48 of a table base for 0",
        "AArch64.S1TTBaseAddress",
        Effect::Stage1(|_, params| {
            if params.format.has_wide_base(params.ps) {
                params.ttbr &= !0b11_1100;
            }
        }),
    ),
    Erratum::new(
        "stage2-VTTBR-bits-of-a-wide-base-ignored",
        "stage 2 takes bits 51:48 of a table base for 0",
        "AArch64.S2TTBaseAddress",
        Effect::Stage2(|_, params| {
            if params.format.has_wide_base(params.ps) {
                params.vttbr &= !0b11_1100;
            }
        }),
    ),
    Erratum::new(
        "stage1-NV1-layout-of-descriptors-ignored",
        "stage 1 reads leaves as without HCR_EL2.NV1",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1(|_, params| params.nv1 &= params.pie),
    ),
];

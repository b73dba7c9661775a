//! Parameters that are resolved otherwise.

use crate::descriptor::{Format, HighBits};
use crate::errata::{Effect, Erratum, TableBase};
use crate::fault::Stage;
use crate::granule::Granule;
use crate::level::Level;

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
    Erratum::new(
        "stage1-wide-addresses-with-52-bits-alone",
        "stage 1 looks at address bits above 47 of descriptors, with DS above 49, and of a table base only where \
         the output size is 52 bits",
        "AArch64.LeafBase, AArch64.NextTableBase, AArch64.S1TTBaseAddress",
        Effect::Stage1(|_, params| narrow_below_52_bits(&mut params.format)),
    ),
    Erratum::new(
        "stage2-wide-addresses-with-52-bits-alone",
        "stage 2 looks at address bits above 47 of descriptors, with DS above 49, and of a table base only where \
         the output size is 52 bits",
        "AArch64.LeafBase, AArch64.NextTableBase, AArch64.S2TTBaseAddress",
        Effect::Stage2(|_, params| narrow_below_52_bits(&mut params.format)),
    ),
    Erratum::new(
        "stage1-wide-base-aligned-to-its-table-alone",
        "stage 1 aligns a table base that holds address bits 51:48 to its table, and not to 64 bytes at least",
        "AArch64.S1TTBaseAddress",
        Effect::Base(Stage::One, aligned_to_its_table),
    ),
    Erratum::new(
        "stage2-wide-base-aligned-to-its-table-alone",
        "stage 2 aligns a table base that holds address bits 51:48 to its table, and not to 64 bytes at least",
        "AArch64.S2TTBaseAddress",
        Effect::Base(Stage::Two, aligned_to_its_table),
    ),
    Erratum::new(
        "stage2-T0SZ-is-at-least-16",
        "the least VTCR_EL2.T0SZ is 16 where the implemented address size calls for a larger one",
        "AArch64.S2MinTxSZ",
        Effect::Stage2MinTxsz(|min, _| min.min(16)),
    ),
    Erratum::new(
        "stage2-input-size-is-at-most-PS",
        "VTCR_EL2.T0SZ may ask for no larger input than the output that PS allows, where the implemented address size \
         is the limit",
        "AArch64.S2MinTxSZ",
        Effect::Stage2MinTxsz(|min, ps_bits| min.max(u64::from(64 - ps_bits))),
    ),
    Erratum::new(
        "stage2-start-level-is-held-against-PS",
        "stage 2 starts only at levels that an implemented address size as small as PS would allow",
        "AArch64.S2InvalidSL",
        Effect::NoStart(|granule, start, ps_bits| match (granule, start) {
            (Granule::K4, Level::L0) | (Granule::K64, Level::L1) => ps_bits < 44,
            (Granule::K16, Level::L1) => ps_bits < 42,
            _ => false,
        }),
    ),
    Erratum::new(
        "stage2-16K-does-not-start-at-level-0",
        "with the 16 KB granule and DS, stage 2 does not start at level 0",
        "AArch64.S2InvalidSL",
        Effect::NoStart(|granule, start, _| (granule, start) == (Granule::K16, Level::L0)),
    ),
    Erratum::new(
        "FWB-forgets-CD",
        "with FWB, HCR_EL2.CD is taken for 0",
        "AArch64.S2Translate",
        Effect::Stage2(|_, params| params.cd &= !params.fwb),
    ),
];

/// No address bits above 47, with DS none above 49, where the output size does not need them.
const fn narrow_below_52_bits(format: &mut Format) {
    if format.oa_bits <= 48 {
        format.high = match format.high {
            HighBits::None | HighBits::In15To12 => HighBits::None,
            HighBits::In9To8 | HighBits::In49To48 => HighBits::In49To48,
        };
    }
}

fn aligned_to_its_table(base: &TableBase<'_>) -> (u64, u64) {
    base.format.base_aligned_to_its_table(base.ttbr, base.ps)
}

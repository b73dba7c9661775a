//! Register fields that are taken for another value.

use crate::errata::{Effect, Erratum};
use crate::implementation::{Features, Implementation};
use crate::registers::{Field, HcrEl2, HcrxEl2, Registers, Sctlr, Tcr, Tcr2, TcrEl2, VtcrEl2};

fn always(_: &Implementation, _: &Registers) -> bool {
    true
}

/// Has TCR_EL2 the layout for one address range?
fn one_range(pe: &Implementation, registers: &Registers) -> bool {
    !two_ranges(pe, registers)
}

/// Has TCR_EL2 the layout for two address ranges?
fn two_ranges(pe: &Implementation, registers: &Registers) -> bool {
    pe.has(Features::FEAT_VHE) && registers.hcr_el2().e2h()
}

/// The field of this name, which there is.
const fn field(fields: &[Field], name: &str) -> Field {
    let mut n = 0;
    while n < fields.len() {
        let (one, other) = (fields[n].name.as_bytes(), name.as_bytes());
        let mut equal = one.len() == other.len();
        let mut at = 0;
        while equal && at < one.len() {
            equal = one[at] == other[at];
            at += 1;
        }
        if equal {
            return fields[n];
        }
        n += 1;
    }
    panic!("no view of a register has this field")
}

macro_rules! fields {
    ($($register:ident $name:literal $layout:literal $of:literal $view:ident $within:ident:
        $($field:ident $($value:literal)+,)*;)*) => {
        &[$($($(Erratum {
            name: concat!($name, ".", stringify!($field), $layout, "-taken-for-", $value),
            does: concat!("it takes ", $name, ".", stringify!($field), $of, " for ", $value),
            breaks: concat!($name, ".", stringify!($field)),
            effect: Effect::Register {
                register: |registers| &mut registers.$register,
                field: const { field($view::FIELDS, stringify!($field)) },
                value: $value,
                within: $within,
            },
        },)+)*)*]
    };
}

pub(super) const ALL: &[Erratum] = fields! {
    hcr_el2 "HCR_EL2" "" "" HcrEl2 always:
        VM 0 1, PTW 0 1, DC 0 1, TGE 0, CD 0 1, ID 0 1, TEA 0 1, NV 0, NV1 0, FWB 0 1,;
    hcrx_el2 "HCRX_EL2" "" "" HcrxEl2 always: CMOW 0 1, TCR2En 0 1,;
    vtcr_el2 "VTCR_EL2" "" "" VtcrEl2 always:
        SH0 0 2 3, PS 0 5, HA 0 1, HD 0 1, DS 0 1, SL2 0 1, S2PIE 0 1, HAFT 0 1,;
    sctlr_el1 "SCTLR_EL1" "" "" Sctlr always:
        M 0 1, A 0 1, C 0 1, nAA 0 1, I 0 1, WXN 0 1, EE 0 1, CMOW 0 1, EPAN 0 1,;
    sctlr_el2 "SCTLR_EL2" "" "" Sctlr always:
        M 0, A 0 1, C 0 1, nAA 0 1, I 0 1, WXN 0 1, EE 0 1, CMOW 0 1, EPAN 0 1,;
    tcr_el1 "TCR_EL1" "" "" Tcr always:
        EPD0 0 1, EPD1 0 1, SH0 0 2 3, SH1 0 2 3, IPS 0 5, TBI0 0 1, TBI1 0 1, HA 0 1, HD 0 1, HPD0 0 1,
        HPD1 0 1, TBID0 0 1, TBID1 0 1, E0PD0 0 1, E0PD1 0 1, DS 0 1,;
    tcr_el2 "TCR_EL2" "" "" TcrEl2 one_range:
        SH0 0 2 3, PS 0 5, TBI 0 1, HA 0 1, HD 0 1, HPD 0 1, TBID 0 1, DS 0 1,;
    tcr_el2 "TCR_EL2" "-of-a-host" " of a host" Tcr two_ranges:
        EPD0 0 1, EPD1 0 1, SH0 0 2 3, SH1 0 2 3, IPS 0 5, TBI0 0 1, TBI1 0 1, HA 0 1, HD 0 1, HPD0 0 1,
        HPD1 0 1, TBID0 0 1, TBID1 0 1, E0PD0 0 1, E0PD1 0 1, DS 0 1,;
    tcr2_el1 "TCR2_EL1" "" "" Tcr2 always: PIE 0 1, AIE 0 1, HAFT 0 1,;
    tcr2_el2 "TCR2_EL2" "" "" Tcr2 always: PIE 0 1, AIE 0 1, HAFT 0 1,;
};

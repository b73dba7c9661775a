//! Fields of system registers, by Arm's names: what a value says.

use case::control::hcr;

type Field = (&'static str, u32, u32);

const HCR_EL2: &[Field] = &[
    ("VM", 0, 1),
    ("PTW", 2, 1),
    ("FMO", 3, 1),
    ("IMO", 4, 1),
    ("AMO", 5, 1),
    ("DC", 12, 1),
    ("TGE", 27, 1),
    ("RW", 31, 1),
    ("CD", 32, 1),
    ("ID", 33, 1),
    ("E2H", 34, 1),
    ("NV", 42, 1),
    ("NV1", 43, 1),
    ("FWB", 46, 1),
];

const VTCR_EL2: &[Field] = &[
    ("T0SZ", 0, 6),
    ("SL0", 6, 2),
    ("IRGN0", 8, 2),
    ("ORGN0", 10, 2),
    ("SH0", 12, 2),
    ("TG0", 14, 2),
    ("PS", 16, 3),
    ("VS", 19, 1),
    ("HA", 21, 1),
    ("HD", 22, 1),
    ("DS", 32, 1),
    ("SL2", 33, 1),
];

const SCTLR: &[Field] = &[
    ("M", 0, 1),
    ("A", 1, 1),
    ("C", 2, 1),
    ("I", 12, 1),
    ("WXN", 19, 1),
    ("SPAN", 23, 1),
    ("EE", 25, 1),
    ("UCI", 26, 1),
    ("EPAN", 57, 1),
];

/// `TCR_EL1`, and `TCR_EL2` where HCR_EL2.E2H is 1.
const TCR_OF_TWO_RANGES: &[Field] = &[
    ("T0SZ", 0, 6),
    ("EPD0", 7, 1),
    ("IRGN0", 8, 2),
    ("ORGN0", 10, 2),
    ("SH0", 12, 2),
    ("TG0", 14, 2),
    ("T1SZ", 16, 6),
    ("A1", 22, 1),
    ("EPD1", 23, 1),
    ("IRGN1", 24, 2),
    ("ORGN1", 26, 2),
    ("SH1", 28, 2),
    ("TG1", 30, 2),
    ("IPS", 32, 3),
    ("AS", 36, 1),
    ("TBI0", 37, 1),
    ("TBI1", 38, 1),
    ("HA", 39, 1),
    ("HD", 40, 1),
    ("HPD0", 41, 1),
    ("HPD1", 42, 1),
    ("TBID0", 51, 1),
    ("TBID1", 52, 1),
    ("E0PD0", 55, 1),
    ("E0PD1", 56, 1),
    ("DS", 59, 1),
];

/// `TCR_EL2` where HCR_EL2.E2H is 0.
const TCR_OF_ONE_RANGE: &[Field] = &[
    ("T0SZ", 0, 6),
    ("IRGN0", 8, 2),
    ("ORGN0", 10, 2),
    ("SH0", 12, 2),
    ("TG0", 14, 2),
    ("PS", 16, 3),
    ("TBI", 20, 1),
    ("HA", 21, 1),
    ("HD", 22, 1),
    ("HPD", 24, 1),
    ("TBID", 29, 1),
    ("DS", 32, 1),
];

const MAIR: &[Field] = &[
    ("Attr0", 0, 8),
    ("Attr1", 8, 8),
    ("Attr2", 16, 8),
    ("Attr3", 24, 8),
    ("Attr4", 32, 8),
    ("Attr5", 40, 8),
    ("Attr6", 48, 8),
    ("Attr7", 56, 8),
];

const TTBR: &[Field] = &[("CnP", 0, 1), ("ASID", 48, 16)];
const VTTBR: &[Field] = &[("CnP", 0, 1), ("VMID", 48, 16)];

/// The fields of register `name` that are not 0 in `value`, where `HCR_EL2` is `hcr_el2`: `T0SZ 25, SL0 1`.
pub fn words(name: &str, value: u64, hcr_el2: u64) -> String {
    let fields = match name {
        "HCR_EL2" => HCR_EL2,
        "VTCR_EL2" => VTCR_EL2,
        "SCTLR_EL1" | "SCTLR_EL2" => SCTLR,
        "TCR_EL2" if hcr_el2 & hcr::E2H == 0 => TCR_OF_ONE_RANGE,
        "TCR_EL1" | "TCR_EL2" => TCR_OF_TWO_RANGES,
        "MAIR_EL1" | "MAIR_EL2" => MAIR,
        "VTTBR_EL2" => VTTBR,
        _ => TTBR,
    };
    let field = |(name, lsb, bits): &Field| match value >> lsb & ((1 << bits) - 1) {
        0 => None,
        1 if *bits == 1 => Some((*name).to_owned()),
        value if *bits > 4 && !name.ends_with("SZ") => Some(format!("{name} {value:#x}")),
        value => Some(format!("{name} {value}")),
    };
    fields.iter().filter_map(field).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcr_el2_has_the_layout_that_e2h_chooses() {
        let value = 1 << 37 | 25 << 16 | 3 << 12 | 16;
        assert_eq!(words("TCR_EL2", value, hcr::E2H), "T0SZ 16, SH0 3, T1SZ 25, TBI0");
        assert_eq!(words("TCR_EL2", 5 << 16 | 16, 0), "T0SZ 16, PS 5");
        assert_eq!(words("TCR_EL1", 5 << 32 | 16, 0), "T0SZ 16, IPS 5");
        assert_eq!(words("VTTBR_EL2", 7 << 48 | 0x4000_0000, 0), "VMID 0x7");
    }
}

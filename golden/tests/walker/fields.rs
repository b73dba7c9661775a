//! Every register field that golden reads, against the crates `arm-sysregs-el1` and `arm-sysregs-el2`, which are
//! generated from Arm's machine-readable data.
//!
//! They leave out TCR_EL2.{HA, HD, DS}, whose place depends on the layout, and SCTLR_ELx.EE. For these the
//! position here is that of Arm's pseudocode, and the test vectors prove it: they fail when one is moved. Fields of
//! descriptors, and the bytes of MAIR and PIR, are in no register data, and are the vectors' too.

use arm_sysregs_el1::registers as el1;
use arm_sysregs_el2::registers as el2;
use golden::explain::{Esr, Par};
use golden::registers::{Field, HcrEl2, HcrxEl2, Sctlr, Tcr, Tcr2, TcrEl2, VtcrEl2};
use golden::{Features, Granule, IdRegisters, Implementation, Masked, Support};
use pastey::paste;

/// Holds the fields of a view against a register: each must be listed, and must lie where it is.
fn assert_fields(register: &str, ours: &[Field], theirs: &[(&str, u64)]) {
    for field in ours {
        let mask = u64::MAX >> (63 - field.msb) & u64::MAX << field.lsb;
        let (_, their_mask) = theirs
            .iter()
            .find(|(name, _)| *name == field.name)
            .unwrap_or_else(|| panic!("{register}.{} is not proven", field.name));
        assert_eq!(mask, *their_mask, "{register}.{}", field.name);
    }
    assert_eq!(ours.len(), theirs.len(), "{register}: a field is proven that is not read");
}

/// `Type { bits } { fields } { positions not in the crate }` as (name, mask) pairs.
macro_rules! theirs {
    ($type:ty { $($bit:ident)* } { $($field:ident)* } { $($name:ident $mask:expr,)* }) => {
        paste! { &[
            $((stringify!($bit), 1_u64 << <$type>::[<$bit:upper _SHIFT>]),)*
            $((stringify!($field), <$type>::[<$field _MASK>] << <$type>::[<$field _SHIFT>]),)*
            $((stringify!($name), $mask),)*
        ] }
    };
}

#[test]
fn hcr_el2() {
    let theirs = theirs!(el2::HcrEl2 { VM PTW DC TGE CD ID E2H TEA NV NV1 AT FWB } {} {});
    assert_fields("HCR_EL2", HcrEl2::FIELDS, theirs);
}

#[test]
fn hcrx_el2() {
    assert_fields("HCRX_EL2", HcrxEl2::FIELDS, theirs!(el2::HcrxEl2 { CMOW TCR2En } {} {}));
}

#[test]
fn vtcr_el2() {
    let theirs = theirs!(el2::VtcrEl2 { HA HD DS SL2 S2PIE HAFT } { T0SZ SL0 SH0 TG0 PS } {});
    assert_fields("VTCR_EL2", VtcrEl2::FIELDS, theirs);
}

#[test]
fn sctlr_elx() {
    let theirs = theirs!(el1::SctlrEl1 { M A C I WXN CMOW EPAN } {} {
        nAA 1 << el1::SctlrEl1::NAA_SHIFT, EE 1 << 25,
    });
    assert_fields("SCTLR_EL1", Sctlr::FIELDS, theirs);
    let theirs = theirs!(el2::SctlrEl2 { M A C I WXN CMOW EPAN } {} {
        nAA 1 << el2::SctlrEl2::NAA_SHIFT, EE 1 << 25,
    });
    assert_fields("SCTLR_EL2", Sctlr::FIELDS, theirs);
}

#[test]
fn tcr_el1() {
    let theirs = theirs!(el1::TcrEl1 {
        EPD0 EPD1 TBI0 TBI1 HA HD HPD0 HPD1 TBID0 TBID1 E0PD0 E0PD1 DS
    } { T0SZ SH0 TG0 T1SZ SH1 TG1 IPS } {});
    assert_fields("TCR_EL1", Tcr::FIELDS, theirs);
}

#[test]
fn tcr_el2_of_a_host() {
    let theirs = theirs!(el2::TcrEl2 {
        EPD0 EPD1 TBI0 TBI1 HPD0 HPD1 TBID0 TBID1 E0PD0 E0PD1
    } { T0SZ SH0 TG0 T1SZ SH1 TG1 IPS } { HA 1 << 39, HD 1 << 40, DS 1 << 59, });
    assert_fields("TCR_EL2", Tcr::FIELDS, theirs);
}

#[test]
fn tcr_el2() {
    let theirs = theirs!(el2::TcrEl2 { TBI HPD TBID } { T0SZ SH0 TG0 PS } {
        HA 1 << 21, HD 1 << 22, DS 1 << 32,
    });
    assert_fields("TCR_EL2", TcrEl2::FIELDS, theirs);
}

#[test]
fn tcr2_elx() {
    assert_fields("TCR2_EL1", Tcr2::FIELDS, theirs!(el1::Tcr2El1 { PIE AIE HAFT } {} {}));
    assert_fields("TCR2_EL2", Tcr2::FIELDS, theirs!(el2::Tcr2El2 { PIE AIE HAFT } {} {}));
}

fn fields_of(drawing: &golden::explain::Drawing) -> Vec<Field> {
    drawing.columns().iter().map(|column| column.field).collect()
}

#[test]
fn par_el1() {
    let success = fields_of(&Par(Masked::exact(0)).drawing());
    // The crate splits PA; it knows 52 bits of it.
    let pa = el1::ParEl1::PA_47_12_MASK << el1::ParEl1::PA_47_12_SHIFT
        | el1::ParEl1::PA_51_48_MASK << el1::ParEl1::PA_51_48_SHIFT
        | 0xf << 52;
    assert_fields("PAR_EL1", &success, theirs!(el1::ParEl1 { NS F } { ATTR SH } { PA pa, }));
    let fault = fields_of(&Par(Masked::exact(1)).drawing());
    assert_fields("PAR_EL1", &fault, theirs!(el1::ParEl1 { DirtyBit S PTW F } { FST } {}));
}

#[test]
fn esr_el2() {
    for (value, iss) in [(0x9200_0000, "DFSC"), (0x8200_0000, "IFSC")] {
        let fields = fields_of(&Esr(Masked::exact(value)).drawing());
        for (name, mask) in theirs!(el2::EsrEl2 { IL } { EC } {}) {
            let field = fields.iter().find(|field| field.name == *name).expect(name);
            assert_eq!(u64::MAX >> (63 - field.msb) & u64::MAX << field.lsb, *mask);
        }
        assert!(fields.iter().any(|field| field.name == iss && field.lsb == 0));
    }
}

/// What a PE implements when one field of its ID registers has this value, and all others are zero.
fn with(set: impl FnOnce(&mut IdRegisters)) -> Implementation {
    let mut id = IdRegisters::default();
    set(&mut id);
    Implementation::from_id_registers(&id)
}

/// A field of an ID register with a value, and the features that it brings.
macro_rules! brings {
    ($type:ident.$field:ident = $value:literal: $($feature:ident)*) => {
        paste! {
            let implementation = with(|id| {
                id.[<$type:snake>] = $value << el1::$type::[<$field _SHIFT>];
            });
            let expected = Features::NONE$(.with(Features::$feature))*;
            assert_eq!(implementation.features, expected, "{}.{} = {}", stringify!($type), stringify!($field), $value);
        }
    };
}

#[test]
fn id_registers() {
    brings!(IdAa64mmfr0El1.PARANGE = 0: );
    brings!(IdAa64mmfr0El1.PARANGE = 5: );
    brings!(IdAa64mmfr0El1.PARANGE = 6: FEAT_LPA);
    brings!(IdAa64mmfr0El1.TGRAN4 = 1: FEAT_LPA2);
    brings!(IdAa64mmfr0El1.TGRAN4_2 = 2: FEAT_GTG);
    brings!(IdAa64mmfr0El1.TGRAN4_2 = 3: FEAT_GTG FEAT_LPA2);
    brings!(IdAa64mmfr0El1.TGRAN16 = 1: );
    brings!(IdAa64mmfr0El1.TGRAN16 = 2: FEAT_LPA2);
    brings!(IdAa64mmfr1El1.HAFDBS = 1: FEAT_HAFDBS);
    brings!(IdAa64mmfr1El1.HAFDBS = 2: FEAT_HAFDBS FEAT_HAFDBS_DBS);
    brings!(IdAa64mmfr1El1.HAFDBS = 3: FEAT_HAFDBS FEAT_HAFDBS_DBS FEAT_HAFT);
    brings!(IdAa64mmfr1El1.VMIDBITS = 2: FEAT_VMID16);
    brings!(IdAa64mmfr1El1.VH = 1: FEAT_VHE);
    brings!(IdAa64mmfr1El1.HPDS = 1: FEAT_HPDS);
    brings!(IdAa64mmfr1El1.PAN = 1: FEAT_PAN);
    brings!(IdAa64mmfr1El1.PAN = 3: FEAT_PAN FEAT_PAN2 FEAT_PAN3);
    brings!(IdAa64mmfr1El1.XNX = 1: FEAT_XNX);
    brings!(IdAa64mmfr1El1.HCX = 1: FEAT_HCX);
    brings!(IdAa64mmfr1El1.CMOW = 1: FEAT_CMOW);
    brings!(IdAa64mmfr2El1.CNP = 1: FEAT_TTCNP);
    brings!(IdAa64mmfr2El1.UAO = 1: FEAT_UAO);
    brings!(IdAa64mmfr2El1.VARANGE = 1: FEAT_LVA);
    brings!(IdAa64mmfr2El1.NV = 1: FEAT_NV);
    brings!(IdAa64mmfr2El1.ST = 1: FEAT_TTST);
    brings!(IdAa64mmfr2El1.FWB = 1: FEAT_S2FWB);
    brings!(IdAa64mmfr2El1.AT = 1: FEAT_LSE2);
    brings!(IdAa64mmfr2El1.BBM = 1: FEAT_BBM);
    brings!(IdAa64mmfr2El1.E0PD = 1: FEAT_E0PD);
    brings!(IdAa64mmfr3El1.TCRX = 1: FEAT_TCR2);
    brings!(IdAa64mmfr3El1.S1PIE = 1: FEAT_S1PIE);
    brings!(IdAa64mmfr3El1.S2PIE = 1: FEAT_S2PIE);
    brings!(IdAa64mmfr3El1.AIE = 1: FEAT_AIE);
    brings!(IdAa64isar1El1.APA = 1: FEAT_PAuth);
    brings!(IdAa64isar1El1.API = 1: FEAT_PAuth);
    brings!(IdAa64isar2El1.APA3 = 1: FEAT_PAuth);
    brings!(IdAa64isar1El1.XS = 1: FEAT_XS);
    brings!(IdAa64isar1El1.LS64 = 1: FEAT_LS64);
    brings!(IdAa64pfr0El1.RAS = 1: FEAT_RAS);
    brings!(IdAa64pfr0El1.RME = 1: FEAT_RME);
}

#[test]
fn physical_address_sizes() {
    for (range, bits) in [(0, 32), (1, 36), (2, 40), (3, 42), (4, 44), (5, 48), (6, 52), (7, 52)] {
        let implementation = with(|id| id.id_aa64mmfr0_el1 = range);
        assert_eq!(implementation.pa_max(), bits, "PARange {range}");
    }
}

#[test]
fn block_translation_change_levels() {
    for (bbm, level) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        let implementation = with(|id| id.id_aa64mmfr2_el1 = bbm << 52);
        assert_eq!(implementation.bbm_level, level);
    }
}

/// TGran4 and TGran64 are signed, TGran16 is not, and the fields of stage 2 may say "as stage 1".
#[test]
fn granules() {
    let support = |mmfr0| {
        let implementation = with(|id| id.id_aa64mmfr0_el1 = mmfr0);
        Granule::ALL.map(|granule| {
            let (one, two) = (implementation.stage1_granules, implementation.stage2_granules);
            (one.support(granule), two.support(granule))
        })
    };
    use Support::{Absent, Lpa2, Present};
    assert_eq!(support(0), [(Present, Present), (Absent, Absent), (Present, Present)]);
    // QEMU's "max", as read there: all granules, FEAT_LPA2 at both stages.
    assert_eq!(support(0x2100_0323_1020_1126), [(Lpa2, Lpa2), (Lpa2, Lpa2), (Present, Present)]);
    // None of the larger two, 4KB absent at stage 1 and present at stage 2.
    assert_eq!(
        support(0xf << 28 | 0xf << 24 | 2 << 40),
        [(Absent, Present), (Absent, Absent), (Absent, Absent)]
    );
    // Stage 2 may lack what stage 1 has.
    assert_eq!(
        support(1 << 20 | 1 << 32 | 1 << 36 | 1 << 40),
        [(Present, Absent), (Present, Absent), (Present, Absent)]
    );
    assert_eq!(support(2 << 20 | 2 << 32)[1], (Lpa2, Present));
    assert_eq!(support(1 << 20 | 3 << 32)[1], (Present, Lpa2));
}

//! What `explain` writes, word for word.

use std::fmt;

use crate::guest::*;
use golden::explain::{Esr, Explain, Par, fault_status};
use golden::{Access, At, El, FaultKind, Features, Level, Masked, Operation, Profile, Va};

fn explain_at(guest: &Guest, at: At, va: u64) -> String {
    let mut explain = Explain::new(String::new());
    let profile = &mut Profile::pseudocode();
    let outcome = golden::at(guest.machine(), at, El::El2, false, Va(va), profile, &mut explain)
        .expect("executed");
    explain.at_result(&outcome.result);
    explain.finish().expect("memory")
}

fn explain_access(guest: &Guest, access: Access, va: u64) -> String {
    let mut explain = Explain::new(String::new());
    let profile = &mut Profile::pseudocode();
    let outcome = golden::access(guest.machine(), access, Va(va), profile, &mut explain);
    if let Err(abort) = outcome.expect("not EL3").result {
        explain.exception(&abort.exception);
    }
    explain.finish().expect("memory")
}

/// Stage 2 in two levels, with a block and an update of its access flag.
#[test]
fn a_block_of_stage_2() {
    let mut guest = Guest::stage2();
    guest.registers.vtcr_el2 |= VTCR_HA;
    guest.set(S2_L2, S2_BLOCK & !AF);
    let expected = "\
stage 1 translates VA 0x5123
    stage 1 is off: the output is the input [AArch64.S1DisabledOutput]
  stage 1 output: 0x5123, Device-nGnRnE, Outer Shareable
  stage 2 translates IPA 0x5123
    VTTBR_EL2 = 0x1000: 4KB granule, input 39 bits, output 48 bits, from level 1, 1 concatenated tables
    stage 2 level 1: [0x1000] = 0x0000000000002003
      | 47:12  | 10 | 1:0  |
      | table  | AF | type |
      | 0x2000 | 0  | 0x3  |
      table at 0x2000
    stage 2 level 2: [0x2000] = 0x00000000000003fd
      | 54:53 | 52   | 51  | 47:21 | 16 | 11   | 10 | 9:8 | 7:6  | 5:2     | 1:0  |
      | XN    | Cont | DBM | OA    | nT | FnXS | AF | SH  | S2AP | MemAttr | type |
      | 0x0   | 0    | 0   | 0x0   | 0  | 0    | 0  | 0x3 | 0x3  | 0xf     | 0x1  |
      block: output 0x5123, rwx, Normal WB RaWa, Inner Shareable
    choice at_leaves_access_flag: false
      the access flag is set by hardware [AArch64.SettingAccessFlagPermitted]
      update [0x2000] 0x00000000000003fd -> 0x00000000000007fd
    stage 2 output: 0x5123, Device-nGnRnE, Outer Shareable
    choice par_attributes: translated
PAR_EL1 = 0x5900 (mask 0xfffffffffffff9ff)
  | 63:56 | 55:12  | 9  | 8:7 | 0 |
  | ATTR  | PA     | NS | SH  | F |
  | 0x0   | 0x5000 | ?  | 0x2 | 0 |
";
    assert_eq!(explain_at(&guest, At::S12E1R, 0x5123), expected);
}

/// A walk of stage 1 that stage 2 ends.
#[test]
fn a_fault_on_a_stage_1_walk() {
    let mut guest = Guest::both_stages();
    guest.set(S2_L3 + 8 * (S1_L1 >> 12), 0b01);
    let expected = "\
stage 1 translates VA 0x5123
  regime EL1&0, TTBR0 = 0x11000: 4KB granule, input 39 bits, output 48 bits, from level 1
    stage 2 translates IPA 0x11000, of a stage 1 descriptor
      VTTBR_EL2 = 0x1000: 4KB granule, input 39 bits, output 48 bits, from level 1, 1 concatenated tables
      stage 2 level 1: [0x1000] = 0x0000000000002003
        | 47:12  | 10 | 1:0  |
        | table  | AF | type |
        | 0x2000 | 0  | 0x3  |
        table at 0x2000
      stage 2 level 2: [0x2000] = 0x0000000000003003
        | 47:12  | 10 | 1:0  |
        | table  | AF | type |
        | 0x3000 | 0  | 0x3  |
        table at 0x3000
      stage 2 level 3: [0x3088] = 0x0000000000000001
        | 1:0  |
        | type |
        | 0x1  |
        no block is allowed at this level [AArch64.BlockDescSupported]
stage 2 Translation fault, level 3, on a stage 1 walk, IPA 0x11000
taken to EL2: ESR_EL2 = 0x92000087 (mask 0x7e0ffffe7ff), FAR_EL2 = 0x5123, HPFAR_EL2 = 0x110
ESR_ELx = 0x92000087 (mask 0x7e0ffffe7ff)
  | 37       | 31:26 | 25 | 24  | 9  | 8  | 7     | 6   | 5:0  |
  | DirtyBit | EC    | IL | ISV | EA | CM | S1PTW | WnR | DFSC |
  | 0        | 0x24  | 1  | 0   | 0  | 0  | 1     | 0   | 0x7  |
  Translation fault, level 3
";
    assert_eq!(explain_access(&guest, Access::new(Operation::Load, El::El1), 0x5123), expected);
}

/// Descriptors with 52-bit addresses, and with indirect permissions.
#[test]
fn other_layouts() {
    let mut guest = Guest::stage2();
    guest.implementation.features =
        features().with(Features::FEAT_LPA).with(Features::FEAT_LPA2).with(Features::FEAT_S2PIE);
    guest.implementation.pa_bits = 52;
    guest.implementation = golden::Implementation::new(52, guest.implementation.features);
    // DS, S2PIE, PS 52 bits; the block is at 2^51.
    guest.registers.vtcr_el2 = VTCR & !(0b111 << 16) | 0b110 << 16 | 1 << 32 | 1 << 36;
    guest.registers.s2pir_el2 = u64::MAX;
    guest.set(S2_L2, 0b01 | 0b1111 << 2 | AF | 0b10 << 8);
    let text = explain_at(&guest, At::S12E1R, 0x5123);
    let block = "\
      | 54:53 | 52   | 51 | 49:48 | 47:21 | 9:8  | 16 | 11   | 10 | 7     | 6  | 5:2     | 1:0  |
      | PI    | Cont | PI | >>48  | OA    | >>50 | nT | FnXS | AF | Dirty | PI | MemAttr | type |
      | 0x0   | 0    | 0  | 0x0   | 0x0   | 0x2  | 0  | 0    | 1  | 0     | 0  | 0xf     | 0x1  |
      block: output 0x8000000005123, rwx clean, Normal WB RaWa, Non-shareable
";
    assert!(text.contains(block), "{text}");
}

/// A leaf of stage 1 has what its regime has: EL2 with one range XN and RES0, EL1&0 with {NV, NV1} = {1, 1} PXN alone.
#[test]
fn stage_1_by_its_regime() {
    const BITS_54_AND_6: u64 = 1 << 54 | 1 << 6;
    let drawn = |guest: &Guest, at| {
        let text = explain_at(guest, at, 0x5123);
        let from = text.rfind("| 54 ").expect("a leaf");
        text[from..].lines().take(3).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut guest = Guest::both_stages();
    guest.registers.hcr_el2 = 0;
    guest.set(S1_L3 + 8 * 5, 0x5000 | S1_PAGE | BITS_54_AND_6);
    let two_ranges = [
        "| 54  | 53  | 52   | 51  | 47:12  | 11 | 10 | 9:8 | 7:6 | 4:2      | 1:0  |",
        "| UXN | PXN | Cont | DBM | OA     | nG | AF | SH  | AP  | AttrIndx | type |",
        "| 1   | 0   | 0    | 0   | 0x5000 | 0  | 1  | 0x3 | 0x1 | 0x0      | 0x3  |",
    ];
    assert_eq!(drawn(&guest, At::S1E1R), two_ranges);

    guest.implementation.features = features().with(Features::FEAT_NV);
    guest.registers.hcr_el2 = 0b11 << 42;
    let nested = [
        "| 54  | 53   | 52   | 51  | 47:12  | 11 | 10 | 9:8 | 7     | 6    | 4:2      | 1:0  |",
        "| PXN | RES0 | Cont | DBM | OA     | nG | AF | SH  | AP[2] | as 0 | AttrIndx | type |",
        "| 1   | 0    | 0    | 0   | 0x5000 | 0  | 1  | 0x3 | 0     | 1    | 0x0      | 0x3  |",
    ];
    assert_eq!(drawn(&guest, At::S1E1R), nested);
    let table = explain_at(&guest, At::S1E1R, 0x5123);
    assert!(table.contains("| NSTable | APTable[1] | as 0 | PXNTable | RES0 | table"), "{table}");

    // TCR_EL2: T0SZ 25, PS 48 bits.
    guest.registers.hcr_el2 = 0;
    guest.registers.sctlr_el2 = SCTLR_M | SCTLR_C;
    guest.registers.tcr_el2 = 25 | 0b101 << 16;
    guest.registers.ttbr0_el2 = S1_L1;
    let one_range = [
        "| 54 | 53   | 52   | 51  | 47:12  | 11   | 10 | 9:8 | 7     | 6    | 4:2      | 1:0  |",
        "| XN | RES0 | Cont | DBM | OA     | RES0 | AF | SH  | AP[2] | RES1 | AttrIndx | type |",
        "| 1  | 0    | 0    | 0   | 0x5000 | 0    | 1  | 0x3 | 0     | 1    | 0x0      | 0x3  |",
    ];
    assert_eq!(drawn(&guest, At::S1E2R), one_range);
    let table = explain_at(&guest, At::S1E2R, 0x5123);
    assert!(table.contains("| NSTable | APTable[1] | RES0 | XNTable | RES0 | table"), "{table}");
    // EL2&0 has two.
    guest.registers.hcr_el2 = HCR_E2H;
    guest.registers.tcr_el2 = TCR;
    assert_eq!(drawn(&guest, At::S1E2R), two_ranges);
}

#[test]
fn registers_are_drawn() {
    let par = Par(Masked::new(0xff00_0000_4000_0b80, !(0b11 << 9)));
    assert_eq!(
        par.to_string(),
        "\
PAR_EL1 = 0xff00000040000980 (mask 0xfffffffffffff9ff)
  | 63:56 | 55:12      | 9  | 8:7 | 0 |
  | ATTR  | PA         | NS | SH  | F |
  | 0xff  | 0x40000000 | ?  | 0x3 | 0 |"
    );
    assert_eq!(
        Esr(Masked::exact(0x8200_000f)).to_string(),
        "\
ESR_ELx = 0x8200000f
  | 37       | 31:26 | 25 | 9  | 7     | 5:0  |
  | DirtyBit | EC    | IL | EA | S1PTW | IFSC |
  | 0        | 0x20  | 1  | 0  | 0     | 0xf  |
  Permission fault, level 3"
    );
}

#[test]
fn status_codes_are_read_back() {
    assert_eq!(fault_status(0b10_1011), Some((FaultKind::Translation, Level::MINUS_1)));
    assert_eq!(fault_status(0b00_1110), Some((FaultKind::Permission, Level::L2)));
    assert_eq!(fault_status(0b01_0011), Some((FaultKind::ExternalAbortOnWalk, Level::MINUS_1)));
    assert_eq!(fault_status(0b10_0001).map(|(kind, _)| kind), Some(FaultKind::Alignment));
    assert_eq!(fault_status(0b11_1111), None);
}

/// A writer that takes so many bytes.
struct Full(usize);

impl fmt::Write for Full {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_reported() {
    let guest = Guest::stage2();
    for (room, fits) in [(100, false), (100_000, true)] {
        let mut explain = Explain::new(Full(room));
        let access = Access::new(Operation::Load, El::El1);
        let profile = &mut Profile::pseudocode();
        golden::access(guest.machine(), access, Va(0x5000), profile, &mut explain)
            .expect("not EL3");
        assert_eq!(explain.finish().is_ok(), fits);
    }
}

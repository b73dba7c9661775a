//! What a careless loader leaves behind, as instructions.

/// Where QEMU's `virt` loads a file that is no `Image`.
pub const LOADED_AT: u64 = 0x4008_0000;
/// The size of a prologue.
pub const BYTES: u64 = 0x3000;
/// Where its table is.
const TABLE: u64 = 0x1000;

/// Ruins registers, and goes on behind itself.
pub struct Prologue {
    /// What X0 has instead of the device tree's address.
    pub x0: Option<u64>,
    /// The value for `HCR_EL2`.
    pub hcr_el2: u64,
    /// Whether the MMU and caches are on, with an identity map.
    pub has_mmu: bool,
}

/// A system register, by op0, op1, CRn, CRm and op2, as MSR has them.
const fn register(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
}

const HCR_EL2: u32 = register(3, 4, 1, 1, 0);
const SCTLR_EL2: u32 = register(3, 4, 1, 0, 0);
const TTBR0_EL2: u32 = register(3, 4, 2, 0, 0);
const TCR_EL2: u32 = register(3, 4, 2, 0, 2);
const MAIR_EL2: u32 = register(3, 4, 10, 2, 0);

/// Registers that are ruined while E2H is 0, and their values.
const RUINED: [(u32, u64); 52] = [
    (register(3, 4, 12, 0, 0), 0xdead_b800),           // VBAR_EL2
    (register(3, 4, 1, 1, 2), 0xffff_ffff),            // CPTR_EL2
    (register(3, 4, 1, 1, 1), 0xffff_ffff),            // MDCR_EL2
    (register(3, 4, 1, 1, 3), 0xffff),                 // HSTR_EL2
    (register(3, 4, 1, 1, 7), u64::MAX),               // HACR_EL2
    (register(3, 4, 1, 2, 2), u64::MAX),               // HCRX_EL2
    (register(3, 4, 1, 1, 4), u64::MAX),               // HFGRTR_EL2
    (register(3, 4, 1, 1, 5), u64::MAX),               // HFGWTR_EL2
    (register(3, 4, 1, 1, 6), u64::MAX),               // HFGITR_EL2
    (register(3, 4, 3, 1, 4), u64::MAX),               // HDFGRTR_EL2
    (register(3, 4, 3, 1, 5), u64::MAX),               // HDFGWTR_EL2
    (register(3, 4, 2, 1, 2), 0x1234_5678),            // VTCR_EL2
    (register(3, 4, 2, 1, 0), 0xdead_0000_dead_0000),  // VTTBR_EL2
    (register(3, 4, 0, 0, 0), 0x1234_5678),            // VPIDR_EL2
    (register(3, 4, 0, 0, 5), 0x1234_5678),            // VMPIDR_EL2
    (register(3, 4, 10, 3, 0), u64::MAX),              // AMAIR_EL2
    (register(3, 4, 13, 0, 2), 0xdead_beef_dead_beef), // TPIDR_EL2
    (register(3, 4, 13, 0, 1), 0xdead_beef),           // CONTEXTIDR_EL2
    (register(3, 4, 2, 0, 1), 0xdead_beef_0000),       // TTBR1_EL2
    (register(3, 4, 4, 0, 0), 0xffff_ffff),            // SPSR_EL2
    (register(3, 4, 4, 0, 1), 0xdead_beef_dead_beec),  // ELR_EL2
    (register(3, 4, 5, 2, 0), 0xffff_ffff),            // ESR_EL2
    (register(3, 4, 6, 0, 0), u64::MAX),               // FAR_EL2
    (register(3, 4, 6, 0, 4), u64::MAX),               // HPFAR_EL2
    (register(3, 4, 14, 1, 0), 0xf_fff8),              // CNTHCTL_EL2
    (register(3, 4, 14, 0, 3), 0x1234_5678_9abc),      // CNTVOFF_EL2
    // Timers that went off long ago.
    (register(3, 4, 14, 2, 2), 0), // CNTHP_CVAL_EL2
    (register(3, 4, 14, 2, 1), 1), // CNTHP_CTL_EL2
    (register(3, 4, 14, 3, 2), 0), // CNTHV_CVAL_EL2
    (register(3, 4, 14, 3, 1), 1), // CNTHV_CTL_EL2
    (register(3, 3, 14, 2, 2), 0), // CNTP_CVAL_EL0
    (register(3, 3, 14, 2, 1), 1), // CNTP_CTL_EL0
    (register(3, 3, 14, 3, 2), 0), // CNTV_CVAL_EL0
    (register(3, 3, 14, 3, 1), 1), // CNTV_CTL_EL0
    // A virtual interrupt that some guest should take.
    (register(3, 4, 12, 9, 5), 0xf),          // ICC_SRE_EL2
    (register(3, 4, 12, 11, 7), 0xff00_0002), // ICH_VMCR_EL2
    (register(3, 4, 12, 12, 0), 1 << 62 | 1 << 60 | 27), // ICH_LR0_EL2
    (register(3, 4, 12, 11, 0), 1),           // ICH_HCR_EL2
    // EL1.
    (register(3, 0, 1, 0, 0), 0xffff_ffff),      // SCTLR_EL1
    (register(3, 0, 1, 0, 2), u64::MAX),         // CPACR_EL1
    (register(3, 0, 2, 0, 0), 0xdead_beef_0000), // TTBR0_EL1
    (register(3, 0, 2, 0, 1), 0xdead_beef_0000), // TTBR1_EL1
    (register(3, 0, 2, 0, 2), u64::MAX),         // TCR_EL1
    (register(3, 0, 10, 2, 0), u64::MAX),        // MAIR_EL1
    (register(3, 0, 10, 3, 0), u64::MAX),        // AMAIR_EL1
    (register(3, 0, 12, 0, 0), 0xdead_b800),     // VBAR_EL1
    (register(3, 0, 13, 0, 1), 0xffff_ffff),     // CONTEXTIDR_EL1
    (register(3, 0, 13, 0, 4), u64::MAX),        // TPIDR_EL1
    (register(3, 0, 14, 1, 0), u64::MAX),        // CNTKCTL_EL1
    (register(3, 0, 7, 4, 0), u64::MAX),         // PAR_EL1
    // MDE and KDE, but not SS: that would stop at the next instruction.
    (register(2, 0, 0, 2, 2), 0xa000),    // MDSCR_EL1
    (register(3, 3, 13, 0, 2), u64::MAX), // TPIDR_EL0
];

/// EnIA, EnIB, EnDA, EnDB, EE, I, SA, C, A and the RES1 bits.
const SCTLR_RUINED: u64 = 0x30c5_0830 | 0xc800_2000 | 1 << 25 | 1 << 12 | 0b1110;

/// MSR, of no register from X0.
const MSR: u32 = 0xd500_0000;
const NOP: u32 = 0xd503_201f;
const ISB: u32 = 0xd503_3fdf;
const DSB_SY: u32 = 0xd503_3f9f;
const TLBI_ALLE2: u32 = 0xd50c_871f;
/// MSR SPSel, PAN and DAIFClr, with an immediate.
const SPSEL_0: u32 = 0xd500_40bf;
const SPSEL_1: u32 = 0xd500_41bf;
const PAN_1: u32 = 0xd500_419f;
const DAIFCLR_ALL: u32 = 0xd503_4fff;
/// MOV SP, X1.
const MOV_SP_X1: u32 = 0x9100_003f;
const BRANCH: u32 = 0x1400_0000;

impl Prologue {
    /// The bytes, in front of which nothing is, and behind which the image follows.
    pub fn bytes(&self) -> Vec<u8> {
        let mut words = Vec::new();
        let mut set = |register, value| {
            words.extend(load(1, value));
            words.push(MSR | register | 1);
        };
        RUINED.iter().for_each(|&(register, value)| set(register, value));
        set(HCR_EL2, self.hcr_el2);
        // 39 bits of 4 KB pages; Write-Back and Inner Shareable walks; TTBR1_EL2's, if E2H is 1, are off; all
        // 48 bits of output, which two fields say.
        let is_host = self.hcr_el2 >> 34 & 1 == 1;
        let size = if is_host {
            5 << 32 | 0b10 << 30 | 1 << 23 | 25 << 16
        } else {
            5 << 16 | 1 << 31 | 1 << 23
        };
        set(TCR_EL2, size | 0x3500 | 25);
        set(MAIR_EL2, 0x04ff);
        set(TTBR0_EL2, LOADED_AT + TABLE);
        words.extend([ISB, TLBI_ALLE2, DSB_SY, ISB]);
        words.extend(load(1, SCTLR_RUINED | u64::from(self.has_mmu)));
        words.extend([MSR | SCTLR_EL2 | 1, ISB]);
        // No stack pointer is aligned, and the one in use is not the usual one.
        words.push(SPSEL_1);
        words.extend(load(1, 0xdead_beef_dead_beef));
        words.extend([MOV_SP_X1, SPSEL_0, MOV_SP_X1, PAN_1]);
        (1..31).for_each(|register| words.extend(load(register, 0xdead_beef_dead_beef)));
        words.extend(self.x0.into_iter().flat_map(|value| load(0, value)));
        words.push(DAIFCLR_ALL);
        let here = 4 * words.len() as u64;
        words.push(BRANCH | ((BYTES - here) / 4) as u32);

        assert!(4 * words.len() <= TABLE as usize, "the code reaches into the table");
        words.resize(TABLE as usize / 4, NOP);
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        // EE is 1: the walker reads big-endian words. Blocks of 1 GB: the first is Device, never executed.
        let blocks = [1 << 54 | 1 << 2 | 0x401_u64, 0x4000_0000 | 0x701, 0x8000_0000 | 0x701];
        bytes.extend(blocks.into_iter().flat_map(u64::to_be_bytes));
        bytes.resize(BYTES as usize, 0);
        bytes
    }
}

/// Loads `value` into X register `register`.
fn load(register: u32, value: u64) -> impl Iterator<Item = u32> {
    (0..4).map(move |at| {
        let part = (value >> (16 * at)) as u32 & 0xffff;
        let code = if at == 0 { 0xd280_0000 } else { 0xf280_0000 };
        code | at << 21 | part << 5 | register
    })
}

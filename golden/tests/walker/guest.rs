//! A small guest: memory word by word, and registers for tables of 4KB pages with 39-bit addresses at
//! both stages.

use std::collections::{BTreeMap, BTreeSet};

use golden::{
    Access, AccessOutcome, Asked, At, AtOutcome, AtResult, Choices, El, Features, Implementation,
    Machine, Masked, Operation, Pa, PhysicalMemory, Profile, Refusal, Registers, Stale, Va,
};

/// Memory that is zero where nothing is said, and may fail.
#[derive(Clone, Default)]
pub struct Memory {
    pub words: BTreeMap<u64, u64>,
    pub void: BTreeSet<u64>,
    pub no_update: BTreeSet<u64>,
    pub stale: BTreeMap<u64, Stale>,
}

impl PhysicalMemory for Memory {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        if self.void.contains(&pa.0) {
            return Err(Refusal::ExternalAbort);
        }
        Ok(self.words.get(&pa.0).copied().unwrap_or(0))
    }

    fn update(&self, pa: Pa) -> Result<(), Refusal> {
        if self.no_update.contains(&pa.0) { Err(Refusal::UnsupportedUpdate) } else { Ok(()) }
    }

    fn stale(&self, pa: Pa) -> Option<Stale> {
        self.stale.get(&pa.0).copied()
    }
}

/// A PE whose tables a test has laid out.
#[derive(Clone)]
pub struct Guest {
    pub implementation: Implementation,
    pub registers: Registers,
    pub memory: Memory,
}

pub const TABLE: u64 = 0b11;
pub const AF: u64 = 1 << 10;
pub const DBM: u64 = 1 << 51;
pub const CONTIGUOUS: u64 = 1 << 52;
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// A stage 2 page or block: readable, writable, executable, Write-back; the access flag is set.
pub const S2_PAGE: u64 = 0b11 | 0b1111 << 2 | 0b11 << 6 | INNER_SHAREABLE | AF;
pub const S2_BLOCK: u64 = S2_PAGE & !0b10;
/// A stage 1 page for EL1, readable and writable; MAIR index 0; the access flag is set.
pub const S1_PAGE: u64 = 0b11 | INNER_SHAREABLE | AF;

pub const HCR_VM: u64 = 1 << 0;
pub const HCR_PTW: u64 = 1 << 2;
pub const HCR_TGE: u64 = 1 << 27;
pub const HCR_E2H: u64 = 1 << 34;
pub const HCR_TEA: u64 = 1 << 37;
/// T0SZ 25, SL0 1 (from level 1), 4KB, PS 48 bits.
pub const VTCR: u64 = 25 | 1 << 6 | 0b101 << 16;
pub const VTCR_HA: u64 = 1 << 21;
pub const VTCR_HD: u64 = 1 << 22;
/// T0SZ 25 (from level 1), 4KB, TTBR1 off, IPS 48 bits.
pub const TCR: u64 = 25 | 1 << 23 | 0b101 << 32 | 25 << 16 | 0b10 << 30;
pub const TCR_HA: u64 = 1 << 39;
pub const TCR_HD: u64 = 1 << 40;
pub const SCTLR_M: u64 = 1 << 0;
pub const SCTLR_A: u64 = 1 << 1;
pub const SCTLR_C: u64 = 1 << 2;
pub const SCTLR_NAA: u64 = 1 << 6;

/// Where stage 2's tables of levels 1, 2 and 3 are.
pub const S2_L1: u64 = 0x1000;
pub const S2_L2: u64 = 0x2000;
pub const S2_L3: u64 = 0x3000;
/// Where stage 1's are, in its own eyes: stage 2 leaves these addresses alone.
pub const S1_L1: u64 = 0x11000;
pub const S1_L2: u64 = 0x12000;
pub const S1_L3: u64 = 0x13000;

/// The implemented features, where a test says nothing else.
pub fn features() -> Features {
    Features::FEAT_TTST
        .with(Features::FEAT_VHE)
        .with(Features::FEAT_HAFDBS)
        .with(Features::FEAT_HAFDBS_DBS)
        .with(Features::FEAT_PAN)
        .with(Features::FEAT_PAN2)
        .with(Features::FEAT_RAS)
        .with(Features::FEAT_UAO)
}

impl Guest {
    /// Stage 2 is on and maps the first 2MB to themselves by pages; stage 1 is off.
    pub fn stage2() -> Self {
        let mut memory = Memory::default();
        memory.words.insert(S2_L1, S2_L2 | TABLE);
        memory.words.insert(S2_L2, S2_L3 | TABLE);
        for page in 0..512 {
            memory.words.insert(S2_L3 + 8 * page, page << 12 | S2_PAGE);
        }
        let registers = Registers {
            hcr_el2: HCR_VM,
            vtcr_el2: VTCR,
            vttbr_el2: S2_L1,
            mair_el1: 0xff,
            ..Registers::default()
        };
        Self { implementation: Implementation::new(48, features()), registers, memory }
    }

    /// Stage 2 as before, and stage 1 maps the first 2MB to themselves by pages.
    pub fn both_stages() -> Self {
        let mut guest = Self::stage2();
        guest.memory.words.insert(S1_L1, S1_L2 | TABLE);
        guest.memory.words.insert(S1_L2, S1_L3 | TABLE);
        for page in 0..512 {
            guest.memory.words.insert(S1_L3 + 8 * page, page << 12 | S1_PAGE);
        }
        guest.registers.sctlr_el1 = SCTLR_M | SCTLR_C;
        guest.registers.tcr_el1 = TCR;
        guest.registers.ttbr0_el1 = S1_L1;
        guest
    }

    pub fn set(&mut self, pa: u64, word: u64) {
        self.memory.words.insert(pa, word);
    }

    pub fn machine(&self) -> Machine<'_, Memory> {
        let Self { implementation, registers, memory } = self;
        Machine { implementation, registers, memory }
    }

    pub fn access(&self, access: Access, va: u64) -> AccessOutcome {
        self.access_with(access, va, &mut Profile::pseudocode())
    }

    pub fn access_with(
        &self,
        access: Access,
        va: u64,
        choices: &mut impl Choices,
    ) -> AccessOutcome {
        golden::access(self.machine(), access, Va(va), choices, &mut ()).expect("not EL3")
    }

    pub fn load(&self, va: u64) -> AccessOutcome {
        self.access(Access::new(Operation::Load, El::El1), va)
    }

    pub fn store(&self, va: u64) -> AccessOutcome {
        self.access(Access::new(Operation::Store, El::El1), va)
    }

    pub fn at(&self, at: At, el: El, va: u64) -> AtOutcome {
        self.at_with(at, el, va, &mut Profile::pseudocode())
    }

    pub fn at_with(&self, at: At, el: El, va: u64, choices: &mut impl Choices) -> AtOutcome {
        golden::at(self.machine(), at, el, false, Va(va), choices, &mut ()).expect("executed")
    }

    /// All outcomes that open choices allow, with the choices behind them.
    pub fn allowed_loads(&self, va: u64) -> Vec<(AccessOutcome, Vec<Asked>)> {
        self.allowed_accesses(Access::new(Operation::Load, El::El1), va)
    }

    /// The same of any access.
    pub fn allowed_accesses(&self, access: Access, va: u64) -> Vec<(AccessOutcome, Vec<Asked>)> {
        let mut outcomes = Vec::new();
        golden::allowed(
            &Profile::open(),
            |choices| self.access_with(access, va, choices),
            |outcome, asked| {
                outcomes.push((outcome, asked.to_vec()));
                std::ops::ControlFlow::Continue(())
            },
        );
        outcomes
    }

    /// The same of AT S12E1R at EL2.
    pub fn allowed_ats(&self, at: At, va: u64) -> Vec<(AtOutcome, Vec<Asked>)> {
        let mut outcomes = Vec::new();
        golden::allowed(
            &Profile::open(),
            |choices| self.at_with(at, El::El2, va, choices),
            |outcome, asked| {
                outcomes.push((outcome, asked.to_vec()));
                std::ops::ControlFlow::Continue(())
            },
        );
        outcomes
    }
}

/// The PAR_EL1 that an AT instruction wrote.
#[track_caller]
pub fn par(outcome: &AtOutcome) -> Masked {
    match outcome.result {
        AtResult::Par { par, .. } => par,
        AtResult::Exception(abort) => panic!("{abort}"),
    }
}

/// The physical address that an access came to.
#[track_caller]
pub fn pa(outcome: &AccessOutcome) -> u64 {
    match outcome.result {
        Ok(translation) => translation.pa.0,
        Err(abort) => panic!("{abort}"),
    }
}

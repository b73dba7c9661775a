//! Arbitrary PEs, registers and memory, from a list of numbers; and every question asked of them. The
//! property test and the fuzz target share it.

use std::ops::ControlFlow;

use golden::{
    Access, Alignment, At, AtResult, Choice, El, Features, Granule, GroupInspection,
    Implementation, InstructionSyndrome, Ipa, Machine, Maintenance, MemoryAttributes, Observer,
    Operation, Pa, PhysicalMemory, Profile, Read, Refusal, Registers, Semantics, Shareability,
    Stage2Access, Stage2Operation, Stale, Support, Transfer, Va,
};

/// The most descriptors that one translation reads, told to an observer: 5 stage 1 lookups, each behind 5
/// of stage 2; as many again for the update of each stage 1 descriptor; 5 for the output. Where a
/// descriptor is stale and can't be updated, the walk is begun again, at most 3 times at each of the two
/// stages.
pub const MAX_READS: usize = (5 * (5 + 1) + 5 * 5 + 5) * 4 * 4;

/// A PE in a world of memory.
pub struct World {
    pub implementation: Implementation,
    pub registers: Registers,
    pub memory: Dream,
    pub access: Access,
    pub va: Va,
    pub profile: Profile,
}

/// Memory whose every word is made up from its address: mostly descriptors that lead on.
pub struct Dream {
    seed: u64,
    /// Of 16 words, so many are whatever they are; the others are valid descriptors.
    wild: u64,
    address_mask: u64,
    faults: bool,
}

impl Dream {
    fn mixed(&self, pa: Pa) -> u64 {
        // The finalizer of SplitMix64.
        let mut x = (pa.0 ^ self.seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
}

impl PhysicalMemory for Dream {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        assert_eq!(pa.0 % 8, 0, "a descriptor lies at a multiple of 8: {pa}");
        assert_eq!(pa.0 >> 52, 0, "a descriptor lies within the physical address space: {pa}");
        let mixed = self.mixed(pa);
        if self.faults && mixed.is_multiple_of(61) {
            return Err(Refusal::ExternalAbort);
        }
        // Wild words may be anything; the others are valid, and have the access flag mostly.
        let valid = if mixed.is_multiple_of(5) { 0b11 } else { 0b11 | 1 << 10 };
        let descriptor = if mixed >> 60 < self.wild { mixed } else { mixed | valid };
        Ok(descriptor & !(ADDRESSES & !self.address_mask))
    }

    fn update(&self, pa: Pa) -> Result<(), Refusal> {
        match self.mixed(pa) % 59 {
            0 if self.faults => Err(Refusal::UnsupportedUpdate),
            1 if self.faults => Err(Refusal::ExternalAbort),
            _ => Ok(()),
        }
    }

    fn stale(&self, pa: Pa) -> Option<Stale> {
        let mixed = self.mixed(pa);
        let mut stale = (self.faults && mixed.is_multiple_of(53))
            .then(|| Stale::new(mixed.rotate_left(17) | 1))?;
        for n in 0..mixed >> 32 & 3 {
            stale = stale.with(mixed.rotate_left(20 + n as u32) | 1)?;
        }
        Some(if mixed >> 34 & 1 == 1 { stale.unbroken() } else { stale })
    }
}

const SCTLR_M: u64 = 1 << 0;
const SCTLR_A: u64 = 1 << 1;
const HCR_VM: u64 = 1 << 0;
const HCR_DC: u64 = 1 << 12;
const HCR_TGE: u64 = 1 << 27;
/// T0SZ, T1SZ, EPD0, EPD1, IPS.
const TCR_TAMED: u64 = 0x3f | 0x3f << 16 | 1 << 7 | 1 << 23 | 0b111 << 32;
const TCR_IPS_48: u64 = 0b101 << 32;
/// T0SZ, SL0, TG0, PS, SL2.
const VTCR_TAMED: u64 = 0x3f | 0b11 << 6 | 0b11 << 14 | 0b111 << 16 | 1 << 33;
const VTCR_PS_48: u64 = 0b101 << 16;
/// TG0, SL0 and T0SZ that go together: 4KB from levels 0 to 3, 16KB from 1 to 3, 64KB from 1 to 3.
const VTCR_SHAPES: [u64; 10] = [
    0b10 << 6 | 20,
    0b01 << 6 | 28,
    34,
    0b11 << 6 | 40,
    0b10 << 14 | 0b10 << 6 | 22,
    0b10 << 14 | 0b01 << 6 | 30,
    0b10 << 14 | 38,
    0b01 << 14 | 0b10 << 6 | 20,
    0b01 << 14 | 0b01 << 6 | 30,
    0b01 << 14 | 36,
];
/// The bits of a descriptor that hold addresses in most formats, and those of them that are left in a tame
/// world: 16MB of 64KB pages.
const ADDRESSES: u64 = 0x0000_ffff_ffff_f000;
const SMALL_ADDRESSES: u64 = 0xff_0000;

impl World {
    /// The world that these numbers make: 0 to 2 choose features, 3 what is implemented, 4 to 26 are
    /// registers, the bits of 27 tame them, 28 is the access and 29 its address, 30 memory, 31 choices. Missing numbers are zero.
    pub fn new(numbers: &[u64]) -> Self {
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(0);

        let every = Features::NAMED.iter().map(|&(_, feature)| feature);
        let chosen = next() | next() & next();
        let features = every
            .enumerate()
            .filter(|(n, _)| chosen >> n & 1 == 1)
            .fold(Features::NONE, |all, (_, feature)| all.with(feature));
        let shape = next();
        let pa_bits = [32, 36, 42, 44, 44, 48, 48, 52][(shape & 7) as usize];
        let mut implementation = Implementation::new(pa_bits, features);
        implementation.bbm_level = (shape >> 3 & 3) as u8;
        for (n, granule) in Granule::ALL.into_iter().enumerate() {
            if shape >> (8 + 4 * n) & 0xf == 0 {
                implementation.stage1_granules =
                    implementation.stage1_granules.with(granule, Support::Absent);
            }
            if shape >> (20 + 4 * n) & 0xf == 0 {
                implementation.stage2_granules =
                    implementation.stage2_granules.with(granule, Support::Absent);
            }
        }

        let mut registers = Registers {
            hcr_el2: next(),
            hcrx_el2: next(),
            vtcr_el2: next(),
            vttbr_el2: next(),
            s2pir_el2: next(),
            sctlr_el1: next(),
            tcr_el1: next(),
            tcr2_el1: next(),
            ttbr0_el1: next(),
            ttbr1_el1: next(),
            mair_el1: next(),
            mair2_el1: next(),
            pir_el1: next(),
            pire0_el1: next(),
            sctlr_el2: next(),
            tcr_el2: next(),
            tcr2_el2: next(),
            ttbr0_el2: next(),
            ttbr1_el2: next(),
            mair_el2: next(),
            mair2_el2: next(),
            pir_el2: next(),
            pire0_el2: next(),
        };
        // Most random registers end a walk before it begins. Tame some: stages on, sizes that fit, bases and
        // addresses small.
        let tame = next();
        if tame & 1 == 1 {
            registers.sctlr_el1 = registers.sctlr_el1 & !SCTLR_A | SCTLR_M;
            registers.sctlr_el2 = registers.sctlr_el2 & !SCTLR_A | SCTLR_M;
            registers.hcr_el2 = registers.hcr_el2 & !(HCR_DC | HCR_TGE) | HCR_VM;
        }
        if tame & 6 != 0 {
            let sizes = (16 + (tame >> 8 & 0xf)) | ((16 + (tame >> 12 & 0xf)) << 16);
            registers.tcr_el1 = registers.tcr_el1 & !TCR_TAMED | sizes | TCR_IPS_48;
            registers.tcr_el2 = registers.tcr_el2 & !TCR_TAMED | sizes | TCR_IPS_48;
            registers.vtcr_el2 = registers.vtcr_el2 & !VTCR_TAMED
                | VTCR_PS_48
                | VTCR_SHAPES[(tame >> 16) as usize % VTCR_SHAPES.len()];
        }
        let address_mask = if tame & 24 != 0 { SMALL_ADDRESSES } else { ADDRESSES };
        if tame & 24 != 0 {
            for ttbr in [
                &mut registers.vttbr_el2,
                &mut registers.ttbr0_el1,
                &mut registers.ttbr1_el1,
                &mut registers.ttbr0_el2,
                &mut registers.ttbr1_el2,
            ] {
                *ttbr &= SMALL_ADDRESSES | 1;
            }
        }

        let asked = next();
        let operation = match asked & 3 {
            0 => Operation::Load,
            1 => Operation::Store,
            2 => Operation::Atomic,
            _ if asked >> 47 & 1 == 1 => Operation::Zero,
            _ => Operation::Fetch,
        };
        let access = Access {
            operation,
            el: [El::El0, El::El1, El::El2, El::El1][(asked >> 2 & 3) as usize],
            unprivileged: asked >> 4 & 7 == 0,
            alignment: match asked >> 7 & 7 {
                0 => Alignment::Across16,
                1 => Alignment::Within16,
                2 => Alignment::Rest,
                _ => Alignment::Aligned,
            },
            semantics: match asked >> 24 & 3 {
                0 => Semantics::Ordered,
                1 => Semantics::Exclusive,
                _ => Semantics::Plain,
            },
            instruction: match asked >> 26 & 3 {
                0 => InstructionSyndrome::NotTold,
                1 => InstructionSyndrome::Invalid,
                _ => InstructionSyndrome::Valid(Transfer {
                    sas: (asked >> 28) as u8,
                    sse: asked >> 36 & 1 == 1,
                    srt: (asked >> 37) as u8,
                    sf: asked >> 45 & 1 == 1,
                    ar: asked >> 46 & 1 == 1,
                }),
            },
            pan: asked >> 10 & 1 == 1,
            uao: asked >> 22 & 3 == 0,
        };
        let va = match asked >> 12 & 3 {
            0 => next(),
            1 => next() >> 16,
            2 => next() >> 40,
            _ => !(next() >> 20),
        };
        let inspection = match asked >> 14 & 3 {
            0 => GroupInspection::Never,
            _ => GroupInspection::Always,
        };
        let memory = Dream {
            seed: next(),
            wild: asked >> 16 & asked >> 18 & 0xf,
            address_mask,
            faults: asked >> 20 & 1 == 1,
        };
        let mut profile = Profile::open().with_group_inspection(inspection);
        let settled = next();
        for (n, &choice) in Choice::ALL.iter().enumerate() {
            if settled >> n & 1 == 1 {
                profile.settle(choice, golden::Answer((settled >> (n + 24) & 3) as u16));
            }
        }
        Self { implementation, registers, memory, access, va: Va(va), profile }
    }

    fn machine(&self) -> Machine<'_, Dream> {
        let Self { implementation, registers, memory, .. } = self;
        Machine { implementation, registers, memory }
    }

    /// Asks everything. It must not panic, must read no more than it may, and must say the same again.
    pub fn exercise(&self) {
        let access = self.watched(|profile, observer| {
            golden::access(self.machine(), self.access, self.va, profile, observer)
                .expect("EL0 to EL2")
        });
        if let Err(abort) = access.result {
            assert_eq!(abort.exception.esr.value & 0x3f, abort.fault.status_code());
        }
        let mut seen = false;
        golden::allowed(
            &self.profile,
            |choices| {
                golden::access(self.machine(), self.access, self.va, choices, &mut ())
                    .expect("EL0 to EL2")
            },
            |outcome, _| {
                seen |= outcome == access;
                if seen { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert!(seen, "the outcome with choices taken as 0 is among those allowed: {access:?}");

        for at in At::ALL {
            for el in [El::El1, El::El2] {
                let outcome = self.watched(|profile, observer| {
                    golden::at(self.machine(), at, el, self.access.pan, self.va, profile, observer)
                });
                if let Ok(outcome) = outcome
                    && let AtResult::Par { par, fault } = outcome.result
                {
                    assert_eq!(par.value & 1 == 1, fault.is_some());
                    assert_eq!(par.value & !par.mask, 0);
                }
            }
        }

        for maintenance in Maintenance::ALL {
            let el = self.access.el;
            let outcome = self.watched(|profile, observer| {
                golden::maintain(self.machine(), maintenance, el, self.va, profile, observer)
                    .expect("EL0 to EL2")
            });
            if let Err(abort) = outcome.result {
                assert_eq!(abort.exception.esr.value >> 6 & 0b101, 0b101, "CM and WnR");
            }
        }

        for operation in [
            Stage2Operation::Access(self.access.operation),
            Stage2Operation::Stage1WalkRead,
            Stage2Operation::Stage1WalkUpdate,
        ] {
            let access = Stage2Access {
                operation,
                el: self.access.el,
                aligned: self.access.alignment.is_aligned(),
                stage1_attributes: MemoryAttributes::from_mair(0xff, Shareability::Inner, true)
                    .expect("not reserved"),
            };
            self.watched(|profile, observer| {
                golden::stage2_translate(self.machine(), access, Ipa(self.va.0), profile, observer)
            });
        }
    }

    /// Asks twice, and looks on.
    fn watched<T: PartialEq + std::fmt::Debug>(
        &self,
        ask: impl Fn(&mut Profile, &mut Watch) -> T,
    ) -> T {
        let mut watch = Watch { reads: 0 };
        let outcome = ask(&mut self.profile.clone(), &mut watch);
        assert!(watch.reads <= MAX_READS, "{} reads", watch.reads);
        assert_eq!(ask(&mut self.profile.clone(), &mut Watch { reads: 0 }), outcome);
        outcome
    }
}

struct Watch {
    reads: usize,
}

impl Observer for Watch {
    fn read(&mut self, _: Read) {
        self.reads += 1;
    }
}

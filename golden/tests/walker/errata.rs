//! The errata: each has a name of its own, each can be seen, and none is all that a walk knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use golden::errata::{self, Effect, Erratum, Flawed, Instruction};
use golden::tlbi::{Tlbi, TlbiDomain, TlbiOperation};
use golden::{
    Access, Answer, At, Choice, Choices, El, Fault, FaultKind, Features, Granules, Implementation,
    Machine, Maintenance, Pa, PhysicalMemory, Profile, Refusal, Registers, Semantics, Stage, Va,
    access, at, maintain,
};
use vectors::Question;

/// SplitMix64: the same worlds on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }
}

/// Memory whose every word is drawn by its address: tables that lead to tables, and leaves of every kind.
struct Words(u64);

impl PhysicalMemory for Words {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        let random = &mut Random(self.0 ^ pa.0.wrapping_mul(0x0000_0100_0000_01b3));
        let (word, kind) = (random.next(), random.next());
        if kind >> 32 & 0x3f == 0 {
            return Err(Refusal::ExternalAbort);
        }
        // Valid three times of four, and with addresses of few bits as often as with many.
        let valid = u64::from(!kind.is_multiple_of(4));
        let address = if kind >> 8 & 1 == 0 { 0xffff_f000 } else { 0xffff_ffff_f000 };
        let upper = if kind >> 9 & 1 == 0 { 0xfff << 52 } else { 0 };
        Ok(word & (upper | 0x000f_0000_0000_0000 | address | 0xffe) & !0x8001
            | valid
            | u64::from(kind >> 10 & 1 == 0) << 1
            | u64::from(kind >> 12 & 0b11 != 0) << 10)
    }

    fn update(&self, _: Pa) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A machine that a walk gets far in, and what is asked of it.
struct World {
    pe: Implementation,
    registers: Registers,
    memory: Words,
    va: Va,
    pan: bool,
    semantics: Semantics,
    unprivileged: bool,
    uao: bool,
    /// How it settles what is open.
    profile: Profile,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = &mut Random(seed);
        let mut features = Features::NONE;
        for (_, feature) in Features::NAMED {
            // Indirect permissions replace direct ones: both are wanted.
            if !random.one_in(4) {
                features = features.with(*feature);
            }
        }
        let mut pe = Implementation::new(if random.one_in(3) { 48 } else { 52 }, features);
        let granules = Granules::all(features.contains(Features::FEAT_LPA2));
        (pe.stage1_granules, pe.stage2_granules) = (granules, granules);
        pe.bbm_level = (random.next() % 3) as u8;
        let mut registers = Registers::default();
        let mut field = |register: &str, clear: u64, set: u64| {
            let word = random.next() & if random.one_in(2) { u64::MAX } else { random.next() };
            *registers.named_mut(register).unwrap() = word & !clear | set;
        };
        // VM, and no DC, TGE, E2H or NV most of the time.
        field("HCR_EL2", 1 << 12 | 1 << 27 | 1 << 34 | 0b111 << 42, 1 | 1 << 31);
        field("HCRX_EL2", 0, 0);
        field("SCTLR_EL1", 1 << 1 | 1 << 25, 1);
        field("SCTLR_EL2", 1 << 1 | 1 << 25, 1);
        for register in ["TCR_EL1", "TCR_EL2"] {
            field(
                register,
                0x3f_003f | 0b11 << 14 | 0b11 << 30 | 1 << 7 | 1 << 23,
                25 | 25 << 16 | 0b10 << 30,
            );
        }
        field(
            "VTCR_EL2",
            0x3f | 0b11 << 6 | 0b11 << 14 | 0b111 << 16 | 1 << 33,
            25 | 1 << 6 | 5 << 16,
        );
        for register in
            ["TCR2_EL1", "TCR2_EL2", "PIR_EL1", "PIR_EL2", "PIRE0_EL1", "PIRE0_EL2", "S2PIR_EL2"]
        {
            field(register, 0, 0);
        }
        for register in ["MAIR_EL1", "MAIR_EL2", "MAIR2_EL1", "MAIR2_EL2"] {
            field(register, 0, 0x44);
        }
        for register in ["TTBR0_EL1", "TTBR1_EL1", "TTBR0_EL2", "TTBR1_EL2", "VTTBR_EL2"] {
            field(register, 0xffff_8000_0000_0fff, 0);
        }
        // Another world now and then: a host, no stage 2, an address size that is small, wide addresses.
        if random.one_in(4) {
            registers.hcr_el2 |= 1 << 34 | u64::from(random.one_in(2)) << 27;
        }
        if random.one_in(6) {
            registers.hcr_el2 |= 0b11 << 42;
        }
        if random.one_in(4) {
            registers.sctlr_el1 &= !1;
        }
        if random.one_in(3) {
            registers.hcr_el2 &= !1;
        }
        if random.one_in(8) {
            registers.hcr_el2 ^= 1 << (random.next() % 48);
        }
        if random.one_in(4) {
            registers.vtcr_el2 ^= (random.next() & 0b111) << 16;
        }
        if random.one_in(8) {
            registers.vtcr_el2 |= 1 << 32;
            registers.tcr_el1 |= 1 << 59;
            registers.tcr_el2 |= 1 << 32;
        }
        if random.one_in(8) {
            registers.sctlr_el1 ^= 1 << (random.next() % 58);
            registers.sctlr_el2 ^= 1 << (random.next() % 58);
        }
        if random.one_in(8) {
            let tcr = random.next() & (1 << 7 | 1 << 23 | 0b11 << 14);
            registers.tcr_el1 ^= tcr;
            registers.tcr_el2 ^= tcr & !(1 << 23);
        }
        let upper = if random.one_in(2) { u64::MAX << 39 } else { 0 };
        let va = random.next() >> 25 | upper;
        let va = if random.one_in(4) { va ^ (random.next() & 0xff) << 56 } else { va };
        let va = if random.one_in(4) { va } else { va & !0xf };
        let memory = Words(random.next());
        let [pan, unprivileged, uao] = [2, 4, 2].map(|count| random.one_in(count));
        let all = [Semantics::Plain, Semantics::Ordered, Semantics::Exclusive];
        let semantics = all[(random.next() % 3) as usize];
        let mut profile = Profile::pseudocode();
        for choice in Choice::ALL {
            profile.settle(*choice, Answer((random.next() % 2) as u16));
        }
        // And 64KB granules with the reserved output size, and address bits above 47 in the table bases.
        if random.one_in(16) {
            let high = random.next() & 0b1111 << 2;
            registers.tcr_el1 =
                registers.tcr_el1 & !(0b11 << 14 | 0b11 << 30) | 0b01 << 14 | 0b11 << 30;
            registers.tcr_el1 |= 0b111 << 32;
            registers.vtcr_el2 = registers.vtcr_el2 & !(0b11 << 14) | 0b01 << 14 | 0b111 << 16;
            registers.ttbr0_el1 |= high;
            registers.ttbr1_el1 |= high;
            registers.vttbr_el2 |= high;
        }
        let va = Va(va);
        Self { pe, registers, memory, va, pan, semantics, unprivileged, uao, profile }
    }

    /// Question number `number` of those that are asked in every world: its answer in words, and what was updated.
    fn ask(&self, number: usize, choices: &mut impl Choices) -> Option<String> {
        use golden::Operation::{Atomic, Fetch, Load, Store, Zero};
        let Self { pe, registers, memory, va, pan, semantics, unprivileged, uao, .. } = self;
        let machine = Machine { implementation: pe, registers, memory };
        let levels = [El::El0, El::El1, El::El2];
        let accesses = || {
            let all = [Load, Store, Atomic, Fetch, Zero];
            all.into_iter().flat_map(|operation| levels.map(|el| (operation, el)))
        };
        const ATS: [At; 8] = [
            At::S1E0R,
            At::S1E1W,
            At::S1E1R,
            At::S1E2R,
            At::S1E2W,
            At::S12E0R,
            At::S12E1W,
            At::S12E1R,
        ];
        let asked = accesses().nth(number).map(|(operation, el)| {
            let alignment = if operation == Fetch || operation == Zero {
                golden::Alignment::Aligned
            } else {
                golden::Alignment::of(*va, 8)
            };
            let transfer = golden::Transfer { sas: 3, sse: false, srt: 1, sf: true, ar: false };
            let instruction = golden::InstructionSyndrome::Valid(transfer);
            let asked = Access::new(operation, el).with_pan(*pan).with_alignment(alignment);
            let asked = asked.with_instruction(instruction).with_semantics(*semantics);
            let asked = Access { unprivileged: *unprivileged, uao: *uao, ..asked };
            format!("{:?}", access(machine, asked, *va, choices, &mut ()))
        });
        let number = number.wrapping_sub(accesses().count());
        let asked = asked.or_else(|| {
            let asked = *ATS.get(number)?;
            Some(format!("{:?}", at(machine, asked, El::El2, *pan, *va, choices, &mut ())))
        });
        let number = number.wrapping_sub(ATS.len());
        asked.or_else(|| {
            let maintenance = *Maintenance::ALL.get(number / 2)?;
            let el = levels[number % 2];
            Some(format!("{:?}", maintain(machine, maintenance, el, *va, choices, &mut ())))
        })
    }
}

/// The errata of `left` that make no difference to any question of this world.
fn unseen(world: &World, left: &mut Vec<&'static Erratum>) {
    for number in 0.. {
        let Some(sound) = world.ask(number, &mut world.profile.clone()) else { return };
        left.retain(|erratum| {
            let flawed = &mut Flawed::new(world.profile, [*erratum]);
            world.ask(number, flawed).as_ref() == Some(&sound)
        });
    }
}

/// The errata of `left` that make no difference to any query of a file of vectors.
fn unseen_in_vectors(file: &str, left: &mut Vec<&'static Erratum>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let look = |example: vectors::Example| {
        let vectors::Example { implementation, registers, memory, profile, queries } = example;
        let memory = Listed(memory);
        let machine =
            Machine { implementation: &implementation, registers: &registers, memory: &memory };
        // No vector asks by DC ZVA: wherever one stores, it is asked too.
        let zero = |question: Question| match question {
            Question::Access { access, va } if access.operation == golden::Operation::Store => {
                let access = Access::new(golden::Operation::Zero, access.el);
                [Some(question), Some(Question::Access { access, va })]
            }
            question => [Some(question), None],
        };
        let asked = queries.into_iter().filter_map(|(question, _)| question.ok());
        for question in asked.flat_map(zero).flatten() {
            let sound = question.ask(machine, &mut profile.clone(), &mut ());
            left.retain(|erratum| {
                let flawed = &mut Flawed::new(profile, [*erratum]);
                question.ask(machine, flawed, &mut ()) == sound
            });
        }
    };
    vectors::each(&folder.join(format!("{file}.jsonl.gz")), look).unwrap();
}

/// Memory that is zero where a vector does not list it.
struct Listed(BTreeMap<u64, u64>);

impl PhysicalMemory for Listed {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        Ok(self.0.get(&pa.0).copied().unwrap_or(0))
    }

    fn update(&self, _: Pa) -> Result<(), Refusal> {
        Ok(())
    }
}

#[test]
fn names_are_unique_and_lead_back() {
    let all: Vec<&Erratum> = errata::all().collect();
    let names: BTreeSet<&str> = all.iter().map(|erratum| erratum.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|erratum| errata::named(erratum.name) == Some(erratum)));
    assert_eq!(errata::named("none"), None);
}

#[test]
fn every_erratum_can_be_seen() {
    // What ends the device shows in no answer: see below.
    let is_of_walks =
        |erratum: &&Erratum| !erratum.is_deadly() && !matches!(erratum.effect, Effect::Tlbi(_));
    let mut left: Vec<&'static Erratum> = errata::all().filter(is_of_walks).collect();
    for file in ["stage2", "two-stage", "el2", "vhe", "at", "pie"] {
        unseen_in_vectors(file, &mut left);
    }
    for seed in 0..6000 {
        unseen(&World::new(seed), &mut left);
    }
    assert!(left.is_empty(), "{} of {}: {left:#?}", left.len(), errata::all().count());
}

/// TLBIs of every kind, with operands of all kinds.
fn tlbis() -> Vec<Tlbi> {
    use TlbiOperation as O;
    let operations = [
        [O::Alle1, O::Vmalls12e1, O::Vmalle1, O::Aside1],
        [O::Vae1, O::Vaae1, O::Vale1, O::Vaale1],
        [O::Rvae1, O::Rvaae1, O::Rvale1, O::Rvaale1],
        [O::Ipas2e1, O::Ipas2le1, O::Ripas2e1, O::Ripas2le1],
    ];
    let domains = [TlbiDomain::Own, TlbiDomain::InnerShareable, TlbiDomain::OuterShareable];
    let random = &mut Random(1);
    let features = Features::FEAT_TTL.with(Features::FEAT_LPA2);
    let pe = Implementation::new(52, features);
    let mut all = Vec::new();
    for operation in operations.into_iter().flatten() {
        for domain in domains {
            for _ in 0..64 {
                // TCR_EL1.DS and AS, VTCR_EL2.DS.
                let registers = Registers {
                    tcr_el1: random.next() & (1 << 59 | 1 << 36),
                    vtcr_el2: random.next() & 1 << 32,
                    ..Registers::default()
                };
                let (operand, nxs) = (random.next(), random.one_in(2));
                all.push(Tlbi::new(operation, operand, domain, nxs, &pe, &registers));
            }
        }
    }
    all
}

#[test]
fn an_erratum_of_tlb_maintenance_takes_less_away_and_never_more() {
    let tlbis = tlbis();
    let of_tlbs = errata::all().filter(|one| matches!(one.effect, Effect::Tlbi(_)));
    for erratum in of_tlbs {
        let changed = tlbis.iter().map(|tlbi| (tlbi, erratum.of_tlbi(*tlbi)));
        let changed: Vec<_> = changed.filter(|(sound, flawed)| *sound != flawed).collect();
        assert!(!changed.is_empty(), "{erratum:?} changes nothing");
        for (sound, flawed) in changed {
            let takes = |tlbi: &Tlbi| {
                let Tlbi { any_vmid, stage1, stage2, combined, global, .. } = *tlbi;
                [any_vmid, stage1, stage2, combined, global, tlbi.domain != TlbiDomain::Own]
            };
            let is_more = takes(sound).into_iter().zip(takes(&flawed)).any(|(was, is)| is && !was);
            assert!(!is_more, "{erratum:?} makes {flawed:?} of {sound:?}");
            let bytes = |tlbi: &Tlbi| tlbi.range.map_or(0, |range| range.bytes);
            assert!(bytes(&flawed) <= bytes(sound), "{erratum:?} makes {flawed:?} of {sound:?}");
        }
    }
}

#[test]
fn a_deadly_erratum_is_of_one_kind_of_fault_by_one_kind_of_instruction() {
    let [at, access] = [Instruction::At(At::S12E1R), Instruction::Access(golden::Operation::Load)];
    let stages = [(Stage::One, false), (Stage::Two, false), (Stage::Two, true)];
    let faults = stages.into_iter().flat_map(|(stage, s1_walk)| {
        let kinds = [FaultKind::Translation, FaultKind::Permission, FaultKind::Alignment];
        kinds.map(|kind| {
            let level = golden::Level::L3;
            let (ipa, write, dirty_bit) = (None, false, false);
            Fault { kind, level, stage, s1_walk, ipa, write, dirty_bit }
        })
    });
    for fault in faults {
        for instruction in [at, access] {
            let killing: Vec<_> =
                errata::all().filter(|erratum| erratum.kills(&instruction, &fault)).collect();
            assert_eq!(killing.len(), usize::from(fault.kind != FaultKind::Alignment), "{fault:?}");
            assert!(killing.iter().all(|erratum| erratum.is_deadly()));
        }
    }
}

#[test]
fn a_device_without_errata_is_as_it_was() {
    for seed in 0..200 {
        let world = World::new(seed);
        for number in 0.. {
            let Some(sound) = world.ask(number, &mut world.profile.clone()) else { break };
            let none: [&'static Erratum; 0] = [];
            let flawed = &mut Flawed::new(world.profile, none);
            assert_eq!(world.ask(number, flawed), Some(sound));
        }
    }
}

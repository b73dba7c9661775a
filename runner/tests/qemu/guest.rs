//! Guests at EL1 and EL0, on a real QEMU: cases built by hand, whose answers are known.

use case::edit::{Change, Edit};
use case::format::{AddressFormat, Format, Granule};
use case::guest::{self, Guest};
use case::mapping::{Attributes, Mapping};
use case::memory::{ArenaKind, MemoryMap, Place};
use case::probe::{El, Operation, Probe, pair};
use case::registers::Registers;
use case::tree::{Role, Tree};
use case::{Case, Flags, scratch};
use device::description::Affinity;
use device::kind::Start;
use device::kind::qemu::Qemu;
use device::{Description, Session};
use link::observations::{Changed, Exception, NO_ANSWER, Status};

use crate::common::answer::{ask, done};
use crate::common::executor::EXECUTOR;
use crate::common::targets::{boot, description, open, start};

/// The emulated machine of `description`.
fn qemu_of(description: &mut Description) -> &mut Qemu {
    match &mut description.start {
        Start::Qemu(qemu) => qemu,
        other => panic!("{other:?} is no machine of QEMU"),
    }
}

const K4: Format =
    Format { granule: Granule::K4, start_level: 1, ia_bits: 39, address: AddressFormat::Bits48 };

/// RES1, PS 48 bits, write-back inner-shareable walks, SL0 level 1, 39 bits.
const VTCR: u64 = 1 << 31 | 5 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 25;
/// IPS 48 bits; TTBR1 is not walked; the same walks, 39 bits.
const TCR: u64 = 5 << 32 | 2 << 30 | 1 << 23 | 25 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 25;
/// RES1 bits, I; EL0 may use DC, IC and DC ZVA.
const SCTLR_OFF: u64 = 0x30d0_0800 | 1 << 12 | 1 << 14 | 1 << 26;
/// The same with M and C.
const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2;
const VM: u64 = 1;
const RW: u64 = 1 << 31;

// Intermediate physical addresses, of 64 KB but for the first.
const CODE: u64 = 0x1000_0000;
const TAGS: u64 = 0x1100_0000;
const SLOTS: u64 = 0x1200_0000;
const READ_ONLY: u64 = 0x1300_0000;
const NO_EXECUTE: u64 = 0x1400_0000;
const UNMAPPED: u64 = 0x1500_0000;
/// Where the tables of stage 1 are.
const TABLES: u64 = 0x2000_0000;
/// What added to one makes the virtual address that leads there, where stage 1 is on.
const VA: u64 = 0x4000_0000;

const PAGE: u64 = 0x1000;

struct World {
    case: Case,
    /// Physical address of the stage.
    stage: u64,
    tables: u8,
}

impl World {
    /// Stage 2 alone: `SCTLR_EL1.M` is 0.
    fn stage2(session: &dyn Session) -> Self {
        let map: MemoryMap = session.memory_map().clone();
        let number = |kind| {
            let found = map.arenas().iter().position(|arena| arena.kind == kind);
            found.expect("the target has one") as u8
        };
        let (tables, number) = (number(ArenaKind::Tables), number(ArenaKind::Scratch));
        let registers = Registers {
            hcr_el2: RW | VM,
            vtcr_el2: VTCR,
            vttbr_el2: 7 << 48,
            sctlr_el1: SCTLR_OFF,
            mair_el1: 0xff,
            ..Registers::default()
        };
        let tree = Tree::new(Role::Stage2, K4, Place::new(tables, 0));
        let case = Case::with_tree(registers, tree);
        let stage = map.arenas()[usize::from(number)].base;
        let mut world = Self { case, stage, tables };
        let at = |offset| Place::new(number, offset);
        world.map2(CODE, at(scratch::GUEST), 1, 3, 0);
        world.map2(TAGS, at(scratch::TAGS), 16, 3, 0);
        world.map2(SLOTS, at(scratch::SLOTS), 16, 3, 0);
        world.map2(READ_ONLY, at(scratch::TAGS), 16, 1, 0);
        world.map2(NO_EXECUTE, at(scratch::SLOTS), 16, 3, 2);
        world.case.set_guest(Guest { code: at(0), code_va: CODE });
        world.case.set_flags(Flags(Flags::GUEST));
        world
    }

    /// Both stages: what stage 2 maps, stage 1 maps [`VA`] higher, for EL1 and EL0.
    fn both(session: &dyn Session) -> Self {
        let mut world = Self::stage2(session);
        let registers = world.case.registers_mut();
        (registers.sctlr_el1, registers.tcr_el1) = (SCTLR_ON, TCR);
        registers.ttbr0_el1 = 9 << 48;
        let mut tree = Tree::in_ipa_space(Role::Ttbr0El1, K4);
        let place = Place::new(world.tables, 1 << 20);
        tree.push_slot_at(place, TABLES).expect("there is room");
        world.case.push_tree(tree).expect("there is room");
        world.map2(TABLES, place, 16, 3, 2);
        // AP 3: read-only, for both; 1: for both.
        for (ipa, pages, ap, xn) in
            [(CODE, 1, 3, 0), (TAGS, 16, 1, 3), (SLOTS, 16, 3, 0), (READ_ONLY, 16, 1, 3)]
        {
            world.map1(VA + ipa, ipa, pages, ap, xn);
        }
        world.map1(VA + NO_EXECUTE, NO_EXECUTE, 16, 3, 0);
        world.map1(VA + UNMAPPED, UNMAPPED, 16, 1, 3);
        let code = world.case.as_ref().header.guest.code;
        world.case.set_guest(Guest { code, code_va: VA + CODE });
        world
    }

    fn map2(&mut self, ipa: u64, output: Place, pages: u32, ap: u8, xn: u8) {
        let attributes =
            Attributes { mem_attr: 0xf, ap, xn, sh: 3, af: 1, ..Attributes::default() };
        self.map(0, ipa, output, pages, attributes);
    }

    fn map1(&mut self, va: u64, ipa: u64, pages: u32, ap: u8, xn: u8) {
        let attributes = Attributes { ap, xn, sh: 3, af: 1, ..Attributes::default() };
        self.map(1, va, Place::absolute(ipa), pages, attributes);
    }

    fn map(&mut self, tree: u8, input: u64, output: Place, entries: u32, attributes: Attributes) {
        let mapping =
            Mapping { input, output, entries, level: 3, tree, reserved: [0; 2], attributes };
        self.case.push_mapping(mapping).expect("there is room");
    }

    fn probe(&mut self, probe: Probe) -> u32 {
        self.case.push_probe(probe).expect("there is room");
        self.case.as_ref().probes.len() as u32 - 1
    }

    fn tags(&self) -> u64 {
        self.stage + scratch::TAGS
    }

    fn slots(&self) -> u64 {
        self.stage + scratch::SLOTS
    }

    /// ELR and SPSR of a fault of the access to `address`, by a guest entered with `spsr`: those of the
    /// instruction under test in the guest's code, or of what a call led to.
    fn came_from(&self, operation: Operation, bytes: u8, address: u64, spsr: u64) -> (u64, u64) {
        // PSTATE.BTYPE behind a BLR.
        const CALLED: u64 = 0b10 << 10;
        if operation == Operation::Fetch {
            return (address, spsr | CALLED);
        }
        let piece = guest::piece(operation, bytes).expect("a guest does it");
        (self.case.as_ref().header.guest.code_va + piece, spsr)
    }

    /// The root of stage 2.
    fn root(&self, session: &dyn Session) -> u64 {
        session.memory_map().arenas()[usize::from(self.tables)].base
    }
}

/// `word` with its low `bytes` bytes replaced by those of `value`.
fn replaced(word: u64, value: u64, bytes: u8) -> u64 {
    let mask = u64::MAX >> (64 - 8 * u32::from(bytes));
    word & !mask | value & mask
}

const STORES: [Operation; 3] =
    [Operation::Store, Operation::StoreRelease, Operation::StoreUnprivileged];
const LOADS: [Operation; 4] = [
    Operation::Load,
    Operation::LoadAcquire,
    Operation::LoadUnprivileged,
    Operation::LoadExclusive,
];
const EXCHANGES: [Operation; 4] =
    [Operation::Swap, Operation::Add, Operation::CompareAndSwap, Operation::StoreExclusive];

/// Asks for every access, of every size, by EL1 and EL0, with `offset` between virtual and intermediate
/// physical addresses.
fn every_access(session: &mut dyn Session, mut world: World, offset: u64) {
    let (tags, slots) = (world.tags(), world.slots());
    let mut answers = Vec::new();
    let mut changed = Vec::new();
    // Each access has a tag of its own.
    let mut at = 0x208;
    let next = |at: &mut u64| {
        *at += 24;
        *at
    };
    for el in [El::El1, El::El0] {
        for bytes in [1, 2, 4, 8] {
            for operation in LOADS {
                let at = next(&mut at);
                world.probe(Probe::new(operation, offset + TAGS + at).by(el).of_bytes(bytes));
                answers.push(replaced(0, tags + at, bytes));
            }
            for operation in STORES {
                let at = next(&mut at);
                let store = Probe::new(operation, offset + TAGS + at).by(el).of_bytes(bytes);
                let stored = scratch::stored(world.probe(store) as u16);
                answers.push(stored);
                changed.push((tags + at, replaced(tags + at, stored, bytes)));
            }
            for operation in EXCHANGES {
                let at = next(&mut at);
                let address = offset + TAGS + at;
                let probe = Probe::new(operation, address).by(el).of_bytes(bytes);
                let stored = scratch::stored(world.probe(probe) as u16);
                let tag = tags + at;
                answers.push(replaced(0, tag, bytes));
                let after = match operation {
                    Operation::Add => tag.wrapping_add(stored),
                    // What is there must be the address.
                    Operation::CompareAndSwap
                        if replaced(0, tag, bytes) != replaced(0, address, bytes) =>
                    {
                        tag
                    }
                    _ => stored,
                };
                let after = replaced(tag, after, bytes);
                if after != tag {
                    changed.push((tag, after));
                }
            }
        }
        let at_pair = next(&mut at) & !0xf;
        world.probe(Probe::new(Operation::LoadPair, offset + TAGS + at_pair).by(el));
        answers.push(pair(tags + at_pair, tags + at_pair + 8));
        at += 16;
        let at_pair = next(&mut at) & !0xf;
        let number = world.probe(Probe::new(Operation::StorePair, offset + TAGS + at_pair).by(el));
        let stored = scratch::stored(number as u16);
        answers.push(stored);
        changed.extend([0, 8].map(|word| (tags + at_pair + word, stored)));
        at += 16;
        let slot = scratch::SLOT_BYTES * 77;
        world.probe(Probe::new(Operation::Fetch, offset + SLOTS + slot).by(el));
        answers.push(slots + slot);
        world.probe(Probe::new(Operation::RoundTrip, 0).by(el));
        answers.push(0);
        for operation in
            [Operation::DcCvac, Operation::DcCvau, Operation::DcCivac, Operation::IcIvau]
        {
            world.probe(Probe::new(operation, offset + TAGS + at).by(el));
            answers.push(0);
        }
    }
    let answer = done(session, &world.case);
    assert_eq!(answer.exceptions, []);
    for (number, (got, wanted)) in answer.answers.iter().zip(&answers).enumerate() {
        let probe = &world.case.as_ref().probes[number];
        assert_eq!(got, wanted, "probe {number}: {got:#x}, not {wanted:#x}: {probe:x?}");
    }
    let found: Vec<_> = answer.changed.iter().map(|tag| (tag.pa, tag.value)).collect();
    assert_eq!(found, changed);
    assert_eq!(answer.report.built, answer.report.after);

    // The tags were mended: what was stored is loaded no more.
    let (changed, _) = changed[0];
    let mut again = World::stage2(session);
    again.probe(Probe::new(Operation::Load, TAGS + (changed - tags)).by(El::El1));
    assert_eq!(done(session, &again.case).answers, [changed]);
}

#[test]
fn every_access_goes_through_stage_2() {
    let mut session = boot("qemu-max");
    let world = World::stage2(&*session);
    every_access(&mut *session, world, 0);
}

#[test]
fn every_access_goes_through_both_stages() {
    let mut session = boot("qemu-max");
    let world = World::both(&*session);
    every_access(&mut *session, world, VA);
}

#[test]
fn what_one_store_of_any_kind_leaves_is_found() {
    let mut session = boot("qemu-max");
    let others = [Operation::StorePair, Operation::DcZva];
    for operation in STORES.into_iter().chain(EXCHANGES).chain(others) {
        let mut world = World::both(&*session);
        world.probe(Probe::new(Operation::Load, VA + TAGS).by(El::El0));
        // The low byte of tag and address is 0, and that of what is stored the number of the probe.
        world.probe(Probe::new(operation, VA + TAGS + 0x1100).by(El::El0).of_bytes(1));
        let answer = done(&mut *session, &world.case);
        assert_eq!(answer.exceptions, [], "{operation:?}");
        let found: Vec<_> =
            answer.changed.iter().map(|tag| (tag.pa - world.tags(), tag.value)).collect();
        let stored = scratch::stored(1);
        match operation {
            Operation::StorePair => assert_eq!(found, [(0x1100, stored), (0x1108, stored)]),
            Operation::DcZva => {
                let block = found.len() as u64 * 8;
                assert!(block.is_power_of_two() && block >= 16, "{found:x?}");
                let zeroed = (0x1100 & !(block - 1)..).step_by(8).map(|offset| (offset, 0));
                assert!(zeroed.take(found.len()).eq(found));
            }
            _ => assert_eq!(found, [(0x1100, world.tags() + 0x1101)], "{operation:?}"),
        }
    }
}

#[test]
fn the_registers_name_the_roots() {
    let mut session = boot("qemu-max");
    let mut world = World::both(&*session);
    world.probe(Probe::new(Operation::AtS1e1r, VA + TAGS + 0x2008).by(El::El1));
    world.probe(Probe::new(Operation::AtS1e0w, VA + CODE).by(El::El1));
    world.probe(Probe::new(Operation::AtS12e1r, VA + TAGS + 0x2008));
    world.probe(Probe::new(Operation::AtS1e1w, VA + TAGS + 0x2008));
    world.probe(Probe::new(Operation::AtS1e1rp, VA + TAGS + 0x2008));
    world.probe(Probe::new(Operation::LoadPair, VA + TAGS + 0x2010).by(El::El0));
    let answer = done(&mut *session, &world.case);
    let root = world.root(&*session);
    assert_eq!(answer.report.vttbr_el2, 7 << 48 | root);
    assert_eq!(answer.report.ttbr0_el1, 9 << 48 | TABLES);
    assert_eq!(answer.exceptions, []);
    let page = |number: usize| answer.answers[number] & 0xf_ffff_ffff_f001;
    // Stage 1 alone says the intermediate physical address.
    assert_eq!([page(0), page(3), page(4)], [TAGS + 0x2000; 3]);
    assert_eq!(answer.answers[1] & 0x7f, 0b00_1111 << 1 | 1, "a permission fault at level 3");
    assert_eq!(page(2), world.tags() + 0x2000);
    assert_eq!(answer.answers[5], pair(world.tags() + 0x2010, world.tags() + 0x2018));
}

/// A Data Abort's ESR from an EL below, without what describes the access.
const DATA_ABORT: u64 = 0x24 << 26 | 1 << 25;
const INSTRUCTION_ABORT: u64 = 0x20 << 26 | 1 << 25;
const WRITE: u64 = 1 << 6;
const S1PTW: u64 = 1 << 7;
/// What a Data Abort at stage 2 says of the instruction.
const ISV_FIELDS: u64 = 0x1fff << 13 & !(1 << 25);
const SPSR_EL1: u64 = 0x3c5;
const SPSR_EL0: u64 = 0x3c0;

#[test]
fn faults_of_stage_2_are_taken_to_el2() {
    let mut session = boot("qemu-max");
    let mut world = World::stage2(&*session);
    let mut wanted = Vec::new();
    for (el, spsr) in [(El::El1, SPSR_EL1), (El::El0, SPSR_EL0)] {
        for (operation, address, esr) in [
            (Operation::Load, UNMAPPED + 0x10, DATA_ABORT | 0b00_0110),
            (Operation::Store, READ_ONLY + 0x18, DATA_ABORT | WRITE | 0b00_1111),
            (Operation::Swap, READ_ONLY + 0x20, DATA_ABORT | WRITE | 0b00_1111),
            (Operation::StorePair, UNMAPPED + 0x30, DATA_ABORT | WRITE | 0b00_0110),
            (Operation::Fetch, NO_EXECUTE + 0x40, INSTRUCTION_ABORT | 0b00_1111),
        ] {
            let probe = world.probe(Probe::new(operation, address).by(el));
            let (elr, spsr) = world.came_from(operation, 8, address, spsr);
            let hpfar = address >> 12 << 4;
            let (origin, target) = (Exception::PROBE, 2);
            wanted.push(Exception { probe, origin, target, esr, far: address, hpfar, elr, spsr });
            world.probe(Probe::new(Operation::Load, READ_ONLY + 0x18).by(el));
        }
    }
    let mut answer = done(&mut *session, &world.case);
    let tag = world.tags() + 0x18;
    assert_eq!(answer.answers, [NO_ANSWER, tag].repeat(10));
    for (taken, wanted) in answer.exceptions.iter_mut().zip(&wanted) {
        // HPFAR_EL2 is UNKNOWN after a permission fault that is not of a stage 1 walk.
        if wanted.esr & 0x3c == 0xc {
            taken.hpfar = wanted.hpfar;
        }
        if taken.esr >> 26 == 0x24 {
            taken.esr &= !ISV_FIELDS;
        }
    }
    assert_eq!(answer.exceptions, wanted);
    assert_eq!(answer.changed, []);
}

#[test]
fn faults_of_stage_1_are_taken_to_el1_and_those_of_stage_2_to_el2() {
    let mut session = boot("qemu-max");
    let mut world = World::both(&*session);
    // For EL1 alone; and a table at level 3 whose intermediate physical address stage 2 does not map.
    let (own, lost) = (0x5800_0000, 0x5a00_0000);
    world.map1(own, TAGS, 1, 0, 3);
    world.map1(lost, TAGS, 1, 1, 3);
    let flip = Change::Flip(1 << 28);
    world.case.push_edit(Edit::new(1, lost, 2, flip)).expect("there is room");
    let mut wanted = Vec::new();
    let mut fault = |world: &mut World, el, operation, address: u64, target, esr, ipa: u64| {
        let probe = world.probe(Probe::new(operation, address).by(el).of_bytes(4));
        let spsr = if el == El::El1 { SPSR_EL1 } else { SPSR_EL0 };
        let (elr, spsr) = world.came_from(operation, 4, address, spsr);
        let hpfar = ipa >> 12 << 4;
        let origin = Exception::PROBE;
        wanted.push(Exception { probe, origin, target, esr, far: address, hpfar, elr, spsr });
    };
    // To EL1: of EL1's own, EC has bit 0 set.
    let same = 1 << 26;
    let nowhere = VA + 0x1f00_0000;
    let (load, store) = (Operation::Load, Operation::Store);
    fault(&mut world, El::El1, load, nowhere, 1, DATA_ABORT | same | 0b00_0110, 0);
    fault(&mut world, El::El0, load, nowhere, 1, DATA_ABORT | 0b00_0110, 0);
    fault(&mut world, El::El1, store, VA + SLOTS, 1, DATA_ABORT | same | WRITE | 0b00_1111, 0);
    fault(&mut world, El::El0, load, own + 8, 1, DATA_ABORT | 0b00_1111, 0);
    let fetch = Operation::Fetch;
    fault(&mut world, El::El1, fetch, VA + TAGS, 1, INSTRUCTION_ABORT | same | 0b00_1111, 0);
    fault(&mut world, El::El0, fetch, VA + TAGS, 1, INSTRUCTION_ABORT | 0b00_1111, 0);
    fault(&mut world, El::El0, fetch, nowhere + 4, 1, INSTRUCTION_ABORT | 0b00_0110, 0);
    // To EL2.
    fault(&mut world, El::El1, load, VA + UNMAPPED + 4, 2, DATA_ABORT | 0b00_0110, UNMAPPED);
    let table = TABLES | 1 << 28;
    fault(&mut world, El::El0, load, lost + 4, 2, DATA_ABORT | S1PTW | 0b00_0110, table);
    fault(&mut world, El::El1, fetch, lost + 8, 2, INSTRUCTION_ABORT | S1PTW | 0b00_0110, table);
    let last = world.probe(Probe::new(load, own + 8).by(El::El1));

    let mut answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers[last as usize], world.tags() + 8);
    for (taken, wanted) in answer.exceptions.iter_mut().zip(&wanted) {
        if taken.target == 1 {
            taken.hpfar = 0;
        }
        if taken.esr >> 26 == 0x24 && taken.target == 2 {
            taken.esr &= !ISV_FIELDS;
        }
        if wanted.esr & S1PTW != 0 {
            // Which of the tables it was is the builder's.
            assert_eq!(taken.hpfar >> 8, wanted.hpfar >> 8, "{taken:x?}");
            taken.hpfar = wanted.hpfar;
        }
    }
    assert_eq!(answer.exceptions, wanted, "{:x?}\n{wanted:x?}", answer.exceptions);
}

#[test]
fn pan_keeps_el1_from_what_is_el0s() {
    let mut session = boot("qemu-max");
    let mut world = World::both(&*session);
    let load = Probe::new(Operation::Load, VA + TAGS).by(El::El1);
    world.probe(load.with(Probe::PAN));
    world.probe(load);
    world.probe(Probe::new(Operation::LoadUnprivileged, VA + TAGS).by(El::El1).with(Probe::PAN));
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers, [NO_ANSWER, world.tags(), world.tags()]);
    let [taken] = answer.exceptions.as_slice() else { panic!("{answer:x?}") };
    assert_eq!((taken.target, taken.esr & 0x3f), (1, 0b00_1111));
    assert_eq!(taken.spsr, SPSR_EL1 | 1 << 22);
}

#[test]
fn a_guest_updates_a_descriptor_and_the_others_see_it() {
    let mut session = boot("qemu-max");
    let mut world = World::stage2(&*session);
    world.case.registers_mut().vtcr_el2 |= 1 << 21;
    world.case.set_flags(Flags(Flags::GUEST | Flags::UPDATES));
    let attributes = Attributes { mem_attr: 0xf, ap: 3, sh: 3, xn: 2, ..Attributes::default() };
    let stage = world.case.as_ref().header.guest.code.arena();
    world.map(0, 0x1600_0000, Place::new(stage, scratch::TAGS), 1, attributes);
    world.probe(Probe::new(Operation::Load, TAGS).by(El::El1));
    world.probe(Probe::new(Operation::Load, 0x1600_0000).by(El::El0));
    world.probe(Probe::new(Operation::Load, 0x1600_0008).by(El::El1));
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers, [0, 0, 8].map(|offset| world.tags() + offset));
    let [update] = answer.updates.as_slice() else { panic!("{answer:x?}") };
    assert_eq!((update.probe, update.value & 1 << 10), (1, 1 << 10));
    assert_ne!(answer.report.built, answer.report.after);
}

/// Two instructions as one word of memory.
const fn code(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

const RET: u32 = 0xd65f_03c0;
const WFI: u32 = 0xd503_207f;
const HVC: u32 = 0xd400_0002;
const SMC: u32 = 0xd400_0003;
/// A branch to itself.
const SPIN: u32 = 0x1400_0000;
/// `MSR VBAR_EL1, XZR`, `MSR SCTLR_EL1, XZR`.
const NO_VECTORS: u32 = 0xd518_c01f;
const NO_SCTLR: u32 = 0xd518_101f;
/// `DC ISW, XZR`.
const DC_ISW: u32 = 0xd508_765f;

/// A page of instructions, which are the words of a table that nobody walks.
const HOSTILE: u64 = 0x1700_0000;

fn hostile(session: &dyn Session, words: &[u64]) -> World {
    let mut world = World::both(session);
    let mut tree = Tree::in_ipa_space(Role::Ttbr1El1, K4);
    let place = Place::new(world.tables, 2 << 20);
    tree.push_slot_at(place, 0).expect("there is room");
    world.case.push_tree(tree).expect("there is room");
    // Root, level 2, level 3.
    world.map2(HOSTILE, Place::new(world.tables, (2 << 20) + 2 * PAGE), 1, 3, 0);
    world.map1(VA + HOSTILE, HOSTILE, 1, 3, 0);
    let attributes = Attributes::default();
    world.map(2, 511 * PAGE, Place::absolute(0), 1, attributes);
    for (number, word) in (0..).zip(words) {
        let edit = Edit::new(2, number * PAGE, 3, Change::Replace(*word));
        world.case.push_edit(edit).expect("there is room");
    }
    world
}

#[test]
fn a_hostile_guest_costs_one_probe() {
    let mut session = boot("qemu-max");
    let words = [
        code(WFI, RET),
        code(HVC, RET),
        code(SMC, RET),
        code(NO_SCTLR, RET),
        code(DC_ISW, RET),
        code(SPIN, RET),
    ];
    let mut world = hostile(&*session, &words);
    for number in 0..words.len() as u64 {
        world.probe(Probe::new(Operation::Fetch, VA + HOSTILE + 8 * number).by(El::El1));
        world.probe(Probe::new(Operation::Store, VA + TAGS + 8 * number).by(El::El0));
    }
    let answer = done(&mut *session, &world.case);
    for (number, answers) in answer.answers.chunks(2).enumerate() {
        assert_eq!(answers, [NO_ANSWER, scratch::stored(2 * number as u16 + 1)], "{number}");
    }
    let seen: Vec<_> = answer
        .exceptions
        .iter()
        .map(|taken| (taken.probe, taken.origin, taken.target, taken.elr - (VA + HOSTILE)))
        .collect();
    let wild = |number: u32| (2 * number, Exception::PROBE, 2, 8 * u64::from(number));
    // HVC returns behind itself.
    let hvc = (2, Exception::PROBE, 2, 12);
    let runaway = (10, Exception::RUNAWAY, 2, 40);
    assert_eq!(seen, [wild(0), hvc, wild(2), wild(3), wild(4), runaway]);
    let classes: Vec<_> =
        answer.exceptions[..5].iter().map(|taken| taken.esr >> 26 & 0x3f).collect();
    assert_eq!(classes, [0x01, 0x16, 0x17, 0x18, 0x18]);
    assert_eq!(answer.changed.len(), words.len());
}

#[test]
fn guests_come_and_go_on_other_machines() {
    for (name, gic, cpus) in
        [("qemu-cortex-a53", "3", 1), ("qemu-cortex-a57", "2", 2), ("qemu-max-el3", "3", 1)]
    {
        let mut description = description(name);
        let qemu = qemu_of(&mut description);
        qemu.machine_options.insert("gic-version".into(), gic.into());
        qemu.cpus = cpus;
        let mut session = start(description);
        for pe in 0..cpus {
            let what = format!("{name}, PE {pe}");
            let mut world = hostile(&*session, &[code(SPIN, RET)]);
            world.probe(at(pe, Probe::new(Operation::Store, VA + TAGS).by(El::El0)));
            world.probe(at(pe, Probe::new(Operation::Fetch, VA + HOSTILE).by(El::El1)));
            world.probe(at(pe, Probe::new(Operation::Fetch, VA + SLOTS + 0x60).by(El::El1)));
            let answer = done(&mut *session, &world.case);
            let answers = [scratch::stored(0), NO_ANSWER, world.slots() + 0x60];
            assert_eq!(answer.answers, answers, "{what}");
            let [taken] = answer.exceptions.as_slice() else { panic!("{what}: {answer:x?}") };
            assert_eq!((taken.probe, taken.origin), (1, Exception::RUNAWAY), "{what}");
            let changed = Changed { pa: world.tags(), value: answers[0] };
            assert_eq!(answer.changed, [changed], "{what}");
        }
    }
}

#[test]
fn another_pe_than_the_booted_one_runs_cases() {
    let mut description = description("qemu-max-smp");
    description.pe = Affinity::new(2);
    let mut session = start(description);
    let hello = *session.hello();
    assert_eq!(hello.ids.mpidr_el1 & 0xff, 2);
    assert_eq!((hello.pes, &hello.surroundings.affinities[..3]), (3, &[2, 0, 1][..]));
    // The one that was booted can be started again, as any other.
    for pe in 0..3 {
        let mut world = hostile(&*session, &[code(SPIN, RET)]);
        world.probe(at(pe, Probe::new(Operation::Store, VA + TAGS).by(El::El0)));
        let answer = done(&mut *session, &world.case);
        assert_eq!(answer.answers, [scratch::stored(0)], "PE {pe}");
        assert_eq!(answer.changed, [Changed { pa: world.tags(), value: scratch::stored(0) }]);
    }
}

#[test]
fn a_pe_that_is_not_there_is_told() {
    let refused = |name, pe| {
        let mut description = description(name);
        description.pe = Affinity::new(pe);
        open(description, &EXECUTOR).boot().err().expect("it has no such PE").to_string()
    };
    let message = refused("qemu-max-smp", 0x100);
    assert!(message.contains("(affinity 0x100, CPU_ON answered -2)"), "{message}");
    // Nobody is there to be asked.
    let message = refused("qemu-max-el3", 1);
    assert!(message.contains("(affinity 0x1, and there is no PSCI)"), "{message}");
}

#[test]
fn a_guest_without_vectors_costs_one_probe() {
    let mut session = boot("qemu-max");
    let nowhere = VA + 0x1f00_0000;
    let load = |address| Probe::new(Operation::Load, address).by(El::El0);
    let mut world = hostile(&*session, &[code(NO_VECTORS, RET)]);
    world.probe(load(nowhere));
    world.probe(Probe::new(Operation::Fetch, VA + HOSTILE).by(El::El1));
    world.probe(load(VA + TAGS));
    world.probe(load(nowhere));
    world.probe(load(nowhere));
    world.probe(load(VA + TAGS));
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers[2..], [world.tags(), NO_ANSWER, NO_ANSWER, world.tags()]);
    let seen: Vec<_> =
        answer.exceptions.iter().map(|taken| (taken.probe, taken.origin, taken.target)).collect();
    let (own, runaway) = (Exception::PROBE, Exception::RUNAWAY);
    assert_eq!(seen, [(0, own, 1), (3, runaway, 2), (4, own, 1)]);
    let [_, stopped, _] = answer.exceptions[..] else { unreachable!() };
    assert_eq!(stopped.elr & !0x7ff, 0, "in the vectors: {stopped:x?}");

    // Code that EL1 may not execute: EL0's probes are asked, but EL1 has no vectors.
    let mut world = World::both(&*session);
    let code = world.case.as_ref().header.guest.code;
    world.map1(0x5c00_0000, CODE, 1, 3, 1);
    world.case.set_guest(Guest { code, code_va: 0x5c00_0000 });
    world.probe(load(VA + TAGS));
    world.probe(Probe::new(Operation::Load, VA + TAGS).by(El::El1));
    world.probe(load(nowhere));
    world.probe(load(VA + TAGS + 8));
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers, [world.tags(), NO_ANSWER, NO_ANSWER, world.tags() + 8]);
    let seen: Vec<_> = answer.exceptions.iter().map(|taken| (taken.probe, taken.origin)).collect();
    assert_eq!(seen, [(1, runaway), (2, runaway)]);
}

#[test]
fn guests_that_can_not_be_are_refused() {
    let mut session = boot("qemu-max");
    let mut refused = |spoil: &dyn Fn(&mut World)| {
        let mut world = World::stage2(&*session);
        world.probe(Probe::new(Operation::Load, TAGS).by(El::El1));
        spoil(&mut world);
        ask(&mut *session, &world.case).report.status()
    };
    assert_eq!(refused(&|_| {}), Some(Status::Done));
    let code = |world: &World| world.case.as_ref().header.guest.code;
    let unaligned = |world: &mut World| {
        world.case.set_guest(Guest { code: code(world), code_va: CODE + 8 });
    };
    assert_eq!(refused(&unaligned), Some(Status::BadCase));
    let no_stage = |world: &mut World| {
        world.case.set_guest(Guest { code: Place::new(world.tables, 0), code_va: CODE });
    };
    assert_eq!(refused(&no_stage), Some(Status::BadCase));
    let aarch32 = |world: &mut World| world.case.registers_mut().hcr_el2 &= !RW;
    assert_eq!(refused(&aarch32), Some(Status::Unsupported));
    let places =
        |world: &mut World| world.case.set_flags(Flags(Flags::GUEST | Flags::WORLD_SWITCH));
    assert_eq!(refused(&places), Some(Status::Unsupported));
    assert_eq!(refused(&|_| {}), Some(Status::Done), "nothing of it is left");
}

/// A step that is about edit or tree number `number`.
fn step(operation: Operation, number: u8, address: u64) -> Probe {
    let mut step = Probe::new(operation, address);
    step.number = number;
    step
}

/// The descriptor's valid bit.
const VALID: Change = Change::Flip(1);
/// Its output, one page further or nearer.
const NEXT: Change = Change::Flip(PAGE);

/// The operand of a range TLBI: one page of 4 KB, and the next.
const fn range(page: u64) -> u64 {
    1 << 46 | page
}

#[test]
fn every_tlbi_makes_a_broken_descriptor_count() {
    let mut session = boot("qemu-max");
    let ids = session.hello().ids;
    let has_xs = ids.id_aa64isar1_el1 >> 56 & 0xf != 0;
    assert_eq!(ids.id_aa64isar0_el1 >> 56 & 0xf, 2, "ranges, and forms for the outer domain");
    let va = 0x5800_0000;
    let ipa = 0x1600_0000;
    let (asid, page) = (9 << 48, va >> 12);
    let of_ipa = [
        (Operation::TlbiIpas2e1, ipa >> 12),
        (Operation::TlbiIpas2le1, ipa >> 12),
        (Operation::TlbiRipas2e1, range(ipa >> 12)),
        (Operation::TlbiRipas2le1, range(ipa >> 12)),
    ];
    let others = [
        (Operation::TlbiVmalle1, 0),
        (Operation::TlbiVmalls12e1, 0),
        (Operation::TlbiAlle1, 0),
        (Operation::TlbiVae1, asid | page),
        (Operation::TlbiVaae1, page),
        (Operation::TlbiVale1, asid | page),
        (Operation::TlbiVaale1, page),
        (Operation::TlbiAside1, asid),
        (Operation::TlbiRvae1, asid | range(page)),
        (Operation::TlbiRvaae1, range(page)),
        (Operation::TlbiRvale1, asid | range(page)),
        (Operation::TlbiRvaale1, range(page)),
    ];
    let forms = [0, Probe::INNER_SHAREABLE, Probe::OUTER_SHAREABLE];
    for ((operation, operand), form) in
        of_ipa.into_iter().chain(others).flat_map(|one| forms.map(|form| (one, form)))
    {
        for nxs in [0, Probe::NXS] {
            let is_of_ipa = of_ipa.contains(&(operation, operand));
            let what = format!("{operation:?} {form:#x} {nxs:#x}");
            let mut world = World::both(&*session);
            let stage = world.case.as_ref().header.guest.code.arena();
            world.map2(ipa, Place::new(stage, scratch::TAGS), 2, 3, 2);
            let flags = Attributes::NG;
            let attributes = Attributes { ap: 1, xn: 3, sh: 3, af: 1, flags, ..Default::default() };
            world.map(1, va, Place::absolute(ipa), 1, attributes);
            let (tree, input) = if is_of_ipa { (0, ipa) } else { (1, va) };
            let edit = Edit::new(tree, input, 3, VALID).late();
            world.case.push_edit(edit).expect("there is room");
            let load = Probe::new(Operation::Load, va + 8).by(El::El0);
            world.probe(load);
            world.probe(step(Operation::Change, 0, 0));
            world.probe(load);
            world.probe(Probe::new(operation, operand).with(form | nxs));
            if is_of_ipa {
                // What both stages made together.
                world.probe(Probe::new(Operation::TlbiVmalle1, 0).with(form | nxs));
            }
            let last = world.probe(load);
            if nxs != 0 && !has_xs {
                let answer = ask(&mut *session, &world.case);
                assert_eq!(answer.report.status(), Some(Status::Unsupported), "{what}");
                assert!(answer.answers.is_empty());
                continue;
            }
            let answer = done(&mut *session, &world.case);
            let tag = world.tags() + 8;
            assert_eq!(answer.answers[..2], [tag, 0], "{what}");
            assert!([tag, NO_ANSWER].contains(&answer.answers[2]), "{what}");
            assert_eq!(answer.answers[last as usize], NO_ANSWER, "{what}");
            let taken = answer.exceptions.last().expect("the last probe took one");
            assert_eq!((taken.probe, taken.esr & 0x3f), (last, 0b00_0111), "{what}: {taken:x?}");
            assert_eq!(taken.target, if is_of_ipa { 2 } else { 1 }, "{what}");
        }
    }
}

#[test]
fn a_descriptor_is_broken_and_made_and_the_words_say_so() {
    let mut session = boot("qemu-max");
    let ipa = 0x1600_0000;
    let sequence = |session: &mut dyn Session, back: bool| {
        let mut world = World::stage2(session);
        let stage = world.case.as_ref().header.guest.code.arena();
        world.map2(ipa, Place::new(stage, scratch::TAGS), 1, 3, 2);
        for change in [VALID, NEXT, VALID] {
            world.case.push_edit(Edit::new(0, ipa, 3, change).late()).expect("there is room");
        }
        let load = Probe::new(Operation::Load, ipa + 0x10).by(El::El1);
        let asked = Probe::new(Operation::AtS12e1r, ipa + 0x10);
        for number in [0, 1, 2].into_iter().chain(back.then_some(1)) {
            world.probe(load);
            world.probe(step(Operation::Change, number, 0));
            world.probe(Probe::new(Operation::TlbiIpas2e1, ipa >> 12));
            world.probe(Probe::new(Operation::TlbiVmalle1, 0));
            world.probe(asked);
        }
        let answer = done(session, &world.case);
        (answer, world.tags())
    };
    let (answer, tags) = sequence(&mut *session, false);
    let loads: Vec<_> = answer.answers.iter().step_by(5).copied().collect();
    assert_eq!(loads, [tags + 0x10, NO_ANSWER, NO_ANSWER]);
    let faults: Vec<_> = answer.answers[4..].iter().step_by(5).map(|par| par & 1).collect();
    assert_eq!(faults, [1, 1, 0]);
    assert_eq!(answer.answers[14] & 0xf_ffff_ffff_f000, tags + PAGE);
    assert_eq!(answer.updates, [], "a step's own change is no update");
    assert_ne!(answer.report.built, answer.report.after);
    let (answer, tags) = sequence(&mut *session, true);
    assert_eq!(answer.answers[15], tags + PAGE + 0x10);
    assert_eq!(answer.report.built, answer.report.after, "all is as it was");
}

#[test]
fn updates_are_seen_in_what_a_step_made() {
    let mut session = boot("qemu-max");
    let mut world = World::stage2(&*session);
    world.case.registers_mut().vtcr_el2 |= 1 << 21;
    world.case.set_flags(Flags(Flags::GUEST | Flags::UPDATES));
    // The descriptor behind those of the tags: nobody has written it.
    let ipa = TAGS + scratch::TAGS_BYTES;
    let page = Change::Replace(world.tags() | 0x3fc | 3);
    world.case.push_edit(Edit::new(0, ipa, 3, page).late()).expect("there is room");
    let load = Probe::new(Operation::Load, ipa).by(El::El1);
    world.probe(load);
    world.probe(step(Operation::Change, 0, 0));
    world.probe(load);
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers, [NO_ANSWER, 0, world.tags()]);
    let [update] = answer.updates.as_slice() else { panic!("{answer:x?}") };
    assert_eq!((update.probe, update.value), (2, world.tags() | 0x7ff));
}

#[test]
fn other_trees_are_loaded_on_demand() {
    let mut session = boot("qemu-max");
    let mut world = World::both(&*session);
    let stage = world.case.as_ref().header.guest.code.arena();
    let other = |world: &mut World, tree: Tree| {
        world.case.push_tree(tree).expect("there is room");
        world.case.as_ref().trees.len() as u8 - 1
    };
    // Another stage 2, whose tags are a page further on; and another stage 1, whose tags are.
    let place = Place::new(world.tables, 3 << 20);
    let stage2 = other(&mut world, Tree::new(Role::Stage2, K4, place));
    let mut tree = Tree::in_ipa_space(Role::Ttbr0El1, K4);
    let place = Place::new(world.tables, (1 << 20) + 16 * PAGE);
    tree.push_slot_at(place, TABLES + 16 * PAGE).expect("there is room");
    let stage1 = other(&mut world, tree);
    let tables = Place::new(world.tables, 1 << 20);
    let attributes = Attributes { mem_attr: 0xf, ap: 3, sh: 3, af: 1, ..Attributes::default() };
    world.map2(TABLES + 16 * PAGE, place, 16, 3, 2);
    world.map(stage2, TABLES, tables, 32, attributes);
    world.map(stage2, CODE, Place::new(stage, scratch::GUEST), 1, attributes);
    world.map(stage2, TAGS, Place::new(stage, scratch::TAGS + PAGE), 15, attributes);
    let code = Attributes { ap: 3, sh: 3, af: 1, ..Attributes::default() };
    let data = Attributes { ap: 1, xn: 3, ..code };
    world.map(stage1, VA + CODE, Place::absolute(CODE), 1, code);
    world.map(stage1, VA + TAGS, Place::absolute(TAGS + 2 * PAGE), 13, data);
    let load = Probe::new(Operation::Load, VA + TAGS).by(El::El0);
    let uses = [(stage2, 8 << 48), (stage1, 5 << 48), (0, 7 << 48), (1, 9 << 48)];
    world.probe(load);
    for (tree, register) in uses {
        world.probe(step(Operation::UseTree, tree, register));
        world.probe(load);
    }
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.exceptions, []);
    let loads: Vec<_> = answer.answers.iter().step_by(2).map(|tag| tag - world.tags()).collect();
    assert_eq!(loads, [0, PAGE, 3 * PAGE, 2 * PAGE, 0]);
}

#[test]
fn steps_that_can_not_be_are_refused() {
    let load = Probe::new(Operation::Load, TAGS).by(El::El1);
    let refused = |session: &mut dyn Session, probe: Probe| {
        let mut world = World::stage2(session);
        world.case.push_edit(Edit::new(0, TAGS, 3, VALID)).expect("there is room");
        world.probe(load);
        world.probe(probe);
        let answer = ask(session, &world.case);
        assert!(answer.answers.is_empty());
        answer.report.status()
    };
    let mut session = boot("qemu-cortex-a53");
    let mut status = |probe| refused(&mut *session, probe);
    let vae1 = Probe::new(Operation::TlbiVae1, 0);
    let (bad, unsupported) = (Some(Status::BadCase), Some(Status::Unsupported));
    assert_eq!(status(vae1.with(Probe::OUTER_SHAREABLE)), unsupported);
    assert_eq!(status(vae1.with(Probe::NXS)), unsupported);
    assert_eq!(status(vae1.by(El::El1)), unsupported);
    assert_eq!(status(Probe::new(Operation::TlbiRvae1, 0)), unsupported);
    assert_eq!(status(step(Operation::Change, 1, 0)), bad, "there is no such edit");
    assert_eq!(status(step(Operation::Change, 0, 0)), bad, "it is not late");
    assert_eq!(status(step(Operation::UseTree, 1, 0)), bad, "there is no such tree");
    let mut world = World::stage2(&*session);
    world.probe(load);
    world.probe(vae1.with(Probe::INNER_SHAREABLE));
    assert_eq!(done(&mut *session, &world.case).answers, [world.tags(), 0]);
}

/// The same probe, by another PE.
fn at(pe: u8, mut probe: Probe) -> Probe {
    probe.pe = pe;
    probe
}

#[test]
fn every_pe_asks_under_the_same_tables() {
    let mut session = boot("qemu-max-smp");
    assert_eq!(session.hello().pes, 3);
    let mut world = hostile(&*session, &[code(SPIN, RET), code(NO_VECTORS, RET)]);
    let load = Probe::new(Operation::Load, VA + TAGS + 8).by(El::El0);
    let lost = Probe::new(Operation::Load, VA + UNMAPPED).by(El::El1);
    let nowhere = Probe::new(Operation::Load, VA + 0x1f00_0000).by(El::El0);
    let mut wanted = Vec::new();
    let mut taken = Vec::new();
    let tag = world.tags() + 8;
    for pe in 0..3 {
        world.probe(at(pe, load));
        let number = world.probe(at(pe, Probe::new(Operation::Swap, load.address).by(El::El1)));
        world.probe(at(pe, Probe::new(Operation::Fetch, VA + SLOTS + 0x40).by(El::El0)));
        taken.push((world.probe(at(pe, lost)), Exception::PROBE, 2));
        taken.push((world.probe(at(pe, nowhere)), Exception::PROBE, 1));
        let spin = Probe::new(Operation::Fetch, VA + HOSTILE).by(El::El0);
        taken.push((world.probe(at(pe, spin)), Exception::RUNAWAY, 2));
        // The PE's registers were loaded again: it has vectors.
        taken.push((world.probe(at(pe, nowhere)), Exception::PROBE, 1));
        let before = if pe == 0 { tag } else { scratch::stored(number as u16 - 7) };
        wanted.extend([before, before, world.slots() + 0x40]);
        wanted.extend([NO_ANSWER; 4]);
    }
    let answer = done(&mut *session, &world.case);
    assert_eq!(answer.answers, wanted);
    let seen: Vec<_> =
        answer.exceptions.iter().map(|one| (one.probe, one.origin, one.target)).collect();
    assert_eq!(seen, taken);
    let [changed] = answer.changed.as_slice() else { panic!("{:x?}", answer.changed) };
    assert_eq!((changed.pa, changed.value), (tag, scratch::stored(15)));

    // What is asked at EL2 is asked by the PE that is named; and PE 1 has another stage 2.
    let mut world = World::stage2(&*session);
    let stage = world.case.as_ref().header.guest.code.arena();
    let tree = Tree::new(Role::Stage2, K4, Place::new(world.tables, 3 << 20));
    world.case.push_tree(tree).expect("there is room");
    let attributes = Attributes { mem_attr: 0xf, ap: 3, sh: 3, af: 1, ..Attributes::default() };
    world.map(1, TAGS, Place::new(stage, scratch::TAGS + PAGE), 15, attributes);
    world.probe(at(1, step(Operation::UseTree, 1, 8 << 48)));
    for pe in [0, 1, 1, 2] {
        world.probe(at(pe, Probe::new(Operation::AtS12e1w, TAGS)));
    }
    world.probe(at(1, Probe::new(Operation::AtS12e1r, UNMAPPED)));
    // A root where nothing answers: PE 1 takes a Data Abort, and goes on.
    world.probe(at(1, step(Operation::UseTree, 1, 1 << 46)));
    let lost = world.probe(at(1, Probe::new(Operation::AtS12e0r, TAGS)));
    world.probe(at(1, step(Operation::UseTree, 1, 8 << 48)));
    world.probe(at(1, Probe::new(Operation::AtS12e0r, TAGS)));
    let answer = done(&mut *session, &world.case);
    let [taken] = answer.exceptions.as_slice() else { panic!("{answer:x?}") };
    let what = (taken.probe, taken.origin, taken.target, taken.esr >> 26, taken.esr & 0x3c);
    assert_eq!(what, (lost, Exception::PROBE, 2, 0x25, 0b01_0100));
    assert_eq!(taken.spsr & 0x1f, 0b01000, "at home, on SP_EL0");
    assert_eq!(answer.answers[7], NO_ANSWER);
    assert_eq!((answer.answers[9] & 0xf_ffff_ffff_f001) - world.tags(), PAGE);
    let pages: Vec<_> =
        answer.answers[1..5].iter().map(|par| (par & 0xf_ffff_ffff_f001) - world.tags()).collect();
    assert_eq!(pages, [0, PAGE, PAGE, 0]);
    assert_eq!(answer.answers[5] & 0x7f, 0b00_0110 << 1 | 1);

    // Other PEs are not left in the case before.
    let mut world = World::stage2(&*session);
    for pe in [2, 1, 0] {
        world.probe(at(pe, Probe::new(Operation::Load, TAGS + 16).by(El::El1)));
    }
    assert_eq!(done(&mut *session, &world.case).answers, [world.tags() + 16; 3]);
}

#[test]
fn what_one_pe_changes_counts_for_another_behind_a_tlbi() {
    let mut session = boot("qemu-max-smp");
    let ipa = 0x1600_0000;
    for (toucher, changer, invalidator) in [(1, 0, 0), (0, 1, 1), (2, 1, 0), (1, 0, 2), (2, 1, 1)] {
        for (operation, address) in [(Operation::TlbiIpas2e1, ipa >> 12), (Operation::TlbiAlle1, 0)]
        {
            let what = format!("{toucher} {changer} {invalidator} {operation:?}");
            let mut world = World::both(&*session);
            let stage = world.case.as_ref().header.guest.code.arena();
            world.map2(ipa, Place::new(stage, scratch::TAGS), 2, 3, 2);
            world.map1(0x5800_0000, ipa, 1, 1, 3);
            for change in [VALID, NEXT, VALID] {
                let edit = Edit::new(0, ipa, 3, change).late();
                world.case.push_edit(edit).expect("there is room");
            }
            let load = at(toucher, Probe::new(Operation::Load, 0x5800_0008).by(El::El0));
            let broadcast = |operation, address| {
                let tlbi = Probe::new(operation, address).with(Probe::INNER_SHAREABLE);
                at(invalidator, tlbi)
            };
            world.probe(load);
            world.probe(at(changer, step(Operation::Change, 0, 0)));
            world.probe(load);
            world.probe(broadcast(operation, address));
            world.probe(broadcast(Operation::TlbiVmalle1, 0));
            world.probe(load);
            world.probe(at(changer, step(Operation::Change, 1, 0)));
            world.probe(at(changer, step(Operation::Change, 2, 0)));
            world.probe(load);
            let answer = done(&mut *session, &world.case);
            let tag = world.tags() + 8;
            assert_eq!(answer.answers[..2], [tag, 0], "{what}");
            assert!([tag, NO_ANSWER].contains(&answer.answers[2]), "{what}");
            assert_eq!(answer.answers[5..], [NO_ANSWER, 0, 0, tag + PAGE], "{what}");
            assert_ne!(answer.report.built, answer.report.after, "{what}");
        }
    }
}

#[test]
fn a_root_is_loaded_by_one_pe_alone() {
    let mut session = boot("qemu-max-smp");
    let mut world = World::stage2(&*session);
    let stage = world.case.as_ref().header.guest.code.arena();
    let tree = Tree::new(Role::Stage2, K4, Place::new(world.tables, 3 << 20));
    world.case.push_tree(tree).expect("there is room");
    let attributes = Attributes { mem_attr: 0xf, ap: 3, sh: 3, af: 1, ..Attributes::default() };
    world.map(1, CODE, Place::new(stage, scratch::GUEST), 1, attributes);
    world.map(1, TAGS, Place::new(stage, scratch::TAGS + PAGE), 15, attributes);
    let load = Probe::new(Operation::Load, TAGS).by(El::El0);
    world.probe(at(1, step(Operation::UseTree, 1, 8 << 48)));
    for pe in 0..3 {
        world.probe(at(pe, load));
    }
    let tags = world.tags();
    assert_eq!(done(&mut *session, &world.case).answers, [0, tags, tags + PAGE, tags]);
}

#[test]
fn no_update_is_lost_between_pes() {
    let mut session = boot("qemu-max-smp");
    let ipa = 0x1600_0000;
    const DIRTY: u64 = 1 << 7;
    const ACCESSED: u64 = 1 << 10;
    for round in 0..16 {
        let mut world = World::stage2(&*session);
        // HA and HD.
        world.case.registers_mut().vtcr_el2 |= 0b11 << 21;
        world.case.set_flags(Flags(Flags::GUEST | Flags::UPDATES));
        let stage = world.case.as_ref().header.guest.code.arena();
        let attributes = Attributes {
            mem_attr: 0xf,
            ap: 1,
            sh: 3,
            xn: 2,
            flags: Attributes::DBM,
            ..Attributes::default()
        };
        world.map(0, ipa, Place::new(stage, scratch::TAGS), 2, attributes);
        let together = |pe, operation, offset| {
            let probe = Probe::new(operation, ipa + offset).by(El::El1).with(Probe::TOGETHER);
            at(pe, probe)
        };
        // Each PE adds to one tag, and then reaches the page behind it.
        let mut sum = world.tags() + 0x20;
        let mut last = 0;
        for pe in [round % 3, (round + 1) % 3, (round + 2) % 3] {
            for _ in 0..4 {
                let number = world.probe(together(pe, Operation::Add, 0x20));
                sum = sum.wrapping_add(scratch::stored(number as u16));
            }
            let operation = if pe == 0 { Operation::Store } else { Operation::Load };
            last = world.probe(together(pe, operation, PAGE + 8));
        }
        let answer = done(&mut *session, &world.case);
        assert_eq!(answer.exceptions, []);
        let tag = answer.changed.iter().find(|tag| tag.pa == world.tags() + 0x20);
        assert_eq!(tag.map(|tag| tag.value), Some(sum), "{round}");
        let updates: Vec<_> = answer
            .updates
            .iter()
            .map(|update| (update.probe, update.value & (DIRTY | ACCESSED)))
            .collect();
        assert_eq!(updates, [(u64::from(last), DIRTY | ACCESSED); 2], "{round}");
    }
}

#[test]
fn what_pes_can_not_do_is_refused() {
    let mut session = boot("qemu-max-smp");
    let load = Probe::new(Operation::Load, TAGS).by(El::El1);
    let tlbi = Probe::new(Operation::TlbiVmalle1, 0);
    let mut status = |probes: &[Probe]| {
        let mut world = World::stage2(&*session);
        for probe in probes {
            world.probe(*probe);
        }
        ask(&mut *session, &world.case).report.status()
    };
    let refused = Some(Status::Unsupported);
    assert_eq!(status(&[load, at(3, load)]), refused, "there is no such PE");
    assert_eq!(status(&[load, at(1, Probe::new(Operation::AtS1e2r, TAGS))]), refused);
    let together = [load, at(2, load), tlbi].map(|probe| probe.with(Probe::TOGETHER));
    assert_eq!(status(&together), Some(Status::Done), "a step is done alone");

    let mut description = description("qemu-max-el3");
    let qemu = qemu_of(&mut description);
    qemu.cpus = 2;
    let target = open(description, &EXECUTOR);
    let error = target.boot().err().expect("EL3 is the executor's").to_string();
    assert!(error.contains("PSCI"), "{error}");
}

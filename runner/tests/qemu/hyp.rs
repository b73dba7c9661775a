//! Life at EL2 under a case's own set-up, on a real QEMU: cases built by hand, whose answers are known.

use case::format::{AddressFormat, Format, Granule};
use case::mapping::{Attributes, Mapping};
use case::memory::{Arena, ArenaKind, MemoryMap, Place};
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::scratch;
use case::tree::{Role, Tree};
use case::world_switch::SwitchPlaces;
use case::{Case, Flags};
use device::kind::Start;
use device::{Description, Event, HowDied, Session};
use judge::verdict::Verdict;
use link::observations::{Changed, Exception, NO_ANSWER, Observations, Point, Status, SwitchTrace};
use suite::case_file::CaseFile;
use suite::generator::{ExplicitCase, Generator};

use crate::common::answer::{Answer, ask};
use crate::common::executor::EXECUTOR;
use crate::common::records::campaign;
use crate::common::shipped::suites;
use crate::common::targets::{self, boot, description, open, start};

/// The shipped targets that have room to live in, and that this QEMU has.
fn habitable() -> Vec<Description> {
    let mut descriptions = targets::descriptions();
    descriptions.retain(|description| {
        matches!(description.start, Start::Qemu(_))
            && !description.scratch.is_empty()
            && targets::lacking(description).is_none()
    });
    assert!(descriptions.len() >= 6, "{}", descriptions.len());
    descriptions
}

/// Numbers and places of the arenas of a target.
struct Places {
    map: MemoryMap,
}

impl Places {
    fn of(session: &dyn Session) -> Self {
        Self { map: session.memory_map().clone() }
    }

    fn numbered(&self, kind: ArenaKind) -> impl DoubleEndedIterator<Item = (u8, &Arena)> {
        let arenas = (0..).zip(self.map.arenas());
        let arenas: Vec<_> = arenas.filter(|(_, arena)| arena.kind == kind).collect();
        arenas.into_iter()
    }

    /// A stage whose address has bit number `bit` set, and none above it.
    fn stage(&self, bit: u32) -> u8 {
        let found = self.numbered(ArenaKind::Scratch).find(|(_, arena)| arena.base.ilog2() == bit);
        found.unwrap_or_else(|| panic!("no stage has {bit} for its highest bit")).0
    }

    /// The highest stage that `bits` address bits reach.
    fn highest_stage(&self, bits: u8) -> u8 {
        let reached = |(_, arena): &(u8, &Arena)| arena.last() >> bits == 0;
        let scratch = self.numbered(ArenaKind::Scratch).filter(reached);
        scratch.max_by_key(|(_, arena)| arena.base).unwrap().0
    }

    /// The highest arena of tables that `bits` address bits reach.
    fn tables(&self, bits: u8) -> u8 {
        let reached = |(_, arena): &(u8, &Arena)| arena.last() >> bits == 0;
        self.numbered(ArenaKind::Tables)
            .filter(reached)
            .max_by_key(|(_, arena)| arena.base)
            .unwrap()
            .0
    }

    fn base(&self, arena: u8) -> u64 {
        self.map.arenas()[usize::from(arena)].base
    }
}

/// Granule and DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variant {
    granule: Granule,
    ds: bool,
}

impl Variant {
    const ALL: [Self; 5] = [
        Self { granule: Granule::K4, ds: false },
        Self { granule: Granule::K16, ds: false },
        Self { granule: Granule::K64, ds: false },
        Self { granule: Granule::K4, ds: true },
        Self { granule: Granule::K16, ds: true },
    ];

    /// Size of output addresses, and the largest size of virtual ones.
    fn bits(self) -> u8 {
        if self.ds || self.granule == Granule::K64 { 52 } else { 48 }
    }

    fn format(self, va_bits: u8) -> Format {
        let granule = self.granule;
        let levels = (u32::from(va_bits) - granule.bits()).div_ceil(granule.stride());
        let address = match (self.ds, granule) {
            (true, _) => AddressFormat::Ds,
            (false, Granule::K64) => AddressFormat::Lpa,
            (false, _) => AddressFormat::Bits48,
        };
        Format { granule, start_level: 4 - levels as i8, ia_bits: va_bits, address }
    }

    fn ps(self) -> u64 {
        if self.bits() == 52 { 6 } else { 5 }
    }

    /// `TCR_EL2` with E2H = 0.
    fn tcr(self, va_bits: u8) -> u64 {
        const RES1: u64 = 1 << 31 | 1 << 23;
        const WALKS: u64 = 1 << 8 | 1 << 10 | 3 << 12;
        let tg0 = [0, 2, 1][(self.granule.bits() as usize - 12) / 2];
        RES1 | WALKS
            | tg0 << 14
            | self.ps() << 16
            | u64::from(self.ds) << 32
            | u64::from(64 - va_bits)
    }

    /// `TCR_EL2` with E2H = 1: this variant in the lower range, `upper` in the upper one.
    fn tcr_vhe(self, va_bits: u8, upper: Self, upper_bits: u8) -> u64 {
        const WALKS: u64 = 1 << 8 | 1 << 10 | 3 << 12;
        assert_eq!(self.ds, upper.ds, "there is one DS");
        let tg0 = [0, 2, 1][(self.granule.bits() as usize - 12) / 2];
        let tg1 = [2, 1, 3][(upper.granule.bits() as usize - 12) / 2];
        let lower = WALKS | tg0 << 14 | u64::from(64 - va_bits);
        let upper = WALKS << 16 | tg1 << 30 | u64::from(64 - upper_bits) << 16;
        lower | upper | 6 << 32 | u64::from(self.ds) << 59
    }
}

/// RES1 bits, M, C, SA, I.
const SCTLR: u64 = 0x30c5_0830 | 1 | 1 << 2 | 1 << 3 | 1 << 12;
/// Attribute 0 Normal Write-Back, 1 Device-nGnRE, 2 Normal Non-cacheable.
const MAIR: u64 = 0x44_04_ff;
const RW: u64 = 1 << 31;
const TGE: u64 = 1 << 27;
const E2H: u64 = 1 << 34;
/// AMO, IMO and FMO, which the executor adds.
const ROUTING: u64 = 7 << 3;

/// What a page is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Code,
    Data,
    ReadOnly,
}

/// A case while it is put together.
struct Setup {
    places: Places,
    case: Case,
    /// Whether the regime has two ranges.
    vhe: bool,
    granules: Vec<Granule>,
}

impl Setup {
    fn new(session: &dyn Session, registers: Registers) -> Self {
        let vhe = registers.hcr_el2 & E2H != 0;
        let (places, case) = (Places::of(session), Case::new(registers));
        Self { places, case, vhe, granules: Vec::new() }
    }

    /// Adds a tree whose tables lie as high as its addresses reach; returns its number.
    fn tree(&mut self, role: Role, variant: Variant, va_bits: u8) -> u8 {
        let number = self.granules.len() as u8;
        let format = variant.format(va_bits);
        // QEMU looks for a root of fewer than 64 bytes elsewhere, where it lies above 48 bits: a known
        // issue.
        let is_small = format.root_bytes() < 64;
        let arena = self.places.tables(if is_small { 48 } else { variant.bits() });
        // A megabyte for each tree.
        let root = Place::new(arena, u64::from(number) << 20);
        let tree = Tree::new(role, format, root);
        self.case.push_tree(tree).expect("there is room");
        self.granules.push(variant.granule);
        number
    }

    /// Maps the `bytes` bytes from `input` to `output`.
    fn map(&mut self, tree: u8, input: u64, output: Place, bytes: u64, what: Use) {
        let granule = self.granules[usize::from(tree)];
        // One range: AP[1] is RES1, and XN is bit 1. Two: AP[1] would be for EL0, which UXN stops.
        let (ap, xn) = match (self.vhe, what) {
            (false, Use::Code) => (3, 0),
            (false, Use::Data) => (1, 2),
            (false, Use::ReadOnly) => (3, 2),
            (true, Use::Code) => (2, 2),
            (true, Use::Data) => (0, 3),
            (true, Use::ReadOnly) => (2, 3),
        };
        let attributes = Attributes { ap, xn, sh: 3, af: 1, ..Attributes::default() };
        let mapping = Mapping {
            input,
            output,
            entries: bytes.div_ceil(granule.bytes()) as u32,
            level: 3,
            tree,
            reserved: [0; 2],
            attributes,
        };
        self.case.push_mapping(mapping).expect("there is room");
    }

    fn probe(&mut self, operation: Operation, address: u64) -> usize {
        self.case.push_probe(Probe::new(operation, address)).expect("there is room");
        self.case.as_ref().probes.len() - 1
    }

    fn map_identity(&mut self, tree: u8, arena: u8) {
        let base = self.places.base(arena);
        self.map(tree, base, Place::new(arena, scratch::CODE), scratch::CODE_BYTES, Use::Code);
    }
}

/// A case that lives with E2H = 0, and what to look for.
struct Lived {
    setup: Setup,
    trampoline: u64,
    exit: u64,
    runtime: u64,
    is_outside: bool,
    /// A stage that the probes reach, and where its tags and slots are mapped; tags once more, for
    /// reading alone.
    reached: u64,
    tags: u64,
    slots: u64,
    read_only: u64,
    unmapped: u64,
}

/// The case of a hypervisor with `va_bits` bits whose trampoline's highest address bit is `bit`.
fn hypervisor(session: &dyn Session, variant: Variant, va_bits: u8, bit: u32) -> Lived {
    let is_outside = bit >= u32::from(va_bits);
    let registers = Registers {
        hcr_el2: RW,
        sctlr_el2: SCTLR,
        tcr_el2: variant.tcr(va_bits),
        mair_el2: MAIR,
        idmap_tcr_el2: if is_outside { variant.tcr(bit as u8 + 1) } else { 0 },
        ..Registers::default()
    };
    let mut setup = Setup::new(session, registers);
    let tree = setup.tree(Role::Ttbr0El2, variant, va_bits);
    let trampoline = setup.places.stage(bit);
    let exit = if is_outside { setup.places.stage(30) } else { trampoline };
    if is_outside {
        let idmap = setup.tree(Role::Idmap, variant, bit as u8 + 1);
        setup.map_identity(idmap, trampoline);
    }
    setup.map_identity(tree, exit);

    // The half that neither trampoline nor exit is in.
    let top = 1 << (va_bits - 1);
    let half = if setup.places.base(exit) & top == 0 { top } else { 0 };
    let at = |number: u64| half + 0x100_0000 + (number << 24);
    let (code, data) = (setup.places.stage(31), setup.places.stage(bit));
    // What the probes reach lies as high as the output addresses do.
    let reached = setup.places.highest_stage(variant.bits());
    setup.map(tree, at(0), Place::new(code, scratch::CODE), scratch::CODE_BYTES, Use::Code);
    setup.map(tree, at(1), Place::new(data, scratch::DATA), scratch::DATA_BYTES, Use::Data);
    setup.map(tree, at(2), Place::new(reached, scratch::TAGS), scratch::TAGS_BYTES, Use::Data);
    setup.map(tree, at(3), Place::new(reached, scratch::SLOTS), scratch::SLOTS_BYTES, Use::Code);
    setup.map(tree, at(4), Place::new(reached, scratch::TAGS), scratch::TAGS_BYTES, Use::ReadOnly);
    let place = |arena| Place::new(arena, 0);
    setup.case.set_world_switch(SwitchPlaces {
        trampoline: place(trampoline),
        exit: place(exit),
        code: place(code),
        code_va: at(0),
        data: place(data),
        data_va: at(1),
    });
    setup.case.set_flags(Flags(Flags::WORLD_SWITCH | Flags::AUDIT));
    let base = |arena| setup.places.base(arena);
    Lived {
        trampoline: base(trampoline),
        exit: base(exit),
        runtime: at(0),
        reached: base(reached),
        tags: at(2),
        slots: at(3),
        read_only: at(4),
        unmapped: at(5),
        is_outside,
        setup,
    }
}

/// What a live case must answer, whatever it is asked: it went there and came back.
fn lived(lived: &Lived, answer: &Answer) -> SwitchTrace {
    let registers = &lived.setup.case.as_ref().header.registers;
    assert_eq!(answer.report.status(), Some(Status::Done), "{:x?}", answer.exceptions);
    let trace = answer.trace.expect("it has a stay");
    let report = &answer.report;
    let on_page = |point: &Point, page: u64| {
        assert!((page..page + scratch::CODE_BYTES).contains(&point.pc), "{point:x?} at {page:#x}");
    };
    on_page(&trace.trampoline, lived.trampoline);
    on_page(&trace.runtime, lived.runtime);
    on_page(&trace.exit, lived.exit);
    let own = Point {
        pc: 0,
        sctlr_el2: registers.sctlr_el2,
        tcr_el2: registers.tcr_el2,
        ttbr0_el2: report.ttbr0_el2,
        ttbr1_el2: report.ttbr1_el2,
        hcr_el2: registers.hcr_el2 | ROUTING,
    };
    let idmap =
        Point { tcr_el2: registers.idmap_tcr_el2, ttbr0_el2: report.idmap_ttbr0_el2, ..own };
    let at = |point: Point| Point { pc: 0, ..point };
    assert_eq!(at(trace.trampoline), if lived.is_outside { idmap } else { own });
    assert_eq!(at(trace.runtime), own);
    assert_eq!(at(trace.exit), own);
    if lived.is_outside {
        // An Instruction Abort from the same EL: a translation fault at level 0, on the trampoline.
        assert_eq!(trace.arrival.esr >> 26, 0x21, "{trace:x?}");
        assert_eq!(trace.arrival.esr & 0x3f, 0b00_0100, "{trace:x?}");
        let page = lived.trampoline..lived.trampoline + scratch::CODE_BYTES;
        assert!(page.contains(&trace.arrival.far), "{trace:x?}");
    } else {
        assert_eq!(trace.arrival, Exception::default());
    }
    trace
}

/// Asks everything once, and wants the answers that the mappings say.
fn live(session: &mut dyn Session, variant: Variant, va_bits: u8, bit: u32) -> (Lived, Answer) {
    let mut here = hypervisor(session, variant, va_bits, bit);
    let (tags, slots) = (here.reached + scratch::TAGS, here.reached + scratch::SLOTS);
    let (last_tag, last_slot) =
        (scratch::TAGS_BYTES - 8, scratch::SLOTS_BYTES - scratch::SLOT_BYTES);
    let setup = &mut here.setup;
    let read = setup.probe(Operation::AtS1e2r, here.tags + 0x1238);
    let write = setup.probe(Operation::AtS1e2w, here.read_only);
    let nothing = setup.probe(Operation::AtS1e2r, here.unmapped);
    let first = setup.probe(Operation::Load, here.tags);
    let last = setup.probe(Operation::Load, here.tags + last_tag);
    let lost = setup.probe(Operation::Load, here.unmapped + 8);
    let stored = setup.probe(Operation::Store, here.tags + 0x4440);
    let again = setup.probe(Operation::Load, here.read_only + 0x4440);
    let refused = setup.probe(Operation::Store, here.read_only + 0x10);
    let called = setup.probe(Operation::Fetch, here.slots);
    let called_last = setup.probe(Operation::Fetch, here.slots + last_slot);
    let stopped = setup.probe(Operation::Fetch, here.tags);
    let gone = setup.probe(Operation::Fetch, here.unmapped);
    let answer = ask(session, &here.setup.case);
    lived(&here, &answer);

    let par_pa =
        |number: usize| (answer.answers[number] & 1, answer.answers[number] & 0xf_ffff_ffff_f000);
    assert_eq!(par_pa(read), (0, tags + 0x1000), "{:x?}", answer.answers);
    // F, FST: a permission fault at level 3.
    assert_eq!(answer.answers[write] & 0x7f, 0b00_1111 << 1 | 1);
    assert_eq!(par_pa(nothing).0, 1);
    assert_eq!(answer.answers[first], tags);
    assert_eq!(answer.answers[last], tags + last_tag);
    let value = scratch::stored(stored as u16);
    assert_eq!(answer.answers[stored], value);
    assert_eq!(answer.answers[again], value, "the other mapping leads to the same page");
    assert_eq!(answer.answers[called], slots);
    assert_eq!(answer.answers[called_last], slots + last_slot);
    assert_eq!(answer.changed, [Changed { pa: tags + 0x4440, value }]);

    // Probe, exception class, fault status less the level, and FAR_EL2.
    let (translation, permission) = (0b00_0100, 0b00_1100);
    let faults = [
        (lost, 0x25, translation, here.unmapped + 8),
        (refused, 0x25, permission, here.read_only + 0x10),
        (stopped, 0x21, permission, here.tags),
        (gone, 0x21, translation, here.unmapped),
    ];
    let seen: Vec<_> = answer
        .exceptions
        .iter()
        .map(|taken| (taken.probe as usize, taken.esr >> 26, taken.esr & 0x3c, taken.far))
        .collect();
    assert_eq!(seen, faults);
    for taken in &answer.exceptions {
        assert_eq!(taken.origin, Exception::PROBE);
        assert_eq!(answer.answers[taken.probe as usize], NO_ANSWER);
    }
    assert_eq!(answer.report.built, answer.report.after, "nothing writes to these tables");
    assert!(!answer.audited.is_empty(), "the audit lists the tables");
    (here, answer)
}

#[test]
fn a_hypervisor_lives_with_its_trampoline_in_either_half() {
    let mut session = boot("qemu-max");
    for variant in Variant::ALL {
        for va_bits in [32, 33, 39, 42, 47, 48, 49, 51, 52] {
            if va_bits > variant.bits() {
                continue;
            }
            // The highest bit is in the upper half, and any below it in the lower one.
            for bit in [u32::from(va_bits) - 1, u32::from(va_bits) - 2] {
                live(&mut *session, variant, va_bits, bit);
            }
        }
    }
}

#[test]
fn a_hypervisor_arrives_from_beyond_its_addresses() {
    let mut session = boot("qemu-max");
    for variant in Variant::ALL {
        for va_bits in [32, 36, 39, 47, 48, 51] {
            for bit in [u32::from(va_bits), u32::from(variant.bits()) - 1] {
                if (u32::from(va_bits)..u32::from(variant.bits())).contains(&bit) {
                    live(&mut *session, variant, va_bits, bit);
                }
            }
        }
    }
}

#[test]
fn a_hypervisor_lives_on_every_shipped_target() {
    for description in habitable() {
        let name = description.name.clone();
        let mut session = start(description);
        let ids = session.hello().ids;
        let [k4, k16, k64, ..] = Variant::ALL;
        // TGran16 and VH.
        let has_k16 = ids.id_aa64mmfr0_el1 >> 20 & 0xf != 0;
        let has_vhe = ids.id_aa64mmfr1_el1 >> 8 & 0xf != 0;
        for variant in [Some(k4), has_k16.then_some(k16), Some(k64)].into_iter().flatten() {
            for bit in [31, 30] {
                live(&mut *session, variant, 32, bit);
            }
        }
        let here = host(&*session, (k4, 32), (k64, 39), 0);
        let answer = ask(&mut *session, &here.setup.case);
        if has_vhe {
            lived(&here, &answer);
        } else {
            assert_eq!(answer.report.status(), Some(Status::Unsupported), "{name}");
        }
    }
}

/// A hypervisor with E2H = 1: trampoline in the lower range, runtime in the upper one.
fn host(session: &dyn Session, lower: (Variant, u8), upper: (Variant, u8), tge: u64) -> Lived {
    let registers = Registers {
        hcr_el2: RW | E2H | tge,
        sctlr_el2: SCTLR,
        tcr_el2: lower.0.tcr_vhe(lower.1, upper.0, upper.1),
        mair_el2: MAIR,
        // An ASID.
        ttbr0_el2: 0x5a << 48,
        ttbr1_el2: 0xa5 << 48,
        ..Registers::default()
    };
    let mut setup = Setup::new(session, registers);
    let low = setup.tree(Role::Ttbr0El2, lower.0, lower.1);
    let high = setup.tree(Role::Ttbr1El2, upper.0, upper.1);
    let trampoline = setup.places.stage(u32::from(lower.1) - 1);
    let (code, data) = (setup.places.stage(30), setup.places.stage(31));
    let reached = setup.places.highest_stage(lower.0.bits().min(upper.0.bits()));
    setup.map_identity(low, trampoline);
    let at = |number: u64| number << 24;
    setup.map(high, at(0), Place::new(code, scratch::CODE), scratch::CODE_BYTES, Use::Code);
    setup.map(high, at(1), Place::new(data, scratch::DATA), scratch::DATA_BYTES, Use::Data);
    setup.map(high, at(2), Place::new(reached, scratch::TAGS), scratch::TAGS_BYTES, Use::Data);
    setup.map(low, at(3), Place::new(reached, scratch::SLOTS), scratch::SLOTS_BYTES, Use::Code);
    setup.map(low, at(4), Place::new(reached, scratch::TAGS), scratch::TAGS_BYTES, Use::ReadOnly);
    let place = |arena| Place::new(arena, 0);
    let va = |number| Role::Ttbr1El2.address(upper.1, at(number));
    setup.case.set_world_switch(SwitchPlaces {
        trampoline: place(trampoline),
        exit: place(trampoline),
        code: place(code),
        code_va: va(0),
        data: place(data),
        data_va: va(1),
    });
    setup.case.set_flags(Flags(Flags::WORLD_SWITCH));
    let base = |arena| setup.places.base(arena);
    Lived {
        trampoline: base(trampoline),
        exit: base(trampoline),
        runtime: va(0),
        reached: base(reached),
        tags: va(2),
        slots: at(3),
        read_only: at(4),
        unmapped: va(5),
        is_outside: false,
        setup,
    }
}

#[test]
fn a_host_lives_in_two_ranges() {
    let mut session = boot("qemu-max");
    let [k4, k16, k64, k4_ds, k16_ds] = Variant::ALL;
    let hosts = [
        ((k4, 48), (k64, 42), 0),
        ((k64, 52), (k4, 39), TGE),
        ((k16, 47), (k16, 32), TGE),
        ((k4_ds, 52), (k16_ds, 52), 0),
        ((k16_ds, 51), (k4_ds, 49), TGE),
    ];
    for (lower, upper, tge) in hosts {
        let mut here = host(&*session, lower, upper, tge);
        let Lived { setup, tags, slots, read_only, unmapped, .. } = &mut here;
        let read = setup.probe(Operation::AtS1e2r, *tags);
        let load = setup.probe(Operation::Load, *tags + 8);
        let low = setup.probe(Operation::Load, *read_only + 8);
        let call = setup.probe(Operation::Fetch, *slots + scratch::SLOT_BYTES);
        // With TGE this is the EL2&0 regime, where EL0 may not read; without, stage 1 of EL1 is off.
        let unprivileged = setup.probe(Operation::AtS1e0r, *read_only);
        let refused = setup.probe(Operation::Store, *read_only);
        let lost = setup.probe(Operation::Load, *unmapped);
        let answer = ask(&mut *session, &here.setup.case);
        lived(&here, &answer);
        assert_eq!(answer.trace.map(|trace| trace.runtime.ttbr0_el2 >> 48), Some(0x5a));
        let pa = here.reached + scratch::TAGS;
        assert_eq!(answer.answers[read] & 0xf_ffff_ffff_f001, pa);
        assert_eq!((answer.answers[load], answer.answers[low]), (pa + 8, pa + 8));
        assert_eq!(answer.answers[call], here.reached + scratch::SLOTS + scratch::SLOT_BYTES);
        let par = answer.answers[unprivileged];
        match tge {
            0 => assert_eq!(par & 0xf_ffff_ffff_f001, here.read_only, "PAR_EL1 {par:#x}"),
            _ => assert_eq!(par & 0x7f, 0b00_1111 << 1 | 1, "PAR_EL1 {par:#x}"),
        }
        let seen: Vec<_> =
            answer.exceptions.iter().map(|taken| (taken.probe as usize, taken.far)).collect();
        assert_eq!(seen, [(refused, here.read_only), (lost, here.unmapped)]);
    }
}

#[test]
fn stage_2_is_asked_from_a_stay_too() {
    let mut session = boot("qemu-max");
    let [k4, ..] = Variant::ALL;
    let mut here = hypervisor(&*session, k4, 39, 38);
    let setup = &mut here.setup;
    let tree = setup.tree(Role::Stage2, k4, 39);
    // VTCR_EL2: RES1, PS 48 bits, 4K, walks as in TCR_EL2, start at level 1.
    let registers = setup.case.registers_mut();
    registers.hcr_el2 |= 1;
    registers.vtcr_el2 = 1 << 31 | 5 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | (64 - 39);
    let attributes = Attributes { mem_attr: 0xf, ap: 1, sh: 3, af: 1, ..Attributes::default() };
    let mapping = Mapping {
        input: 0x1000,
        output: Place::absolute(0x7654_3000),
        entries: 1,
        level: 3,
        tree,
        reserved: [0; 2],
        attributes,
    };
    setup.case.push_mapping(mapping).expect("there is room");
    let both = setup.probe(Operation::AtS12e1r, 0x1234);
    let own = setup.probe(Operation::AtS1e2r, here.tags);
    let answer = ask(&mut *session, &here.setup.case);
    lived(&here, &answer);
    assert_eq!(answer.answers[both] & 0xf_ffff_ffff_f001, 0x7654_3000);
    assert_eq!(answer.answers[own] & 0xf_ffff_ffff_f001, here.reached + scratch::TAGS);
}

#[test]
fn what_hardware_changes_in_a_stay_is_seen_after_each_probe() {
    let mut session = boot("qemu-max");
    let [k4, ..] = Variant::ALL;
    let mut here = hypervisor(&*session, k4, 39, 37);
    let setup = &mut here.setup;
    const HA: u64 = 1 << 21;
    setup.case.registers_mut().tcr_el2 |= HA;
    setup.case.set_flags(Flags(Flags::WORLD_SWITCH | Flags::UPDATES));
    let old = Attributes { ap: 1, sh: 3, xn: 2, af: 0, ..Attributes::default() };
    let stage = setup.places.stage(31);
    let mapping = Mapping {
        input: here.unmapped,
        output: Place::new(stage, scratch::TAGS),
        entries: 1,
        level: 3,
        tree: 0,
        reserved: [0; 2],
        attributes: old,
    };
    setup.case.push_mapping(mapping).expect("there is room");
    let pa = setup.places.base(stage) + scratch::TAGS;
    setup.probe(Operation::Load, here.tags);
    let load = setup.probe(Operation::Load, here.unmapped);
    setup.probe(Operation::Load, here.unmapped);
    let answer = ask(&mut *session, &here.setup.case);
    lived(&here, &answer);
    assert_eq!(answer.answers[load], pa);
    // The leaf with its access flag, bit 10.
    let leaf = pa | 0x0040_0000_0000_0000 | 1 << 10 | 3 << 8 | 1 << 6 | 3;
    let seen: Vec<_> = answer.updates.iter().map(|seen| (seen.probe, seen.value)).collect();
    assert_eq!(seen, [(load as u64, leaf)]);
}

#[test]
fn a_repeated_stay_answers_as_its_last_round() {
    let mut session = boot("qemu-max");
    let [k4, ..] = Variant::ALL;
    let mut here = hypervisor(&*session, k4, 39, 38);
    here.setup.case.set_flags(Flags(Flags::WORLD_SWITCH));
    for address in [here.tags, here.unmapped, here.tags + 8] {
        here.setup.probe(Operation::Load, address);
    }
    let mut bodies = Vec::new();
    for (sequence, rounds) in [(0, 1), (1, 2), (2, 500), (3, 1)] {
        session.send_repeat(sequence, rounds, here.setup.case.as_ref()).expect("it has room");
        match session.receive().expect("the session goes on") {
            Event::Observations { body, .. } => bodies.push(body.to_vec()),
            Event::Died(death) => panic!("{death}"),
            Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
        }
    }
    let pa = here.reached + scratch::TAGS;
    let seen = Observations::from_bytes(&bodies[2]).expect("they make sense");
    assert_eq!(seen.answers, [pa, NO_ANSWER, pa + 8]);
    assert_eq!(seen.exceptions.len(), 1);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");

    // A second round loads what the first one has stored.
    let mut here = hypervisor(&*session, k4, 39, 38);
    here.setup.probe(Operation::Load, here.tags);
    let store = here.setup.probe(Operation::Store, here.tags);
    for (rounds, loaded) in [(1, pa), (2, scratch::stored(store as u16))] {
        session.send_repeat(4, rounds, here.setup.case.as_ref()).expect("it has room");
        match session.receive().expect("the session goes on") {
            Event::Observations { body, .. } => {
                let seen = Observations::from_bytes(body).expect("they make sense");
                assert_eq!(seen.answers[0], loaded, "{rounds} rounds");
            }
            Event::Died(death) => panic!("{death}"),
            Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
        }
    }
}

#[test]
fn the_case_of_the_manual_is_answered_as_it_says() {
    let manual = suites().join("README.md");
    let text = std::fs::read_to_string(&manual).expect("the manual is there");
    let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let block = blocks.into_iter().find(|block| block.contains("\n  stay:\n")).expect("it has one");
    let file = CaseFile::from_text(block, &manual).unwrap_or_else(|error| panic!("{error}"));
    let answer = ask(&mut *boot("qemu-max"), &file.case.0);
    assert_eq!(answer.report.status(), Some(Status::Done));
    assert_eq!(answer.answers, [0x5b02_0000]);
}

/// A change to a set-up that nobody survives.
type Spoil = (&'static str, fn(&mut Registers, &mut SwitchPlaces));

#[test]
fn a_set_up_that_kills_the_payload_is_charged() {
    let [k4, ..] = Variant::ALL;
    let spoils: [Spoil; 5] = [
        ("its data is not mapped", |_, places| places.data_va += 1 << 28),
        ("its runtime is said to be in the other half", |_, places| places.code_va ^= 1 << 38),
        ("its exit is not mapped", |_, places| {
            places.exit = Place::new(places.exit.arena() + 1, 0);
        }),
        // T0SZ: 40 bits begin at level 0, 39 at level 1.
        ("its idmap has a level less than its tables", |registers, _| registers.idmap_tcr_el2 += 1),
        ("its tables have a level less than it says", |registers, _| registers.tcr_el2 -= 1),
    ];
    let mut description = description("qemu-max");
    description.limits.busy_seconds = 1;
    let target = open(description, &EXECUTOR);
    for (what, spoil) in spoils {
        let mut session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        let mut here = hypervisor(&*session, k4, 39, 39);
        here.setup.probe(Operation::Load, here.tags);
        session.send_case(6, here.setup.case.as_ref()).expect("the window has room");
        let mut places = here.setup.case.as_ref().header.world_switch;
        spoil(here.setup.case.registers_mut(), &mut places);
        here.setup.case.set_world_switch(places);
        session.send_case(7, here.setup.case.as_ref()).expect("the window has room");
        let event = session.receive().expect("the session goes on");
        assert!(matches!(event, Event::Observations { sequence: 6, .. }), "{what}: {event:?}");
        let event = session.receive().expect("a death is no error");
        let Event::Died(death) = event else { panic!("{what}: {event:?}") };
        assert!(matches!(death.how, HowDied::Hung { .. }), "{what}: {death}");
        assert_eq!(death.cursor.map(|cursor| cursor.sequence), Some(7), "{what}: {death}");
    }
}

#[test]
fn a_campaign_goes_on_behind_a_set_up_that_kills_the_payload() {
    let mut description = description("qemu-max");
    description.limits.busy_seconds = 1;
    let target = open(description, &EXECUTOR);
    let session = target.boot().unwrap_or_else(|error| panic!("{error}"));
    let [k4, ..] = Variant::ALL;
    let case = |is_deadly| {
        let mut here = hypervisor(&*session, k4, 39, 38);
        here.setup.probe(Operation::AtS1e2r, here.tags);
        here.setup.probe(Operation::AtS1e2w, here.read_only);
        here.setup.probe(Operation::AtS1e2r, here.unmapped);
        let mut places = here.setup.case.as_ref().header.world_switch;
        places.data_va += if is_deadly { 1 << 28 } else { 0 };
        here.setup.case.set_world_switch(places);
        ExplicitCase::new("built by hand", here.setup.case)
    };
    let cases = [false, true, false, false].map(case);
    let (records, totals) = campaign(&*target, vec![Generator::Explicit(cases.to_vec())]);
    assert_eq!(totals.boots, 2);
    for record in &records {
        let verdicts: Vec<_> =
            record.findings.iter().map(|finding| (finding.probe, finding.verdict)).collect();
        if record.index == 1 {
            assert_eq!(verdicts, [(None, Verdict::Hung)], "{record:#?}");
        } else {
            assert_eq!(verdicts, [], "{record:#?}");
            assert_eq!(record.verdicts.conforms, 3, "{record:#?}");
        }
    }
    assert_eq!(records.len(), 4);
}

#[test]
fn a_stay_that_can_not_be_is_refused() {
    let mut session = boot("qemu-max");
    let [k4, ..] = Variant::ALL;
    let sound = hypervisor(&*session, k4, 39, 38).setup.case;
    let mut refused = |spoil: &dyn Fn(&mut Case)| {
        let mut case = sound.clone();
        spoil(&mut case);
        ask(&mut *session, &case).report.status()
    };
    assert_eq!(refused(&|_| {}), Some(Status::Done));
    assert_eq!(refused(&|case| case.registers_mut().sctlr_el2 &= !1), Some(Status::Unsupported));
    assert_eq!(
        refused(&|case| case.registers_mut().sctlr_el2 |= 1 << 25),
        Some(Status::Unsupported)
    );
    let no_stage = |case: &mut Case| {
        let places =
            SwitchPlaces { trampoline: Place::new(0, 0), ..case.as_ref().header.world_switch };
        case.set_world_switch(places);
    };
    assert_eq!(refused(&no_stage), Some(Status::BadCase));
    assert_eq!(refused(&|case| case.set_flags(Flags(Flags::MONITOR))), Some(Status::Unsupported));
    assert_eq!(refused(&|_| {}), Some(Status::Done), "nothing of it is left");
}

#[test]
fn the_monitor_asks_what_nobody_could_live_in() {
    let mut session = boot("qemu-max-el3");
    assert_eq!(session.hello().entry_el, 3);
    let [k4, ..] = Variant::ALL;
    live(&mut *session, k4, 48, 47);
    let mut asked = |spoil: &dyn Fn(&mut Registers)| {
        let mut here = hypervisor(&*session, k4, 39, 38);
        spoil(here.setup.case.registers_mut());
        here.setup.case.set_flags(Flags(Flags::MONITOR));
        here.setup.probe(Operation::AtS1e2r, here.tags);
        here.setup.probe(Operation::AtS1e2w, here.read_only);
        let answer = ask(&mut *session, &here.setup.case);
        assert_eq!(answer.report.status(), Some(Status::Done));
        assert_eq!(answer.trace, None, "nobody lived there");
        let pa = here.reached + scratch::TAGS;
        (answer.answers.iter().map(|par| par & 0x7f).collect::<Vec<_>>(), answer, pa)
    };
    let fault = |status: u64| status << 1 | 1;

    let (faults, answer, pa) = asked(&|_| {});
    assert_eq!(answer.answers[0] & 0xf_ffff_ffff_f001, pa);
    assert_eq!(faults[1], fault(0b00_1111), "read only");
    // Illegal sizes: a translation fault at level 0.
    for t0sz in [0, 11, 49, 63] {
        let (faults, ..) = asked(&|registers| {
            registers.tcr_el2 = registers.tcr_el2 & !0x3f | t0sz;
        });
        assert_eq!(faults, [fault(0b00_0100); 2], "T0SZ {t0sz}");
    }
    // A root where nothing answers: a Data Abort, which EL3 takes.
    let (_, answer, _) = asked(&|registers| registers.ttbr0_el2 ^= 1 << 46);
    let seen: Vec<_> = answer
        .exceptions
        .iter()
        .map(|taken| (taken.probe, taken.origin, taken.esr >> 26, taken.esr & 0x3c))
        .collect();
    assert_eq!(seen, [0, 1].map(|probe| (probe, Exception::PROBE, 0x25, 0b01_0100)));
    assert_eq!(answer.answers, [NO_ANSWER; 2]);
    // The upper range is there with E2H alone.
    let mut here = host(&*session, (k4, 48), (k4, 39), TGE);
    here.setup.case.set_flags(Flags(Flags::MONITOR));
    here.setup.probe(Operation::AtS1e2r, here.tags);
    let answer = ask(&mut *session, &here.setup.case);
    assert_eq!(answer.answers[0] & 0xf_ffff_ffff_f001, here.reached + scratch::TAGS);
    // EL2 goes on as if nothing had been.
    live(&mut *session, k4, 39, 38);
}

#[test]
fn a_target_without_el3_has_no_monitor() {
    let mut description = description("qemu-max");
    description.monitor = true;
    let error = open(description, &EXECUTOR).boot().err().expect("it is refused").to_string();
    assert!(error.contains("entered at EL2"), "{error}");
}

//! A booted device, and one that plays its part at the other end of a mailbox.

use std::fs::File;
use std::mem::offset_of;
use std::path::Path;
use std::time::Duration;

use case::Case;
use case::format::{AddressFormat, Format, Granule};
use case::memory::Place;
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use link::hello::{Epitaph, IdRegisters, MAX_REGIONS, OwnMap, Region};
use link::mailbox::{self, Control, Cursor, response_offset};
use link::mark::Mark;
use link::message::Head;
use link::observations::Report;
use link::surroundings::Surroundings;
use rustix::fs::{MemfdFlags, memfd_create};

use super::*;
use crate::death::HungReason;
use crate::handle::End;
use crate::mailbox::Mailbox;
use crate::memory::SharedMemory;
use crate::watchdog::{Activity, Vitals};

/// The target's side of a mailbox, which does what a test wants, right or wrong. It is written
/// ahead: messages are there before the host looks.
struct Pretend {
    memory: SharedMemory,
    answered: u64,
}

/// A handle without a process.
struct Ghost {
    ended: Option<String>,
    cpu: Duration,
}

impl DeviceHandle for Ghost {
    fn ended(&mut self) -> Option<End> {
        self.ended.clone().map(End::Exited)
    }

    fn vitals(&mut self) -> Option<Vitals> {
        self.cpu += Duration::from_secs(1);
        Some(Vitals { cpu: self.cpu, activity: Activity::Running })
    }

    fn end(&mut self) -> String {
        "its last words".to_owned()
    }
}

const MAGIC: usize = offset_of!(Control, magic);
const TAKEN: usize = offset_of!(Control, taken);
const ANSWERED: usize = offset_of!(Control, answered);
const CURSOR: usize = offset_of!(Control, cursor);
const MARK: usize = offset_of!(Control, mark);

impl Pretend {
    fn put(&mut self, kind: MessageKind, sequence: u64, body: &[u8]) {
        assert!(body.len().is_multiple_of(8));
        let head = Head::new(kind, body.len() as u32, sequence);
        let bytes = [head.as_bytes(), body].concat();
        let words: Vec<_> = bytes
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("whole words")))
            .collect();
        self.memory.write(response_offset(self.answered), &words);
        self.answered += 1;
        self.store(ANSWERED, self.answered);
    }

    fn store(&self, offset: usize, value: u64) {
        self.memory.store_release(offset, value);
    }
}

fn pair() -> (Pretend, Mailbox) {
    let file = memfd_create("mailbox", MemfdFlags::CLOEXEC).map(File::from).expect("memory");
    file.set_len(mailbox::BYTES as u64).expect("memory");
    let map = || SharedMemory::map(&file, 0, mailbox::BYTES).expect("it can be mapped");
    let pretend = Pretend { memory: map(), answered: 0 };
    pretend.store(MAGIC, Control::MAGIC);
    (pretend, Mailbox::new(map()))
}

fn hello() -> Hello {
    let mut free = [Region::default(); MAX_REGIONS];
    free[0] = Region { base: 0x4000_0000, size: 0x4000_0000 };
    Hello {
        version: link::VERSION,
        entry_el: 2,
        image: 0,
        entry_hcr_el2: 0,
        own_map: OwnMap::ON,
        entry_sctlr_el2: 0,
        ids: IdRegisters::default(),
        pes: 1,
        surroundings: Surroundings::default(),
        free_count: 1,
        free,
    }
}

fn boot(wire: Mailbox, ended: Option<&str>) -> Result<Booted<Mailbox>, TargetError> {
    let text = "name: t\nstart: { qemu: { machine: virt, cpu: max, memory: 1G } }\n\
                transport: { mailbox: { address: 0x7000_0000 } }\n\
                carve: { count: 1, size: 8M }\nlimits: { busy-seconds: 2 }";
    let description = Description::from_text(text, Path::new("t.yaml")).expect("it is whole");
    let handle = Ghost { ended: ended.map(str::to_owned), cpu: Duration::ZERO };
    Booted::new(&description, wire, Box::new(handle), "", |_| "")
}

fn booted() -> (Pretend, Booted<Mailbox>) {
    let (mut pretend, wire) = pair();
    pretend.put(MessageKind::Hello, 0, hello().as_bytes());
    pretend.put(MessageKind::Ready, 0, &[]);
    let device = boot(wire, None).expect("all is well");
    pretend.store(TAKEN, 1);
    (pretend, device)
}

fn case() -> Case {
    let format = Format {
        granule: Granule::K4,
        start_level: 1,
        ia_bits: 39,
        address: AddressFormat::Bits48,
    };
    let mut case =
        Case::with_tree(Registers::default(), Tree::new(Role::Stage2, format, Place::new(0, 0)));
    for _ in 0..4 {
        case.push_probe(Probe::new(Operation::AtS12e1r, 0)).expect("there is room");
    }
    case
}

fn death(device: &mut Booted<Mailbox>) -> Death {
    let death = match device.receive() {
        Ok(Event::Died(death)) => death,
        other => panic!("{other:?}"),
    };
    assert!(matches!(device.receive(), Err(TargetError::Over)));
    assert!(matches!(device.send_case(9, case().as_ref()), Err(TargetError::Over)));
    death
}

/// What a target of whom a test says the worst is told to have babbled.
fn babble(break_it: impl FnOnce(&mut Pretend)) -> String {
    let (mut pretend, mut device) = booted();
    device.send_case(7, case().as_ref()).expect("there is room");
    break_it(&mut pretend);
    match death(&mut device).how {
        HowDied::Garbage { what } => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cases_are_answered_in_order() {
    let (mut pretend, mut device) = booted();
    assert_eq!(device.memory_map().arenas()[0].base, 0x7f80_0000);
    for sequence in [70, 80] {
        device.send_case(sequence, case().as_ref()).expect("there is room");
    }
    let mut words = [0; 2];
    pretend.memory.read(mailbox::request_offset(1), &mut words);
    assert_eq!(words[1], 70);
    for sequence in [70u64, 80] {
        pretend.put(MessageKind::Observations, sequence, sequence.as_bytes());
        match device.receive() {
            Ok(Event::Observations { sequence: got, body }) => {
                assert_eq!((got, body), (sequence, sequence.as_bytes()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(device.receive(), Err(TargetError::Misuse(_))));
}

#[test]
fn a_repeated_case_is_answered_as_such_and_as_nothing_else() {
    let (mut pretend, mut device) = booted();
    device.send_repeat(70, 9, case().as_ref()).expect("there is room");
    let mut words = [0; 3];
    pretend.memory.read(mailbox::request_offset(1), &mut words);
    assert_eq!((words[0] as u32, words[1], words[2]), (MessageKind::Repeat as u32, 70, 9));
    pretend.put(MessageKind::Repeated, 70, 7u64.as_bytes());
    let event = device.receive();
    assert!(matches!(event, Ok(Event::Observations { sequence: 70, .. })), "{event:?}");

    device.send_repeat(71, 9, case().as_ref()).expect("there is room");
    pretend.put(MessageKind::Observations, 71, &[]);
    assert!(matches!(death(&mut device).how, HowDied::Garbage { .. }));
    // No campaign can take the answer of a measurement for that of a case.
    let what = babble(|pretend| pretend.put(MessageKind::Repeated, 7, &[]));
    assert!(what.contains("Repeated"), "{what}");
}

#[test]
fn a_full_window_is_the_callers_mistake() {
    let (_pretend, mut device) = booted();
    for sequence in 0..device.window() as u64 {
        device.send_case(sequence, case().as_ref()).expect("there is room");
    }
    let result = device.send_case(99, case().as_ref());
    assert!(matches!(result, Err(TargetError::Misuse(_))), "{result:?}");
}

#[test]
fn a_start_that_ends_is_told_with_the_last_mark() {
    let told = |mark: u64| {
        let (pretend, wire) = pair();
        pretend.store(MARK, mark);
        boot(wire, None).err().expect("it never speaks").to_string()
    };
    let gic = told(Mark::Gic as u64);
    assert!(gic.contains("it hung") && gic.contains("left is `gic`\n"), "{gic}");
    assert!(gic.ends_with(Mark::Gic.suspicion()), "{gic}");
    for senseless in [0, 1 << 40] {
        assert!(!told(senseless).contains("mark"), "{senseless}");
    }
}

#[test]
fn the_dead_are_charged_to_the_probe_at_the_cursor() {
    let (pretend, mut device) = booted();
    for sequence in [70, 80] {
        device.send_case(sequence, case().as_ref()).expect("there is room");
    }
    let answers = response_offset(2) + Head::BYTES + size_of::<Report>();
    pretend.memory.write(answers, &[11, 12, 13, 14]);
    pretend.store(CURSOR, Cursor::new(1, 3).0);
    device.connection.handle =
        Box::new(Ghost { ended: Some("signal: 6".to_owned()), cpu: Duration::ZERO });
    let stderr = "its last words".to_owned();
    let expected = Death {
        how: HowDied::Exited { status: "signal: 6".to_owned(), stderr },
        cursor: Some(CaseCursor { sequence: 70, probe: Some(3) }),
        answers_before: vec![11, 12, 13],
        drawn: None,
    };
    assert_eq!(death(&mut device), expected);
}

#[test]
fn a_cursor_that_makes_no_sense_charges_nobody() {
    for cursor in [Cursor(0), Cursor(1), Cursor::new(9, 0), Cursor(u64::MAX)] {
        let (pretend, mut device) = booted();
        device.send_case(7, case().as_ref()).expect("there is room");
        pretend.store(CURSOR, cursor.0);
        pretend.store(ANSWERED, 99);
        assert_eq!(death(&mut device).cursor, None, "{cursor:?}");
    }
    let (pretend, mut device) = booted();
    device.send_case(7, case().as_ref()).expect("there is room");
    pretend.store(CURSOR, Cursor::new(1, 400).0);
    pretend.store(ANSWERED, 99);
    let cursor = death(&mut device).cursor;
    assert_eq!(cursor, Some(CaseCursor { sequence: 7, probe: None }));
}

#[test]
fn work_without_progress_is_a_hang() {
    let (_pretend, mut device) = booted();
    device.send_case(7, case().as_ref()).expect("there is room");
    let how = death(&mut device).how;
    let reason = HungReason::Busy { milliseconds: 2000 };
    assert_eq!(how, HowDied::Hung { reason, said: "its last words".to_owned() });
}

#[test]
fn an_epitaph_is_passed_on() {
    let (mut pretend, mut device) = booted();
    device.send_case(7, case().as_ref()).expect("there is room");
    let epitaph = Epitaph { reason: Epitaph::PANIC, esr: 42, elr: 0, far: 0 };
    pretend.put(MessageKind::Epitaph, 0, epitaph.as_bytes());
    let death = death(&mut device);
    assert_eq!(death.how, HowDied::Epitaph(epitaph));
    assert_eq!(death.to_string(), "the executor panicked (line 42)");
}

#[test]
fn impossible_counters_are_babble() {
    for answered in [1, 0, 19, 1 << 40, u64::MAX] {
        let what = babble(|pretend| pretend.store(ANSWERED, answered));
        assert!(what.contains("where 2 have been read"), "{what}");
    }
    let (mut pretend, mut device) = booted();
    device.send_case(7, case().as_ref()).expect("there is room");
    pretend.put(MessageKind::Observations, 7, &[]);
    assert!(matches!(device.receive(), Ok(Event::Observations { .. })));
    pretend.store(TAKEN, 77);
    device.send_case(8, case().as_ref()).expect("there is room");
    let how = death(&mut device).how;
    assert!(matches!(&how, HowDied::Garbage { what } if what.contains("taken 77")), "{how:?}");
}

#[test]
fn impossible_messages_are_babble() {
    let what = babble(|pretend| {
        pretend.memory.write(response_offset(2), &[0xffff_ffff_ffff_ffff, 7]);
        pretend.store(ANSWERED, 3);
    });
    assert!(what.contains("no head"), "{what}");
    let what = babble(|pretend| {
        let head = Head::new(MessageKind::Observations, 0xffff_fff8, 7);
        let words = <[u64; 2]>::read_from_bytes(head.as_bytes()).expect("two words");
        pretend.memory.write(response_offset(2), &words);
        pretend.store(ANSWERED, 3);
    });
    assert!(what.contains("no head"), "{what}");
    let what = babble(|pretend| pretend.put(MessageKind::Observations, 8, &[]));
    assert!(what.contains("answered case 8 where case 7"), "{what}");
    let what = babble(|pretend| pretend.put(MessageKind::Ready, 7, &[]));
    assert!(what.contains("Ready"), "{what}");
    let what = babble(|pretend| pretend.put(MessageKind::Epitaph, 7, &[]));
    assert!(what.contains("epitaph"), "{what}");
    let what = babble(|pretend| {
        pretend.store(MAGIC, 1);
        pretend.put(MessageKind::Observations, 7, &[]);
    });
    assert!(what.contains("begins with 0x1"), "{what}");
}

#[test]
fn a_target_that_does_not_come_up_is_an_error_that_says_why() {
    type Prepare<'a> = &'a dyn Fn(&mut Pretend);
    let refusal = |prepare: Prepare<'_>, ended| {
        let (mut pretend, wire) = pair();
        prepare(&mut pretend);
        let error = boot(wire, ended).err().expect("it does not come up");
        error.to_string()
    };
    let refused: [(Prepare<'_>, Option<&str>, &str); 7] = [
        (&|_| {}, None, "it hung"),
        (&|_| {}, Some("exit status: 1"), "ended: exit status: 1"),
        (&|pretend| pretend.put(MessageKind::Ready, 0, &[]), None, "Some(Ready) where Hello"),
        (&|pretend| pretend.put(MessageKind::Hello, 0, &[]), None, "version 0"),
        (
            &|pretend| pretend.put(MessageKind::Hello, 0, u64::from(link::VERSION).as_bytes()),
            None,
            "makes no sense",
        ),
        (
            &|pretend| {
                let hello = Hello { version: 77, ..hello() };
                pretend.put(MessageKind::Hello, 0, hello.as_bytes());
            },
            None,
            "version 77",
        ),
        (
            &|pretend| {
                let hello = Hello { free_count: 0, ..hello() };
                pretend.put(MessageKind::Hello, 0, hello.as_bytes());
            },
            None,
            "no room for 1 arenas of 8M",
        ),
    ];
    for (prepare, ended, reason) in refused {
        let message = refusal(prepare, ended);
        assert!(message.contains(reason), "{message}");
    }
}

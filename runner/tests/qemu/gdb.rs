//! A machine behind a debugger: QEMU's own stub, and the same QEMU behind stubs with other habits.

mod debugger;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use case::Case;
use case::memory::Place;
use case::probe::{Operation, Probe};
use device::{CaseCursor, Death, Description, Event, HowDied, Session, Target, TargetError};
use judge::verdict::Verdict;
use link::observations::{Observations, Status};
use rustix::fs::{MemfdFlags, memfd_create};
use suite::Suite;
use suite::generator::{ExplicitCase, Generator};

use crate::common::executor::EXECUTOR;
use crate::common::folders;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::identity::case_at;
use crate::common::records::campaign;
use crate::common::self_test::SELF_TEST;
use crate::common::shipped::{suites, yaml};
use crate::common::targets::{self, open};

use debugger::{Debugger, Habit, Habits};

/// The text of the shipped target.
fn shipped() -> String {
    std::fs::read_to_string(targets::folder().join("qemu-gdb.yaml")).expect("the target is there")
}

/// The shipped target with `start` in place of how it is started.
fn started_by(start: &str) -> String {
    let text = shipped();
    let (head, rest) = text.split_once("start:\n").expect("it is started");
    let (_, tail) = rest.split_once("\ntransport:").expect("it talks");
    format!("{head}{start}\ntransport:{tail}")
}

/// At `address`, reset by the monitor command of QEMU.
fn at(address: &str, more: &str) -> String {
    started_by(&format!(
        "start: {{ gdb: {{ address: '{address}', reset: [system_reset], load-address: 0x4020_0000, \
         device-tree: 0x4000_0000{more} }} }}"
    ))
}

fn described(text: &str) -> Description {
    Description::from_text(text, Path::new("t.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

fn boot(target: &dyn Target) -> Box<dyn Session> {
    target.boot().unwrap_or_else(|error| panic!("{error}"))
}

/// A case without probes.
fn case(session: &dyn Session) -> Case {
    case_at(session, Place::new(0, 0))
}

/// With these probes.
fn asking(session: &dyn Session, operations: &[Operation]) -> Case {
    let mut case = case(session);
    for operation in operations {
        case.push_probe(Probe::new(*operation, 0x1234)).expect("there is room");
    }
    case
}

/// Asks as many cases as `count`, with the window full, and wants all of them done.
fn ask(session: &mut dyn Session, count: u64) {
    let case = asking(session, &[Operation::AtS12e1r]);
    let mut sent = 0;
    for answered in 0..count {
        while sent < count && sent - answered < session.window() as u64 {
            session.send_case(sent, case.as_ref()).expect("the window has room");
            sent += 1;
        }
        match session.receive().expect("the session goes on") {
            Event::Observations { sequence, body } => {
                let observations = Observations::from_bytes(body).expect("they make sense");
                assert_eq!(
                    (sequence, observations.report.status()),
                    (answered, Some(Status::Done))
                );
                // PAR_EL1: no fault.
                assert_eq!(observations.answers[0] & 1, 0);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Sends three cases of which the second hangs in its third probe, and returns what is answered and the
/// death.
fn hang(session: &mut dyn Session) -> (Vec<u64>, Death) {
    let harmless = asking(session, &[Operation::AtS12e1r; 4]);
    let deadly = [Operation::AtS12e1r, Operation::AtS12e1r, Operation::Hang];
    let deadly = asking(session, &deadly);
    for (sequence, case) in (70..).zip([&harmless, &deadly, &harmless]) {
        session.send_case(sequence, case.as_ref()).expect("the window has room");
    }
    let mut answered = Vec::new();
    loop {
        match session.receive().expect("a death is no error") {
            Event::Observations { sequence, .. } => answered.push(sequence),
            Event::Died(death) => return (answered, death),
            other => panic!("{other:?}"),
        }
    }
}

fn expect_hang(answered: &[u64], death: &Death) {
    assert_eq!(answered, [70], "{death}");
    assert_eq!(death.cursor, Some(CaseCursor { sequence: 71, probe: Some(2) }), "{death}");
    assert_eq!(death.answers_before.len(), 2, "{death}");
    let HowDied::Hung { said: stderr, .. } = &death.how else { panic!("{death}") };
    assert!(
        stderr.contains("halted it at EL2, PC 0x402") && stderr.contains("image + "),
        "{death}"
    );
}

/// The whole smoke suite, deaths of the emulator included, through its stub and through shared memory.
#[test]
fn a_debugger_gives_the_records_that_shared_memory_gives() {
    let by_stub = open(described(&shipped()), &EXECUTOR);
    let shared = started_by(
        "start: { qemu: { machine: virt, machine-options: { virtualization: 'on', gic-version: '3' }, \
         cpu: max, memory: 2G } }",
    );
    let by_memory = open(described(&shared), &EXECUTOR);
    let smoke = Suite::read(&suites().join("smoke.yaml")).unwrap_or_else(|error| panic!("{error}"));
    let [(ours, told), (theirs, sums)] =
        [&by_stub, &by_memory].map(|target| campaign(&**target, smoke.generators.clone()));
    assert_eq!(ours.len(), theirs.len());
    for (one, other) in ours.iter().zip(&theirs) {
        assert_eq!((one.index, &one.verdicts), (other.index, &other.verdicts));
        assert_eq!(one.not_asked, other.not_asked, "case {}", one.index);
    }
    assert_eq!(told.verdicts, sums.verdicts);
    assert!(told.verdicts.conforms > 10_000, "{told:?}");
}

#[test]
fn a_hang_is_charged_to_its_probe_and_what_was_answered_before_counts() {
    let mut description = described(&shipped());
    description.limits.busy_seconds = 1;
    let target = open(description, &SELF_TEST);
    let mut session = boot(&*target);
    ask(&mut *session, 40);
    let (answered, death) = hang(&mut *session);
    expect_hang(&answered, &death);
    assert!(matches!(session.receive(), Err(TargetError::Over)));
    drop(session);
    ask(&mut *boot(&*target), 3);
}

/// In a campaign, where the machine is started anew and the others of its case are asked again.
#[test]
fn a_campaign_goes_on_behind_a_hang() {
    let mut description = described(&shipped());
    description.limits.busy_seconds = 1;
    let target = open(description, &SELF_TEST);
    let session = boot(&*target);
    let mut cases = vec![asking(&*session, &[Operation::AtS12e1r; 4]); 40];
    cases[20] = asking(&*session, &[Operation::AtS12e1r, Operation::Hang, Operation::AtS12e1r]);
    drop(session);
    let named = cases.into_iter().map(|case| ExplicitCase::new("spelled out", case));
    let (records, totals) = campaign(&*target, vec![Generator::Explicit(named.collect())]);
    assert_eq!(records.len(), 40);
    let charged = records.iter().flat_map(|record| &record.findings);
    let charged: Vec<_> = charged.map(|finding| (finding.probe, finding.verdict)).collect();
    assert_eq!(charged, [(Some(1), Verdict::Hung)]);
    assert_eq!((totals.boots, totals.verdicts.hung), (2, 1));
}

/// QEMU 10.0.2 aborts on an AT S12* that stage 2 does not permit (QEMU issue 3328): its stub is gone with it.
#[test]
fn a_death_of_the_emulator_is_told_as_such() {
    let target = open(described(&shipped()), &EXECUTOR);
    let mut session = boot(&*target);
    let deadly = asking(&*session, &[Operation::AtS12e1r, Operation::AtS12e1w]);
    session.send_case(70, deadly.as_ref()).expect("the window has room");
    match session.receive().expect("a death is no error") {
        Event::Died(death) => {
            let how = &death.how;
            let aborted =
                matches!(how, HowDied::Exited { status, .. } if status.contains("SIGABRT"));
            assert!(aborted && death.cursor.is_none(), "{death:?}");
        }
        // Another QEMU answers.
        Event::Observations { sequence, .. } => assert_eq!(sequence, 70),
        other => panic!("{other:?}"),
    }
}

/// A path for a socket of a test's own.
fn socket(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sock"));
    // Of a run that was killed.
    let _ = std::fs::remove_file(&path);
    path
}

/// Over TCP, with what a modern stub has: no acknowledgements, memory in binary, small packets.
fn modern() -> Habits {
    let mut is_greeted = false;
    Box::new(move |packet| match packet {
        b"QStartNoAckMode" => {
            is_greeted = true;
            Habit::say("OK")
        }
        [b'q', b'S', b'u', ..] => {
            let features = "PacketSize=190;QStartNoAckMode+;qXfer:features:read+;vContSupported+";
            Habit::say(features)
        }
        [b'M', ..] => Habit::say("E01"),
        [b'X', rest @ ..] => {
            assert!(is_greeted);
            let colon = rest.iter().position(|byte| *byte == b':').expect("data");
            let (head, data) = (&rest[..colon], &rest[colon + 1..]);
            match data {
                [] => Habit::say("OK"),
                _ => {
                    assert!(head.len() + 2 * data.len() + 6 <= 0x190, "a packet is too long");
                    let digits = device::kind::gdb::packet::hex(data);
                    Habit::Instead(vec![[b"M", head, b":", &digits].concat()])
                }
            }
        }
        _ => Habit::Own,
    })
}

/// With what an old stub lacks: registers one by one, `vCont`, a description, breakpoints; and memory comes in
/// parts.
fn old() -> Habits {
    Box::new(|packet| match packet {
        [b'q', b'S', b'u', ..] | [b'p' | b'P' | b'Z', ..] | b"vCont?" => Habit::Say(Vec::new()),
        [b'v', ..] => panic!("it was not offered"),
        [b'm', rest @ ..] => {
            let text = String::from_utf8_lossy(rest).into_owned();
            let (address, count) = text.split_once(',').expect("a size");
            let count = usize::from_str_radix(count, 16).expect("digits");
            let some = if count > 64 { count / 2 } else { count };
            Habit::Instead(vec![format!("m{address},{some:x}").into_bytes()])
        }
        _ => Habit::Own,
    })
}

#[test]
fn stubs_of_all_ages_load_run_stop_and_reset_the_machine() {
    let stubs = [
        Debugger::of_qemu(None, None, modern()),
        Debugger::of_qemu(Some(socket("old")), None, old()),
    ];
    for stub in stubs {
        let mut description = described(&at(&stub.address, ""));
        description.limits.idle_seconds = 1;
        let target = open(description, &SELF_TEST);
        assert_eq!(target.most_at_once().get(), 1);
        let mut session = boot(&*target);
        ask(&mut *session, 40);
        let (answered, death) = hang(&mut *session);
        expect_hang(&answered, &death);
        drop(session);
        // Reset by its monitor command, and loaded again. This session ends while the core runs.
        let mut session = boot(&*target);
        ask(&mut *session, 3);
        let case = case(&*session);
        session.send_case(9, case.as_ref()).expect("the window has room");
        drop(session);
        ask(&mut *boot(&*target), 3);
    }
}

#[test]
fn a_command_may_listen_at_an_address() {
    let path = socket("listening");
    let address = path.display();
    let text = shipped()
        .replace(
            "-gdb stdio",
            "-chardev socket,id=gdb,path=PATH,server=on,wait=off -gdb chardev:gdb",
        )
        .replace("PATH", &address.to_string())
        .replace("  gdb:\n", &format!("  gdb:\n    address: {address}\n"));
    let target = open(described(&text), &EXECUTOR);
    assert_eq!(target.most_at_once().get(), 1);
    assert!(target.identity().emulator.is_some(), "{:?}", target.identity());
    ask(&mut *boot(&*target), 20);
    ask(&mut *boot(&*target), 20);
}

/// A second debugger reaches memory beside the core, which then runs on, behind the caches that QEMU has not.
#[test]
fn a_port_to_the_bus_needs_no_halts() {
    let ram = File::from(memfd_create("ram", MemfdFlags::CLOEXEC).expect("memory"));
    ram.set_len(2 << 30).expect("memory");
    let bus = Debugger::of_bus(ram.try_clone().expect("memory"), 0x4000_0000);
    static HALTS: AtomicU32 = AtomicU32::new(0);
    let habits = Box::new(|packet: &[u8]| match packet {
        [b'm' | b'M' | b'X' | b'Z', ..] => panic!("it was to go by the bus"),
        [b'?' | b'p', ..] => {
            HALTS.fetch_add(1, Ordering::Relaxed);
            Habit::Own
        }
        _ => Habit::Own,
    });
    let core = Debugger::of_qemu(None, Some(&ram), habits);
    let more = format!(", bus: '{}', behind-caches: true", bus.address);
    let mut description = described(&at(&core.address, &more));
    description.limits.idle_seconds = 1;
    let target = open(description, &SELF_TEST);
    let mut session = boot(&*target);
    let before = HALTS.load(Ordering::Relaxed);
    ask(&mut *session, 100);
    assert_eq!(HALTS.load(Ordering::Relaxed), before);
    let (answered, death) = hang(&mut *session);
    expect_hang(&answered, &death);
}

/// What is said where the machine can't be loaded and run: by a stub with `habits`, at EL2 or elsewhere.
fn refusal(habits: impl FnMut(&[u8]) -> Habit + Send + 'static, more: &str) -> String {
    let stub = Debugger::of_qemu(None, None, Box::new(habits));
    let mut description = described(&at(&stub.address, more));
    description.limits.boot_idle_seconds = 1;
    let target = open(description, &EXECUTOR);
    let error = target.boot().err().expect("it does not come up");
    assert!(
        matches!(error, TargetError::Device(_) | TargetError::Boot { .. }),
        "it is no fault of the runner: {error:?}"
    );
    let message = error.to_string();
    assert!(message.contains(&stub.address), "{message}");
    message
}

#[test]
fn what_is_wrong_with_a_debugger_is_told() {
    let instead = |wanted: &'static [u8], habit: fn() -> Habit| {
        move |packet: &[u8]| if packet.starts_with(wanted) { habit() } else { Habit::Own }
    };
    let xml = || Habit::say("l<target><architecture>armv7</architecture></target>");
    /// Where it comes, what the stub does, and what is told of it.
    type Row = (&'static [u8], fn() -> Habit, &'static str);
    let told: [Row; 14] = [
        (b"qSupported", || Habit::Silent, "does not answer \"qSupported"),
        (b"qSupported", || Habit::Raw(b"U-Boot 2025.01\r\n$".to_vec()), "does not answer"),
        (b"qSupported", || Habit::HangUp, "connection is gone"),
        (b"qXfer", xml, "architecture armv7, and not aarch64"),
        (b"qXfer", || Habit::say("E00"), "can't describe it: it answers \"E00\""),
        (b"qXfer", || Habit::say("l<target/>"), "no register \"cpsr\""),
        (b"p21", || Habit::say("d3010000"), "AArch32 state (CPSR 0x1d3)"),
        (b"p21", || Habit::say("xxxxxxxx"), "makes no sense: \"xxxxxxxx\""),
        (b"qRcmd", || Habit::say("E01"), "can't carry out the monitor command \"system_reset\""),
        (
            b"M40200000",
            || Habit::say("E01"),
            "can't write memory: it answers \"E01\" to \"M40200000",
        ),
        (b"M", || Habit::say("OK"), "what was written to 0x40200000 is not there"),
        (b"m", || Habit::say("zz"), "makes no sense: \"zz\""),
        (b"P20", || Habit::say("E02"), "can't set the register pc"),
        (b"Z1", || Habit::HangUp, "connection is gone"),
    ];
    for (wanted, habit, reason) in told {
        let message = refusal(instead(wanted, habit), "");
        assert!(message.contains(reason), "{message}");
    }
    // The core runs elsewhere, and does not halt.
    let message = refusal(instead(b"?", || Habit::Silent), "");
    assert!(message.contains("does not stop") && message.contains("`reset`"), "{message}");
    // It is set going, and says no more.
    let message = refusal(instead(b"vCont;c", || Habit::Silent), "");
    assert!(message.contains("it hung") && message.contains("does not stop"), "{message}");
    let message = refusal(|_| Habit::Own, ", registers: { cpsr: 0x3c5 }");
    assert!(message.contains("EL1"), "{message}");
    let message = refusal(|_| Habit::Own, ", registers: { cpsr: 0x3c9, x99: 1 }");
    assert!(message.contains("no register \"x99\""), "{message}");
}

#[test]
fn a_connection_that_drops_in_a_campaign_is_a_death_that_charges_nobody() {
    static DROPS: AtomicBool = AtomicBool::new(false);
    let habits = Box::new(|packet: &[u8]| match packet {
        [b'M', ..] if DROPS.load(Ordering::Relaxed) => Habit::HangUp,
        _ => Habit::Own,
    });
    let stub = Debugger::of_qemu(None, None, habits);
    let target = open(described(&at(&stub.address, "")), &EXECUTOR);
    let mut session = boot(&*target);
    ask(&mut *session, 3);
    DROPS.store(true, Ordering::Relaxed);
    let case = case(&*session);
    session.send_case(7, case.as_ref()).expect("the window has room");
    match session.receive().expect("a death is no error") {
        Event::Died(death) => {
            let is_gone = matches!(&death.how, HowDied::Lost { what } if what.contains("is gone"));
            assert!(is_gone && death.cursor.is_none(), "{death:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_debugger_that_is_not_there_ends_the_program_with_its_code() {
    let folder = folders::empty("nobody-listens");
    let run = |text: &str| {
        let file = folder.join("target.yaml");
        std::fs::write(&file, text).expect("a target file");
        let mut command = hypwalk();
        command.args(["run", "smoke", "--target"]).arg(&file);
        let said = Said::by(command.arg("--payload").arg(EXECUTOR.file()));
        (said.code, said.stderr)
    };
    let (code, told) = run(&at("/nowhere/gdb.sock", ""));
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("nobody answers at /nowhere/gdb.sock: No such file"), "{told}");
    let (code, told) = run(&shipped().replace("$QEMU", "echo no such machine >&2; exec false"));
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("connection is gone") && told.contains("no such machine"), "{told}");
}

/// Target files for boards that are not here make sense.
#[test]
fn examples_are_whole() {
    let files = yaml(&targets::folder().join("examples"));
    let gdb = files.iter().filter(|file| file.to_string_lossy().contains("openocd"));
    assert!(gdb.count() > 0, "{files:?}");
    for file in files {
        let description = Description::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let target = device::open(description, &EXECUTOR, targets::emulator());
        assert!(target.is_ok(), "{}", file.display());
    }
}

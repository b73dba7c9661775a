//! A real QEMU with the real executor.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use case::Case;
use case::edit::{Change, Edit};
use case::memory::{Arena, ArenaKind, Place};
use case::probe::{Operation, Probe};
use device::kind::Start;
use device::{CaseCursor, Description, Event, HowDied, HungReason, Session, Target, TargetError};
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use link::hello::Hello;
use link::observations::{Observations, Status};
use oracle::learned::Learned;
use runner::campaign::{Campaign, RecordError, Recorder, Totals, run};
use runner::plan::Plan;
use suite::generator::{ExplicitCase, Generator};

use crate::common::executor::EXECUTOR;
use crate::common::identity::{case_at, pa_range};
use crate::common::self_test::SELF_TEST;
use crate::common::targets::{self, boot, description, open, start};

/// The shipped targets that are machines of this QEMU.
fn machines() -> Vec<Description> {
    let mut descriptions = targets::descriptions();
    assert!(descriptions.len() >= 16, "{}", descriptions.len());
    descriptions.retain(|description| {
        // What a debugger or a recipe starts is another test's.
        matches!(description.start, Start::Qemu(_)) && targets::lacking(description).is_none()
    });
    descriptions
}

fn probe(case: &mut Case, operation: Operation) {
    case.push_probe(Probe::new(operation, 0x1234)).expect("there is room");
}

fn status_of(event: Event<'_>) -> (u64, Option<Status>) {
    match event {
        Event::Observations { sequence, body } => {
            let observations = Observations::from_bytes(body).expect("they make sense");
            (sequence, observations.report.status())
        }
        Event::Died(death) => panic!("{death}"),
        Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
    }
}

/// The body of the observations that come next.
fn body_of(session: &mut dyn Session) -> Vec<u64> {
    match session.receive().expect("the session goes on") {
        Event::Observations { sequence: 7, body } => {
            let word = |eight: &[u8]| u64::from_le_bytes(eight.try_into().expect("whole words"));
            body.chunks(8).map(word).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forecast_changes_no_answer() {
    for name in ["qemu-max", "qemu-max-uart"] {
        let mut session = boot(name);
        let mut case = case_at(&*session, Place::new(0, 0));
        probe(&mut case, Operation::AtS12e1r);
        session.send_case(7, case.as_ref()).expect("the window has room");
        let body = body_of(&mut *session);
        // Of another answer, of fewer words, of none at all, and what really comes.
        let mut other = body.clone();
        *other.last_mut().expect("there is an answer") ^= 1 << 7;
        let shorter = body[1..].to_vec();
        for forecast in [other, shorter, Vec::new(), body.clone()] {
            session.send_forecast(7, case.as_ref(), forecast).expect("the window has room");
            assert_eq!(body_of(&mut *session), body, "{name}");
        }
    }
}

/// Sends `count` cases without probes, with the window kept full, and wants them done.
fn ask(session: &mut dyn Session, count: u64) {
    let case = case_at(session, Place::new(0, 0));
    let mut sent = 0;
    for answered in 0..count {
        while sent < count && sent - answered < session.window() as u64 {
            session.send_case(sent, case.as_ref()).expect("the window has room");
            sent += 1;
        }
        let event = session.receive().expect("the session goes on");
        assert_eq!(status_of(event), (answered, Some(Status::Done)));
    }
}

#[test]
fn every_shipped_target_says_hello_and_answers() {
    for description in machines() {
        let name = description.name.clone();
        assert_eq!(targets::description(&name).name, name);
        let mut session = start(description);
        let ids = session.hello().ids;
        assert_ne!(ids.midr_el1, 0, "{name}");
        let map = session.memory_map().clone();
        let tables = map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Tables);
        let pa_bits = [32, 36, 40, 42, 44, 48, 52][pa_range(&*session) as usize];
        for arena in tables.clone() {
            assert!(arena.last() >> pa_bits == 0, "{name}: {arena:x?} in {pa_bits} bits");
        }
        assert!(tables.count() >= 2, "{name}");
        assert!(map.arenas().iter().any(|arena| arena.kind == ArenaKind::Void), "{name}");
        ask(&mut *session, 100);
    }
}

/// What a probe of `case` is answered: `PAR_EL1`, or `ESR_EL2` of the exception that it took.
fn answer(session: &mut dyn Session, case: &Case) -> Result<u64, u64> {
    session.send_case(1, case.as_ref()).expect("the window has room");
    match session.receive().expect("the session goes on") {
        Event::Observations { body, .. } => {
            let observations = Observations::from_bytes(body).expect("they make sense");
            assert_eq!(observations.report.status(), Some(Status::Done));
            match observations.exception_of(0) {
                Some(exception) => Err(exception.esr),
                None => Ok(observations.answers[0]),
            }
        }
        Event::Died(death) => panic!("{death}"),
        Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
    }
}

/// A repeated case answers as one that is asked once, exceptions included, and leaves no more behind.
#[test]
fn a_repeated_case_answers_as_its_last_round() {
    let mut session = boot("qemu-max");
    let map = session.memory_map().clone();
    let void = map.arenas().iter().position(|arena| arena.kind == ArenaKind::Void);
    let void = Place::new(void.expect("there is a void") as u8, 0);
    let mut case = case_at(&*session, Place::new(0, 0));
    let input = 1 << 29;
    let change = Change::Table { place: void, flip: 0 };
    case.push_edit(Edit::new(0, input, 2, change)).expect("there is room");
    for address in [0x1234, input, 1 << 30, 0x4321, input + 8] {
        case.push_probe(Probe::new(Operation::AtS12e1r, address)).expect("there is room");
    }
    let mut bodies = Vec::new();
    for (sequence, rounds) in [(0, None), (1, Some(1)), (2, Some(700)), (3, None)] {
        match rounds {
            None => session.send_case(sequence, case.as_ref()),
            Some(rounds) => session.send_repeat(sequence, rounds, case.as_ref()),
        }
        .expect("the window has room");
        match session.receive().expect("the session goes on") {
            Event::Observations { body, .. } => bodies.push(body.to_vec()),
            Event::Died(death) => panic!("{death}"),
            Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
        }
    }
    let observations = Observations::from_bytes(&bodies[0]);
    let counts = observations.map(|seen| (seen.answers.len(), seen.exceptions.len()));
    assert_eq!(counts, Some((5, 2)));
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[test]
fn arenas_hold_tables_and_void_ranges_hold_nothing() {
    for description in machines() {
        let name = description.name.clone();
        let mut session = start(description);
        let map = session.memory_map().clone();
        for (number, arena) in (0..).zip(map.arenas()) {
            for offset in [0, arena.size / 2, arena.size - 0x1_0000] {
                let place = Place::new(number, offset);
                let told = |got| panic!("{name}: {arena:x?} + {offset:#x}: {got:x?}");
                match arena {
                    Arena { kind: ArenaKind::Tables, .. } => {
                        let mut case = case_at(&*session, place);
                        probe(&mut case, Operation::AtS12e1r);
                        match answer(&mut *session, &case) {
                            Ok(par) if par & 1 == 0 => {}
                            got => told(got),
                        }
                    }
                    Arena { kind: ArenaKind::Void, .. } => {
                        let mut case = case_at(&*session, Place::new(0, 0));
                        let change = Change::Table { place, flip: 0 };
                        case.push_edit(Edit::new(0, 0, 2, change)).expect("there is room");
                        probe(&mut case, Operation::AtS12e1r);
                        // A Data Abort from the same EL; external, on a walk, at level 3.
                        match answer(&mut *session, &case) {
                            Err(esr) if esr >> 26 == 0x25 && esr & 0x3f == 0x17 => {}
                            got => told(got),
                        }
                    }
                    Arena { kind: ArenaKind::Scratch, .. } => {}
                }
            }
        }
    }
}

/// QEMU 10.0.2 aborts on an AT S12* that stage 2 does not permit (QEMU issue 3328); others answer.
#[test]
fn a_probe_that_kills_the_emulator_is_charged() {
    let mut session = boot("qemu-max");
    let mut case = case_at(&*session, Place::new(0, 0));
    for operation in [Operation::AtS12e1r, Operation::AtS12e1w, Operation::AtS12e1r] {
        probe(&mut case, operation);
    }
    for sequence in [70, 80] {
        session.send_case(sequence, case.as_ref()).expect("the window has room");
    }
    match session.receive().expect("a death is no error") {
        Event::Observations { sequence, body } => {
            let observations = Observations::from_bytes(body).expect("they make sense");
            assert_eq!(sequence, 70);
            // PAR_EL1: F, FST a permission fault at level 2, S.
            assert_eq!(observations.answers[1] & 0x27f, 0x200 | 0x0e << 1 | 1, "{observations:x?}");
        }
        Event::Died(death) => {
            let how = &death.how;
            let aborted =
                matches!(how, HowDied::Exited { status, .. } if status.contains("SIGABRT"));
            assert!(aborted, "{death:?}");
            assert_eq!(death.cursor, Some(CaseCursor { sequence: 70, probe: Some(1) }));
            assert_eq!(death.answers_before.len(), 1);
        }
        Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
    }
}

#[test]
fn a_probe_that_hangs_is_found_and_charged() {
    // The limit that holds where the target says none, and one of a machine that takes its time.
    for (name, said, limit) in [("qemu-max", None, 2000), ("qemu-max-uart", Some(3), 3000)] {
        let mut description = description(name);
        let default = description.limits.busy_seconds;
        description.limits.busy_seconds = said.unwrap_or(default);
        let target = open(description, &SELF_TEST);
        let mut session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        ask(&mut *session, 3);
        let mut case = case_at(&*session, Place::new(0, 0));
        for operation in [Operation::AtS12e1r, Operation::AtS12e1r, Operation::Hang] {
            probe(&mut case, operation);
        }
        session.send_case(70, case.as_ref()).expect("the window has room");
        let Event::Died(death) = session.receive().expect("a death is no error") else {
            panic!("{name} does not hang");
        };
        // It is looked at every 10 ms, and now and then less often.
        let HowDied::Hung { reason: HungReason::Busy { milliseconds }, .. } = death.how else {
            panic!("{death}");
        };
        assert!((limit..limit + 1000).contains(&milliseconds), "{name}: {milliseconds} ms");
        if name == "qemu-max" {
            let cursor = Some(CaseCursor { sequence: 70, probe: Some(2) });
            assert_eq!(death.cursor, cursor);
            assert_eq!(death.answers_before.len(), 2);
            assert!(death.answers_before.iter().all(|par| par & 0x801 == 0x800), "{death:x?}");
        } else {
            assert_eq!((death.cursor, death.answers_before), (None, Vec::new()));
        }
        // The machine is as good as new after another boot.
        let mut session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        ask(&mut *session, 3);
    }
}

#[test]
fn what_qemu_max_is_shows_in_its_first_words() {
    let target = open(description("qemu-max"), &EXECUTOR);
    let session = target.boot().unwrap_or_else(|error| panic!("{error}"));
    let hello = session.hello();
    assert_eq!(hello.version, link::VERSION);
    assert_eq!(hello.entry_el, 2);
    assert_eq!(hello.image, 0x4020_0000);
    assert_eq!(hello.ids.id_aa64mmfr0_el1 & 0xf, 6, "52-bit addresses");
    assert_eq!(hello.ids.midr_el1 >> 24, 0, "QEMU's own implementer");
    let low: Vec<_> = session.memory_map().arenas()[..2].iter().map(|arena| arena.base).collect();
    assert_eq!(low, [0x5a00_0000, 0xa500_0000]);
    let identity = target.identity();
    assert!(identity.emulator.is_some() && identity.command.contains("-M virt"), "{identity:?}");
}

#[test]
fn the_map_of_a_target_is_the_same_at_every_boot() {
    for name in ["qemu-max", "qemu-max-uart"] {
        assert_eq!(boot(name).memory_map(), boot(name).memory_map(), "{name}");
    }
}

/// The processes whose parent is `parent`.
fn children(parent: u32) -> HashSet<u32> {
    let processes = fs::read_dir("/proc").expect("/proc is there").filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let of_parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    numbers.filter(of_parent).collect()
}

/// Runs the test named `name` of this file in a process of its own, as its only test, with
/// `HYPWALK_TEST_PART` set, and returns the process once it has printed a line with "ready".
fn part(name: &str) -> (std::process::Child, impl FnMut() -> String) {
    use std::io::{BufRead, BufReader};
    let program = std::env::current_exe().expect("this test is a program");
    let mut child = Command::new(program)
        .args([&format!("session::{name}"), "--exact", "--nocapture"])
        .env("HYPWALK_TEST_PART", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let next = move || loop {
        let line = lines.next().expect("it has more to say").expect("it says text");
        if let Some((_, said)) = line.split_once("part says ") {
            return said.to_owned();
        }
    };
    (child, next)
}

fn is_part() -> bool {
    std::env::var_os("HYPWALK_TEST_PART").is_some()
}

#[test]
fn no_emulator_outlives_its_runner() {
    if is_part() {
        // Booted by a thread that is gone when the runner is killed.
        let boot = || std::thread::spawn(|| boot("qemu-max")).join().expect("it boots");
        let mut sessions = [boot(), boot()];
        for session in &mut sessions {
            ask(&mut **session, 3);
        }
        println!("part says ready");
        std::thread::sleep(Duration::from_secs(1000));
        return;
    }
    let (mut runner, mut said) = part("no_emulator_outlives_its_runner");
    assert_eq!(said(), "ready");
    let emulators = children(runner.id());
    assert_eq!(emulators.len(), 2, "{emulators:?}");
    runner.kill().expect("it can be killed");
    runner.wait().expect("it can be waited for");
    let alive = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("qemu") && !status.contains("State:\tZ")
    };
    // The kernel has sent the signals; the processes take a moment to go. A hang here is a failure.
    while emulators.iter().any(alive) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_emulator_that_is_killed_is_a_death_and_not_an_error() {
    if is_part() {
        let mut session = boot("qemu-max");
        ask(&mut *session, 20);
        signal("-9");
        let case = case_at(&*session, Place::new(0, 0));
        // The emulator is a zombie when its memory no longer changes: whatever was answered before
        // has been, and the rest never will be.
        let died = loop {
            session.send_case(100, case.as_ref()).expect("the window has room");
            match session.receive().expect("a death is no error") {
                Event::Observations { .. } => {}
                Event::Died(death) => break death,
                Event::Planned { .. } | Event::Progress { .. } => panic!("no plan was sent"),
            }
        };
        let how = died.how;
        assert!(matches!(&how, HowDied::Killed { status, .. } if status.contains("9")), "{how:?}");
        assert!(matches!(session.receive(), Err(TargetError::Over)));
        println!("part says it died");
        return;
    }
    let (mut runner, mut said) = part("an_emulator_that_is_killed_is_a_death_and_not_an_error");
    assert_eq!(said(), "it died");
    assert!(runner.wait().expect("it can be waited for").success());
}

/// Sends the signal `name` to all children of this process.
fn signal(name: &str) {
    for pid in children(std::process::id()) {
        let sent = Command::new("/bin/kill").args([name, &pid.to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

/// A recorder that sends the emulator a signal when the first case is recorded.
struct Signals {
    name: &'static str,
    records: Vec<CaseRecord>,
}

impl Recorder for Signals {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        if self.records.is_empty() {
            signal(self.name);
        }
        self.records.push(record.clone());
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

/// By SIGTERM QEMU ends in peace, with exit status 0.
#[test]
fn an_emulator_that_is_ended_from_outside_is_no_finding() {
    if is_part() {
        let target = open(description("qemu-max"), &EXECUTOR);
        let session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        let mut case = case_at(&*session, Place::new(0, 0));
        drop(session);
        (0..64).for_each(|_| probe(&mut case, Operation::AtS12e1r));
        let named = vec![ExplicitCase::new("spelled out", case); 2000];
        for name in ["-KILL", "-TERM", "-INT"] {
            let established = Established {
                learned: Learned::new([]).expect("no pins"),
                known: Known::default(),
            };
            let generators = vec![Generator::Explicit(named.clone())];
            let mut signals = Signals { name, records: Vec::new() };
            let totals = run(&*target, Campaign::new(generators, 1, established), &mut signals);
            let totals = totals.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((totals.boots, totals.findings), (2, 0), "{name}: {totals:?}");
            assert_eq!(totals.verdicts.conforms, 64 * 2000, "{name}: {totals:?}");
        }
        println!("part says it went on");
        return;
    }
    let (mut runner, mut said) = part("an_emulator_that_is_ended_from_outside_is_no_finding");
    assert_eq!(said(), "it went on");
    assert!(runner.wait().expect("it can be waited for").success());
}

#[test]
fn an_emulator_that_is_not_let_run_does_not_hang() {
    if is_part() {
        let mut description = description("qemu-max");
        description.limits.idle_seconds = 1;
        let mut session = start(description);
        signal("-STOP");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Several times as long as it may sit idle.
                std::thread::sleep(Duration::from_secs(4));
                signal("-CONT");
            });
            ask(&mut *session, 3);
        });
        println!("part says it answered");
        return;
    }
    let (mut runner, mut said) = part("an_emulator_that_is_not_let_run_does_not_hang");
    assert_eq!(said(), "it answered");
    assert!(runner.wait().expect("it can be waited for").success());
}

#[test]
fn a_session_that_is_dropped_leaves_no_emulator() {
    if is_part() {
        let session = boot("qemu-max");
        assert_eq!(children(std::process::id()).len(), 1);
        drop(session);
        assert_eq!(children(std::process::id()).len(), 0);
        println!("part says none");
        return;
    }
    let (mut runner, mut said) = part("a_session_that_is_dropped_leaves_no_emulator");
    assert_eq!(said(), "none");
    assert!(runner.wait().expect("it can be waited for").success());
}

/// The target `qemu-max` with the program `name` of `tests/emulators` as its emulator.
fn in_emulator(name: &str, description: Description) -> Result<Box<dyn Target>, TargetError> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulators").join(name);
    device::open(description, &EXECUTOR, Some(program))
}

fn refusal(target: &dyn Target) -> String {
    target.boot().err().expect("it does not boot").to_string()
}

#[test]
fn an_emulator_that_is_missing_is_told_with_a_remedy() {
    let missing = in_emulator("/nowhere/qemu", description("qemu-max"));
    let message = missing.err().expect("it is missing").to_string();
    assert!(message.contains("/nowhere/qemu") && message.contains("HYPWALK_QEMU"), "{message}");
    let other = in_emulator("another-program", description("qemu-max"));
    let message = other.err().expect("it is no QEMU").to_string();
    assert!(message.contains("does not answer --version") && message.contains("another program"));
}

#[test]
fn an_emulator_that_exits_at_once_is_told_with_what_it_said() {
    let target = in_emulator("exits-at-once", description("qemu-max")).expect("it has a version");
    let message = refusal(&*target);
    for part in ["exit status: 1", "no such machine", "-M virt", "--qemu"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn an_emulator_that_never_speaks_is_told() {
    let mut description = description("qemu-max");
    description.limits.boot_idle_seconds = 1;
    let target = in_emulator("never-speaks", description).expect("it has a version");
    let message = refusal(&*target);
    assert!(message.contains("it sat idle") && message.contains("never spoke"), "{message}");
}

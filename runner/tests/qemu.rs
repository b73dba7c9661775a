//! A real QEMU with the real executor.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use case::Case;
use case::format::{AddressFormat, Format, Granule};
use case::memory::{ArenaKind, Place};
use case::registers::Registers;
use link::observations::{Observations, Status};
use runner::payload::{self, Executor, Options, Wish};
use runner::target::qemu::QemuTarget;
use runner::target::{Description, Event, HowDied, Session, Target, TargetError};

/// The executor, built once for all tests.
static EXECUTOR: LazyLock<Executor> = LazyLock::new(|| {
    let toolchain = Wish::from_environment().unwrap_or_else(|error| panic!("{error}"));
    let options = Options { toolchain, ..Options::default() };
    let built = payload::build(&options).unwrap_or_else(|error| panic!("{error}"));
    Executor::open(&built.elf).unwrap_or_else(|error| panic!("{error}"))
});

fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/targets")
}

fn description(name: &str) -> Description {
    let file = targets().join(name).with_extension("yaml");
    Description::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

fn target(name: &str) -> QemuTarget {
    let program = std::env::var_os("HYPWALK_QEMU").map(PathBuf::from);
    QemuTarget::new(description(name), &EXECUTOR, program).unwrap_or_else(|error| panic!("{error}"))
}

fn boot(name: &str) -> Box<dyn Session> {
    target(name).boot().unwrap_or_else(|error| panic!("{error}"))
}

/// A case that maps nothing and asks nothing.
fn empty_case() -> Case {
    let format = Format {
        granule: Granule::K4,
        start_level: 1,
        ia_bits: 39,
        address: AddressFormat::Bits48,
    };
    // VTCR_EL2: T0SZ 25, SL0 1, 4K, PS 40 bits, RES1. HCR_EL2: RW, VM.
    let registers = Registers {
        hcr_el2: 1 << 31 | 1,
        vtcr_el2: 1 << 31 | 2 << 16 | 1 << 6 | 25,
        ..Registers::default()
    };
    Case::new(registers, format, Place::new(0, 0))
}

fn status_of(event: Event<'_>) -> (u64, Option<Status>) {
    match event {
        Event::Observations { sequence, body } => {
            let observations = Observations::from_bytes(body).expect("they make sense");
            (sequence, observations.report.status())
        }
        Event::Died(death) => panic!("{death}"),
    }
}

/// Sends `count` empty cases, with the window kept full, and wants them done.
fn ask(session: &mut dyn Session, count: u64) {
    let case = empty_case();
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
    let mut names = 0;
    for file in fs::read_dir(targets()).expect("the targets are there") {
        let file = file.expect("the targets can be listed").path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a plain name");
        let description = description(name);
        assert_eq!(description.name, name);
        let mut session = boot(name);
        let ids = session.hello().ids;
        assert_ne!(ids.midr_el1, 0, "{name}");
        let map = session.memory_map().clone();
        let tables = map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Tables);
        let pa_bits = [32, 36, 40, 42, 44, 48, 52][(ids.id_aa64mmfr0_el1 & 7) as usize];
        for arena in tables.clone() {
            assert!(arena.last() >> pa_bits == 0, "{name}: {arena:x?} in {pa_bits} bits");
        }
        assert!(tables.count() >= 2, "{name}");
        assert!(map.arenas().iter().any(|arena| arena.kind == ArenaKind::Void), "{name}");
        ask(&mut *session, 100);
        names += 1;
    }
    assert!(names >= 8);
}

#[test]
fn what_qemu_max_is_shows_in_its_first_words() {
    let target = target("qemu-max");
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
        .args([name, "--exact", "--nocapture"])
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
        for pid in children(std::process::id()) {
            let killed = Command::new("/bin/kill").args(["-9", &pid.to_string()]).status();
            assert!(killed.expect("kill runs").success());
        }
        // The emulator is a zombie when its memory no longer changes: whatever was answered before
        // has been, and the rest never will be.
        let died = loop {
            session.send_case(100, empty_case().as_ref()).expect("the window has room");
            match session.receive().expect("a death is no error") {
                Event::Observations { .. } => {}
                Event::Died(death) => break death,
            }
        };
        let how = died.how;
        assert!(matches!(&how, HowDied::Exited { status, .. } if status.contains("9")), "{how:?}");
        assert!(matches!(session.receive(), Err(TargetError::Over)));
        println!("part says it died");
        return;
    }
    let (mut runner, mut said) = part("an_emulator_that_is_killed_is_a_death_and_not_an_error");
    assert_eq!(said(), "it died");
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

/// A program that is run as the emulator: a shell script of this text.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, text).expect("the script can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        Self(file)
    }

    fn target(&self) -> Result<QemuTarget, TargetError> {
        QemuTarget::new(description("qemu-max"), &EXECUTOR, Some(self.0.clone()))
    }
}

const LIKE_QEMU: &str =
    "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 9.9 && exit\n";

#[test]
fn an_emulator_that_is_missing_is_told_with_a_remedy() {
    let missing = Script("/nowhere/qemu".into());
    let message = missing.target().expect_err("it is missing").to_string();
    assert!(message.contains("/nowhere/qemu") && message.contains("HYPWALK_QEMU"), "{message}");
    let other = Script::new("other", "#!/bin/sh\necho another program\n");
    let message = other.target().expect_err("it is no QEMU").to_string();
    assert!(message.contains("another program"), "{message}");
}

#[test]
fn an_emulator_that_exits_at_once_is_told_with_what_it_said() {
    let script = format!("{LIKE_QEMU}echo no such machine >&2\nexit 1\n");
    let target = Script::new("exits", &script).target().expect("it has a version");
    let message = target.boot().err().expect("it does not boot").to_string();
    for part in ["exit status: 1", "no such machine", "-M virt", "--qemu"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn an_emulator_that_never_speaks_is_told() {
    let mut description = description("qemu-max");
    description.limits.boot_idle_seconds = 1;
    let script = Script::new("silent", &format!("{LIKE_QEMU}exec sleep 1000\n"));
    let target = QemuTarget::new(description, &EXECUTOR, Some(script.0)).expect("it has a version");
    let message = target.boot().err().expect("it does not boot").to_string();
    assert!(message.contains("it sat idle") && message.contains("never spoke"), "{message}");
}

//! Boards on a serial line: QEMU under U-Boot and under UEFI in the place of boards, with nothing but a console,
//! and boards that fail in all ways that are known.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use case::Case;
use case::format::{AddressFormat, Format, Granule};
use case::memory::Place;
use case::probe::{Operation, Probe};
use case::registers::Registers;
use case::tree::{Role, Tree};
use device::kind::Start;
use device::{Description, Event, HowDied, HungReason, TargetError};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::common::executor::EXECUTOR;
use crate::common::folders;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::place::run_in;
use crate::common::self_test::SELF_TEST;
use crate::common::shipped::yaml;
use crate::common::targets::{self, open};

/// What Debian's u-boot-qemu and qemu-efi-aarch64 bring; scripts/setup installs them.
fn want_firmware() {
    for file in ["/usr/lib/u-boot/qemu_arm64/u-boot.bin", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"]
    {
        assert!(Path::new(file).exists(), "{file} is missing: scripts/setup installs it");
    }
}

/// The command that runs the first `cases` cases of the smoke suite on `target`, with its results in `folder`.
fn campaign(target: &str, cases: u64, folder: &Path) -> Command {
    campaign_of("smoke", target, cases, folder)
}

fn campaign_of(suite: &str, target: &str, cases: u64, folder: &Path) -> Command {
    let mut command = hypwalk();
    command.args(["run", suite, "--quiet", "--target", target, "--payload"]);
    command.arg(EXECUTOR.file()).arg("--cases").arg(cases.to_string());
    command.arg("--results").arg(folder.join("results"));
    command
}

fn run_of(folder: &Path) -> PathBuf {
    run_in(&folder.join("results")).expect("a run")
}

/// The index of each case that is recorded.
fn recorded(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(run_of(folder).join("records.jsonl")).unwrap_or_default();
    // The last line may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let index = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        record["index"].as_u64().expect("its index")
    };
    whole.lines().map(index).collect()
}

/// Waits until a case is recorded.
fn wait_for_a_record(folder: &Path, runner: &mut Child) {
    let begun = Instant::now();
    while run_in(&folder.join("results")).is_none() || recorded(folder).is_empty() {
        assert!(runner.try_wait().expect("it is ours").is_none(), "it ended before a record");
        assert!(begun.elapsed() < Duration::from_secs(300), "no case is ever recorded");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How often the board was started.
fn boots(summary: &serde_json::Value) -> u64 {
    summary["ending"]["boots"].as_u64().expect("how often it was started")
}

fn summary(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(run_of(folder).join("summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn uefi_starts_the_executor_from_a_fat_image_and_is_power_cycled_when_a_probe_kills_it() {
    want_firmware();
    let folder = folders::empty("serial-uefi");
    let said = Said::by(&mut campaign("qemu-uefi", 20, &folder));
    assert_eq!(said.code, Some(0), "{}", said.all());
    assert_eq!(recorded(&folder), (0..20).collect::<Vec<_>>());
    // QEMU 10.0 dies of one probe of these cases, which costs two more starts: it is found by halves.
    let summary = summary(&folder);
    let killed =
        summary["tally"]["known"]["AT-ends-the-device-by-a-stage2-Permission-fault"]["shown"] != 0;
    assert!(!killed || boots(&summary) > 1, "{summary}");
}

#[test]
fn a_board_that_hangs_is_found_by_its_silence_and_starts_again() {
    want_firmware();
    let mut description = targets::description("qemu-uefi");
    description.limits.silent_seconds = 2;
    let target = open(description, &SELF_TEST);
    for _ in 0..2 {
        let mut session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        session.send_case(70, hanging().as_ref()).expect("the window has room");
        let Ok(Event::Died(death)) = session.receive() else { panic!("it does not hang") };
        let hung = matches!(death.how, HowDied::Hung { reason: HungReason::Silent { .. }, .. });
        assert!(hung, "{death}");
        assert!(death.to_string().contains("BdsDxe: starting Boot"), "{death}");
    }
}

/// A case whose only probe never ends.
fn hanging() -> Case {
    let format = Format {
        granule: Granule::K4,
        start_level: 1,
        ia_bits: 39,
        address: AddressFormat::Bits48,
    };
    let tree = Tree::new(Role::Stage2, format, Place::new(0, 0));
    let mut case = Case::with_tree(Registers::default(), tree);
    case.push_probe(Probe::new(Operation::Hang, 0)).expect("there is room");
    case
}

/// What U-Boot loads comes by YMODEM and takes long: it is started twice, and all that is told of it is told here.
#[test]
fn u_boot_starts_the_executor_and_its_reset_in_the_middle_is_noticed_by_its_sign() {
    want_firmware();
    let folder = folders::empty("serial-reset");
    let text =
        fs::read_to_string(targets::folder().join("qemu-uboot.yaml")).expect("it is shipped");
    let monitor = folder.join("monitor");
    let text = text.replace(
        "        - -nodefaults\n",
        &format!(
            "        - -nodefaults\n        - -qmp\n        - unix:{},server=on,wait=off\n",
            monitor.display()
        ),
    );
    // Nothing else would notice it.
    let text = format!("{text}limits: {{ silent-seconds: 3600 }}\n");
    let file = folder.join("resets.yaml");
    fs::write(&file, text).expect("it can be written");
    // Nothing of it kills QEMU, and starts it once more.
    let target = file.to_str().expect("a plain path");
    let mut command = campaign_of("stage2-legality", target, 300, &folder);
    let mut runner = command.arg("--json").spawn().expect("it can be started");
    wait_for_a_record(&folder, &mut runner);
    reset(&monitor);
    let status = runner.wait().expect("it is ours");
    assert_eq!(status.code(), Some(0));
    assert_eq!(recorded(&folder), (0..300).collect::<Vec<_>>());
    let summary = summary(&folder);
    assert_eq!(boots(&summary), 2, "{summary}");
}

/// Resets the machine whose monitor is `monitor`.
fn reset(monitor: &Path) {
    let mut monitor = UnixStream::connect(monitor).expect("the emulator has a monitor");
    let commands = r#"{"execute":"qmp_capabilities"}{"execute":"system_reset","id":"reset"}"#;
    monitor.write_all(commands.as_bytes()).expect("it listens");
    let mut said = String::new();
    let mut bytes = [0; 512];
    while !said.contains(r#""id": "reset""#) {
        let count = monitor.read(&mut bytes).expect("it answers");
        assert!(count > 0, "{said}");
        said += &String::from_utf8_lossy(&bytes[..count]);
    }
}

/// A board that is no child of the runner, and whose cable can be pulled.
struct Bench(PathBuf);

impl Bench {
    fn new(name: &str) -> Self {
        let bench = Self(folders::empty(&format!("serial-{name}")));
        fs::write(bench.0.join("plugged"), "").expect("it can be written");
        let text = format!(
            "\
name: bench
start:
  serial:
    port: {{ socket: {folder}/console }}
    boot:
      - run: |
          cd {folder}
          test -e plugged || {{ echo 'nothing is plugged in'; exit 7; }}
          test ! -e pid || kill -9 $(cat pid) || true
          rm -f pid console && cp {{image}} image
          {qemu} -daemonize -pidfile pid -nodefaults -display none -M virt,virtualization=on,gic-version=3 \\
            -cpu max -m 1G -kernel image -serial unix:console,server=on,wait=off
    attempts: 2
transport: uart
carve: {{ count: 2, size: 8M }}
void: [{{ address: 0xd000_0000, size: 256M }}]
",
            folder = bench.0.display(),
            qemu = targets::program().display(),
        );
        fs::write(bench.0.join("bench.yaml"), text).expect("it can be written");
        bench
    }

    fn pull(&self) {
        fs::remove_file(self.0.join("plugged")).expect("it was plugged in");
        self.switch_off();
    }

    fn switch_off(&self) {
        if let Ok(pid) = fs::read_to_string(self.0.join("pid")) {
            let killed = Command::new("kill").args(["-9", pid.trim()]).status();
            killed.expect("kill can be started");
            let _ = fs::remove_file(self.0.join("console"));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.switch_off();
    }
}

#[test]
fn a_port_that_vanishes_ends_a_run_that_can_be_resumed() {
    let bench = Bench::new("vanishes");
    let folder = &bench.0;
    let target = folder.join("bench.yaml");
    // Nothing of it kills QEMU, which looks like a pulled cable here.
    let target = target.to_str().expect("a plain path");
    let mut command = campaign_of("stage2-legality", target, 300, folder);
    let mut runner =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it can be started");
    wait_for_a_record(folder, &mut runner);
    bench.pull();
    let output = runner.wait_with_output().expect("it is ours");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    for words in
        ["did not come up again, 2 times", "step 1", "exit status: 7", "nothing is plugged in"]
    {
        assert!(message.contains(words), "{words}: {message}");
    }
    let before = recorded(folder);
    assert_eq!(before, (0..before.len() as u64).collect::<Vec<_>>());

    fs::write(folder.join("plugged"), "").expect("it can be written");
    let mut command = hypwalk();
    command.args(["run", "--quiet", "--resume"]).arg(run_of(folder));
    let said = Said::by(&mut command);
    // The board is no emulator for all that the runner knows: what QEMU does wrong are findings.
    assert!(matches!(said.code, Some(0 | 1)), "{}", said.all());
    assert_eq!(recorded(folder), (0..300).collect::<Vec<_>>());
    let summary = summary(folder);
    assert_eq!(summary["tally"]["verdicts"]["aborted"], 0, "{summary}");
}

/// A pretend board at the other end of a pseudo-terminal, which does what `act` does. The cable is in until
/// somebody joins it.
fn pretend(act: impl FnOnce(&mut File) + Send + 'static) -> (PathBuf, thread::JoinHandle<File>) {
    // Closed in what other tests start meanwhile, or they would hold the cable.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let board = openpt(flags).expect("a pseudo-terminal");
    grantpt(&board).and_then(|()| unlockpt(&board)).expect("it can be opened");
    let path = ptsname(&board, Vec::new()).expect("it has a path");
    let path = PathBuf::from(path.into_string().expect("a plain path"));
    let mut board = File::from(board);
    let board = thread::spawn(move || {
        act(&mut board);
        board
    });
    (path, board)
}

/// Why the board with the given recipe at `path` does not come up.
fn refusal(path: &Path, recipe: &str) -> String {
    let text = format!(
        "name: t\nstart: {{ serial: {{ port: {{ tty: {{ path: '{}' }} }}, load-address: 0x8_0000, boot: [ \
         {recipe} ] }} }}\ntransport: uart\ncarve: {{ count: 1, size: 8M }}\n\
         limits: {{ boot-silent-seconds: 1 }}\n",
        path.display()
    );
    let description = Description::from_text(&text, Path::new("t.yaml"));
    let description = description.unwrap_or_else(|error| panic!("{error}\n{text}"));
    match open(description, &EXECUTOR).boot() {
        Ok(_) => panic!("it comes up"),
        Err(error @ (TargetError::Device(_) | TargetError::Boot { .. })) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

/// Reads until the host says `words`.
fn hears(board: &mut File, words: &str) {
    let mut heard = Vec::new();
    let mut byte = [0];
    while !heard.ends_with(words.as_bytes()) {
        match board.read(&mut byte) {
            Ok(1) => heard.push(byte[0]),
            // Until the host opens it, there is nobody.
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn a_recipe_that_fails_says_which_step_and_what_the_board_said_last() {
    let (path, board) = pretend(|board| {
        hears(board, "boot\r");
        board.write_all(b"U-Boot 2023.01\r\n\x1b[0mDRAM: failed\r\n").expect("somebody listens");
    });
    let message = refusal(&path, r"{ send: 'boot\r' }, { expect: '=> ', seconds: 1 }");
    for words in ["step 2", r#"expect: "=> ""#, "within 1 s", "| U-Boot 2023.01\n", "DRAM: failed"]
    {
        assert!(message.contains(words), "{words}: {message}");
    }
    board.join().expect("the board is fine");

    let (path, board) = pretend(|board| {
        hears(board, "loady 0x80000\r");
        board.write_all(b"## Ready\r\nC").expect("somebody listens");
        hears(board, "hypwalk\0");
        board.write_all(b"\x06C\x18\x18xyzModem abort\r\n").expect("somebody listens");
    });
    let recipe = r"{ send: 'loady {load-address}\r' }, { loady: image }";
    let message = refusal(&path, recipe);
    assert!(message.contains("the board cancelled the transfer"), "{message}");
    board.join().expect("the board is fine");

    let (path, board) = pretend(|board| hears(board, "xxx"));
    let message = refusal(&path, "{ press-until: '=> ', key: x, seconds: 1 }");
    assert!(message.contains("step 1") && message.contains("the board said nothing"), "{message}");
    board.join().expect("keys were pressed");
}

#[test]
fn commands_that_fail_say_what_they_said() {
    let (path, _board) = pretend(|board| hears(board, "nothing"));
    let failed = [
        ("{ run: 'echo no relay; exit 9' }", ["the command failed, exit status: 9", "| no relay"]),
        (
            "{ run: 'echo waits >&2; sleep 1000', seconds: 1 }",
            ["the command did not end within 1 s", "| waits"],
        ),
        ("{ run: 'test ! -s {image}' }", ["the command failed, exit status: 1", "said nothing"]),
    ];
    for (recipe, words) in failed {
        let message = refusal(&path, recipe);
        assert!(words.iter().all(|words| message.contains(words)), "{message}");
    }
}

#[test]
fn a_board_that_says_nothing_or_garbage_after_its_recipe_does_not_come_up() {
    let (path, board) = pretend(|board| {
        hears(board, "go\r");
        board.write_all(b"Bad Linux ARM64 Image magic!\r\n=> ").expect("somebody listens");
    });
    let message = refusal(&path, r"{ send: 'go\r' }");
    for words in ["did not come up", "nothing came from it for", "Bad Linux ARM64", "the recipe"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    board.join().expect("the board is fine");

    // Another baud rate looks so. When it ends, the board is silent.
    let (path, board) = pretend(|board| {
        hears(board, "go\r");
        let noise: Vec<u8> = (0..20_000u32).map(|at| (at * at / 7) as u8 | 1).collect();
        board.write_all(&noise).expect("somebody listens");
    });
    let message = refusal(&path, r"{ send: 'go\r' }");
    assert!(message.contains("did not come up"), "{message}");
    board.join().expect("the board is fine");
}

#[test]
fn a_cable_that_is_pulled_before_the_first_word_is_told() {
    let (path, board) = pretend(|board| hears(board, "go\r"));
    let cable = thread::spawn(|| drop(board.join()));
    let message = refusal(&path, r"{ send: 'go\r' }");
    assert!(message.contains("the way to it was lost: the serial port /dev/pts/"), "{message}");
    cable.join().expect("it was pulled");
}

#[test]
fn ports_that_can_not_be_had_are_told() {
    let recipe = r"{ send: 'go\r' }";
    let message = refusal(Path::new("/dev/ttyNONE0"), recipe);
    assert!(message.contains("/dev/ttyNONE0") && message.contains("no such file"), "{message}");
    let message = refusal(Path::new("/dev/null"), recipe);
    assert!(message.contains("/dev/null") && message.contains("a serial port"), "{message}");
    let (path, _board) = pretend(|board| hears(board, "nothing"));
    let _other = serialport::TTYPort::open(&serialport::new(path.to_string_lossy(), 115_200))
        .expect("it can be opened once");
    let message = refusal(&path, recipe);
    assert!(message.contains("another program has it"), "{message}");
}

#[test]
fn a_socket_that_nobody_offers_is_told_and_one_that_comes_late_is_waited_for() {
    let folder = folders::empty("serial-socket");
    let socket = folder.join("console");
    let open = |boot: &str| {
        let text = format!(
            "name: t\nstart: {{ serial: {{ port: {{ socket: '{}' }}, boot: [ {boot} ] }} }}\n\
             transport: uart\nlimits: {{ boot-silent-seconds: 1 }}\n",
            socket.display()
        );
        let description = Description::from_text(&text, Path::new("t.yaml"));
        let description = description.unwrap_or_else(|error| panic!("{error}"));
        open(description, &EXECUTOR).boot().err().expect("no board").to_string()
    };
    let message = open("{ expect: here }");
    assert!(message.contains("does the program run that offers it"), "{message}");

    // The recipe's first step brings the board its power, and that the console.
    let path = socket.clone();
    let board = thread::spawn(move || {
        while !path.with_extension("power").exists() {
            thread::sleep(Duration::from_millis(5));
        }
        let listener = UnixListener::bind(path).expect("the path is free");
        let (mut console, _) = listener.accept().expect("the host comes");
        console.write_all(b"here").expect("somebody listens");
        let mut rest = Vec::new();
        console.read_to_end(&mut rest).map(|_| rest)
    });
    let power = socket.with_extension("power");
    let message = open(&format!("{{ run: 'touch {}' }}, {{ expect: here }}", power.display()));
    assert!(message.contains("nothing came from it for"), "{message}");
    board.join().expect("the board is fine").expect("the host has gone");
}

#[test]
fn the_examples_are_whole_and_the_shipped_boards_have_tests() {
    let examples = yaml(&targets::folder().join("examples"));
    let read = |file: &PathBuf| Description::read(file).unwrap_or_else(|error| panic!("{error}"));
    let on_lines = examples.iter().filter(|file| matches!(read(file).start, Start::Serial(_)));
    assert!(on_lines.count() >= 4, "{examples:?}");
    let shipped = targets::descriptions();
    let boards = shipped.iter().filter(|description| matches!(description.start, Start::Serial(_)));
    let names: Vec<_> = boards.map(|description| description.name.as_str()).collect();
    assert_eq!(names, ["qemu-uboot", "qemu-uefi"]);
}

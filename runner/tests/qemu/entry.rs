//! In whatever state a loader leaves the machine, the executor begins and cases conform.
//!
//! A prologue is put in front of the image, in the file that QEMU loads: it ruins all of EL2's and EL1's
//! registers that it can, and goes on into the image, whose address is an odd multiple of 4 KB.
//!
//! ```text
//!   0x4008_0000  prologue
//!   0x4008_1000  tables of an identity map: 1 GB of devices, 2 GB of memory
//!   0x4008_3000  image
//! ```

mod prologue;

use std::fs;
use std::path::{Path, PathBuf};

use device::Description;
use link::board::{self, Board};
use link::config::Config;
use link::hello::{Hello, Region};

use crate::common::executor::EXECUTOR;
use crate::common::folders;
use crate::common::hypwalk::{Said, hypwalk};
use crate::common::targets;
use prologue::{BYTES, LOADED_AT, Prologue};

const E2H: u64 = 1 << 34;
const TGE: u64 = 1 << 27;

/// The shipped target `name` with these arguments of QEMU, as a file in `folder`.
fn target(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let text = fs::read_to_string(targets::folder().join(name).with_extension("yaml"));
    let text = text.expect("it is shipped");
    // Its own arguments make it fast. Without them all CPUs run at the same time.
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("    args: ")).collect();
    let text = lines.join("\n");
    let (front, back) = text.split_once("\ntransport:").expect("it says how it talks");
    let text = format!("{front}\n    args: {arguments:?}\ntransport:{back}");
    let file = folder.join("target.yaml");
    fs::write(&file, text).expect("the target file can be written");
    file
}

/// What the executor says first on the target of `file`.
fn hello(file: &Path, emulator: Option<&str>) -> Hello {
    let description = Description::read(file).unwrap_or_else(|error| panic!("{error}"));
    let emulator = emulator.map(PathBuf::from).or_else(targets::emulator);
    let booted = device::open(description, &EXECUTOR, emulator).and_then(|target| target.boot());
    *booted.unwrap_or_else(|error| panic!("{error}")).hello()
}

fn run(suite: &str, cases: u64, file: &Path, emulator: Option<&str>) -> Said {
    let mut command = hypwalk();
    command.args(["run", suite, "--cases", &cases.to_string(), "--payload"]);
    command.arg(EXECUTOR.file()).arg("--target").arg(file);
    command.arg("--results").arg(file.with_file_name("results"));
    command.args(emulator.iter().flat_map(|emulator| ["--qemu", emulator]));
    Said::by(&mut command)
}

fn conforms(suite: &str, cases: u64, file: &Path, emulator: Option<&str>) {
    let said = run(suite, cases, file, emulator);
    assert_eq!(said.code, Some(0), "{}", said.all());
    assert!(said.stdout.contains("conforms"), "{}", said.all());
}

/// Enters the image behind `prologue`, and has it answer cases of each kind.
fn survives(test: &str, prologue: &Prologue, board: Board) {
    let config = Config { board, ..Config::new() };
    let image = EXECUTOR.image(&config).unwrap_or_else(|error| panic!("{error}"));
    let folder = folders::empty(&format!("entry-{test}"));
    let kernel = folder.join("kernel");
    fs::write(&kernel, [prologue.bytes(), image].concat()).expect("the file can be written");
    let file =
        target(&folder, "qemu-max-uart", &["-kernel", kernel.to_str().expect("a plain path")]);

    let hello = hello(&file, None);
    assert_eq!((hello.entry_el, hello.image), (2, LOADED_AT + BYTES));
    let wanted = prologue.hcr_el2 & (E2H | TGE);
    assert_eq!(hello.entry_hcr_el2 & (E2H | TGE), wanted, "{:#x}", hello.entry_hcr_el2);
    assert_eq!(hello.entry_sctlr_el2 & 1, u64::from(prologue.has_mmu));

    for (suite, cases) in [("smoke", 8), ("hyp-smoke", 8), ("guest-smoke", 24)] {
        conforms(suite, cases, &file, None);
    }
}

#[test]
fn with_the_mmu_off() {
    survives(
        "mmu-off",
        &Prologue { hcr_el2: 0x3_ffff_ffff & !TGE, has_mmu: false, x0: None },
        Board::SILENT,
    );
}

#[test]
fn with_the_mmu_on() {
    survives(
        "mmu-on",
        &Prologue { hcr_el2: 0x3_ffff_ffff, has_mmu: true, x0: None },
        Board::SILENT,
    );
}

#[test]
fn as_a_host_with_the_mmu_off() {
    survives(
        "host-mmu-off",
        &Prologue { hcr_el2: E2H | TGE | 1 << 31, has_mmu: false, x0: None },
        Board::SILENT,
    );
}

#[test]
fn as_a_host_with_the_mmu_on() {
    survives(
        "host-mmu-on",
        &Prologue { hcr_el2: E2H | TGE | 1 << 31, has_mmu: true, x0: None },
        Board::SILENT,
    );
}

/// What a debugger leaves in X0 may look like an address, and nothing be there. The host tells of the board.
#[test]
fn without_a_device_tree() {
    let mut board = Board {
        console: board::Console {
            base: 0x900_0000,
            kind: board::Console::PL011,
            ..Default::default()
        },
        ..Board::SILENT
    };
    board.memory.push(Region { base: 0x4000_0000, size: 2 << 30 }).expect("there is room");
    let void = Some(0x0b00_0000);
    survives("no-tree", &Prologue { hcr_el2: 1 << 31, has_mmu: false, x0: void }, board);
}

/// At EL1 it can't run, and says so, on whatever console there is.
#[test]
fn at_el1_it_says_why_it_does_not_run() {
    let folder = folders::empty("entry-el1");
    let file = target(&folder, "qemu-max-uart", &["-machine", "virtualization=off"]);
    let Said { code, stderr, .. } = run("smoke", 1, &file, None);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("entered at EL1: the target must start it at EL2 or EL3"), "{stderr}");
}

/// A board whose CPUs all begin at once, at EL3, and in the image: one goes on.
#[test]
fn all_cpus_at_once() {
    let emulator = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulators/without-kernel");
    let folder = folders::empty("entry-all-at-once");
    let board = targets::description("qemu-raspi3b").board;
    let config = Config { board: board.said(), ..Config::new() };
    let image = EXECUTOR.image(&config).unwrap_or_else(|error| panic!("{error}"));
    let kernel = folder.join("kernel");
    fs::write(&kernel, image).expect("the file can be written");

    let loaded = format!("loader,file={},addr=0x20081000,force-raw=on", kernel.display());
    let begins = [0, 1, 2, 3].map(|cpu| format!("loader,addr=0x20081000,cpu-num={cpu}"));
    let arguments: Vec<_> =
        [&loaded].into_iter().chain(&begins).flat_map(|device| ["-device", device]).collect();
    let file = target(&folder, "qemu-raspi3b", &arguments);
    // Who is the first differs from time to time.
    for _ in 0..4 {
        let hello = hello(&file, Some(emulator));
        assert_eq!((hello.entry_el, hello.image), (3, 0x2008_1000));
    }
    conforms("smoke", 1, &file, Some(emulator));
}

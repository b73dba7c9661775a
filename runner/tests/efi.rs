//! The executor as an application of UEFI, which Debian's firmware starts from a FAT drive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use device::{self, Description};
use link::config::Config;
use payload::{self, Executor, Fault, Options, Wish, application};

/// The executor, built once for all tests.
static EXECUTOR: LazyLock<Executor> = LazyLock::new(|| {
    let toolchain = Wish::from_environment().unwrap_or_else(|error| panic!("{error}"));
    let built = payload::build(&Options { toolchain, ..Options::default() });
    Executor::open(&built.unwrap_or_else(|error| panic!("{error}")).elf)
        .unwrap_or_else(|error| panic!("{error}"))
});

/// What Debian's qemu-efi-aarch64 brings; scripts/setup installs it.
const FIRMWARE: &str = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
/// An emulator that leaves the image to the FAT drive.
const EMULATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulators/without-kernel");

/// The target file `name`, of a machine whose UEFI finds the application, and what is behind its name.
fn target(name: &str, acpi: &str, cpu: &str) -> PathBuf {
    assert!(Path::new(FIRMWARE).exists(), "{FIRMWARE} is missing: scripts/setup installs it");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("efi").join(name);
    let drive = folder.join("drive");
    fs::create_dir_all(drive.join("EFI/BOOT")).expect("the folder can be made");
    let application = EXECUTOR.efi(&Config::new()).unwrap_or_else(|error| panic!("{error}"));
    fs::write(drive.join("EFI/BOOT/BOOTAA64.EFI"), application).expect("it can be written");
    let text = format!(
        "\
name: {name}
start:
  qemu:
    machine: virt
    machine-options: {{ virtualization: 'on', gic-version: '3', acpi: '{acpi}' }}
    cpu: {cpu}
    cpus: 2
    memory: 1G
    args:
      - -bios
      - {FIRMWARE}
      - -drive
      - file=fat:{},format=raw,if=none,id=drive,read-only=on
      - -device
      - virtio-blk-pci,drive=drive
      - -boot
      - menu=on,splash-time=0
transport: uart
carve: {{ count: 2, size: 8M }}
void: [{{ address: 0xd000_0000, size: 256M }}]
",
        drive.display()
    );
    let file = folder.join("target.yaml");
    fs::write(&file, text).expect("the target file can be written");
    file
}

/// Starts the application, looks at what it found, and has it answer cases.
fn answers(name: &str, acpi: &str, cpu: &str) {
    let file = target(name, acpi, cpu);
    let description = Description::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let booted = device::open(description, &EXECUTOR, Some(EMULATOR.into()))
        .and_then(|target| target.boot());
    let session = booted.unwrap_or_else(|error| panic!("{error}"));
    let hello = session.hello();
    // M, C and I: UEFI had its MMU and caches on.
    assert_eq!((hello.entry_el, hello.entry_sctlr_el2 & 0x1005), (2, 0x1005));
    // The other PE is found, and UEFI's maker.
    assert_eq!(hello.pes, 2);
    assert!(!hello.surroundings.firmware.is_empty());
    // UEFI keeps some MB of the 1 GB for ever: more than the image and a device tree take.
    let free: u64 = hello.free().iter().map(|region| region.size).sum();
    assert!((800 << 20..(1 << 30) - (10 << 20)).contains(&free), "{:x?}", hello.free());
    drop(session);

    let output = Command::new(env!("CARGO_BIN_EXE_hypwalk"))
        .args(["run", "smoke", "--cases", "16", "--qemu", EMULATOR, "--payload"])
        .arg(EXECUTOR.file())
        .arg("--target")
        .arg(&file)
        .arg("--results")
        .arg(file.with_file_name("results"))
        .output()
        .expect("hypwalk can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("conforms"), "{said}");
}

#[test]
fn it_finds_its_way_by_a_device_tree() {
    answers("efi-device-tree", "off", "max");
}

#[test]
fn it_finds_its_way_by_acpi() {
    answers("efi-acpi", "on", "cortex-a57");
}

/// UEFI would not start it, or worse: start it, and load half of it.
#[test]
fn an_application_with_a_wrong_header_is_refused() {
    let sound = EXECUTOR.efi(&Config::new()).unwrap_or_else(|error| panic!("{error}"));
    let layout = EXECUTOR.layout();
    let memory = layout.segments.last().map(|segment| segment.address + segment.memory_bytes);
    let memory = memory.expect("it has segments");
    assert_eq!(application::check(&sound, memory), Ok(()));

    // The file header follows "PE", then come the optional header and two sections.
    let [file, optional, text, data] = [0x44, 0x58, 0xf8, 0x120];
    let flags = 36;
    let changes: [(usize, u32, &str); 12] = [
        (0, 0, "damaged"),
        (0x3c, 0x44, "damaged"),
        (file, 0x2_8664, "machine 0x8664"),
        (optional + 16, 0x800, "entry point 0x800 outside"),
        (optional + 56, 0x1000, "says 0x1000 bytes"),
        (optional + 68, 3, "subsystem 3"),
        (text + 12, 0x800, "overlaps"),
        (text + flags, 0xe000_0020, "writable and executable"),
        (text + flags, 0x4000_0020, "outside of code"),
        (data + flags, 0x8000_0040, "not readable"),
        (data + 20, 0x1000, "elsewhere"),
        (data + 16, 0x20_0000, "end of the file"),
    ];
    for (at, word, reason) in changes {
        let mut image = sound.clone();
        image[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let fault = application::check(&image, memory).expect_err("it is not sound");
        let is_told = matches!(&fault, Fault::Application(what) if what.contains(reason));
        assert!(is_told, "{at:#x}: {fault}, not {reason}");
    }
    for length in 0..sound.len().min(0x200) {
        assert!(application::check(&sound[..length], memory).is_err(), "{length} bytes");
    }
}

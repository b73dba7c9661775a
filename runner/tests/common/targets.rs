//! The shipped targets, and what this machine's QEMU has of them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use device::emulator::Program;
use device::kind::Start;
use device::{Description, Session, Target};
use payload::Executor;

use super::executor::EXECUTOR;
use super::shipped::{suites, yaml};

/// The folder of the shipped targets.
pub fn folder() -> PathBuf {
    suites().join("targets")
}

/// The shipped target `name`.
pub fn description(name: &str) -> Description {
    let file = folder().join(name).with_extension("yaml");
    Description::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// All shipped targets, by name.
pub fn descriptions() -> Vec<Description> {
    let read = |file: PathBuf| Description::read(&file).unwrap_or_else(|error| panic!("{error}"));
    yaml(&folder()).into_iter().map(read).collect()
}

/// The emulator that the environment names, if it names one.
pub fn emulator() -> Option<PathBuf> {
    std::env::var_os("HYPWALK_QEMU").map(PathBuf::from)
}

/// The emulator to run.
pub fn program() -> PathBuf {
    emulator().unwrap_or_else(|| Program::USUAL.into())
}

/// What of the machine or CPU of `description` this QEMU has not: an old one lacks the newest. What a debugger
/// or a recipe starts says for itself what it needs.
pub fn lacking(description: &Description) -> Option<&str> {
    static MACHINES: LazyLock<String> = LazyLock::new(|| help(&["-M", "help"]));
    static MODELS: LazyLock<String> = LazyLock::new(|| help(&["-M", "virt", "-cpu", "help"]));
    let Start::Qemu(qemu) = &description.start else { return None };
    let model = qemu.cpu.split(',').next().unwrap_or_default();
    let wanted = [(&*MACHINES, qemu.machine.as_str()), (&*MODELS, model)];
    let has =
        |known: &str, wanted: &str| known.split_ascii_whitespace().any(|other| other == wanted);
    let lacking = wanted.into_iter().find(|(known, wanted)| !has(known, wanted));
    lacking.map(|(_, wanted)| wanted)
}

fn help(arguments: &[&str]) -> String {
    let program = program();
    let said = Command::new(&program).args(arguments).output();
    let said = said.unwrap_or_else(|error| panic!("{} can't be run: {error}", program.display()));
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// The target of `description`, which is entered with `executor`.
pub fn open(description: Description, executor: &Executor) -> Box<dyn Target> {
    let target = device::open(description, executor, emulator());
    target.unwrap_or_else(|error| panic!("{error}"))
}

/// A session with the target of `description`.
pub fn start(description: Description) -> Box<dyn Session> {
    open(description, &EXECUTOR).boot().unwrap_or_else(|error| panic!("{error}"))
}

/// A session with the shipped target `name`.
pub fn boot(name: &str) -> Box<dyn Session> {
    start(description(name))
}

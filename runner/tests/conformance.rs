//! The shipped suites on the shipped targets, each as a test.
//!
//! ```text
//!  TARGET::SUITE             a suite that spells its cases out, or goes through all points
//!  TARGET::SUITE::GRANULE    a suite that is drawn, one granule of it
//!  ..::whole                 all of the suite, not only its first cases: ignored, for it takes long
//! ```
//!
//! What a target can't be asked is decided when tests are listed, by what the target says of itself:
//! a test that could ask nothing is not there. A test that is named exactly is there unasked, so that
//! a process that runs one test starts the one emulator that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use case::source::Source;
use device::description::Transport;
use device::qemu::QemuTarget;
use device::{self, Description};
use libtest_mimic::{Arguments, Failed, Trial};
use payload::{self, Executor, Options, Wish};
use runner::plan::Plan;
use serde_json::Value;
use suite::generator::Generator;
use suite::granule::GranuleName;
use suite::{Overrides, Suite};

/// How many cases a test asks that is not of the whole suite.
const SHORT: u64 = 320;
/// As [`SHORT`], for a target whose every case crosses a serial line.
const SHORT_BY_UART: u64 = 16;
/// Suites whose short form is left out: what they find, they find with time, and nobody promises that
/// a shipped target has no findings there.
const LONG: [&str; 1] = ["stage2-hostile"];
/// The suite whose short form is asked of boards other than QEMU's own.
const BOARDS: &str = "smoke";
/// How many of a test's cases are looked at to see whether a target can be asked any.
const LOOKED_AT: u64 = 64;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let payload = payload().unwrap_or_else(|error| panic!("{error}"));
    let named = arguments.filter.as_deref().filter(|_| arguments.exact);
    let trials = match named {
        Some(name) => Test::named(name).into_iter().collect(),
        None => all(&payload),
    };
    let trials = trials.into_iter().map(|test| test.trial(&payload)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The executor, built once.
fn payload() -> Result<PathBuf, payload::PayloadError> {
    let toolchain = Wish::from_environment()?;
    Ok(payload::build(&Options { toolchain, ..Options::default() })?.elf)
}

/// The files of a folder of suites, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let files = entries.map(|entry| entry.expect("the folder can be listed").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    files
}

fn suites() -> Vec<Suite> {
    let read = |file: PathBuf| Suite::read(&file).unwrap_or_else(|error| panic!("{error}"));
    files("suites").into_iter().map(read).collect()
}

fn targets() -> Vec<Description> {
    let read = |file: PathBuf| Description::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let targets = files("suites/targets").into_iter().map(read);
    // Those that a recipe starts take long to start, and have a test of their own.
    targets.filter(|target| target.serial().is_none()).collect()
}

/// A part of a suite on a target.
struct Test {
    target: Description,
    suite: Suite,
    granule: Option<GranuleName>,
    is_whole: bool,
    /// Why it can't be run here, though the target is one that it could be asked of.
    missing: Option<String>,
}

impl Test {
    fn name(&self) -> String {
        let mut name = format!("{}::{}", self.target.name, self.suite.name);
        if let Some(granule) = self.granule {
            name = format!("{name}::{}", granule.name());
        }
        if self.is_whole { name + "::whole" } else { name }
    }

    /// The test called `name`, if there is one on any target.
    fn named(name: &str) -> Option<Self> {
        let (target, _) = name.split_once("::")?;
        let target = targets().into_iter().find(|other| other.name == target)?;
        candidates(&target).into_iter().find(|test| test.name() == name)
    }

    /// Whether it is left to those who ask for it: `--ignored`.
    fn is_ignored(&self) -> bool {
        self.is_whole || self.missing.is_some()
    }

    fn cases(&self) -> Option<u64> {
        let is_slow = matches!(self.target.transport, Transport::Uart);
        (!self.is_whole).then_some(if is_slow { SHORT_BY_UART } else { SHORT })
    }

    fn trial(self, payload: &Path) -> Trial {
        let (name, is_ignored) = (self.name(), self.is_ignored());
        let kind = self.missing.clone().unwrap_or_default();
        let payload = payload.to_owned();
        Trial::test(name, move || self.run(&payload)).with_kind(kind).with_ignored_flag(is_ignored)
    }

    fn run(&self, payload: &Path) -> Result<(), Failed> {
        let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
        let results = results.join(self.name().replace("::", "/"));
        let _ = fs::remove_dir_all(&results);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hypwalk"));
        command.arg("run").arg(self.suite.name.as_str()).arg("--target").arg(&self.target.name);
        command.arg("--payload").arg(payload).arg("--results").arg(&results);
        if let Some(granule) = self.granule {
            command.args(["--granule", granule.name()]);
        }
        if let Some(cases) = self.cases() {
            command.args(["--cases", &cases.to_string()]);
        }
        let output = command.arg("--json").output()?;
        let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
        let sums: Option<Value> = line.and_then(|line| serde_json::from_slice(line).ok());
        let asked = sums.and_then(|sums| sums["probes"].as_u64());
        match (output.status.success(), asked) {
            (true, Some(1..)) => return Ok(()),
            (true, _) => return Err("the target could be asked nothing of this".into()),
            (false, _) => {}
        }
        let [said, error] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Err(format!("{}\n{said}{error}", output.status).into())
    }
}

/// The tests of a target, whether or not it can be asked anything in them.
fn candidates(target: &Description) -> Vec<Test> {
    let mut tests = Vec::new();
    for suite in suites() {
        let is_drawn = suite.generators.iter().all(|generator| match generator {
            Generator::Drawn { source, .. } => !matches!(source, Source::Legality(_)),
            Generator::Explicit(_) => false,
        });
        // What one PE is asked is asked of the other targets.
        if target.pes() > 1 && !suite.generators.iter().any(takes_several) {
            continue;
        }
        // A board's PE is asked all the rest on the targets of its kind: what is the board's is how it starts,
        // talks, and where its memory is.
        let is_all = is_virt(target) || suite.name.as_str() == BOARDS;
        let parts = if is_drawn { GranuleName::ALL.map(Some).to_vec() } else { vec![None] };
        for granule in parts {
            let has_short = is_all && !LONG.contains(&suite.name.as_str());
            for is_whole in if has_short { vec![false, true] } else { vec![true] } {
                let (target, suite) = (target.clone(), suite.clone());
                tests.push(Test { target, suite, granule, is_whole, missing: None });
            }
        }
    }
    tests
}

/// Whether `target` is the board that is nothing but QEMU's.
fn is_virt(target: &Description) -> bool {
    target.qemu().is_some_and(|qemu| qemu.machine == "virt")
}

/// Whether cases of `generator` take several PEs.
const fn takes_several(generator: &Generator) -> bool {
    match generator {
        Generator::Drawn { source: Source::Guest(space) | Source::Tlbi(space), .. } => {
            space.pes > 1
        }
        _ => false,
    }
}

/// The tests that have something to ask, of all targets. Each target is started once, to be asked what
/// it is.
fn all(payload: &Path) -> Vec<Test> {
    let executor = Executor::open(payload).unwrap_or_else(|error| panic!("{error}"));
    let known = [help(&["-M", "virt", "-cpu", "help"]), help(&["-M", "help"])];
    let mut tests = Vec::new();
    for description in targets() {
        let mut candidates = candidates(&description);
        // What a debugger or a recipe starts says for itself what it needs.
        let lacking = description.qemu().and_then(|qemu| {
            let model = qemu.cpu.split(',').next().unwrap_or_default();
            let has = |known: &String, wanted: &str| {
                known.split_ascii_whitespace().any(|other| other == wanted)
            };
            let mut wanted = known.iter().zip([model, &qemu.machine]);
            wanted.find(|(known, wanted)| !has(known, wanted)).map(|(_, wanted)| wanted.to_owned())
        });
        if let Some(lacking) = lacking {
            let missing = format!("this QEMU has no {lacking}");
            candidates.iter_mut().for_each(|test| test.missing = Some(missing.clone()));
        } else {
            let target = device::open(description, &executor, emulator());
            let session = target.and_then(|target| target.boot());
            let session = session.unwrap_or_else(|error| panic!("{error}"));
            let hello = session.hello();
            let abilities = hello.abilities();
            let map = session.memory_map();
            candidates.retain(|test| {
                let overrides = Overrides { granule: test.granule, ..Overrides::default() };
                let mut suite = test.suite.clone();
                suite.apply(&overrides);
                let plan = Plan::new(suite.generators, abilities, map.clone(), 1);
                let most = test.cases().unwrap_or(LOOKED_AT).min(LOOKED_AT);
                (0..most).any(|index| matches!(plan.case(index), Some(Ok(_))))
            });
        }
        tests.extend(candidates);
    }
    tests
}

/// What this QEMU says of the machines or CPU models that it has: an old one lacks the newest.
fn help(arguments: &[&str]) -> String {
    let program = emulator().unwrap_or_else(|| QemuTarget::PROGRAM.into());
    let said = Command::new(&program).args(arguments).output();
    let said = said.unwrap_or_else(|error| panic!("{} can't be run: {error}", program.display()));
    String::from_utf8_lossy(&said.stdout).into_owned()
}

fn emulator() -> Option<PathBuf> {
    std::env::var_os("HYPWALK_QEMU").map(PathBuf::from)
}

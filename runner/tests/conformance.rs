//! The shipped suites on the shipped targets, each as a test.
//!
//! ```text
//!  TARGET::SUITE                    the first cases of a suite, of all granules
//!  TARGET::SUITE::GRANULE::whole    all of a suite that is drawn, one granule of it: ignored, for it takes long
//!  TARGET::SUITE::whole             all of one that spells its cases out, or goes through all points: ignored, too
//! ```
//!
//! What a target can't be asked is decided when the first of its tests runs, by what the target says of itself:
//! a test that could ask nothing is ignored then. Listing starts no emulator: absent is what the target file tells, a suite
//! of which each case takes more PEs than the target has.

mod common {
    pub mod executor;
    pub mod folders;
    pub mod hypwalk;
    pub mod shipped;
    pub mod targets;
}

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use case::abilities::Abilities;
use case::memory::MemoryMap;
use case::source::Source;
use device::Description;
use device::description::Transport;
use device::kind::Start;
use judge::offer::Offer;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use runner::plan::Plan;
use serde_json::Value;
use suite::generator::Generator;
use suite::granule::GranuleName;
use suite::{Overrides, Suite};

use common::executor::EXECUTOR;
use common::folders;
use common::hypwalk::{Said, hypwalk};
use common::shipped::{self, yaml};
use common::targets;

/// How many cases of each granule a test asks that is not of the whole suite.
const SHORT: u64 = 32;
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
    let suites: Vec<Suite> = yaml(&shipped::suites()).into_iter().map(suite).collect();
    let mut targets = targets::descriptions();
    // Those that a recipe starts take long to start, and have a test of their own.
    targets.retain(|target| !matches!(target.start, Start::Serial(_)));
    let tests = targets.into_iter().flat_map(|target| candidates(target, &suites));
    libtest_mimic::run(&arguments, spread(tests.collect()).map(Test::trial).collect()).exit_code()
}

/// Those over a UART spread evenly among the others, so that seldom many wait for [`Lines`] at a time.
fn spread(tests: Vec<Test>) -> impl Iterator<Item = Test> {
    let (by_uart, others): (Vec<_>, Vec<_>) = tests.into_iter().partition(Test::is_by_uart);
    let place = |number: usize, of: usize| number * 1000 / of.max(1);
    let placed = |tests: Vec<Test>| {
        let of = tests.len();
        tests.into_iter().enumerate().map(move |(number, test)| (place(number, of), test))
    };
    let mut all: Vec<_> = placed(by_uart).chain(placed(others)).collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, test)| test)
}

fn suite(file: PathBuf) -> Suite {
    Suite::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// What a target says of itself, once it was asked.
type Machine = Arc<OnceLock<(Abilities, Offer, MemoryMap)>>;

/// How many emulators may have their executor poll a UART at a time. Each takes a processor all the while, and a
/// second one for the runner it waits for: more of them only wait longer.
struct Lines {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Lines {
    fn of_this_machine() -> &'static Self {
        static LINES: OnceLock<Lines> = OnceLock::new();
        LINES.get_or_init(|| {
            let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            Self { free: Mutex::new(processors.div_ceil(2)), freed: Condvar::new() }
        })
    }

    /// Does `what` once a line is free.
    fn with_one<T>(&self, what: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap();
        *self.freed.wait_while(free, |free| *free == 0).unwrap() -= 1;
        let done = what();
        *self.free.lock().unwrap() += 1;
        self.freed.notify_one();
        done
    }
}

/// A part of a suite on a target.
struct Test {
    target: Description,
    machine: Machine,
    suite: Suite,
    /// How many granules its cases are of.
    granules: u64,
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

    fn is_by_uart(&self) -> bool {
        matches!(self.target.transport, Transport::Uart)
    }

    /// Whether it is left to those who ask for it: `--ignored`.
    fn is_ignored(&self) -> bool {
        self.is_whole || self.missing.is_some()
    }

    fn cases(&self) -> Option<u64> {
        let cases = if self.is_by_uart() { SHORT_BY_UART } else { SHORT };
        (!self.is_whole).then_some(cases * self.granules)
    }

    fn trial(self) -> Trial {
        let (name, is_ignored) = (self.name(), self.is_ignored());
        let kind = self.missing.clone().unwrap_or_default();
        let run = move || match self.is_by_uart() {
            true => Lines::of_this_machine().with_one(|| self.run()),
            false => self.run(),
        };
        Trial::ignorable_test(name, run).with_kind(kind).with_ignored_flag(is_ignored)
    }

    fn run(&self) -> Result<Completion, Failed> {
        if !self.has_cases() {
            return Ok(Completion::ignored_with("the target can be asked nothing of it"));
        }
        let results = folders::empty(&format!("conformance/{}", self.name().replace("::", "/")));
        let mut command = hypwalk();
        command.arg("run").arg(self.suite.name.as_str()).arg("--target").arg(&self.target.name);
        command.arg("--payload").arg(EXECUTOR.file()).arg("--results").arg(&results);
        if let Some(granule) = self.granule {
            command.args(["--granule", granule.name()]);
        }
        if let Some(cases) = self.cases() {
            command.args(["--cases", &cases.to_string()]);
        }
        let said = Said::by(command.arg("--json"));
        let sums = said.stdout.lines().last().map(serde_json::from_str::<Value>);
        let asked = sums.and_then(|sums| sums.ok()?["probes"].as_u64());
        match (said.code, asked) {
            (Some(0), Some(1..)) => Ok(Completion::Completed),
            (Some(0 | 5), _) => Err("the target was asked nothing of it".into()),
            (code, _) => Err(format!("exit status {code:?}\n{}", said.all()).into()),
        }
    }

    /// Whether the target can be asked any of it.
    fn has_cases(&self) -> bool {
        let (abilities, offer, map) = self.machine.get_or_init(|| {
            let session = targets::boot(&self.target.name);
            let (hello, map) = (session.hello(), session.memory_map().clone());
            (hello.abilities(), Offer::new(hello), map)
        });
        let mut suite = self.suite.clone();
        suite.apply(&Overrides { granule: self.granule, ..Overrides::default() });
        let plan = Plan::new(suite.generators, *abilities, map.clone(), 1);
        let most = self.cases().unwrap_or(LOOKED_AT).min(LOOKED_AT);
        let is_asked = |index| match plan.case(index) {
            Some(Ok(case)) => offer.lacks(case.as_ref()).is_none(),
            _ => false,
        };
        (0..most).any(is_asked)
    }
}

/// The tests of a target, whether or not it can be asked anything in them.
fn candidates(target: Description, suites: &[Suite]) -> Vec<Test> {
    let machine = Machine::default();
    let missing = targets::lacking(&target).map(|what| format!("this QEMU has no {what}"));
    let mut tests = Vec::new();
    for suite in suites {
        let is_drawn = suite.generators.iter().all(|generator| match generator {
            Generator::Drawn { source, .. } => !matches!(source, Source::Legality(_)),
            Generator::Explicit(_) => false,
        });
        // What one PE is asked is asked of the other targets, and what takes several is not asked of one.
        let several = suite.generators.iter().filter(|generator| takes_several(generator)).count();
        let is_asked = match target.pes() {
            1 => several < suite.generators.len(),
            _ => several > 0,
        };
        if !is_asked {
            continue;
        }
        // A board's PE is asked all the rest on the targets of its kind: what is the board's is how it starts,
        // talks, and where its memory is.
        let is_all = is_virt(&target) || suite.name.as_str() == BOARDS;
        let parts = if is_drawn { GranuleName::ALL.map(Some).to_vec() } else { vec![None] };
        // One boot serves the few cases of all granules.
        let granules = parts.len() as u64;
        let short = (is_all && !LONG.contains(&suite.name.as_str())).then_some((None, false));
        let whole = parts.into_iter().map(|granule| (granule, true));
        for (granule, is_whole) in short.into_iter().chain(whole) {
            tests.push(Test {
                target: target.clone(),
                machine: machine.clone(),
                suite: suite.clone(),
                granules,
                granule,
                is_whole,
                missing: missing.clone(),
            });
        }
    }
    tests
}

/// Whether `target` is the board that is nothing but QEMU's.
fn is_virt(target: &Description) -> bool {
    matches!(&target.start, Start::Qemu(qemu) if qemu.machine == "virt")
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

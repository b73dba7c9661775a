//! Export: a case as a program of its own, that GNU's or LLVM's tools build and that needs no Hypwalk.
//!
//! ```text
//!   Case, ID registers --twin--> words of tables, registers, what is allowed --template--> case.S
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`scene`]    | what the program sets up: tables, registers, memory |
//! | [`question`] | what it asks, and by which instruction |
//! | [`outcome`]  | what is allowed, as masks and values of registers |

pub mod outcome;
pub mod question;
pub mod scene;

use askama::Template;
use case::Case;
use judge::verdict::Wanted;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::machine::Machine;

use outcome::Allowed;
use question::Question;
use scene::Scene;

/// Why a case can't be exported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotExported {
    #[error(
        "it asks {0} questions, and an exported case asks one: hypwalk reduce makes it smaller"
    )]
    Probes(usize),
    #[error("it is a sequence of steps")]
    Steps,
    #[error("it uses several PEs")]
    Pes,
    #[error("hardware may change its tables")]
    Updates,
    #[error("the executor enters its set-up by another tree")]
    Idmap,
    #[error("the monitor at EL3 enters its set-up")]
    Monitor,
    #[error("{0} is not asked by an exported case from there")]
    Operation(&'static str),
    #[error("nothing is expected of what it asks: {0}")]
    Expectation(&'static str),
    #[error("its memory at {0:#x} is not in the first 3 GB of RAM of QEMU's virt machine")]
    Memory(u64),
    #[error("the file does not say for which machine it is: its ID registers and its memory")]
    Machine,
    #[error("its tables can't be built: {0}")]
    Build(#[from] tables::BuildError),
}

/// A case as a program of its own.
#[derive(Debug, Template)]
#[template(path = "export.S", escape = "none")]
pub struct Export {
    /// Lines of comment that say what it is about.
    about: Vec<String>,
    scene: Scene,
    question: Question,
    allowed: Vec<Allowed>,
    /// The same in words, one line each.
    expected: Vec<String>,
}

impl Export {
    /// That of `case`, which was found on `machine`, of whose choices so much is `learned`; `about` says what it shows.
    pub fn new(
        case: &Case,
        machine: &Machine,
        learned: &Learned,
        about: Vec<String>,
    ) -> Result<Self, NotExported> {
        let map = machine.memory_map().ok_or(NotExported::Machine)?;
        let (probe, question) = Question::of(case)?;
        let ids = machine.id_registers();
        let mut twin = Twin::new(conform::implementation(&ids), Simulation::new(&map));
        twin.with_tables(case, &map, |tables| {
            let expectation = tables.expect(&probe, learned);
            let expectation =
                expectation.ok_or(NotExported::Expectation("it asks the MMU nothing"))?;
            let allowed = outcome::all(&probe, &expectation, &map)?;
            let expected = Wanted::of(&expectation).lines();
            let scene = Scene::new(case, &map, tables)?;
            Ok(Self { about, scene, question, allowed, expected })
        })?
    }

    /// The files of it, by name.
    pub fn files(&self) -> Result<[(&'static str, String); 2], askama::Error> {
        Ok([("case.S", self.render()? + "\n"), ("Makefile", MAKEFILE.to_owned())])
    }
}

const MAKEFILE: &str = include_str!("../../templates/export.mk");

/// A number as the assembler reads it.
fn hex(value: u64) -> String {
    format!("{value:#x}")
}

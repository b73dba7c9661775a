//! Export: a case as a program of its own, that GNU's or LLVM's tools build and that needs no Hypwalk.
//!
//! ```text
//!   Case, ID registers --twin--> words of tables, registers, what is allowed --template--> case.S
//!   target's description ------> RAM, UART, QEMU's command                   --template--> case.S, Makefile
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`board`]    | what it runs on: RAM, UART, and the QEMU command that makes it |
//! | [`scene`]    | what the program sets up: tables, registers, memory |
//! | [`registers`] | the registers, in the order in which they are written |
//! | `fields`     | what the values of registers say |
//! | `drawing`    | the tables, drawn |
//! | [`question`] | what it asks, and by which instructions |
//! | [`needs`]    | the fields of ID registers on which it depends what is allowed |
//! | [`outcome`]  | what is allowed, of registers and of memory afterwards |

pub mod board;
mod drawing;
mod fields;
pub mod needs;
pub mod outcome;
pub mod question;
pub mod registers;
pub mod scene;

use askama::Template;
use case::Case;
use device::Description;
use judge::verdict::Wanted;
use oracle::expectation::Instruction;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::machine::Machine;

use crate::explain::walk;
use board::Board;
use needs::{Asked, Need};
use outcome::Outcome;
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
    #[error("the executor enters its set-up by another tree")]
    Idmap,
    #[error("HCR_EL2.E2H or TGE is 1, and it is not asked in its own set-up of EL2")]
    Host,
    #[error("{0} is not asked by an exported case from there")]
    Operation(&'static str),
    #[error("a monitor at EL3 asks, and {0} is not entered there")]
    Monitor(String),
    #[error("nothing is expected of what it asks: {0}")]
    Expectation(&'static str),
    #[error("{target} has no RAM at {pa:#x} beside the program")]
    Memory { target: String, pa: u64 },
    #[error("{0} has no PL011 that is known, on which a program could say anything")]
    Console(String),
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
    board: Board,
    scene: Scene,
    question: Question,
    needs: Vec<Need>,
    allowed: Vec<Outcome>,
    /// The same in words, one line each.
    expected: Vec<String>,
    /// The walk by the architecture, with the rule behind each step.
    walk: Vec<String>,
}

/// How it is built and run.
#[derive(Debug, Template)]
#[template(path = "export.mk", escape = "none")]
struct Makefile<'a> {
    board: &'a Board,
}

impl Export {
    /// That of `case`, which was found on `machine`, of whose choices so much is `learned`, for a board like that of the
    /// target that is `described`; `about` says what it shows.
    pub fn new(
        case: &Case,
        machine: &Machine,
        described: &Description,
        learned: &Learned,
        about: Vec<String>,
    ) -> Result<Self, NotExported> {
        let map = machine.memory_map().ok_or(NotExported::Machine)?;
        let (probe, question) = Question::of(case)?;
        if question.is_monitor() && !described.monitor {
            return Err(NotExported::Monitor(described.name.clone()));
        }
        let ids = machine.id_registers();
        let mut twin = Twin::new(conform::implementation(&ids), Simulation::new(&map));
        twin.with_tables(case, &map, |tables| {
            let expectation = tables.expect(&probe, learned);
            let expectation =
                expectation.ok_or(NotExported::Expectation("it asks the MMU nothing"))?;
            let (allowed, reached) = Outcome::all(&probe, &expectation, &map)?;
            let expected = Wanted::of(&expectation).lines();
            let scene = Scene::new(case, &map, tables, question.is_access.then_some(&reached));
            let used: Vec<u64> = scene.memory().iter().map(|span| span.0).collect();
            let board = Board::new(described, &used)?;
            if let Some((pa, _)) =
                scene.memory().iter().find(|(first, end)| !board.has(*first, *end))
            {
                return Err(NotExported::Memory { target: board.name, pa: *pa });
            }
            let asked = Asked {
                case,
                probe: &probe,
                tables,
                learned,
                ids: &ids,
                expectation: &expectation,
            };
            let needs = Need::all(asked);
            let instruction = Instruction::of(&probe);
            let walk = instruction.map(|it| walk::of(tables, it, learned.profile()));
            let walk = walk.unwrap_or_default().lines().map(str::to_owned).collect();
            Ok(Self { about, board, scene, question, needs, allowed, expected, walk })
        })?
    }

    /// The files of it, by name.
    pub fn files(&self) -> Result<[(&'static str, String); 2], askama::Error> {
        let makefile = Makefile { board: &self.board };
        Ok([("case.S", self.render()? + "\n"), ("Makefile", makefile.render()? + "\n")])
    }
}

/// A number as the assembler reads it.
fn hex(value: u64) -> String {
    format!("{value:#x}")
}

/// Two numbers a line, likewise.
fn quads(pairs: &[(u64, u64)]) -> Vec<String> {
    pairs.iter().map(|(first, second)| format!("{first:#x}, {second:#x}")).collect()
}

//! What the architecture allows as the answer to one probe.

use std::ops::ControlFlow;

use case::probe::{Operation, Probe};
use golden::{
    Access, Alignment, Asked, At, AtQuestion, Choices, El, Implementation, Leaf, Machine, Observer,
    Read, Registers, Stage, Update, Updates, Va, access, allowed, at_noting,
};
use smallvec::SmallVec;

use super::answer::Answer;
use super::learned::Learned;
use crate::simulation::Simulation;

/// One outcome that the architecture allows, and the choices behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// What is observed.
    pub answer: Answer,
    /// Descriptors that the hardware changes with it.
    pub updates: Vec<Update>,
    /// The descriptor at which the walk ends, of stage 2 where that is asked: the leaf, or the one that
    /// faults. `None` where none was read.
    pub descriptor: Option<u64>,
    /// The open choices that led here.
    pub asked: Vec<Asked>,
}

/// Outcomes: nearly always one.
pub type Outcomes = SmallVec<[Allowed; 1]>;

/// All outcomes that the architecture allows for a probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// The outcomes, the pseudocode's own first. Never empty.
    pub outcomes: Outcomes,
    /// Whether all of them are there: a walk can consult more choices than are followed.
    pub complete: bool,
    /// A physical address outside the case's arenas that a walk would read, if there is one.
    pub strays_to: Option<u64>,
}

/// Watches a walk for its last descriptor of one stage.
struct Last {
    stage: Stage,
    descriptor: Option<u64>,
}

impl Observer for Last {
    fn read(&mut self, read: Read) {
        if read.stage == self.stage {
            self.descriptor = Some(read.descriptor);
        }
    }

    /// In a contiguous group it may be another than the one that was read.
    fn leaf(&mut self, leaf: &Leaf) {
        if leaf.stage == self.stage {
            self.descriptor = Some(leaf.descriptor);
        }
    }
}

/// What a probe has the PE do at EL2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// An address translation instruction.
    At(At),
    /// A load, store or fetch.
    Access(golden::Operation),
}

impl Instruction {
    /// The stage that it asks about in the end.
    const fn stage(self) -> Stage {
        match self {
            Self::At(at) if at.is_both_stages() => Stage::Two,
            Self::At(_) | Self::Access(_) => Stage::One,
        }
    }

    /// What becomes of it, with these choices, and in `updates` what the hardware changes; `None` where EL2 may not execute it, which may execute
    /// all of these.
    fn execute(
        self,
        machine: Machine<'_, Simulation>,
        va: u64,
        choices: &mut impl Choices,
        last: &mut Last,
        updates: &mut Updates,
    ) -> Option<Answer> {
        match self {
            Self::At(at) => {
                let question = AtQuestion { at, executed_at: El::El2, pan: false, va: Va(va) };
                let result = at_noting(machine, question, choices, last, updates).ok()?;
                Some(result.into())
            }
            Self::Access(operation) => {
                let outcome = access(machine, asks(operation, va), Va(va), choices, last).ok()?;
                *updates = outcome.updates;
                Some((&outcome).into())
            }
        }
    }
}

/// Size of what a probe loads or stores.
const ACCESS_BYTES: u64 = 8;

/// The access that `operation` at `va` makes.
pub const fn asks(operation: golden::Operation, va: u64) -> Access {
    Access::new(operation, El::El2).with_alignment(Alignment::of(Va(va), ACCESS_BYTES))
}

/// What a probe has the PE do; `None` where it puts no question to the MMU.
pub fn instruction(operation: Operation) -> Option<Instruction> {
    Some(Instruction::At(match operation {
        Operation::AtS12e1r => At::S12E1R,
        Operation::AtS12e1w => At::S12E1W,
        Operation::AtS12e0r => At::S12E0R,
        Operation::AtS12e0w => At::S12E0W,
        Operation::AtS1e2r => At::S1E2R,
        Operation::AtS1e2w => At::S1E2W,
        Operation::AtS1e1r => At::S1E1R,
        Operation::AtS1e1w => At::S1E1W,
        Operation::AtS1e0r => At::S1E0R,
        Operation::AtS1e0w => At::S1E0W,
        Operation::Load => return Some(Instruction::Access(golden::Operation::Load)),
        Operation::Store => return Some(Instruction::Access(golden::Operation::Store)),
        Operation::Fetch => return Some(Instruction::Access(golden::Operation::Fetch)),
        _ => return None,
    }))
}

/// What a PE of which so much is `learned` may answer to `probe` under `registers` and the tables in
/// `memory`; `None` for a probe that puts no question to the MMU. `updates` is room for a walk to work in.
pub fn expect(
    pe: &Implementation,
    registers: &Registers,
    memory: &Simulation,
    learned: &Learned,
    probe: &Probe,
    updates: &mut Updates,
) -> Option<Expectation> {
    let instruction = instruction(probe.operation()?)?;
    memory.take_strayed();
    let machine = Machine { implementation: pe, registers, memory };
    let mut outcomes = Outcomes::new();
    let explored = allowed(
        learned.profile(),
        |choices| {
            let mut last = Last { stage: instruction.stage(), descriptor: None };
            let answer =
                instruction.execute(machine, probe.address, choices, &mut last, updates)?;
            Some((answer, updates.as_slice().to_vec(), last.descriptor))
        },
        |outcome, asked| {
            if let Some((answer, updates, descriptor)) = outcome {
                outcomes.push(Allowed { answer, updates, asked: asked.to_vec(), descriptor });
            }
            ControlFlow::Continue(())
        },
    );
    let (complete, strays_to) = (explored.complete, memory.take_strayed());
    Some(Expectation { outcomes, complete, strays_to })
}

//! What the architecture allows as the answer to one probe.

use std::ops::ControlFlow;

use case::probe::{Operation, Probe};
use golden::{
    Asked, At, AtQuestion, AtResult, El, Implementation, Leaf, Machine, Observer, Read, Registers,
    Stage, Update, Updates, Va, allowed, at_noting,
};
use smallvec::SmallVec;

use super::learned::Learned;
use crate::simulation::Simulation;

/// One outcome that the architecture allows, and the choices behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// What is observed.
    pub result: AtResult,
    /// Descriptors that the hardware changes with it.
    pub updates: Vec<Update>,
    /// The stage 2 descriptor at which the walk ends: the leaf, or the one that faults. `None` where none
    /// was read.
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

/// Watches a walk for its last descriptor of stage 2.
#[derive(Default)]
struct Last(Option<u64>);

impl Observer for Last {
    fn read(&mut self, read: Read) {
        if read.stage == Stage::Two {
            self.0 = Some(read.descriptor);
        }
    }

    /// In a contiguous group it may be another than the one that was read.
    fn leaf(&mut self, leaf: &Leaf) {
        if leaf.stage == Stage::Two {
            self.0 = Some(leaf.descriptor);
        }
    }
}

/// The AT instruction of a probe; `None` where it asks something else.
pub fn instruction(operation: Operation) -> Option<At> {
    Some(match operation {
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
        Operation::Load | Operation::Store | Operation::Fetch => return None,
        Operation::FaultCode | Operation::FaultData | Operation::FaultStack | Operation::Hang => {
            return None;
        }
    })
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
    let at = instruction(probe.operation()?)?;
    memory.take_strayed();
    let machine = Machine { implementation: pe, registers, memory };
    let va = Va(probe.address);
    let question = AtQuestion { at, executed_at: El::El2, pan: false, va };
    let mut outcomes = Outcomes::new();
    let explored = allowed(
        learned.profile(),
        |choices| {
            let mut last = Last::default();
            let result = at_noting(machine, question, choices, &mut last, updates);
            result.map(|result| (result, updates.as_slice().to_vec(), last))
        },
        |outcome, asked| {
            // EL2 may execute every AT instruction of these.
            if let Ok((result, updates, Last(descriptor))) = outcome {
                outcomes.push(Allowed { result, updates, asked: asked.to_vec(), descriptor });
            }
            ControlFlow::Continue(())
        },
    );
    let (complete, strays_to) = (explored.complete, memory.take_strayed());
    Some(Expectation { outcomes, complete, strays_to })
}

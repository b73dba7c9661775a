//! What the architecture allows as the answer to one probe.

use std::ops::ControlFlow;

use case::probe::Probe;
use case::tree::Role;
use golden::errata::{self, ErrataSet, Flawed, Point};
use golden::{
    Asked, AtQuestion, Certainty, Fault, Implementation, Leaf, Machine, MemoryAttributes, Observer,
    Read, Registers, Stage, Update, Updates, Va, allowed, at_noting,
};
use smallvec::SmallVec;

use crate::access::{Accesses, Ends};
use crate::answer::Answer;
use crate::guest::Asker;
use crate::learned::Learned;
use crate::simulation::Simulation;
use crate::tlb::Foreign;

/// One outcome that the architecture allows, and the choices behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    pub answer: Answer,
    /// Descriptors that the hardware changes with it.
    pub updates: Vec<Update>,
    /// The memory attributes of what an access reaches, of each part of it.
    pub attributes: SmallVec<[MemoryAttributes; 2]>,
    /// The open choices that led here.
    pub asked: Vec<Asked>,
    /// Whether a device with errata dies or hangs instead.
    pub kills: bool,
}

impl Allowed {
    /// Whether one observation may be both this and `other`. Updates count where somebody looks for them.
    fn may_be(&self, other: &Self, looks_for_updates: bool) -> bool {
        let is_there = |all: &[Update], one: &Update| {
            let same = all.iter().find(|update| update.pa == one.pa);
            let is_partial = |update: &Update| matches!(update.certainty, Certainty::InPart(_));
            same.map_or(one.certainty == Certainty::Permitted, |update| {
                let may_be_none = [update, one].map(|it| it.certainty) == [Certainty::Permitted; 2];
                update.new == one.new || may_be_none || is_partial(update) || is_partial(one)
            })
        };
        let are_updates = || {
            self.updates.iter().all(|update| is_there(&other.updates, update))
                && other.updates.iter().all(|update| is_there(&self.updates, update))
        };
        self.kills == other.kills
            && self.answer.may_be(&other.answer)
            && (!looks_for_updates || are_updates())
    }

    /// Whether whoever observes `other` may observe this: it is the same, and needs no choices that `other` does
    /// without.
    fn includes(&self, other: &Self) -> bool {
        (self.answer, &self.updates, self.kills) == (other.answer, &other.updates, other.kills)
            && self.asked.iter().all(|asked| other.asked.contains(asked))
    }
}

/// The most outcomes of a device that is tried: one that may do everything explains nothing.
pub const A_FEW: usize = 64;

/// Outcomes: nearly always one.
pub type Outcomes = SmallVec<[Allowed; 1]>;

/// All outcomes that the architecture allows for a probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// The outcomes, the pseudocode's own first. Empty where the instruction is not executed, but is
    /// UNDEFINED or trapped.
    pub outcomes: Outcomes,
    /// Whether all of them are there: a walk can consult more choices than are followed.
    pub complete: bool,
    /// A physical address outside the case's arenas that a walk would read, if there is one.
    pub strays_to: Option<u64>,
    /// Whether a TLB may hold what a tree says that is no longer loaded.
    pub is_foreign: bool,
}

impl Expectation {
    /// Expects whatever `other` does, too.
    pub fn admit(&mut self, other: Self) {
        for outcome in other.outcomes {
            if !self.outcomes.iter().any(|one| one.includes(&outcome)) {
                self.outcomes.push(outcome);
            }
        }
        self.complete &= other.complete;
        self.strays_to = self.strays_to.or(other.strays_to);
        self.is_foreign |= other.is_foreign;
    }

    /// Whether whatever is expected is expected by `other`, too.
    pub fn is_within(&self, other: &Self) -> bool {
        let is_there = |one: &Allowed| other.outcomes.iter().any(|another| another.includes(one));
        (self.complete || !other.complete)
            && self.strays_to == other.strays_to
            && self.outcomes.iter().all(is_there)
    }

    /// Whether nothing that is expected may be observed where `other` is what is. Updates count where somebody looks
    /// for them.
    pub fn excludes(&self, other: &Self, looks_for_updates: bool) -> bool {
        let is_known = |one: &Self| {
            let is_whole = one.complete && !one.outcomes.is_empty();
            is_whole && one.strays_to.is_none() && !one.is_foreign
        };
        let may_be =
            |one: &Allowed| other.outcomes.iter().any(|other| one.may_be(other, looks_for_updates));
        is_known(self) && is_known(other) && !self.outcomes.iter().any(may_be)
    }

    /// Whether the same is expected by `other`, as far as it can be observed.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_within(other) && other.is_within(self)
    }
}

/// Watches a walk of stage 1 for what a TLB may hold.
#[derive(Default)]
struct Found {
    is_valid: bool,
    is_global: bool,
    has_xs: bool,
}

impl Observer for Found {
    fn read(&mut self, read: Read) {
        self.is_valid |= read.stage == Stage::One && read.descriptor & 1 == 1;
    }

    fn leaf(&mut self, leaf: &Leaf) {
        const NG: u64 = 1 << 11;
        self.is_global |= leaf.stage == Stage::One && leaf.descriptor & NG == 0;
        self.has_xs |= leaf.stage == Stage::One && leaf.attributes.xs;
    }
}

/// What a probe has the PE do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// An address translation instruction.
    At(AtQuestion),
    /// Loads, stores or a fetch.
    Access(Accesses),
}

impl Instruction {
    /// What `probe` has the PE do; `None` where it puts no question to the MMU.
    pub fn of(probe: &Probe) -> Option<Self> {
        let access = || Accesses::of(probe).map(Self::Access);
        conform::question(probe).map(Self::At).or_else(access)
    }

    /// The first instruction of it, in the words of errata.
    pub fn as_errata_know_it(self) -> Option<errata::Instruction> {
        match self {
            Self::At(question) => Some(errata::Instruction::At(question.at)),
            Self::Access(accesses) => accesses.instruction(),
        }
    }
}

/// A PE in a set-up, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub pe: &'a Implementation,
    pub registers: &'a Registers,
    /// The memory with the tables.
    pub memory: &'a Simulation,
    pub asker: Asker,
    /// What is known of its choices.
    pub learned: &'a Learned,
    /// So many outcomes are followed at most: see [`A_FEW`].
    pub most: usize,
}

impl Setting<'_> {
    /// What a device with these errata may answer to `probe`; `None` for a probe that puts no question to the MMU.
    /// `updates` is room for a walk to work in.
    pub fn expect<E: ErrataSet>(
        &self,
        probe: &Probe,
        updates: &mut Updates,
        errata: E,
    ) -> Option<Expectation> {
        let Self { pe: implementation, registers, memory, .. } = *self;
        let instruction = Instruction::of(probe)?;
        memory.take_strayed();
        let machine = Machine { implementation, registers, memory };
        let mut expectation = match instruction {
            Instruction::At(question) => self.at(machine, probe, question, updates, errata),
            Instruction::Access(accesses) => self.access(machine, probe, &accesses, errata),
        };
        expectation.strays_to = memory.take_strayed();
        expectation.complete &= !memory.tlb.overflows();
        Some(expectation)
    }

    /// Whether a walk for `va` finds something in a tree that is not loaded, as a TLB may still hold it.
    pub fn finds(&self, foreign: Foreign, va: u64) -> bool {
        let is_upper = va >> 55 & 1 == 1;
        let mut registers = *self.registers;
        match foreign.role {
            Role::Ttbr0El1 if !is_upper => registers.ttbr0_el1 = foreign.root,
            Role::Ttbr1El1 if is_upper => registers.ttbr1_el1 = foreign.root,
            Role::Stage2 => return true,
            _ => return false,
        }
        let mut found = Found::default();
        let Self { pe: implementation, memory, .. } = *self;
        let machine = Machine { implementation, registers: &registers, memory };
        let load = golden::Access::new(golden::Operation::Load, golden::El::El1);
        let choices = &mut self.learned.profile().clone();
        let walked = golden::access(machine, load, Va(va), choices, &mut found);
        memory.take_strayed();
        let is_found = if foreign.in_full { found.is_valid } else { found.is_global };
        walked.is_ok() && is_found && (found.has_xs || !foreign.xs_alone)
    }

    /// Whether more outcomes are looked for.
    fn bounded(&self, outcomes: &Outcomes) -> ControlFlow<()> {
        if outcomes.len() >= self.most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn at<E: ErrataSet>(
        &self,
        machine: Machine<'_, Simulation>,
        probe: &Probe,
        question: AtQuestion,
        updates: &mut Updates,
        errata: E,
    ) -> Expectation {
        let mut outcomes = Outcomes::new();
        let walk = |choices: &mut golden::Script<'_>| {
            let choices = &mut Flawed::new(choices, errata);
            let result = at_noting(machine, question, choices, &mut (), updates).ok()?;
            Some((result, updates.as_slice().to_vec()))
        };
        let kills = |fault: &Fault| kills(Instruction::At(question), fault, errata);
        let explored = allowed(self.learned.profile(), walk, |outcome, asked| {
            if let Some((result, updates)) = outcome {
                let answer = match result {
                    golden::AtResult::Par { par, fault } => Answer::Par { par, fault },
                    golden::AtResult::Exception(abort) => {
                        Answer::Exception(self.asker.taken_by_at(self.pe, probe, abort))
                    }
                };
                let (attributes, asked) = (SmallVec::new(), asked.to_vec());
                let kills = answer.fault().as_ref().is_some_and(kills);
                outcomes.push(Allowed { answer, updates, attributes, asked, kills });
            }
            self.bounded(&outcomes)
        });
        Expectation { outcomes, complete: explored.complete, strays_to: None, is_foreign: false }
    }

    fn access<E: ErrataSet>(
        &self,
        machine: Machine<'_, Simulation>,
        probe: &Probe,
        accesses: &Accesses,
        errata: E,
    ) -> Expectation {
        let mut outcomes = Outcomes::new();
        let mut complete = true;
        let va = accesses.va(machine);
        if !accesses.is_executed(self.registers) {
            return Expectation { outcomes, complete, strays_to: None, is_foreign: false };
        }
        let kills = |fault: &Fault| kills(Instruction::Access(*accesses), fault, errata);
        let walk = |choices: &mut golden::Script<'_>| {
            accesses.perform(machine, &mut Flawed::new(choices, errata), &mut ())
        };
        let explored = allowed(self.learned.profile(), walk, |ends, asked| {
            let Ok(Ends { ends, complete: all }) = ends else { return ControlFlow::Continue(()) };
            complete &= all;
            outcomes.extend(ends.into_iter().map(|end| Allowed {
                kills: end.result.as_ref().is_err_and(|stop| kills(&stop.abort.fault)),
                answer: match end.result {
                    Ok(Some(reach)) if !accesses.is_maintenance() => Answer::Reached(reach),
                    Ok(reach) => Answer::Maintained(reach),
                    Err(stop) => Answer::Exception(self.asker.taken(self.pe, probe, va, stop)),
                },
                updates: end.updates,
                attributes: end.attributes,
                asked: asked.to_vec(),
            }));
            self.bounded(&outcomes)
        });
        complete &= explored.complete;
        Expectation { outcomes, complete, strays_to: None, is_foreign: false }
    }
}

/// Whether a device with these errata dies or hangs by an instruction that ends in `fault`.
fn kills(instruction: Instruction, fault: &Fault, errata: impl ErrataSet) -> bool {
    let mut deadly = errata.at(Point::Death).peekable();
    deadly.peek().is_some()
        && instruction.as_errata_know_it().is_some_and(|instruction| {
            let killing = deadly.filter(|(_, erratum)| erratum.kills(&instruction, fault));
            killing.inspect(|(number, _)| errata.acted(*number)).count() > 0
        })
}

//! The tables of a past case, built again on this host, with no target.

use case::Case;
use case::memory::MemoryMap;
use judge::verdict::Answers;
use oracle::answer::Answer;
use oracle::expectation::Instruction;
use oracle::learned::{Learned, PinError};
use oracle::playback::Playback;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::case_file::CaseFile;
use tables::BuildError;

use crate::explain::walk;
use crate::record::redraw::{RedrawError, redraw};
use crate::record::{Group, Run};

/// Where walks of a run's cases are told.
#[derive(Debug)]
pub struct GroupWalks<'a> {
    run: &'a Run,
    map: MemoryMap,
    learned: Learned,
    twin: Twin,
}

/// The walk of one probe.
#[derive(Clone, Debug)]
pub struct GroupWalk {
    /// Registers, tables, and each step.
    pub walk: String,
    /// The first of the results that are allowed: the pseudocode's own.
    pub first: Option<Answer>,
}

/// Why a walk can't be told.
#[derive(Debug, thiserror::Error)]
pub enum GroupWalkError {
    /// The header makes no sense of its memory.
    #[error("the memory map of the run makes no sense")]
    MemoryMap,
    /// The run settled a choice that is not known here.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The finding has no probe.
    #[error("the finding is about the case as a whole, and no walk led to it")]
    NoProbe,
    /// The case has no such probe, or one that asks the MMU nothing.
    #[error("probe {0} of the case asks for no walk")]
    NoWalk(u32),
    /// The case can't be drawn again, and there is no reproducer of it.
    #[error("the case can't be drawn again: {0}")]
    Redraw(#[from] RedrawError),
    /// The case can't be built.
    #[error("the tables of the case can't be built here: {0}")]
    Build(#[from] BuildError),
}

impl<'a> GroupWalks<'a> {
    /// The scene of `run`, whose target has `settled` its choices so.
    pub fn new(run: &'a Run, settled: &Answers) -> Result<Self, GroupWalkError> {
        let machine = &run.header.machine;
        let map = machine.memory_map().ok_or(GroupWalkError::MemoryMap)?;
        let settled = settled.iter().filter_map(|(choice, answers)| match &answers[..] {
            [answer] => Some((&**choice, &**answer)),
            _ => None,
        });
        let learned = Learned::new(settled)?;
        let twin =
            Twin::new(conform::implementation(&machine.id_registers()), Simulation::new(&map));
        Ok(Self { run, map, learned, twin })
    }

    /// Tells the walk that led to the first finding of `group`.
    pub fn tell(&mut self, group: &Group) -> Result<GroupWalk, GroupWalkError> {
        let number = group.first.probe.ok_or(GroupWalkError::NoProbe)?;
        let case = self.case(group)?;
        let asked = case.as_ref().probes.get(number as usize).copied();
        let asked = asked.and_then(|probe| Some((probe, Instruction::of(&probe)?)));
        let (probe, instruction) = asked.ok_or(GroupWalkError::NoWalk(number))?;
        let learned = &self.learned;
        let told = self.twin.with_tables(&case, &self.map, |tables| {
            // Hardware may have updated the tables for the probes before.
            let earlier = &case.as_ref().probes[..number as usize];
            let mut playback = Playback::of_all(tables, learned, earlier);
            while let Some(turn) = playback.next() {
                playback.forecast(&turn?);
            }
            let steps = walk::of(tables, instruction, learned.profile());
            let expectation = tables.expect(&probe, learned);
            let first = expectation.and_then(|all| all.outcomes.into_iter().next());
            Ok(GroupWalk {
                walk: walk::setup(&case, tables) + "\n" + &steps,
                first: first.map(|allowed| allowed.answer),
            })
        });
        Ok(told.and_then(|told| told)?)
    }

    /// The first case of a group: from its reproducer, or drawn again.
    fn case(&self, group: &Group) -> Result<Case, GroupWalkError> {
        let files = group.reproducers.iter().map(|file| self.run.folder().join(file));
        let mut read = files.filter_map(|file| CaseFile::read(&file).ok());
        let is_first = |file: &CaseFile| {
            file.origin.as_ref().is_some_and(|origin| origin.index == group.first_case)
        };
        match read.find(is_first) {
            Some(file) => Ok(*file.case.0),
            None => Ok(redraw(&self.run.header, group.first_case, self.run.folder())?),
        }
    }
}

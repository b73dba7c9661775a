//! The tables of a past case, built again on this host, with no target.

use std::collections::BTreeMap;
use std::fs;

use case::Case;
use case::memory::MemoryMap;
use judge::verdict::{Answers, Finding};
use oracle::answer::Answer;
use oracle::expectation::Instruction;
use oracle::learned::{Learned, PinError};
use oracle::playback::Playback;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::case_file::CaseFile;
use tables::BuildError;

use crate::explain::walk;
use crate::record::Run;
use crate::record::redraw::{RedrawError, redraw};

/// Where walks of a run's cases are told.
#[derive(Debug)]
pub struct Walks<'a> {
    run: &'a Run,
    map: MemoryMap,
    learned: Learned,
    twin: Twin,
    /// The cases of which there are reproducers, by their numbers.
    reproduced: BTreeMap<u64, Case>,
}

/// The walk of one probe.
#[derive(Clone, Debug)]
pub struct ToldWalk {
    /// Registers, tables, and each step.
    pub walk: String,
    /// The first of the results that are allowed: the pseudocode's own.
    pub first: Option<Answer>,
}

/// Why a walk can't be told.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
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

impl<'a> Walks<'a> {
    /// The scene of `run`, whose target has `settled` its choices so.
    pub fn new(run: &'a Run, settled: &Answers) -> Result<Self, WalkError> {
        let machine = &run.header.machine;
        let map = machine.memory_map().ok_or(WalkError::MemoryMap)?;
        let settled = settled.iter().filter_map(|(choice, answers)| match &answers[..] {
            [answer] => Some((&**choice, &**answer)),
            _ => None,
        });
        let learned = Learned::new(settled)?;
        let twin =
            Twin::new(conform::implementation(&machine.id_registers()), Simulation::new(&map));
        let reproduced = reproduced(run);
        Ok(Self { run, map, learned, twin, reproduced })
    }

    /// Tells the walk that led to `finding` of the case with this number.
    pub fn tell(&mut self, index: u64, finding: &Finding) -> Result<ToldWalk, WalkError> {
        let number = finding.probe.ok_or(WalkError::NoProbe)?;
        let case = self.case(index)?;
        let asked = case.as_ref().probes.get(number as usize).copied();
        let asked = asked.and_then(|probe| Some((probe, Instruction::of(&probe)?)));
        let (probe, instruction) = asked.ok_or(WalkError::NoWalk(number))?;
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
            Ok(ToldWalk {
                walk: walk::setup(&case, tables) + "\n" + &steps,
                first: first.map(|allowed| allowed.answer),
            })
        });
        Ok(told.and_then(|told| told)?)
    }

    /// The case with this number: from its reproducer, or drawn again.
    fn case(&self, index: u64) -> Result<Case, WalkError> {
        match self.reproduced.get(&index) {
            Some(case) => Ok(case.clone()),
            None => Ok(redraw(&self.run.header, index, self.run.folder())?),
        }
    }
}

/// The cases of which `run` has reproducers. Those that can't be read are left out: they are drawn again.
fn reproduced(run: &Run) -> BTreeMap<u64, Case> {
    let entries = fs::read_dir(run.reproducers_path()).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| CaseFile::read(&entry.path()).ok());
    let numbered = |file: CaseFile| {
        let origin = file.origin.as_ref()?;
        (origin.run == run.header.run.as_str()).then_some((origin.index, *file.case.0))
    };
    read.filter_map(numbered).collect()
}

//! The cases of a past run, drawn again from the run's header.

use std::path::Path;

use case::Case;
use case::draw::NotDrawn;
use suite::{Suite, SuiteError};

use crate::plan::Plan;
use crate::record::{Header, RunId};

/// Why a case can't be drawn again.
#[derive(Debug, thiserror::Error)]
pub enum RedrawError {
    /// Other generators drew it.
    #[error(
        "the cases of {run} were drawn by version {was} of the generators, and here is version {}",
        case::draw::VERSION
    )]
    Generators {
        run: RunId,
        /// The version of the generators that drew it.
        was: u32,
    },
    /// The suite in the header can't be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The memory map in the header makes no sense.
    #[error("the memory map of {run} makes no sense")]
    MemoryMap { run: RunId },
    /// The target could not be asked it.
    #[error("case {index} was not asked: {}", why.reason())]
    NotAsked {
        /// Number of the case.
        index: u64,
        why: NotDrawn,
    },
    /// The run has fewer cases.
    #[error("{run} has no case {index}: it has {count}")]
    NoSuchCase {
        run: RunId,
        /// Number of the case.
        index: u64,
        /// How many cases there are.
        count: u64,
    },
}

/// The cases of the run that `header` begins. `folder` is the run's, for messages.
pub fn plan(header: &Header, folder: &Path) -> Result<Plan, RedrawError> {
    let run = || header.run.clone();
    if header.generators != case::draw::VERSION {
        return Err(RedrawError::Generators { run: run(), was: header.generators });
    }
    let text = Suite::from_text(&header.suite.text, &folder.join("header.json"));
    let mut suite = text.map_err(SuiteError::from)?;
    suite.apply(&header.suite.overrides);
    let map = header.machine.memory_map().ok_or_else(|| RedrawError::MemoryMap { run: run() })?;
    Ok(Plan::new(suite.generators, header.machine.abilities(), map, header.seed))
}

/// Draws case number `index` of the run that `header` begins. `folder` is the run's, for messages.
pub fn redraw(header: &Header, index: u64, folder: &Path) -> Result<Case, RedrawError> {
    let plan = plan(header, folder)?;
    match plan.case(index) {
        Some(Ok(case)) => Ok(case),
        Some(Err(why)) => Err(RedrawError::NotAsked { index, why }),
        None => {
            Err(RedrawError::NoSuchCase { run: header.run.clone(), index, count: plan.count() })
        }
    }
}

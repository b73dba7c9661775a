//! Reduction: from a case with a finding to the smallest that shows the same cause.
//!
//! ```text
//!   Case --> Draft --Search, passes--> candidates --campaign--> records --Cause: is it the same?--+
//!              ^                                                                                  |
//!              +--------------------------- the smallest that shows it <--------------------------+
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`draft`]    | a case while it is made smaller |
//! | [`size`]     | how large a case is: every candidate is smaller than what it came from |
//! | [`passes`]   | what can be made less, one kind of thing each; they know no target |
//! | [`search`]   | which candidates are asked, in which order |
//! | [`cause`]    | what must stay |
//! | `standing` | a target that stays up meanwhile |
//! | [`report`]   | what is said of the result |
//! | [`reproducers`] | the smallest cases of the causes of a run |

pub mod cause;
pub mod draft;
pub mod passes;
pub mod report;
pub mod reproducers;
pub mod search;
pub mod size;
mod standing;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use case::Case;
use case::memory::MemoryMap;
use device::{Identity, Target};
use judge::established::Established;
use judge::verdict::{CaseRecord, Finding};
use link::hello::IdRegisters;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::generator::ExplicitCase;

use crate::campaign::{self, Asked, CampaignError};
use cause::{Cause, Kept};
use draft::Draft;
use search::{Ask, End, Search};
use standing::Standing;

/// How many candidates are asked if nobody says otherwise.
pub const BUDGET: NonZeroU32 = NonZeroU32::new(4000).unwrap();
/// Candidates that are asked at once.
const BATCH: usize = 32;

/// A target whose cases are reduced.
pub struct Reducer<'a> {
    target: Standing<'a>,
    established: Established,
    machine: Option<(IdRegisters, MemoryMap)>,
    /// Set to have it stop with what it has.
    interrupt: Arc<AtomicBool>,
}

/// A case that shows a cause.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it shows, in full.
    pub record: CaseRecord,
    /// The finding that shows the cause.
    pub finding: Finding,
}

impl Shown {
    /// `None` where `record` does not show what is to be `kept`.
    fn new(record: CaseRecord, kept: &Kept) -> Option<Self> {
        let finding = kept.shown(&record)?.clone();
        Some(Self { record, finding })
    }
}

/// A case that was made smaller.
#[derive(Debug)]
pub struct Reduced {
    pub cause: Cause,
    /// The smallest case that was found.
    pub case: Case,
    /// What it shows.
    pub shown: Shown,
    /// How many candidates were asked.
    pub asked: u32,
    /// How long that took.
    pub took: Duration,
    pub end: End<CampaignError>,
}

impl<'a> Reducer<'a> {
    /// That of cases on `target`, of which so much is `established`. What its known errata predict is no finding, and what
    /// kills it by them is held back.
    pub fn new(target: &'a dyn Target, established: Established) -> Self {
        let (target, interrupt) = (Standing::new(target), Arc::default());
        Self { target, established, machine: None, interrupt }
    }

    /// The same, which stops with what it has once `interrupt` is set.
    #[must_use]
    pub fn with_interrupt(self, interrupt: &Arc<AtomicBool>) -> Self {
        Self { interrupt: Arc::clone(interrupt), ..self }
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    pub fn identity(&self) -> &Identity {
        self.target.identity()
    }

    pub const fn learned(&self) -> &Learned {
        &self.established.learned
    }

    /// The ID registers and the memory of the target, once it was asked.
    pub const fn machine(&self) -> Option<&(IdRegisters, MemoryMap)> {
        self.machine.as_ref()
    }

    /// The record of each of `cases`.
    ///
    /// # Errors
    /// When the target can't be run.
    pub fn records(&mut self, cases: Vec<Case>) -> Result<Vec<CaseRecord>, CampaignError> {
        let established = self.established.clone();
        self.judged_by(established, cases)
    }

    fn judged_by(
        &mut self,
        established: Established,
        cases: Vec<Case>,
    ) -> Result<Vec<CaseRecord>, CampaignError> {
        let cases = cases.into_iter().map(|case| ExplicitCase::new("reduced", case)).collect();
        // So few are asked at once that they are waited for.
        let interrupt = &Arc::default();
        let Asked { machine, records } =
            campaign::ask(&self.target, cases, established, interrupt)?;
        self.machine = machine;
        Ok(records)
    }

    /// Makes `case`, which is `shown` to have what is to be `kept`, as small as it can be with `budget` candidates asked.
    /// When the target can't be run any more it is the smallest that was found by then.
    pub fn reduce(
        &mut self,
        case: &Case,
        kept: &Kept,
        shown: Shown,
        budget: NonZeroU32,
    ) -> Reduced {
        let begun = Instant::now();
        let map = self.machine.as_ref().map(|(_, map)| map.clone()).unwrap_or_default();
        let probe = shown.finding.probe.map(|probe| probe as usize);
        let cause = kept.cause.clone();
        let mut reduced = Reduced {
            cause,
            case: case.clone(),
            shown,
            asked: 0,
            took: Duration::ZERO,
            end: End::Least,
        };
        if let Some(draft) = Draft::new(case) {
            let found = Search::run(&mut Asker { reducer: self, kept }, &map, draft, probe, budget);
            if let (Ok(case), Some(shown)) = (found.draft.case(), found.shown) {
                (reduced.case, reduced.shown) = (case, shown);
            }
            (reduced.asked, reduced.end) = (found.asked, found.end);
        }
        if let Some(shown) = self.in_full(&reduced, kept) {
            reduced.shown = shown;
        }
        Reduced { took: begun.elapsed(), ..reduced }
    }

    /// What a case shows that was `reduced`, once more and with all that a report tells; `None` where it can't be asked any
    /// more.
    fn in_full(&mut self, reduced: &Reduced, kept: &Kept) -> Option<Shown> {
        if matches!(reduced.end, End::Failed(_)) {
            return None;
        }
        let Established { learned, known } = self.established.clone();
        let established = Established { learned, known: known.in_full() };
        let records = self.judged_by(established, vec![reduced.case.clone()]).ok()?;
        Shown::new(records.into_iter().next()?, kept)
    }

    /// How many words the tables of `case` have that are not 0; `None` where they can't be built.
    pub fn words(&self, case: &Case) -> Option<usize> {
        let (ids, map) = self.machine.as_ref()?;
        let mut twin = Twin::new(conform::implementation(ids), Simulation::new(map));
        twin.with_tables(case, map, |tables| tables.memory.words().count()).ok()
    }
}

/// Asks whether cases show a cause.
struct Asker<'r, 'a, 'c> {
    reducer: &'r mut Reducer<'a>,
    kept: &'c Kept,
}

impl Ask for Asker<'_, '_, '_> {
    type Error = CampaignError;
    type Shown = Shown;

    fn is_over(&self) -> bool {
        self.reducer.is_interrupted()
    }

    fn most_at_once(&self) -> usize {
        // Each that shows it costs a restart, and only one of them is taken.
        if self.kept.cause.is_death() { 1 } else { BATCH }
    }

    fn show(&mut self, cases: Vec<Case>) -> Result<Vec<Option<Shown>>, CampaignError> {
        let records = self.reducer.records(cases)?;
        Ok(records.into_iter().map(|record| Shown::new(record, self.kept)).collect())
    }
}

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
use judge::known::Known;
use judge::verdict::{CaseRecord, Finding};
use link::hello::{Hello, IdRegisters};
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::generator::{ExplicitCase, Generator};

use crate::campaign::{self, Campaign, CampaignError, RecordError, Recorder, Totals};
use crate::plan::Plan;
use cause::{Cause, Kept};
use draft::Draft;
use search::{Ask, Search};
use standing::Standing;

/// How many candidates are asked if nobody says otherwise.
pub const BUDGET: NonZeroU32 = NonZeroU32::new(4000).unwrap();
/// Candidates that are asked at once.
const BATCH: usize = 32;

/// A target whose cases are reduced.
pub struct Reducer<'a> {
    target: Standing<'a>,
    learned: Learned,
    machine: Option<(IdRegisters, MemoryMap)>,
    /// Set to have it stop with what it has.
    interrupt: Arc<AtomicBool>,
}

/// A case that was made smaller.
#[derive(Clone, Debug)]
pub struct Reduced {
    pub cause: Cause,
    /// The smallest case that was found.
    pub case: Case,
    /// What it shows, in full.
    pub record: CaseRecord,
    /// The finding that shows the cause.
    pub finding: Finding,
    /// How many candidates were asked.
    pub asked: u32,
    /// How long that took.
    pub took: Duration,
    /// Whether no candidate was left that is smaller.
    pub is_least: bool,
}

impl<'a> Reducer<'a> {
    /// That of cases on `target`, of whose choices so much is known.
    pub fn new(target: &'a dyn Target, learned: Learned) -> Self {
        let (target, interrupt) = (Standing::new(target), Arc::default());
        Self { target, learned, machine: None, interrupt }
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
        &self.learned
    }

    /// The ID registers and the memory of the target, once it was asked.
    pub const fn machine(&self) -> Option<&(IdRegisters, MemoryMap)> {
        self.machine.as_ref()
    }

    /// The record of each of `cases`, with nothing excused and nothing held back.
    ///
    /// # Errors
    /// When the target can't be run.
    pub fn records(&mut self, cases: Vec<Case>) -> Result<Vec<CaseRecord>, CampaignError> {
        let cases = cases.into_iter().map(|case| ExplicitCase::new("reduced", case)).collect();
        let (learned, known) = (self.learned.clone(), Known::default().in_full());
        let established = Established { learned, known };
        let campaign = Campaign::new(vec![Generator::Explicit(cases)], 0, established);
        let mut witness = Witness::default();
        campaign::run(&self.target, campaign, &mut witness)?;
        self.machine = witness.machine;
        Ok(witness.records)
    }

    /// Makes `case`, which shows in `finding` what is to be `kept`, as small as it can be with `budget` candidates asked.
    ///
    /// # Errors
    /// When the target can't be run.
    pub fn reduce(
        &mut self,
        case: &Case,
        kept: &Kept,
        finding: Finding,
        budget: NonZeroU32,
    ) -> Result<Reduced, CampaignError> {
        let begun = Instant::now();
        let map = self.machine.as_ref().map(|(_, map)| map.clone()).unwrap_or_default();
        let probe = finding.probe.map(|probe| probe as usize);
        let (mut case, mut asked, mut is_least) = (case.clone(), 1, true);
        if let Some(draft) = Draft::new(&case) {
            let mut asker = Asker { reducer: self, kept };
            let found = Search::run(&mut asker, &map, draft, probe, budget)?;
            case = found.draft.case().unwrap_or(case);
            (asked, is_least) = (asked + found.asked, found.is_least);
        }
        // Once more: this is what the report tells.
        let record = self.records(vec![case.clone()])?.pop().unwrap_or_default();
        let finding = kept.shown(&record).cloned().unwrap_or(finding);
        let (cause, took) = (kept.cause.clone(), begun.elapsed());
        Ok(Reduced { cause, case, record, finding, asked, took, is_least })
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

    fn is_over(&self) -> bool {
        self.reducer.is_interrupted()
    }

    fn most_at_once(&self) -> usize {
        // Each that shows it costs a restart, and only one of them is taken.
        if self.kept.cause.is_death() { 1 } else { BATCH }
    }

    fn show(&mut self, cases: Vec<Case>) -> Result<Vec<bool>, CampaignError> {
        let records = self.reducer.records(cases)?;
        Ok(records.iter().map(|record| self.kept.shown(record).is_some()).collect())
    }
}

/// Keeps all records.
#[derive(Default)]
struct Witness {
    machine: Option<(IdRegisters, MemoryMap)>,
    records: Vec<CaseRecord>,
}

impl Recorder for Witness {
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError> {
        self.machine = Some((hello.ids, plan.map().clone()));
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.records.push(record.clone());
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

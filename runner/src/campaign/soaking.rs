//! Soak: stretches of cases that the target draws, asks and compares by itself.
//!
//! ```text
//!   case    0 ...... 15 | 16 ................ 4095 | 4096 ...
//!           asked in    | Soak --> Progress: runs of cases that conform, and others
//!           full: what  |            run      one record for all of its cases
//!           they settle |            suspect  judged here, by the observations that come with it
//!           goes into   |            left     asked in full, as in any campaign
//!           the terms   |
//! ```
//!
//! When the target dies of a stretch, the case that it had drawn is asked in full, behind those before it: so the death is
//! charged as ever. Where nobody can tell which case that was, half as many are asked, down to one. After that the
//! stretches grow again.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use case::Case;
use judge::established::Established;
use judge::soak::{Suspect, Terms, Trial};
use judge::verdict::CaseRecord;
use link::MAX_MESSAGE;
use link::message::Head;
use link::soak::{Item, Progress, Totals};
use zerocopy::IntoBytes as _;

use super::CampaignError;
use crate::plan::{BLOCK, Plan};

/// So many cases are dealt out at a time, and no record is of more.
pub const STRETCH: u64 = 4096;
/// A target tells how far it came after so long, and begins with so many cases.
const MILLISECONDS: u64 = 500;
const FIRST_REACH: u64 = 64;

/// How a campaign soaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Soak {
    /// The first case of the campaign.
    pub first: u64,
    /// Each case whose number is a multiple of this is asked in full too, and must come to the same digest.
    pub check: Option<u64>,
}

/// What a worker knows of its target's soak.
#[derive(Debug)]
pub struct Soaking {
    soak: Soak,
    terms: Terms,
    /// How much of the briefing the target has: plan, and terms.
    told: usize,
    /// Cases that were dealt out and not asked.
    left: Range<u64>,
    /// The most cases that are asked by one message.
    reach: u64,
    /// One of them that the target died of: it is asked in full.
    deadly: Option<u64>,
    /// Cases before `left` that conform, and are not recorded yet.
    run: Totals,
    /// What the target said of cases that are asked in full, too.
    trials: BTreeMap<u64, Trial>,
}

/// What a target is told first, as words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Brief {
    Plan(Vec<u64>),
    /// What it goes by.
    Terms(Vec<u64>),
}

/// What is to be done about a case.
#[derive(Debug)]
pub enum Task {
    /// Cases that conform, as a record.
    Record(CaseRecord),
    /// A case whose observations are here.
    Judge {
        index: u64,
        /// What the target told of it.
        suspect: Suspect,
    },
    /// A case that has to be asked in full.
    Ask(u64),
}

impl Soaking {
    /// For a target of which so much is `established`.
    pub fn new(soak: Soak, established: &Established) -> Self {
        Self {
            soak,
            terms: Terms::new(established),
            told: 0,
            left: 0..0,
            deadly: None,
            reach: FIRST_REACH,
            run: Totals::NONE,
            trials: BTreeMap::new(),
        }
    }

    /// Whether case `index` is one of the first, which are asked in full.
    pub const fn is_prelude(&self, index: u64) -> bool {
        index < self.soak.first.saturating_add(BLOCK)
    }

    /// Settles what the record of one of the first cases tells of the target's choices. Later ones change
    /// nothing: which of them are told in full should not depend on when they were.
    pub fn learn(&mut self, record: &CaseRecord) {
        if self.is_prelude(record.index) {
            self.terms.learn(record);
        }
    }

    /// What the target has to be told next before it can soak; `None` where it knows all.
    pub fn brief(&self, plan: &Plan) -> Result<Option<Brief>, CampaignError> {
        Ok(match self.told {
            0 => Some(Brief::Plan(plan_words(plan)?)),
            1 => Some(Brief::Terms(self.terms()?)),
            _ => None,
        })
    }

    /// What it is to go by, as words.
    pub fn terms(&self) -> Result<Vec<u64>, CampaignError> {
        words(|body| self.terms.write_to(body)).ok_or(CampaignError::TooManyTerms)
    }

    /// The target has what it was told last.
    pub const fn was_told(&mut self) {
        self.told += 1;
    }

    /// Whether there are cases that were dealt out and not asked.
    pub fn is_idle(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes cases that were dealt out.
    pub fn take(&mut self, cases: Range<u64>) {
        self.left = cases;
    }

    /// Gives up what was dealt out and not asked. Returns the record of what was.
    pub fn stop(&mut self) -> Option<CaseRecord> {
        self.left.end = self.left.start;
        self.deadly = None;
        self.close_before(self.left.start)
    }

    /// The first case that is to be asked next.
    pub const fn next(&self) -> u64 {
        self.left.start
    }

    /// What is to be asked next.
    pub fn message(&self) -> link::soak::Soak {
        let Range { start: first, end } = self.left;
        let end = self.deadly.unwrap_or(end);
        let mut count = self.reach.min(end - first);
        if let Some(check) = self.soak.check {
            // A case that is asked in full, too, is asked alone here: its digest is of no other then.
            let apart = if first.is_multiple_of(check) { 1 } else { check - first % check };
            count = count.min(apart);
        }
        link::soak::Soak { first, count, milliseconds: MILLISECONDS }
    }

    /// Takes what the target says to a message; `None` where it makes no sense.
    pub fn progress(&mut self, asked: link::soak::Soak, body: &[u8]) -> Option<VecDeque<Task>> {
        let progress = Progress::from_bytes(body, asked.first)?;
        let end = asked.first + asked.count;
        if progress.next <= asked.first || progress.next > end {
            return None;
        }
        let mut tasks = VecDeque::new();
        for item in progress.items() {
            let item = item?;
            let index = self.left.start;
            self.left.start += item.cases();
            let check = self.soak.check.is_some_and(|check| index.is_multiple_of(check));
            let totals = match &item {
                Item::Run(totals) => Some(totals),
                Item::Suspect(suspect) => Some(&suspect.totals),
                Item::Left => None,
            };
            if let (true, Some(&Totals { probes, digest, .. })) = (check, totals) {
                self.trials.insert(index, Trial { probes, digest });
            }
            match item {
                Item::Run(totals) if !check => {
                    self.run.add(&totals);
                    continue;
                }
                Item::Run(_) | Item::Suspect(_) | Item::Left => {
                    tasks.extend(self.close_before(index).map(Task::Record));
                }
            }
            tasks.push_back(match item {
                Item::Suspect(suspect) if !check => {
                    Task::Judge { index, suspect: self.terms.suspect(&suspect)? }
                }
                _ => Task::Ask(index),
            });
        }
        tasks.extend(self.set_deadly_aside());
        if self.left.is_empty() {
            tasks.extend(self.close_before(self.left.start).map(Task::Record));
        }
        if progress.next == end {
            self.reach = (2 * self.reach).min(STRETCH);
        }
        Some(tasks)
    }

    /// The target died, and another one knows nothing.
    pub const fn forget(&mut self) {
        self.told = 0;
    }

    /// The target died of a message, when it worked on case number `drawn` if it could tell. Returns the case that is
    /// to be asked in full, if it is the next.
    pub fn died(&mut self, asked: link::soak::Soak, drawn: Option<u64>) -> Vec<Task> {
        let cases = asked.first..asked.first + asked.count;
        let only = (asked.count == 1).then_some(asked.first);
        self.deadly = drawn.filter(|case| cases.contains(case)).or(only);
        if self.deadly.is_none() {
            self.reach = (asked.count / 2).max(1);
        }
        self.set_deadly_aside()
    }

    /// Has the case that the target died of asked in full, where it is the next.
    fn set_deadly_aside(&mut self) -> Vec<Task> {
        let Some(case) = self.deadly.take_if(|case| *case == self.left.start) else {
            return Vec::new();
        };
        let before = self.close_before(case).map(Task::Record);
        self.left.start += 1;
        before.into_iter().chain([Task::Ask(case)]).collect()
    }

    /// Holds a case that was asked in full against what the target said of it by itself, where the same probes
    /// were asked.
    pub fn check(&mut self, record: &mut CaseRecord) {
        if let Some(trial) = self.trials.remove(&record.index) {
            trial.check(record);
        }
    }

    /// The record of the cases that conform, up to `end`, if there are any.
    fn close_before(&mut self, end: u64) -> Option<CaseRecord> {
        let run = std::mem::replace(&mut self.run, Totals::NONE);
        (run.cases > 0).then(|| self.terms.record(end, &run))
    }
}

/// The cases of `plan`, as words.
pub fn plan_words(plan: &Plan) -> Result<Vec<u64>, CampaignError> {
    let spelled = || plan.spelled().map(Case::as_ref);
    let written = words(|body| link::plan::write(plan.seed(), plan.shares(), spelled(), body));
    written.ok_or(CampaignError::PlanTooLarge)
}

/// What `write` puts into the body of a message.
fn words(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Vec<u64>> {
    let mut words = vec![0_u64; (MAX_MESSAGE - Head::BYTES) / 8];
    let bytes = write(words.as_mut_bytes())?;
    words.truncate(bytes / 8);
    Some(words)
}

#[cfg(test)]
mod tests {
    use judge::known::Known;
    use link::soak::ProgressWriter;
    use oracle::learned::Learned;

    use super::*;

    /// A target that soaks, and cases 100 to 399 for it.
    fn soaking() -> Soaking {
        let learned = Learned::new([]).expect("there are no pins");
        let established = Established { learned, known: Known::default() };
        let mut soaking = Soaking::new(Soak { first: 0, check: None }, &established);
        soaking.take(100..400);
        soaking
    }

    /// What is asked next: the first case, and how many.
    fn next(soaking: &Soaking) -> (u64, u64) {
        let link::soak::Soak { first, count, .. } = soaking.message();
        (first, count)
    }

    /// The target says that all cases asked conform. Returns those that are to be asked in full.
    fn conform(soaking: &mut Soaking) -> Vec<u64> {
        let asked = soaking.message();
        let mut body = [0; 1024];
        let mut writer = ProgressWriter::new(&mut body).expect("there is room");
        let mut totals = Totals::NONE;
        totals.cases = asked.count;
        writer.run(&totals).expect("there is room");
        let bytes = writer.finish(asked.first + asked.count);
        in_full(soaking.progress(asked, &body[..bytes]).expect("it makes sense"))
    }

    fn in_full(tasks: impl IntoIterator<Item = Task>) -> Vec<u64> {
        let index = |task| if let Task::Ask(index) = task { Some(index) } else { None };
        tasks.into_iter().filter_map(index).collect()
    }

    #[test]
    fn a_case_that_the_target_names_is_asked_in_full_at_once() {
        let mut soaking = soaking();
        let asked = soaking.message();
        assert_eq!(next(&soaking), (100, FIRST_REACH));
        assert_eq!(in_full(soaking.died(asked, Some(130))), [0; 0]);
        assert_eq!(next(&soaking), (100, 30));
        assert_eq!(conform(&mut soaking), [130]);
        assert_eq!(next(&soaking).0, 131);
        // The first of a stretch, and another one behind it.
        let asked = soaking.message();
        assert_eq!(in_full(soaking.died(asked, Some(131))), [131]);
        assert_eq!(next(&soaking).0, 132);
    }

    #[test]
    fn a_case_that_nobody_names_is_found_by_halves() {
        let mut soaking = soaking();
        // A number that was not asked names none.
        for (drawn, count) in [(None, 32), (Some(99), 16), (Some(164), 8), (None, 4)] {
            let asked = soaking.message();
            assert_eq!(in_full(soaking.died(asked, drawn)), [0; 0]);
            assert_eq!(next(&soaking), (100, count));
        }
        while next(&soaking).1 > 1 {
            let asked = soaking.message();
            soaking.died(asked, None);
        }
        let asked = soaking.message();
        assert_eq!(in_full(soaking.died(asked, None)), [100]);
    }
}

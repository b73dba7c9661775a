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
//! When the target dies of a stretch, half as many are asked, down to one, which is asked in full: so the
//! death is charged as ever. After that the stretches grow again.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use case::Case;
use golden::{Answer, Choice, Profile};
use link::MAX_MESSAGE;
use link::message::Head;
use link::observations::Observations;
use link::soak::{Item, Progress, Settled, Suspect, Terms, Totals, Why};
use zerocopy::IntoBytes as _;

use super::CampaignError;
use super::open::OpenCase;
use crate::plan::{BLOCK, Plan};
use judge::dossier::Dossier;
use judge::known::{Known, RuleId};
use judge::prepared::Bench;
use judge::quarantine::Quarantine;
use judge::verdict::{
    CaseRecord, Counts, Defect, Expected, Fact, Finding, NotAsked, Question, Reason, Signature,
    Verdict,
};
use judge::verdicts::judge;
use suite::hex::Hex;

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
    profile: Profile,
    perils: Vec<(RuleId, link::soak::Peril)>,
    /// How much of the briefing the target has: plan, and terms.
    told: usize,
    /// Cases that were dealt out and not asked.
    left: Range<u64>,
    /// The most cases that are asked by one message.
    reach: u64,
    /// Cases before `left` that conform, and are not recorded yet.
    run: Totals,
    /// What the target said of cases that are asked in full, too.
    trials: BTreeMap<u64, Trial>,
}

/// What a target is told first, as words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Brief {
    /// The cases.
    Plan(Vec<u64>),
    /// What it goes by.
    Terms(Vec<u64>),
}

/// What the target said of one case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Trial {
    /// Probes asked.
    probes: u64,
    /// The digest of its tables and answers.
    digest: u64,
}

/// What is to be done about a case.
#[derive(Debug)]
pub enum Task {
    /// Cases that conform, as a record.
    Record(CaseRecord),
    /// A case whose observations are here.
    Judge {
        /// Its number.
        index: u64,
        /// What was told.
        told: Told,
    },
    /// A case that has to be asked in full.
    Ask(u64),
}

/// What a target told of a suspect.
#[derive(Clone, Debug)]
pub struct Told {
    /// The numbers of the probes that are told.
    pub numbers: Vec<u16>,
    /// Their observations, as words.
    pub observations: Vec<u64>,
    /// The probes that were asked.
    pub probes: u64,
    /// The digest of the case.
    pub digest: u64,
    /// Why the others were not asked.
    pub not_asked: NotAsked,
}

impl Soaking {
    /// For a target of which `profile` is settled before, and which has these issues.
    pub fn new(soak: Soak, profile: Profile, known: &Known) -> Self {
        Self {
            soak,
            profile,
            perils: known.perils(),
            told: 0,
            left: 0..0,
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
        if !self.is_prelude(record.index) {
            return;
        }
        for (choice, answers) in &record.settled {
            if let ([answer], Some(choice)) = (&answers[..], Choice::named(choice))
                && let Some(answer) = choice.answer_named(answer)
            {
                self.profile.settle(choice, answer);
            }
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
        let settled: Vec<Settled> = self.profile.iter().map(settled).collect();
        let perils: Vec<_> = self.perils.iter().map(|(_, peril)| *peril).collect();
        let terms = Terms { settled: &settled, perils: &perils };
        words(|body| terms.write_to(body)).ok_or(CampaignError::TooManyTerms)
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
    pub fn stop(&mut self, known: &Known) -> Option<CaseRecord> {
        self.left.end = self.left.start;
        self.close_before(self.left.start, known)
    }

    /// The first case that is to be asked next.
    pub const fn next(&self) -> u64 {
        self.left.start
    }

    /// What is to be asked next.
    pub fn message(&self) -> link::soak::Soak {
        let Range { start: first, end } = self.left;
        let mut count = self.reach.min(end - first);
        if let Some(check) = self.soak.check {
            // A case that is asked in full, too, is asked alone here: its digest is of no other then.
            let apart = if first.is_multiple_of(check) { 1 } else { check - first % check };
            count = count.min(apart);
        }
        link::soak::Soak { first, count, milliseconds: MILLISECONDS }
    }

    /// Takes what the target says to a message; `None` where it makes no sense.
    pub fn progress(
        &mut self,
        asked: link::soak::Soak,
        body: &[u8],
        known: &Known,
    ) -> Option<VecDeque<Task>> {
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
                    tasks.extend(self.close_before(index, known).map(Task::Record));
                }
            }
            tasks.push_back(match item {
                Item::Suspect(suspect) if !check => {
                    Task::Judge { index, told: self.told(&suspect, known)? }
                }
                _ => Task::Ask(index),
            });
        }
        if self.left.is_empty() {
            tasks.extend(self.close_before(self.left.start, known).map(Task::Record));
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

    /// The target died of a message. Returns the case that is to be asked in full, if one is found.
    pub fn died(&mut self, asked: link::soak::Soak, known: &Known) -> VecDeque<Task> {
        self.reach = (asked.count / 2).max(1);
        let mut tasks = VecDeque::new();
        if asked.count == 1 {
            tasks.extend(self.close_before(asked.first, known).map(Task::Record));
            self.left.start += 1;
            tasks.push_back(Task::Ask(asked.first));
        }
        tasks
    }

    /// Holds a case that was asked in full against what the target said of it by itself, where the same probes
    /// were asked.
    pub fn check(&mut self, record: &mut CaseRecord) {
        let Some(trial) = self.trials.remove(&record.index) else { return };
        if trial.probes == record.probes && trial.digest != record.digest {
            record.findings.push(Finding {
                probe: None,
                verdict: Verdict::Mismatch,
                signature: Signature::Defect(Defect::OtherDigest),
                question: Question::Case,
                expectation: Expected::Fact(Fact::DigestInFull(Hex(record.digest))),
                observation: Fact::values(None, [("digest", trial.digest)]).into(),
            });
        }
    }

    /// The record of the cases that conform, up to `end`, if there are any.
    fn close_before(&mut self, end: u64, known: &Known) -> Option<CaseRecord> {
        let run = std::mem::replace(&mut self.run, Totals::NONE);
        let verdicts = Counts { conforms: run.probes, ..Counts::default() };
        (run.cases > 0).then(|| CaseRecord {
            index: end - run.cases,
            cases: run.cases,
            probes: run.probes,
            verdicts,
            not_asked: self.not_asked(&run, known),
            digest: run.digest,
            ..CaseRecord::default()
        })
    }

    fn told(&self, suspect: &Suspect<'_>, known: &Known) -> Option<Told> {
        let Suspect { totals, numbers, observations } = suspect;
        let words = observations.chunks_exact(8);
        words.remainder().is_empty().then_some(())?;
        let words = words.filter_map(|word| word.try_into().ok()).map(u64::from_le_bytes);
        let numbers = numbers.iter().map(|number| u16::try_from(*number).ok());
        let numbers: Vec<u16> = numbers.collect::<Option<_>>()?;
        (numbers.len() as u64 <= totals.probes).then(|| Told {
            numbers,
            observations: words.collect(),
            probes: totals.probes,
            digest: totals.digest,
            not_asked: self.not_asked(totals, known),
        })
    }

    fn not_asked(&self, totals: &Totals, known: &Known) -> NotAsked {
        let reason = |why: Why| match why {
            Why::Strays => Reason::Strays,
            Why::NotExecuted => Reason::NotExecuted,
            Why::NotDrawn(why) => Reason::NotDrawn(why),
            Why::Peril(number) => {
                let peril = self.perils.get(number as usize);
                Reason::HeldBack(peril.map(|(rule, _)| known.rule(*rule).name().to_owned()))
            }
        };
        totals.not_asked().map(|(why, count)| (reason(why), count)).collect()
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

/// Judges a suspect by what was told of it; `None` where that does not fit the case as it is drawn here, so that
/// it has to be asked in full.
pub fn judge_told(
    bench: &mut Bench,
    plan: &Plan,
    dossier: &Dossier,
    index: u64,
    told: &Told,
) -> Option<CaseRecord> {
    let case = plan.case(index)?.ok()?;
    let (map, numbers) = (plan.map(), &told.numbers);
    let mut quarantine = Quarantine::default();
    // Nothing of it is held back any more.
    let prepared = bench.prepare(&case, map, numbers, numbers, dossier, &mut quarantine).ok()?;
    let observations = Observations::from_bytes(told.observations.as_bytes())?;
    if prepared.numbers != *numbers {
        return None;
    }
    let mut open = OpenCase::new(index, case, map, dossier);
    let OpenCase { case, learned, .. } = &mut open;
    let judged = judge(bench, map, case, &prepared, &observations, dossier, learned);
    let mut judged = judged.ok().filter(|judged| judged.left.is_empty())?;
    // Those that are not told conform, as the target says.
    judged.verdicts.conforms += told.probes - numbers.len() as u64;
    judged.digest = told.digest;
    open.record.not_asked.merge(&told.not_asked);
    open.add(judged);
    Some(open.close())
}

fn settled((choice, answer): (Choice, Answer)) -> Settled {
    Settled { choice: choice as u32, answer: answer.0.into() }
}

//! Targets that ask and compare by themselves: what they go by, and what they hand back.
//!
//! ```text
//!   Terms: choices that are settled, known crashes ----> target
//!                                                          |  cases that conform: a record for all of them
//!   judged here, as the host draws and builds it <---------+  a suspect: observations of some probes
//! ```

use golden::{Answer, Choice, Profile};
use link::soak::{self, KnownCrash, Settled, Totals, Why};
use suite::hex::Hex;

use crate::established::Established;
use crate::finding::About;
use crate::verdict::{
    CaseRecord, Counts, Defect, Fact, Finding, NotAsked, Question, Reason, Signature, Verdict,
    Wanted,
};

/// What a target goes by that asks by itself.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The choices that are settled.
    profile: Profile,
    /// The known crashes, each with the name of its erratum.
    crashes: Vec<(String, KnownCrash)>,
}

/// A case that a target could not find to conform by itself, as the target tells of it.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// The numbers of the probes that are told.
    pub numbers: Vec<u16>,
    /// Their observations, as words.
    pub observations: Vec<u64>,
    /// How many probes were asked; those that are not told conform.
    pub probes: u64,
    /// The digest of the case.
    pub digest: u64,
    /// Why the others were not asked.
    pub not_asked: NotAsked,
}

/// What a target said of a case that is asked in full, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trial {
    pub probes: u64,
    /// The digest of its tables and answers.
    pub digest: u64,
}

impl Terms {
    /// For a target of which so much is `established`.
    pub fn new(established: &Established) -> Self {
        let Established { learned, known } = established;
        let named = |(flaw, crash)| (known.name(flaw).to_owned(), crash);
        let crashes = known.crashes().into_iter().map(named).collect();
        Self { profile: *learned.profile(), crashes }
    }

    /// Settles what `record` tells of the target's choices.
    pub fn learn(&mut self, record: &CaseRecord) {
        for (choice, answers) in &record.settled {
            if let ([answer], Some(choice)) = (&answers[..], Choice::named(choice))
                && let Some(answer) = choice.answer_named(answer)
            {
                self.profile.settle(choice, answer);
            }
        }
    }

    /// Writes them into the body of a message. Returns how many bytes they are; `None` where they are too many.
    pub fn write_to(&self, body: &mut [u8]) -> Option<usize> {
        let settled: Vec<Settled> = self.profile.iter().map(settled).collect();
        let known_crashes: Vec<_> = self.crashes.iter().map(|(_, crash)| *crash).collect();
        soak::Terms { settled: &settled, known_crashes: &known_crashes }.write_to(body)
    }

    /// The record of the cases before `end` that conform, as the target has summed them up.
    pub fn record(&self, end: u64, run: &Totals) -> CaseRecord {
        CaseRecord {
            index: end - run.cases,
            cases: run.cases,
            probes: run.probes,
            verdicts: Counts { conforms: run.probes, ..Counts::default() },
            not_asked: self.not_asked(run),
            digest: run.digest,
            ..CaseRecord::default()
        }
    }

    /// What the target tells of a suspect; `None` where it makes no sense.
    pub fn suspect(&self, suspect: &soak::Suspect<'_>) -> Option<Suspect> {
        let soak::Suspect { totals, numbers, observations } = suspect;
        let words = observations.chunks_exact(8);
        words.remainder().is_empty().then_some(())?;
        let words = words.filter_map(|word| word.try_into().ok()).map(u64::from_le_bytes);
        let numbers = numbers.iter().map(|number| u16::try_from(*number).ok());
        let numbers: Vec<u16> = numbers.collect::<Option<_>>()?;
        (numbers.len() as u64 <= totals.probes).then(|| Suspect {
            numbers,
            observations: words.collect(),
            probes: totals.probes,
            digest: totals.digest,
            not_asked: self.not_asked(totals),
        })
    }

    fn not_asked(&self, totals: &Totals) -> NotAsked {
        let reason = |why: Why| match why {
            Why::Strays => Reason::Strays,
            Why::NotExecuted => Reason::NotExecuted,
            Why::NotDrawn(why) => Reason::NotDrawn(why),
            Why::KnownCrash(number) => {
                let crash = self.crashes.get(number as usize);
                Reason::HeldBack(crash.map(|(erratum, _)| erratum.clone()))
            }
        };
        totals.not_asked().map(|(why, count)| (reason(why), count)).collect()
    }
}

impl Trial {
    /// Holds the case of `record`, which was asked in full, against what the target said of it by itself, where
    /// the same probes were asked.
    pub fn check(self, record: &mut CaseRecord) {
        if self.probes == record.probes && self.digest != record.digest {
            record.findings.push(Finding::new(
                About::Case(Question::Case),
                Verdict::Mismatch,
                Signature::Defect(Defect::OtherDigest),
                Wanted::Fact(Fact::DigestInFull(Hex(record.digest))),
                Fact::values(None, [("digest", self.digest)]),
            ));
        }
    }
}

fn settled((choice, answer): (Choice, Answer)) -> Settled {
    Settled { choice: choice as u32, answer: answer.0.into() }
}

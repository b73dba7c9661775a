//! The choices that a target makes, case after case, and whether it keeps to them.
//!
//! A case is judged by what its own answers say of an IMPLEMENTATION DEFINED choice, and not by what
//! others said before: its record is the same whoever asks it, and when. Whether all cases tell the
//! same is seen here, where records pass in order:
//!
//! ```text
//!   case 3   par_xs: not_reported     news: stays in the record
//!   case 4   par_xs: not_reported     known: is taken out
//!   case 9   par_xs: reported         a contradiction: stays, with a finding
//!   case 10  par_xs: not_reported     nothing more is said of this choice
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::About;
use crate::verdict::{Answers, CaseRecord, Finding, Question, Seen, Signature, Verdict, Wanted};

/// The choices that a target makes, as far as they have shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Personality {
    choices: BTreeMap<String, Possible>,
}

/// What was told of one choice.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Possible {
    /// The answers that are possible still.
    possible: BTreeSet<String>,
    /// The case that said so last.
    told_by: u64,
    /// Whether a later case said otherwise. What the target does then is anybody's guess: nothing more is
    /// learned of the choice.
    contradicted: bool,
}

impl Personality {
    /// Takes a record whose `settled` is all that its case tells. Leaves there what is news, and adds a
    /// finding for the first contradiction about a choice.
    ///
    /// It can be put to a record again, in the same order or among others: findings of this kind are
    /// made anew.
    pub fn take(&mut self, record: &mut CaseRecord) {
        let is_own = |finding: &Finding| matches!(finding.signature, Signature::Choice(_));
        record.findings.retain(|finding| !is_own(finding));
        let index = record.index;
        let mut findings = Vec::new();
        record.settled.retain(|choice, answers| {
            let possible: BTreeSet<String> = answers.iter().cloned().collect();
            let Some(told) = self.choices.get_mut(choice) else {
                let told = Possible { possible, told_by: index, contradicted: false };
                self.choices.insert(choice.clone(), told);
                return true;
            };
            if told.contradicted {
                return false;
            }
            let both: BTreeSet<String> = told.possible.intersection(&possible).cloned().collect();
            if both.is_empty() {
                told.contradicted = true;
                findings.push(contradiction(choice, told, answers));
                return true;
            }
            let news = both.len() < told.possible.len();
            if news {
                (told.possible, told.told_by) = (both, index);
            }
            news
        });
        record.findings.append(&mut findings);
        record.findings.sort_by_key(|finding| finding.probe);
    }

    /// Each choice with the answer to it, or those that are possible still.
    pub fn answers(&self) -> Answers {
        self.choices.iter().map(|(choice, told)| (choice.clone(), told.answers())).collect()
    }
}

impl Possible {
    fn answers(&self) -> Vec<String> {
        self.possible.iter().cloned().collect()
    }
}

fn contradiction(choice: &str, told: &Possible, answers: &[String]) -> Finding {
    let about = About::Case(Question::Choice(choice.to_owned()));
    let wanted = Wanted::Choice { answers: told.answers(), case: told.told_by };
    let (signature, seen) = (Signature::Choice(choice.to_owned()), Seen::Choice(answers.to_vec()));
    Finding::new(about, Verdict::Mismatch, signature, wanted, seen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(index: u64, settled: &[(&str, &[&str])]) -> CaseRecord {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settled = settled.iter().map(|(choice, told)| ((*choice).to_owned(), names(told)));
        CaseRecord { index, settled: settled.collect(), ..CaseRecord::default() }
    }

    #[test]
    fn news_stay_and_what_is_known_goes() {
        let mut personality = Personality::default();
        let mut take = |index, told: &[&str]| {
            let mut record = record(index, &[("tg0", told)]);
            personality.take(&mut record);
            assert_eq!(record.findings, []);
            !record.settled.is_empty()
        };
        assert!(take(0, &["16k", "4k"]));
        assert!(!take(1, &["16k", "4k"]));
        assert!(!take(2, &["16k", "4k", "64k"]));
        assert!(take(3, &["4k", "64k"]), "it is 4k: only now");
        assert!(!take(4, &["4k"]));
        assert_eq!(personality.answers(), Answers::from([("tg0".into(), vec!["4k".into()])]));
    }

    #[test]
    fn a_contradiction_is_a_finding_once() {
        let mut personality = Personality::default();
        let findings: Vec<usize> = ["fault", "fault", "clamp", "fault", "clamp"]
            .into_iter()
            .zip(0..)
            .map(|(told, index)| {
                let mut record = record(index, &[("txsz_above_max", &[told])]);
                personality.take(&mut record);
                record.findings.len()
            })
            .collect();
        assert_eq!(findings, [0, 0, 1, 0, 0]);
    }

    proptest! {
        /// What passed here in parts and then together is as if it had passed once.
        #[test]
        fn parts_that_are_joined_are_the_whole(
            told in prop::collection::vec((0..3usize, 1..8u8), 0..60),
            of in 1..4usize,
        ) {
            let name = |mask: u8| {
                let names = ["16k", "4k", "64k"].into_iter().enumerate();
                let names = names.filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| name);
                names.collect::<Vec<_>>()
            };
            let records: Vec<CaseRecord> = told.iter().zip(0..).map(|((choice, mask), index)| {
                record(index, &[(["a", "b", "c"][*choice], &name(*mask))])
            }).collect();
            let pass = |mut records: Vec<CaseRecord>| {
                let mut personality = Personality::default();
                records.iter_mut().for_each(|record| personality.take(record));
                records
            };
            let whole = pass(records.clone());
            let part = |part: usize| {
                records.iter().filter(|record| record.index as usize % of == part).cloned().collect()
            };
            let mut joined: Vec<CaseRecord> = (0..of).flat_map(|number| pass(part(number))).collect();
            joined.sort_by_key(|record| record.index);
            prop_assert_eq!(pass(joined), whole.clone());
            prop_assert_eq!(pass(whole.clone()), whole, "as a run that goes on reads its own");
        }
    }
}

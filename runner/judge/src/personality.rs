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
use crate::verdict::{CaseRecord, Finding, Verdict};

/// What stands between answers that are possible.
const OR: &str = " or ";
/// What all findings of this kind begin with.
const SIGNATURE: &str = "the target makes a choice in two ways";

/// The choices that a target makes, as far as they have shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Personality {
    choices: BTreeMap<String, Answers>,
}

/// The answers to one choice.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Answers {
    /// Those that are possible still.
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
        record.findings.retain(|finding| !finding.signature.starts_with(SIGNATURE));
        let index = record.index;
        let mut findings = Vec::new();
        record.settled.retain(|choice, told| {
            let told_set: BTreeSet<String> = told.split(OR).map(str::to_owned).collect();
            let Some(answers) = self.choices.get_mut(choice) else {
                let answers = Answers { possible: told_set, told_by: index, contradicted: false };
                self.choices.insert(choice.clone(), answers);
                return true;
            };
            if answers.contradicted {
                return false;
            }
            let both: BTreeSet<String> =
                answers.possible.intersection(&told_set).cloned().collect();
            if both.is_empty() {
                answers.contradicted = true;
                findings.push(contradiction(choice, answers, told));
                return true;
            }
            let news = both.len() < answers.possible.len();
            if news {
                (answers.possible, answers.told_by) = (both, index);
            }
            news
        });
        record.findings.append(&mut findings);
        record.findings.sort_by_key(|finding| finding.probe);
    }

    /// Each choice with the answer to it, or those that are possible still.
    pub fn answers(&self) -> BTreeMap<String, String> {
        let told = |(choice, answers): (&String, &Answers)| (choice.clone(), join(answers));
        self.choices.iter().map(told).collect()
    }
}

fn join(answers: &Answers) -> String {
    answers.possible.iter().map(String::as_str).collect::<Vec<_>>().join(OR)
}

fn contradiction(choice: &str, answers: &Answers, told: &str) -> Finding {
    let question = format!("the choice {choice}");
    let (about, signature) = (About::Case(&question), format!("{SIGNATURE}: {choice}"));
    let expectation = vec![format!("{}, as in case {}", join(answers), answers.told_by)];
    Finding::new(about, Verdict::Mismatch, signature, expectation, told)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(index: u64, settled: &[(&str, &str)]) -> CaseRecord {
        let settled = settled.iter().map(|(choice, told)| ((*choice).into(), (*told).into()));
        CaseRecord { index, settled: settled.collect(), ..CaseRecord::default() }
    }

    #[test]
    fn news_stay_and_what_is_known_goes() {
        let mut personality = Personality::default();
        let mut take = |index, told| {
            let mut record = record(index, &[("tg0", told)]);
            personality.take(&mut record);
            assert_eq!(record.findings, []);
            !record.settled.is_empty()
        };
        assert!(take(0, "16k or 4k"));
        assert!(!take(1, "16k or 4k"));
        assert!(!take(2, "16k or 4k or 64k"));
        assert!(take(3, "4k or 64k"), "it is 4k: only now");
        assert!(!take(4, "4k"));
        assert_eq!(personality.answers(), BTreeMap::from([("tg0".into(), "4k".into())]));
    }

    #[test]
    fn a_contradiction_is_a_finding_once() {
        let mut personality = Personality::default();
        let findings: Vec<usize> = ["fault", "fault", "clamp", "fault", "clamp"]
            .into_iter()
            .zip(0..)
            .map(|(told, index)| {
                let mut record = record(index, &[("txsz_above_max", told)]);
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
                names.collect::<Vec<_>>().join(OR)
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

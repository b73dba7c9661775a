//! What is known of a target's IMPLEMENTATION DEFINED choices.

use std::collections::BTreeMap;

use golden::{Answer, Choice, Openness, Profile};

use crate::expectation::Allowed;

/// A target's profile while it is learned: for each IMPLEMENTATION DEFINED choice that mattered, the
/// answers that are still possible.
///
/// CONSTRAINED UNPREDICTABLE choices are never learned: any answer may come, each time.
#[derive(Clone, Debug)]
pub struct Learned {
    profile: Profile,
    /// Bit n: answer n is possible. Absent: nothing is known.
    possible: BTreeMap<Choice, u64>,
}

/// A choice in a target's description that can't be pinned.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    /// The choice does not exist.
    #[error("the architecture leaves no choice called {choice:?} open; there are: {}", names())]
    NoSuchChoice {
        /// The name in the description.
        choice: String,
    },
    /// The answer does not exist.
    #[error("{answer:?} is no answer to the choice {choice:?}; there are: {}", answers(*choice))]
    NoSuchAnswer {
        choice: Choice,
        /// The name in the description.
        answer: String,
    },
}

impl Learned {
    /// A target of which only `pins` are known: pairs of choice and answer, by name.
    ///
    /// [`Choice::ParAttributes`] is pinned to `translated` unless `pins` says otherwise: left open it
    /// would allow a target to report anything, and never be settled by what is seen.
    pub fn new<'a>(pins: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PinError> {
        let mut profile = Profile::open();
        if let Some(answer) = Choice::ParAttributes.answer_named("translated") {
            profile.settle(Choice::ParAttributes, answer);
        }
        for (name, answer) in pins {
            let choice = Choice::named(name);
            let choice = choice.ok_or_else(|| PinError::NoSuchChoice { choice: name.into() })?;
            let named = choice.answer_named(answer);
            let named =
                named.ok_or_else(|| PinError::NoSuchAnswer { choice, answer: answer.into() })?;
            profile.settle(choice, named);
        }
        Ok(Self { profile, possible: BTreeMap::new() })
    }

    /// The choices that are settled.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether `outcome` needs no answer that was ruled out before.
    pub fn agrees(&self, outcome: &Allowed) -> bool {
        outcome.asked.iter().all(|asked| {
            let settled = self.profile.settled(asked.choice);
            let possible = self.possible.get(&asked.choice);
            asked.choice.openness() != Openness::ImplementationDefined
                || settled.is_none_or(|answer| answer == asked.answer)
                    && possible.is_none_or(|possible| possible & bit(asked.answer) != 0)
        })
    }

    /// Learns from outcomes that all fit one observation. Returns whether a choice was settled by it.
    pub fn learn(&mut self, fitting: &[&Allowed]) -> bool {
        let mut settled = false;
        let asked = fitting.iter().flat_map(|outcome| &outcome.asked);
        let defined =
            asked.filter(|asked| asked.choice.openness() == Openness::ImplementationDefined);
        for choice in defined.map(|asked| asked.choice) {
            let answers = fitting.iter().fold(0, |answers, outcome| {
                let asked = outcome.asked.iter().find(|asked| asked.choice == choice);
                // An outcome that did not ask fits with any answer.
                answers | asked.map_or(u64::MAX, |asked| bit(asked.answer))
            });
            let possible = self.possible.entry(choice).or_insert(u64::MAX);
            *possible &= answers;
            if possible.is_power_of_two() && self.profile.settled(choice).is_none() {
                self.profile.settle(choice, Answer(possible.trailing_zeros() as u16));
                settled = true;
            }
        }
        settled
    }

    /// What was learned of each choice that was not settled before: the names of the answers that are
    /// possible, in their order.
    pub fn news(&self) -> BTreeMap<String, Vec<String>> {
        let news = |(choice, possible): (&Choice, &u64)| {
            let all = choice_answers(*choice);
            let name = |answer: &Answer| choice.answer_name(*answer).to_string();
            let left = all.iter().filter(|answer| possible & bit(**answer) != 0);
            let mut left: Vec<String> = left.map(name).collect();
            left.sort();
            (left.len() < all.len()).then(|| (choice.to_string(), left))
        };
        self.possible.iter().filter_map(news).collect()
    }

    /// Name of each settled choice, and the name of its one answer.
    pub fn settled(&self) -> BTreeMap<String, Vec<String>> {
        let named = |(choice, answer): (Choice, Answer)| {
            (choice.to_string(), vec![choice.answer_name(answer).to_string()])
        };
        self.profile.iter().map(named).collect()
    }
}

const fn bit(answer: Answer) -> u64 {
    if answer.0 < 64 { 1 << answer.0 } else { 0 }
}

fn names() -> String {
    Choice::ALL.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(", ")
}

/// The answers of an IMPLEMENTATION DEFINED choice, which has a handful.
fn choice_answers(choice: Choice) -> Vec<Answer> {
    let named = |answer: &Answer| choice.answer_name(*answer).to_string() != "?";
    (0..16).map(Answer).take_while(named).collect()
}

fn answers(choice: Choice) -> String {
    let name = |answer: Answer| choice.answer_name(answer).to_string();
    choice_answers(choice).into_iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use golden::{Asked, Masked};

    use super::*;
    use crate::answer::Answer;

    fn outcome(asked: &[(Choice, u16)]) -> Allowed {
        let asked = asked.iter().map(|&(choice, answer)| Asked {
            choice,
            answer: Answer(answer),
            count: 2,
        });
        Allowed {
            answer: Answer::Par { par: Masked::exact(0), fault: None },
            updates: Vec::new(),
            attributes: Default::default(),
            asked: asked.collect(),
            kills: false,
        }
    }

    #[test]
    fn an_implementation_defined_choice_is_settled_by_what_only_it_explains() {
        let mut learned = Learned::new([]).unwrap();
        let fault = outcome(&[(Choice::TxszAboveMax, 0)]);
        let clamp = outcome(&[(Choice::TxszAboveMax, 1)]);
        assert!(!learned.learn(&[&fault, &clamp]), "both fit: nothing is learned");
        assert!(learned.agrees(&fault) && learned.agrees(&clamp));
        assert!(learned.learn(&[&clamp]));
        assert!(learned.agrees(&clamp) && !learned.agrees(&fault));
        assert_eq!(learned.settled()["txsz_above_max"], ["clamp"]);
    }

    #[test]
    fn an_unpredictable_choice_is_never_settled() {
        let mut learned = Learned::new([]).unwrap();
        let set = outcome(&[(Choice::AfUpdateOnFault, 1)]);
        assert!(!learned.learn(&[&set]));
        assert!(learned.agrees(&outcome(&[(Choice::AfUpdateOnFault, 0)])));
    }

    #[test]
    fn an_outcome_that_did_not_ask_leaves_the_choice_open() {
        let mut learned = Learned::new([]).unwrap();
        let clamp = outcome(&[(Choice::TxszAboveMax, 1)]);
        assert!(!learned.learn(&[&clamp, &outcome(&[])]));
    }

    #[test]
    fn what_was_learned_is_told_and_what_was_settled_before_is_not() {
        let mut learned = Learned::new([("txsz_above_max", "fault")]).unwrap();
        let granule = |answer| outcome(&[(Choice::VtcrTg0ActsAs, answer)]);
        learned.learn(&[&granule(0), &granule(1), &granule(2)]);
        assert_eq!(learned.news(), BTreeMap::new(), "all three fit");
        learned.learn(&[&granule(0), &granule(2)]);
        let told = |answers: &[&str]| {
            let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
            BTreeMap::from([(Choice::VtcrTg0ActsAs.to_string(), answers)])
        };
        assert_eq!(learned.news(), told(&["4k", "64k"]));
        learned.learn(&[&granule(2)]);
        assert_eq!(learned.news(), told(&["64k"]));
    }

    #[test]
    fn pins_are_checked_and_kept() {
        let learned = Learned::new([("txsz_above_max", "fault")]).unwrap();
        assert!(!learned.agrees(&outcome(&[(Choice::TxszAboveMax, 1)])));
        let error = Learned::new([("txsz", "fault")]).unwrap_err();
        assert!(error.to_string().contains("txsz_below_min"), "{error}");
        let error = Learned::new([("txsz_above_max", "clmp")]).unwrap_err();
        assert!(error.to_string().contains("fault, clamp"), "{error}");
    }
}

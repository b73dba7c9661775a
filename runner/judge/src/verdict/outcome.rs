//! Outcomes that the architecture allows, each with the choices that lead to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use golden::Certainty;
use oracle::expectation::{Allowed, Expectation};
use serde::{Deserialize, Serialize};
use suite::hex::Hex;

use super::ending::Ending;
use super::is_false;

/// One outcome that is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub ending: Ending,
    /// Descriptors that the hardware changes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<Update>,
    /// The open choices that lead here, in so many ways; none where none is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "if")]
    pub choices: Vec<Way>,
}

/// Choices by name, each with the answers by which the outcome comes about.
pub type Way = Vec<(String, Vec<String>)>;

/// A descriptor that the hardware changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    pub pa: Hex,
    /// What it holds before.
    pub old: Hex,
    /// What it holds after.
    pub new: Hex,
    /// It may happen, and need not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub permitted: bool,
}

impl Outcome {
    /// The outcomes of `expectation`, equal ones once.
    pub fn all(expectation: &Expectation) -> Vec<Self> {
        let mut outcomes: Vec<Self> = Vec::new();
        let mut known: HashMap<(Ending, Vec<Update>), usize> = HashMap::new();
        for allowed in &expectation.outcomes {
            let outcome = Self::of(allowed);
            match known.entry((outcome.ending.clone(), outcome.updates.clone())) {
                Entry::Occupied(at) => outcomes[*at.get()].choices.extend(outcome.choices),
                Entry::Vacant(at) => {
                    at.insert(outcomes.len());
                    outcomes.push(outcome);
                }
            }
        }
        for outcome in &mut outcomes {
            outcome.choices = joined(std::mem::take(&mut outcome.choices));
        }
        outcomes
    }

    fn of(allowed: &Allowed) -> Self {
        let update = |update: &golden::Update| Update {
            pa: Hex(update.pa.0),
            old: Hex(update.old),
            new: Hex(update.new),
            permitted: update.certainty == Certainty::Permitted,
        };
        let settled = |asked: &golden::Asked| {
            let answer = asked.choice.answer_name(asked.answer);
            (asked.choice.to_string(), vec![answer.to_string()])
        };
        let way: Way = allowed.asked.iter().map(settled).collect();
        Self {
            ending: Ending::of(&allowed.answer),
            updates: allowed.updates.iter().map(update).collect(),
            choices: if way.is_empty() { Vec::new() } else { vec![way] },
        }
    }
}

/// The same ways, those that differ in the answer to one choice alone joined, as long as there are any.
fn joined(mut ways: Vec<Way>) -> Vec<Way> {
    let longest = ways.iter().map(Vec::len).max().unwrap_or(0);
    loop {
        let before = ways.len();
        ways = (0..longest).fold(ways, joined_at);
        if ways.len() == before {
            return ways;
        }
    }
}

/// The same ways, those that differ in choice number `number` alone joined.
fn joined_at(ways: Vec<Way>, number: usize) -> Vec<Way> {
    let mut joined: Vec<Way> = Vec::new();
    let mut known: HashMap<Way, usize> = HashMap::new();
    for way in ways {
        let mut others = way.clone();
        let mut answers = others.get_mut(number).map(|(_, answers)| std::mem::take(answers));
        match known.entry(others) {
            Entry::Occupied(at) => {
                let Some((_, known)) = joined[*at.get()].get_mut(number) else { continue };
                let new = answers.iter_mut().flat_map(std::mem::take);
                let new: Vec<String> = new.filter(|answer| !known.contains(answer)).collect();
                known.extend(new);
            }
            Entry::Vacant(at) => {
                at.insert(joined.len());
                joined.push(way);
            }
        }
    }
    joined
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ending.fmt(f)?;
        for Update { pa, old, new, permitted } in &self.updates {
            write!(f, "; descriptor [{pa}] {:#018x} -> {:#018x}", old.0, new.0)?;
            if *permitted {
                f.write_str(" (permitted)")?;
            }
        }
        for (number, way) in self.choices.iter().enumerate() {
            if number > 0 {
                f.write_str(", or")?;
            }
            for (number, (choice, answers)) in way.iter().enumerate() {
                let before = if number == 0 { " if" } else { " and" };
                write!(f, "{before} {choice} is {}", answers.join(" or "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use golden::{Asked, Choice, Masked, Pa, Stage, Update};
    use oracle::answer::Answer;

    use super::super::Wanted;
    use super::*;

    fn allowed(par: u64, asked: &[(Choice, u16)]) -> Allowed {
        let asked = asked.iter().map(|(choice, answer)| Asked {
            choice: *choice,
            answer: golden::Answer(*answer),
            count: 3,
        });
        Allowed {
            answer: Answer::Par { par: Masked::exact(par), fault: None },
            updates: Vec::new(),
            attributes: Default::default(),
            asked: asked.collect(),
            kills: false,
        }
    }

    fn lines(outcomes: Vec<Allowed>) -> Vec<String> {
        let outcomes = outcomes.into();
        let expectation =
            Expectation { outcomes, complete: true, strays_to: None, is_foreign: false };
        let expected = Wanted::of(&expectation);
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<Wanted>(&json).unwrap(), expected, "{json}");
        expected.lines()
    }

    #[test]
    fn equal_outcomes_are_listed_once_with_all_their_choices() {
        use Choice::{ReservedShareability as Sh, TxszAboveMax as Txsz};
        let name = |choice: Choice, answer| choice.answer_name(golden::Answer(answer)).to_string();
        let [fault, clamp] = [0, 1].map(|answer| name(Txsz, answer));
        let [first, second] = [0, 1].map(|answer| name(Sh, answer));
        assert_eq!(
            lines(vec![allowed(0xa1b, &[])]),
            ["PAR_EL1 0xa1b: stage 2 Permission fault, level 1"]
        );
        let told = lines(vec![
            allowed(0xa1b, &[(Txsz, 0)]),
            allowed(0xa1d, &[(Txsz, 1), (Sh, 0)]),
            allowed(0xa1d, &[(Txsz, 1), (Sh, 1)]),
        ]);
        let wanted = [
            format!("PAR_EL1 0xa1b: stage 2 Permission fault, level 1 if {Txsz} is {fault}"),
            format!(
                "PAR_EL1 0xa1d: stage 2 Permission fault, level 2 if {Txsz} is {clamp} and {Sh} is {first} \
                 or {second}"
            ),
        ];
        assert_eq!(told, wanted);
        let told = lines(vec![allowed(0xa1b, &[(Txsz, 0)]), allowed(0xa1b, &[(Txsz, 1), (Sh, 1)])]);
        let wanted = format!(
            "PAR_EL1 0xa1b: stage 2 Permission fault, level 1 if {Txsz} is {fault}, or if {Txsz} is {clamp} and \
             {Sh} is {second}"
        );
        assert_eq!(told, [wanted]);
    }

    #[test]
    fn ways_are_joined_until_none_is_left_that_could_be() {
        let [one, other] = [Choice::TxszAboveMax, Choice::ReservedShareability];
        let all = (0..2).flat_map(|a| (0..3).map(move |b| (a, b)));
        let all = all.map(|(a, b)| allowed(0xa1b, &[(one, a), (other, b)])).collect();
        let [line] = &lines(all)[..] else { panic!("they are equal") };
        assert_eq!(line.matches(" if ").count(), 1, "{line}");
        assert_eq!(line.matches(" or ").count(), 3, "{line}");
    }

    #[test]
    fn an_update_reads_as_the_reference_walker_has_it() {
        for certainty in [Certainty::Certain, Certainty::Permitted] {
            let update =
                Update { stage: Stage::Two, pa: Pa(0x1000), old: 3, new: 0x403, certainty };
            let outcome = Allowed { updates: vec![update], ..allowed(0xa1b, &[]) };
            let [line] = &lines(vec![outcome])[..] else { panic!("one outcome") };
            assert!(line.ends_with(&format!("; descriptor {update}")), "{line}");
        }
    }
}

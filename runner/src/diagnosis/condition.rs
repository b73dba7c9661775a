//! The condition under which an erratum shows: what tells the probes that show it from those that contradict it.
//!
//! ```text
//!                     shows   contradicted
//!   instruction AT      231         0        --> "where instruction is AT"
//!   instruction load      0       190
//! ```
//!
//! One trait that tells them apart completely is a condition; a mere tendency is none. Among few one does so by chance: it
//! takes enough of both. Answers that contradict an erratum are looked for in cases that show it, where only traits of
//! probes can tell; what holds of whole cases is for the scope.

use std::collections::BTreeMap;
use std::fmt;

use case::operation::Operation;
use golden::FieldName;
use serde::{Deserialize, Serialize};

use super::traits::{self, Trait, Value};

/// How many probes are to show the erratum, and how many to contradict it.
const EACH: u64 = 4;
/// How many they are to be together, where one trait is looked at.
const TOGETHER: u64 = 10;
/// How many values a condition names at most.
const VALUES: usize = 2;

/// Where an erratum shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// What is told apart: `operation`.
    pub of: String,
    /// Whether it has one of the values where the erratum shows; else it has one of them where it does not.
    pub is: bool,
    /// The values, in order.
    pub values: Vec<String>,
}

/// How often the erratum shows, and how often it is contradicted, by value.
type Split = BTreeMap<Value, [u64; 2]>;

/// Where one erratum shows, and where it is contradicted, by trait.
#[derive(Clone, Debug, Default)]
pub struct Splits(BTreeMap<Trait, Split>);

impl Splits {
    /// Counts what holds of something that shows the erratum, or that contradicts it.
    pub fn add(&mut self, traits: impl Iterator<Item = (Trait, Value)>, shows: bool) {
        for (of, value) in traits {
            let [shown, contradicted] = self.0.entry(of).or_default().entry(value).or_default();
            *(if shows { shown } else { contradicted }) += 1;
        }
    }

    /// The first trait that tells apart where the erratum shows and where something contradicts it.
    pub fn condition(&self) -> Option<Condition> {
        // Of twice as many traits one tells apart by chance twice as often.
        let together = TOGETHER + u64::from(self.0.len().max(1).ilog2());
        self.0.iter().find_map(|(of, split)| Condition::new(*of, split, together))
    }
}

impl Condition {
    fn new(of: Trait, split: &Split, together: u64) -> Option<Self> {
        let sum = |side: usize| split.values().map(|counts| counts[side]).sum::<u64>();
        let (shown, contradicted) = (sum(0), sum(1));
        let is_enough = shown >= EACH && contradicted >= EACH && shown + contradicted >= together;
        if !is_enough || split.values().any(|[shown, against]| *shown > 0 && *against > 0) {
            return None;
        }
        let values = |side: usize| -> Vec<String> {
            let has = split.iter().filter(|(_, counts)| counts[side] > 0);
            has.map(|(value, _)| value.to_string()).collect()
        };
        let (with, without) = (values(0), values(1));
        let is = with.len() <= without.len();
        let values = if is { with } else { without };
        (values.len() <= VALUES).then(|| Self { of: of.to_string(), is, values })
    }
}

impl Condition {
    /// The same as files of known errata say it, in YAML: by operations, or by a field; `None` where something else tells.
    pub fn when(&self) -> Option<String> {
        let field = FieldName::named(&self.of).filter(|_| self.is);
        let operations = || Some(format!("operations: [{}]", self.operations()?.join(", ")));
        field.map_or_else(operations, |_| {
            Some(format!("fields: {{ {}: [{}] }}", self.of, self.values.join(", ")))
        })
    }

    /// The names of the operations by which the erratum shows; `None` where something else tells.
    fn operations(&self) -> Option<Vec<&'static str>> {
        let mut traits = [Trait::Instruction, Trait::Operation].into_iter();
        let of = traits.find(|one| one.to_string() == self.of)?;
        let asks = Operation::of_real_builds().filter(|operation| !operation.is_step());
        let shows = |operation: &Operation| {
            let value = traits::of_operation(of, *operation).map(|value| value.to_string());
            value.is_some_and(|value| self.values.contains(&value)) == self.is
        };
        Some(asks.filter(shows).map(Operation::name).collect())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, is, values } = self;
        let is = if *is { "is" } else { "is not" };
        write!(f, "{of} {is} {}", values.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use case::probe::{El, Operation, Probe};

    use super::*;

    /// What tells apart probes that show an erratum and probes that contradict it.
    fn told(shows: &[Probe], contradicts: &[Probe]) -> Option<String> {
        let mut splits = Splits::default();
        shows.iter().for_each(|probe| splits.add(traits::of(probe), true));
        contradicts.iter().for_each(|probe| splits.add(traits::of(probe), false));
        splits.condition().map(|condition| condition.to_string())
    }

    #[test]
    fn the_most_general_trait_that_tells_all_apart_is_the_condition() {
        let probe = |operation| Probe::new(operation, 0x1000);
        let (at, load) = (probe(Operation::AtS12e1r), probe(Operation::Load).by(El::El1));
        let store = probe(Operation::Store).by(El::El0);
        assert_eq!(told(&[at; 6], &[load; 6]).unwrap(), "instruction is AT");
        // Both values that contradict it are fewer than those that show it.
        let fetch = probe(Operation::Fetch).by(El::El1);
        let shows = [[at, fetch, store]; 4].concat();
        assert_eq!(told(&shows, &[load; 6]).unwrap(), "instruction is not a load");
        let by_el0 = load.by(El::El0);
        assert_eq!(told(&[load; 6], &[by_el0; 6]).unwrap(), "EL is 1");
    }

    #[test]
    fn what_one_probe_spoils_or_few_tell_is_no_condition() {
        let (at, load) = (Operation::AtS12e1r, Operation::Load);
        let (at, load) = (Probe::new(at, 0x1000), Probe::new(load, 0x1000));
        let mut contradicts = [load; 100];
        contradicts[99] = at;
        assert_eq!(told(&[at; 100], &contradicts), None);
        assert_eq!(told(&[at; 3], &[load; 100]), None, "too few show it");
        assert_eq!(told(&[at; 5], &[load; 5]), None, "too few in all");
        assert_eq!(told(&[at; 100], &[]), None, "nothing contradicts it");
    }
}

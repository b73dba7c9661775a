//! A device: what runs on it are diagnosed together.

use std::collections::BTreeSet;

use judge::known::KnownErrata;

use super::Diagnosis;
use crate::record::{Run, RunError};

/// A device, and the runs on it.
#[derive(Debug)]
pub struct Device {
    pub runs: Vec<Run>,
    pub diagnosis: Diagnosis,
}

impl Device {
    /// What `runs` are of, taken together.
    ///
    /// # Errors
    /// Where records can't be read.
    pub fn new(runs: Vec<Run>) -> Result<Self, RunError> {
        Self::with(runs, None)
    }

    /// The same, where what these `errata` predict is known.
    ///
    /// # Errors
    /// Where records can't be read.
    pub fn with(runs: Vec<Run>, errata: Option<&KnownErrata>) -> Result<Self, RunError> {
        let diagnosis = Diagnosis::with(&runs, errata)?;
        Ok(Self { runs, diagnosis })
    }

    /// Those of which `runs` are, where runs of one have the same `key`, in the order of their first runs. What these
    /// `errata` predict is known.
    ///
    /// # Errors
    /// Where records can't be read.
    pub fn each<K: PartialEq>(
        runs: Vec<Run>,
        errata: Option<&KnownErrata>,
        key: impl Fn(&Run) -> K,
    ) -> Result<Vec<Self>, RunError> {
        let mut groups: Vec<Vec<Run>> = Vec::new();
        for run in runs {
            match groups.iter_mut().find(|group| key(&group[0]) == key(&run)) {
                Some(group) => group.push(run),
                None => groups.push(vec![run]),
            }
        }
        groups.into_iter().map(|runs| Self::with(runs, errata)).collect()
    }

    /// What makes runs those of one device: its name and its emulator.
    pub fn identity(run: &Run) -> (String, Option<String>) {
        (run.header.machine.target.clone(), run.header.machine.emulator.clone())
    }

    /// What makes runs those of one version: the number of their emulator's, or the name of what is none.
    pub fn version(run: &Run) -> String {
        let machine = &run.header.machine;
        let mut words = machine.emulator.iter().flat_map(|emulator| emulator.split(' '));
        let number = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        number.unwrap_or(&machine.target).to_owned()
    }

    /// The names of the suites, each once.
    pub fn suites(&self) -> Vec<&str> {
        each_once(self.runs.iter().map(|run| &*run.header.suite.name))
    }

    /// The names of the targets, each once.
    pub fn targets(&self) -> Vec<&str> {
        each_once(self.runs.iter().map(|run| &*run.header.machine.target))
    }

    /// The emulators, each once.
    pub fn emulators(&self) -> Vec<&str> {
        each_once(self.runs.iter().filter_map(|run| run.header.machine.emulator.as_deref()))
    }

    /// How many findings there are.
    pub fn findings(&self) -> u64 {
        let causes = &self.diagnosis.causes;
        causes.explained() + causes.left()
    }
}

fn each_once<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut told = BTreeSet::new();
    words.filter(|word| told.insert(*word)).collect()
}

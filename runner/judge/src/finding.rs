//! Making findings.

use case::probe::Probe;

use crate::verdict::{Finding, Verdict};
use crate::words;
use oracle::expectation::Expectation;

/// What a finding is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// A probe, by its number in the whole case.
    Probe(u32, &'a Probe),
    /// The case as a whole, or what is named so.
    Case(&'a str),
}

impl Finding {
    /// A finding in words.
    pub fn new(
        about: About<'_>,
        verdict: Verdict,
        signature: impl Into<String>,
        expectation: Vec<String>,
        observation: impl Into<String>,
    ) -> Self {
        let (probe, question) = match about {
            About::Probe(number, probe) => (Some(number), words::question(probe)),
            About::Case(what) => (None, what.to_owned()),
        };
        let (signature, observation) = (signature.into(), observation.into());
        Self { probe, verdict, signature, question, expectation, observation }
    }
}

/// What is allowed, in words: a line for each outcome.
pub fn outcomes(expectation: &Expectation) -> Vec<String> {
    expectation.outcomes.iter().map(words::allowed).collect()
}

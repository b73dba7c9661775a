//! Making findings.

use case::probe::Probe;

use crate::verdict::{Finding, Observed, Question, Seen, Signature, Verdict, Wanted};

/// What a finding is about.
#[derive(Clone, Debug)]
pub enum About<'a> {
    /// A probe, by its number in the whole case.
    Probe(u32, &'a Probe),
    /// The case as a whole.
    Case(Question),
}

impl Finding {
    /// A finding about a probe or a case.
    pub fn new(
        about: About<'_>,
        verdict: Verdict,
        signature: Signature,
        expectation: Wanted,
        observation: impl Into<Observed>,
    ) -> Self {
        let (probe, question) = match about {
            About::Probe(number, probe) => (Some(number), Question::of(probe)),
            About::Case(question) => (None, question),
        };
        let observation = observation.into();
        let (errata, rule) = (Vec::new(), None);
        Self { probe, verdict, signature, question, expectation, observation, errata, rule }
    }

    /// That the reference walker does not find what the mappings of the case ask for, but what is `found`.
    pub fn unmet(about: About<'_>, found: String) -> Self {
        let (signature, wanted) = (Signature::Mappings, Wanted::Mappings);
        Self::new(about, Verdict::Unmet, signature, wanted, Seen::Told(found))
    }
}

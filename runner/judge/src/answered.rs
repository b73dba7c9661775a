//! An answer to a probe, beside what is expected of it.

use conform::is_updated;
use link::observations::{Exception, NO_ANSWER, Observations, Update};
use oracle::answer::{Answer, Taken};
use oracle::expectation::Allowed;
use oracle::learned::Learned;
use oracle::playback::Expected;

use crate::conformity::{admits, conforms};
use crate::difference::Difference;
use crate::memory::{Access, Memory};
use crate::observation::Observation;
use crate::verdict::{Observed, Signature};

/// An answer to a probe, beside what is expected of it.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    /// The number of the probe among those that were asked.
    pub index: usize,
    /// The probe, what is allowed, and what is predicted.
    pub expected: Expected<'a>,
    pub observation: Observation<'a>,
    /// The descriptors that were changed by it; `None` where nobody looks for that.
    pub updates: Option<&'a [Update]>,
}

impl<'a> Answered<'a> {
    /// The answer to probe number `index` in `observations`. Notes in `memory` what it did there.
    pub fn new(
        index: usize,
        expected: Expected<'a>,
        observations: &Observations<'a>,
        updates: Option<&'a [Update]>,
        memory: &mut Memory<'_>,
    ) -> Self {
        let observation = observe(index, expected, observations, memory);
        Self { index, expected, observation, updates }
    }

    /// Whether it is allowed. Learns from it which IMPLEMENTATION DEFINED choices the target has made.
    pub fn conforms(&self, learned: &mut Learned) -> bool {
        conforms(self.expected.expectation, &self.observation, self.updates, learned)
    }

    /// Whether it is what the known errata of the target predict.
    pub fn is_predicted(&self, learned: &Learned) -> bool {
        // Nothing is learned from what should not be.
        let mut learned = learned.clone();
        self.expected.prediction.is_some_and(|prediction| {
            conforms(&prediction.expectation, &self.observation, self.updates, &mut learned)
        })
    }

    /// What findings like it have in common: the operation, and how the answer differs from what is allowed.
    pub fn signature(&self, learned: &Learned) -> Signature {
        let Expected { probe, expectation, .. } = self.expected;
        let differs = |allowed| self.difference(allowed);
        let allowed = expectation.outcomes.iter();
        // Of the outcomes that are allowed the nearest is the one that was most likely meant.
        let agreeing = allowed.clone().filter(|allowed| learned.agrees(allowed));
        let nearest = agreeing.map(differs).min_by_key(Difference::size);
        let difference = nearest.or_else(|| allowed.map(differs).next());
        match probe.operation() {
            Some(operation) => Signature::of_answer(operation, difference),
            None => Signature::Told("an answer to no operation".to_owned()),
        }
    }

    /// What was observed, for records.
    pub fn observed(&self) -> Observed {
        Observed::new(&self.observation, self.updates.unwrap_or_default())
    }

    fn difference(&self, allowed: &Allowed) -> Difference {
        let is_updated = self.updates.is_none_or(|updates| is_updated(&allowed.updates, updates));
        Difference::new(&allowed.answer, &self.observation, is_updated)
    }
}

/// What `observations` say of probe number `index`.
fn observe<'a>(
    index: usize,
    expected: Expected<'_>,
    observations: &Observations<'a>,
    memory: &mut Memory<'_>,
) -> Observation<'a> {
    let probe = expected.probe;
    let word = observations.answers[index];
    let exception = observations.exception_of(index).filter(|_| word == NO_ANSWER);
    let access = Access::new(probe, index as u16, word);
    let answers = expected.outcomes().map(|allowed| &allowed.answer);
    match (exception, access) {
        (Some(exception), _) if exception.origin == Exception::RUNAWAY => {
            Observation::Runaway(exception)
        }
        (Some(exception), access) => {
            let observation = Observation::Exception(exception);
            for answer in answers.filter(|answer| admits(answer, &observation)) {
                if let (Answer::Exception(Taken { partial: Some(partial), .. }), Some(access)) =
                    (answer, access)
                {
                    memory.stopped(access, *partial);
                }
            }
            observation
        }
        (None, None) => Observation::Par(word),
        (None, Some(access)) => {
            let places = answers.filter_map(|answer| match *answer {
                Answer::Reached(reach) => Some(reach),
                _ => None,
            });
            Observation::Reached { places: memory.done(access, places), word }
        }
    }
}

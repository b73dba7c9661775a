//! From the observations of a case to the verdicts of its probes.
//!
//! ```text
//!   Exchange --objection--> findings, and no verdict by an answer
//!      |
//!      | hardware may change the tables?
//!      | no: expectations of the preparation      yes: a playback, with the target's own updates
//!      v
//!   Answered: observation, expectation ---> conforms | known | mismatch | no verdict
//!      |
//!      v
//!   in the end: tables, audited words, memory ---> mismatches of the case as a whole
//! ```

use case::probe::Probe;
use case::{Case, Flags};
use link::observations::{Exception, Update};
use oracle::learned::Learned;
use oracle::playback::{Expected, Playback};
use oracle::twin::{Tables, Twin};
use suite::hex::Hex;
use tables::BuildError;

use crate::answered::Answered;
use crate::diagnosis::diagnose;
use crate::established::Established;
use crate::exchange::{Exchange, Objection, words};
use crate::finding::About;
use crate::intent;
use crate::judged::{Judged, Violation};
use crate::known::Shown;
use crate::memory::Memory;
use crate::observation::Observation;
use crate::verdict::{
    Defect, Fact, Finding, Lack, Observed, ProbeKind, Question, Reason, Signature, Verdict, Wanted,
    Word,
};

/// Judges what came back of `exchange`, on the `twin` of a target of which so much is `established`. What the
/// case tells of the target's choices is `learned`.
///
/// # Errors
/// [`BuildError`] where the tables of the case can't be built, which could be for the preparation.
pub fn judge(
    twin: &mut Twin,
    exchange: Exchange<'_>,
    established: &Established,
    learned: &mut Learned,
) -> Result<Judged, BuildError> {
    if let Some(objection) = exchange.objection(&twin.pe) {
        return Ok(object(exchange, objection));
    }
    let memory = Memory::new(exchange.map, exchange.observations.changed);
    let pa_bits = twin.pe.pa_bits;
    let judged = Judged::default();
    let mut judgement = Judgement { exchange, established, learned, pa_bits, memory, judged };
    if exchange.flags().0 & (Flags::UPDATES | Flags::AUDIT) == 0 {
        judgement.by_preparation();
    } else {
        let Exchange { case, map, .. } = exchange;
        twin.with_tables(case, map, |tables| judgement.by_playback(tables))??;
    }
    let mut judged = judgement.close();
    diagnose(twin, exchange, learned, &mut judged)?;
    Ok(judged)
}

/// What comes of an exchange whose answers don't count.
fn object(exchange: Exchange<'_>, objection: Objection<'_>) -> Judged {
    let prepared = exchange.prepared;
    let mut judged = Judged::default();
    match objection {
        Objection::Unsupported => judged.skip(prepared, &Reason::Lack(Lack::Untold)),
        Objection::Broken(exception) => {
            charge(&mut judged, exchange, exception);
            judged.skip(prepared, &Reason::ExecutorException);
        }
        Objection::Violation(violation) => {
            let reason = Reason::Defect(violation.defect);
            judged.mismatch(Question::Tables, violation);
            judged.skip(prepared, &reason);
        }
        Objection::NoOwnMap => judged.skip(prepared, &Reason::NoOwnMap),
        Objection::Truncated => judged.skip(prepared, &Reason::Truncated),
    }
    judged
}

/// Charges an exception in the executor to the probe that was in flight.
fn charge(judged: &mut Judged, exchange: Exchange<'_>, exception: &Exception) {
    let Exchange { case, prepared, .. } = exchange;
    let index = exception.probe as usize;
    let number = prepared.numbers.get(index).copied();
    let probe = number.and_then(|number| {
        Some((u32::from(number), case.as_ref().probes.get(usize::from(number))?))
    });
    let about = match probe {
        Some((number, probe)) => About::Probe(number, probe),
        None => About::Case(Question::Tables),
    };
    if number.is_some() {
        judged.verdicts.add(Verdict::Aborted);
    }
    judged.findings.push(Finding::new(
        about,
        Verdict::Aborted,
        Signature::ExecutorException { kind: probe.and_then(|(_, it)| ProbeKind::of(it, None)) },
        Wanted::NoException,
        Observed::new(&Observation::Exception(exception), &[]),
    ));
    let left = prepared.numbers.iter().zip(&prepared.expectations).skip(index + 1);
    // Steps alone ask nothing; those before others come by themselves.
    judged.left = match left.clone().any(|(_, expectation)| expectation.is_some()) {
        true => left.map(|(number, _)| *number).collect(),
        false => Vec::new(),
    };
}

/// The judgement of an exchange while it is made.
struct Judgement<'a> {
    exchange: Exchange<'a>,
    established: &'a Established,
    /// What is known of the target's choices, from answers of the case too.
    learned: &'a mut Learned,
    /// The PE's physical address size.
    pa_bits: u8,
    memory: Memory<'a>,
    judged: Judged,
}

impl Judgement<'_> {
    /// Holds all answers against what was expected when the case was prepared: nothing changes its tables.
    fn by_preparation(&mut self) {
        let Exchange { prepared, observations, .. } = self.exchange;
        for index in 0..self.exchange.asked() {
            if let Some(expected) = prepared.expected(index) {
                self.answer(index, expected, None);
            }
        }
        let defect = Defect::DescriptorsChanged;
        self.compare_digests(defect, prepared.after, observations.report.after);
    }

    /// Plays the case again on its `tables`, with the changes that the target's hardware made.
    fn by_playback(&mut self, tables: &mut Tables<'_>) -> Result<(), BuildError> {
        let Exchange { prepared, observations, .. } = self.exchange;
        let probes = &Case::as_ref(&prepared.case).probes[..self.exchange.asked()];
        let mut playback = Playback::of_all(tables, &self.established.learned, probes);
        while let Some(turn) = playback.next() {
            let turn = turn?;
            for (place, expected) in turn.asked() {
                let index = usize::from(turn.first) + place;
                let updates = self.exchange.updates(index);
                self.answer(index, expected, updates.as_deref());
                playback.update(expected, updates.as_deref().map(words));
            }
        }
        let defect = Defect::DescriptorsChangedLate;
        self.compare_digests(defect, tables.digest_now(), observations.report.after);
        self.audit(tables);
        Ok(())
    }

    /// Judges the answer to probe number `index`.
    fn answer(&mut self, index: usize, expected: Expected<'_>, updates: Option<&[Update]>) {
        let observations = self.exchange.observations;
        let answered = Answered::new(index, expected, observations, updates, &mut self.memory);
        let conforms = answered.conforms(self.learned);
        let is_predicted = !conforms && answered.is_predicted(self.learned);
        // An outcome that is allowed and was not followed could be the one: say so, rather than accuse. What is not
        // allowed is told, though known errata might predict it in a way that was not followed.
        if !conforms && !is_predicted && !expected.expectation.complete {
            let number = self.exchange.prepared.numbers[index];
            self.judged.not_asked.push((number, Reason::MoreOutcomes));
            self.tell_all(&answered);
            return;
        }
        let known = &self.established.known;
        let flaws = expected.prediction.map_or(&[][..], |prediction| &prediction.flaws);
        for flaw in flaws {
            self.judged.count(known.name(*flaw), Shown { asked: 1, shown: is_predicted.into() });
        }
        let verdict = if conforms {
            self.tell_all(&answered);
            Verdict::Conforms
        } else if is_predicted {
            self.tell_known(&answered, known.names(flaws));
            Verdict::Known
        } else {
            self.tell(&answered, Verdict::Mismatch, answered.signature(self.learned));
            Verdict::Mismatch
        };
        // What is wrong with the case is not the device's; what is wrong with its answer is, all the same.
        let of_case = self.check_intent(index, expected);
        self.judged.verdicts.add(of_case.map_or(verdict, |unmet| unmet.max(verdict)));
    }

    /// Tells of an answer that shows the known errata in `names`, where the case is told in full.
    fn tell_known(&mut self, answered: &Answered<'_>, names: Vec<String>) {
        if self.established.known.is_in_full() {
            self.tell(answered, Verdict::Known, Signature::Known(names));
        }
    }

    /// Tells of an answer that is no finding, where the case is told in full.
    fn tell_all(&mut self, answered: &Answered<'_>) {
        if self.established.known.is_in_full() {
            let number = self.exchange.prepared.numbers[answered.index];
            self.judged.told.push((number, answered.observed()));
        }
    }

    /// Tells of an answer that is not allowed.
    fn tell(&mut self, answered: &Answered<'_>, verdict: Verdict, signature: Signature) {
        let Expected { probe, expectation, .. } = answered.expected;
        let about = self.about(answered.index, probe);
        let (allowed, observed) = (Wanted::of(expectation), answered.observed());
        self.judged.findings.push(Finding::new(about, verdict, signature, allowed, observed));
    }

    /// Checks that the reference walker finds what the case's own mappings ask for; returns [`Verdict::Unmet`] where it
    /// does not.
    fn check_intent(
        &mut self,
        index: usize,
        Expected { probe, expectation, .. }: Expected<'_>,
    ) -> Option<Verdict> {
        let Exchange { case, map, .. } = self.exchange;
        let is_benign = case.as_ref().flags().has(Flags::INTENT);
        let answer = &expectation.outcomes.first().filter(|_| is_benign)?.answer;
        let found = intent::violated(case.as_ref(), map, probe, answer, self.pa_bits)?;
        self.judged.findings.push(Finding::unmet(self.about(index, probe), found));
        Some(Verdict::Unmet)
    }

    fn about<'p>(&self, index: usize, probe: &'p Probe) -> About<'p> {
        About::Probe(self.exchange.prepared.numbers[index].into(), probe)
    }

    fn compare_digests(&mut self, defect: Defect, wanted: u64, found: u64) {
        let is_told = !self.exchange.prepared.has_untold_updates();
        if is_told && self.exchange.broken().is_none() && wanted != found {
            let [wanted, found] = [wanted, found].map(|digest| Fact::Digest(Hex(digest)));
            self.judged.mismatch(Question::TablesAfter, Violation { defect, wanted, found });
        }
    }

    /// Compares all words of the arenas, where the target has told them.
    fn audit(&mut self, tables: &Tables<'_>) {
        let Exchange { observations, .. } = self.exchange;
        let is_told = !self.exchange.prepared.has_untold_updates();
        if !is_told || !self.exchange.flags().has(Flags::AUDIT) || self.exchange.broken().is_some()
        {
            return;
        }
        let wanted: Vec<(u64, u64)> = tables.memory.words().collect();
        let mut found: Vec<(u64, u64)> =
            observations.audited.iter().map(|word| (word.pa, word.value)).collect();
        found.sort_unstable();
        if let Some((wanted, found)) = first_difference(&wanted, &found) {
            let defect = Defect::ArenaWritten;
            self.judged.mismatch(Question::TablesAfter, Violation { defect, wanted, found });
        }
    }

    /// What is left when all answers are judged: memory, and what broke the executor.
    fn close(self) -> Judged {
        let Self { exchange, memory, mut judged, .. } = self;
        let observations = exchange.observations;
        let broken = exchange.broken();
        if let Some(violation) = memory.violated().filter(|_| broken.is_none()) {
            judged.mismatch(Question::TablesAfter, violation);
        }
        if let Some(exception) = broken {
            charge(&mut judged, exchange, exception);
        }
        judged.digest = conform::digest(observations);
        judged
    }
}

fn first_difference(wanted: &[(u64, u64)], found: &[(u64, u64)]) -> Option<(Fact, Fact)> {
    let say = |word: Option<&(u64, u64)>| match word {
        Some((pa, value)) => Fact::Word(Word::new(*pa, *value)),
        None => Fact::NoFurtherWord,
    };
    let longest = wanted.len().max(found.len());
    let at = (0..longest).find(|&index| wanted.get(index) != found.get(index))?;
    Some((say(wanted.get(at)), say(found.get(at))))
}

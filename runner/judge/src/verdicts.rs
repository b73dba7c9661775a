//! From the observations of a case to the verdicts of its probes.

use std::collections::BTreeMap;

use case::memory::MemoryMap;
use case::probe::Probe;
use case::{Case, Flags};
use link::mailbox::Cursor;
use link::observations::{Exception, NO_ANSWER, Observations, Report, Status, Update};
use tables::BuildError;

use crate::dossier::Dossier;
use crate::known::{Known, RuleId, Shown};
use crate::memory::{Access, Memory};
use crate::observation::Observation;
use crate::prepared::{Bench, Excuse, Prepared};
use crate::sign::Difference;
use crate::verdict::{
    Counts, Defect, Expected, Fact, Finding, Observed, ProbeKind, Question, Reason, Seen,
    Signature, Verdict, Word,
};
use crate::{admits, conforms, intent, life, updated};
use oracle::answer::{Answer, Taken};
use oracle::expectation::{Allowed, Expectation};
use oracle::learned::Learned;
use oracle::together;
use suite::hex::Hex;

/// The judgement of what was sent at once: a case, or some of its probes.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Verdicts of the probes.
    pub verdicts: Counts,
    /// How known issues showed, by name.
    pub known: BTreeMap<String, Shown>,
    /// What somebody has to look at.
    pub findings: Vec<Finding>,
    /// Probes that got no verdict, by number in the whole case, and why.
    pub not_asked: Vec<(u16, Reason)>,
    /// What became of probes that conform or got no verdict, of a case that is told in full.
    pub told: Vec<(u16, Observed)>,
    /// Digest of the tables and of the answers.
    pub digest: u64,
    /// Numbers of probes, in the whole case, that are still to be asked: a probe before them broke
    /// the executor.
    pub left: Vec<u16>,
}

impl Judged {
    fn judge(&mut self, verdict: Verdict) {
        self.verdicts.add(verdict);
    }

    /// Probe number `index` of what was `prepared` shows these known issues.
    pub fn show(&mut self, known: &Known, prepared: &Prepared, index: usize, shown: &[RuleId]) {
        self.verdicts.add(Verdict::Known);
        for &rule in shown {
            // Where the tables changed otherwise than forecast, one may show that was not expected to.
            let asked = u64::from(!prepared.is_asked(index, rule));
            self.count(known, rule, Shown { asked, shown: 1 });
        }
    }

    /// Counts the known issues that may show in probe number `index` of what was `prepared`.
    pub fn ask(&mut self, known: &Known, prepared: &Prepared, index: usize) {
        for (_, rule) in prepared.may_show.iter().filter(|(probe, _)| *probe == index) {
            self.count(known, *rule, Shown { asked: 1, shown: 0 });
        }
    }

    /// Counts the known issues that may show in what was `prepared`, as far as probes before number `asked`
    /// got a verdict.
    fn ask_all(&mut self, known: &Known, prepared: &Prepared, asked: usize, without: &[usize]) {
        for rule in &prepared.candidates {
            let counts = |(probe, of): &&(usize, RuleId)| {
                of == rule && *probe < asked && !without.contains(probe)
            };
            let asked = prepared.may_show.iter().filter(counts).count() as u64;
            if asked > 0 {
                self.count(known, *rule, Shown { asked, shown: 0 });
            }
        }
    }

    fn count(&mut self, known: &Known, rule: RuleId, shown: Shown) {
        self.count_name(known.rule(rule).name(), shown);
    }

    fn count_name(&mut self, name: &str, shown: Shown) {
        match self.known.get_mut(name) {
            Some(counts) => counts.merge(shown),
            None => {
                self.known.insert(name.to_owned(), shown);
            }
        }
    }

    /// A finding about the case as a whole; its probes get no verdict.
    fn refuse(
        &mut self,
        prepared: &Prepared,
        defect: Defect,
        wanted: Fact,
        observation: impl Into<Observed>,
    ) {
        self.find(Question::Tables, defect, wanted, observation);
        self.skip(prepared, &Reason::Defect(defect));
    }

    /// A finding about the case as a whole, besides the verdicts of its probes.
    fn refuse_after(&mut self, defect: Defect, wanted: Fact, found: Fact) {
        self.find(Question::TablesAfter, defect, wanted, found);
    }

    fn find(
        &mut self,
        question: Question,
        defect: Defect,
        wanted: Fact,
        observation: impl Into<Observed>,
    ) {
        self.findings.push(Finding {
            probe: None,
            verdict: Verdict::Mismatch,
            signature: Signature::Defect(defect),
            question,
            expectation: Expected::Fact(wanted),
            observation: observation.into(),
        });
    }

    fn skip(&mut self, prepared: &Prepared, reason: &Reason) {
        let numbers = prepared.numbers.iter();
        self.not_asked.extend(numbers.map(|number| (*number, reason.clone())));
    }
}

/// The number that the executor gives as a probe's where no probe is in hand.
const NO_PROBE: u32 = Cursor::NO_PROBE as u32;

/// Judges the observations of what was `prepared` from `case`.
pub fn judge(
    bench: &mut Bench,
    map: &MemoryMap,
    case: &Case,
    prepared: &Prepared,
    observations: &Observations<'_>,
    dossier: &Dossier,
    learned: &mut Learned,
) -> Result<Judged, BuildError> {
    let known = &dossier.known;
    let mut judged = Judged::default();
    let report = observations.report;
    let status = report.status();
    match status {
        Some(Status::Done | Status::Broken) => {}
        Some(Status::Unsupported) => {
            for _ in &prepared.numbers {
                judged.judge(Verdict::Unsupported);
            }
            return Ok(judged);
        }
        _ => {
            let found = Seen::Told(format!("the target says {status:?}"));
            judged.refuse(prepared, Defect::NotBuilt, Fact::Built, found);
            return Ok(judged);
        }
    }
    let broken = broken_probe(observations);
    if let Some(exception) = broken.filter(|exception| exception.probe >= NO_PROBE) {
        charge(&mut judged, case, prepared, exception);
        judged.skip(prepared, &Reason::ExecutorException);
        return Ok(judged);
    }
    if let Some((wanted, found)) = built_otherwise(prepared, report, case.as_ref().flags()) {
        judged.refuse(prepared, Defect::OtherTables, wanted, found);
        return Ok(judged);
    }
    let asked = broken.map_or(prepared.numbers.len(), |exception| exception.probe as usize);
    if observations.answers.len() < asked || asked > prepared.numbers.len() {
        let found = Fact::Answers(observations.answers.len() as u64);
        judged.refuse(prepared, Defect::AnswersMissing, Fact::Answers(asked as u64), found);
        return Ok(judged);
    }

    let case_ref = Case::as_ref(&prepared.case);
    if case_ref.flags().has(Flags::STAY) && broken.is_none() {
        let lived = observations.life.copied().unwrap_or_default();
        let (built, arrival) = (&prepared.built, prepared.arrival.as_ref());
        let violated = life::violated(case.as_ref(), map, &bench.pe, built, arrival, &lived);
        if let Some((wanted, found)) = violated {
            judged.refuse(prepared, Defect::OtherPlace, wanted, found);
            return Ok(judged);
        }
    }
    if report.truncated != 0 && !case_ref.flags().has(Flags::AUDIT) {
        judged.skip(prepared, &Reason::Truncated);
        return Ok(judged);
    }
    let mut without = Vec::new();
    let mut memory = Memory::new(map, observations.changed);
    if case_ref.flags().0 & (Flags::UPDATES | Flags::AUDIT) == 0 {
        for (index, probe) in case_ref.probes.iter().take(asked).enumerate() {
            let Some(expectation) = &prepared.expectations[index] else { continue };
            let excuse = prepared.excuses[index].as_deref();
            let pa_bits = bench.pe.pa_bits;
            let asked = Asked { case, map, prepared, probe, index, excuse, pa_bits };
            let observation = asked.observe(observations, expectation, &mut memory);
            if !asked.judge(&mut judged, expectation, &observation, &[], known, learned) {
                without.push(index);
            }
        }
        if broken.is_none() && report.after != prepared.after {
            let [wanted, found] = [prepared.after, report.after].map(|of| Fact::Digest(Hex(of)));
            judged.refuse_after(Defect::DescriptorsChanged, wanted, found);
        }
    } else {
        bench.with_tables(case, map, |tables| {
            tables.mind(known);
            let mut next = 0;
            while let Some(probes @ [probe, ..]) = case_ref.probes.get(next..asked) {
                if tables.step(probe)? {
                    next += 1;
                    continue;
                }
                let probes = &probes[..together::count(probes)];
                let expect = |probe| tables.expect(probe, &dossier.learned);
                let mut expectations: Vec<_> = probes.iter().map(expect).collect();
                let excuse = |probe| tables.excuse(probe, &dossier.learned);
                let excuses: Vec<_> = probes.iter().map(excuse).collect();
                together::hand_on(&mut expectations);
                let first = next;
                next += probes.len();
                for (index, (probe, expectation)) in (first..).zip(probes.iter().zip(&expectations))
                {
                    let Some(expectation) = expectation else { continue };
                    let (excuse, pa_bits) =
                        (excuses[index - first].as_deref(), tables.pe().pa_bits);
                    let asked = Asked { case, map, prepared, probe, index, excuse, pa_bits };
                    let observation = asked.observe(observations, expectation, &mut memory);
                    let updates = observations.updates.iter();
                    let updates: Vec<Update> =
                        updates.filter(|update| update.probe as usize == index).copied().collect();
                    if !asked.judge(
                        &mut judged,
                        expectation,
                        &observation,
                        &updates,
                        known,
                        learned,
                    ) {
                        without.push(index);
                    }
                    for update in &updates {
                        tables.update(update.pa, update.value);
                    }
                }
            }
            let after = tables.digest_now();
            if broken.is_none() && report.after != after {
                let [wanted, found] = [after, report.after].map(|of| Fact::Digest(Hex(of)));
                judged.refuse_after(Defect::DescriptorsChangedLate, wanted, found);
            }
            if case_ref.flags().has(Flags::AUDIT) && broken.is_none() {
                let wanted: Vec<(u64, u64)> = tables.memory.words().collect();
                let mut found: Vec<(u64, u64)> =
                    observations.audited.iter().map(|word| (word.pa, word.value)).collect();
                found.sort_unstable();
                if let Some((wanted, found)) = first_difference(&wanted, &found) {
                    judged.refuse_after(Defect::ArenaWritten, wanted, found);
                }
            }
            Ok::<_, BuildError>(())
        })??;
    }
    if let Some(violation) = memory.violated().filter(|_| broken.is_none()) {
        judged.refuse_after(violation.defect, violation.wanted, violation.found);
    }
    judged.ask_all(known, prepared, asked, &without);
    if let Some(exception) = broken {
        charge(&mut judged, case, prepared, exception);
    }
    let mix = |digest: tables::Digest, answer: &u64| digest.add(*answer);
    let digest = tables::Digest::new().add(report.built).add(report.after);
    judged.digest = observations.answers.iter().fold(digest, mix).value();
    Ok(judged)
}

/// The exception that the executor's own code took, if one ended the case.
fn broken_probe<'a>(observations: &Observations<'a>) -> Option<&'a Exception> {
    observations.exceptions.iter().find(|exception| exception.origin == Exception::EXECUTOR)
}

/// Charges an exception in the executor to the probe that was in hand.
fn charge(judged: &mut Judged, case: &Case, prepared: &Prepared, exception: &Exception) {
    let index = exception.probe as usize;
    let number = prepared.numbers.get(index).copied();
    let probe = number.and_then(|number| case.as_ref().probes.get(usize::from(number)));
    let question = probe.map_or(Question::Tables, Question::of);
    if number.is_some() {
        judged.judge(Verdict::Aborted);
    }
    let kind = probe.and_then(|probe| ProbeKind::of(probe, None));
    let observation = Observed::new(&Observation::Exception(exception), &[]);
    judged.findings.push(Finding {
        probe: number.map(u32::from),
        verdict: Verdict::Aborted,
        signature: Signature::ExecutorException { kind },
        question,
        expectation: Expected::NoException,
        observation,
    });
    let left = prepared.numbers.iter().zip(&prepared.expectations).skip(index + 1);
    // Steps alone ask nothing; those before others come by themselves.
    judged.left = match left.clone().any(|(_, expectation)| expectation.is_some()) {
        true => left.map(|(number, _)| *number).collect(),
        false => Vec::new(),
    };
}

/// What the target built otherwise than the host, wanted and found.
fn built_otherwise(prepared: &Prepared, report: &Report, flags: Flags) -> Option<(Fact, Fact)> {
    let built = &prepared.built;
    let el2 = flags.0 & (Flags::STAY | Flags::MONITOR) != 0;
    let el1 = flags.has(Flags::GUEST);
    let roots = [
        ("VTTBR_EL2", true, built.vttbr_el2, report.vttbr_el2),
        ("TTBR0_EL2", el2, built.ttbr0_el2, report.ttbr0_el2),
        ("TTBR1_EL2", el2, built.ttbr1_el2, report.ttbr1_el2),
        ("idmap", el2, built.idmap_ttbr0_el2, report.idmap_ttbr0_el2),
        ("TTBR0_EL1", el1, built.ttbr0_el1, report.ttbr0_el1),
        ("TTBR1_EL1", el1, built.ttbr1_el1, report.ttbr1_el1),
    ];
    let roots = || roots.iter().filter(|(_, counts, ..)| *counts);
    let of_host = roots().map(|(name, _, of_host, _)| (*name, *of_host));
    let of_target = roots().map(|(name, _, _, of_target)| (*name, *of_target));
    let wanted = Fact::values(None, [("digest", prepared.digest)].into_iter().chain(of_host));
    let found = Fact::values(None, [("digest", report.built)].into_iter().chain(of_target));
    (wanted != found).then_some((wanted, found))
}

/// A probe that was asked.
struct Asked<'a> {
    case: &'a Case,
    map: &'a MemoryMap,
    prepared: &'a Prepared,
    probe: &'a Probe,
    /// Its number among those that are asked.
    index: usize,
    /// What TLB maintenance that does nothing would excuse.
    excuse: Option<&'a Excuse>,
    /// The PE's physical address size.
    pa_bits: u8,
}

impl Asked<'_> {
    /// What was observed.
    fn observe<'o>(
        &self,
        observations: &Observations<'o>,
        expectation: &Expectation,
        memory: &mut Memory<'_>,
    ) -> Observation<'o> {
        let word = observations.answers[self.index];
        let exception = observations.exception_of(self.index).filter(|_| word == NO_ANSWER);
        let access = Access::new(self.probe, self.index as u16, word);
        let excused = self.excuse.iter().flat_map(|excuse| &excuse.expectation.outcomes);
        let answers = expectation.outcomes.iter().chain(excused).map(|allowed| &allowed.answer);
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

    /// Judges an answer. Returns whether there is a verdict.
    fn judge(
        &self,
        judged: &mut Judged,
        expectation: &Expectation,
        observation: &Observation<'_>,
        updates: &[Update],
        known: &Known,
        learned: &mut Learned,
    ) -> bool {
        let fits = conforms(expectation, observation, updates, learned);
        // An outcome that was not followed could be the one: say so, rather than accuse.
        if !fits && !expectation.complete {
            judged.not_asked.push((self.prepared.numbers[self.index], Reason::MoreOutcomes));
            self.tell_all(judged, observation, updates, known);
            return false;
        }
        let is_excused = !fits && self.is_excused(observation, updates, learned);
        if let Some(excuse) = self.excuse {
            let shown = u64::from(is_excused);
            excuse
                .issues
                .iter()
                .for_each(|name| judged.count_name(name, Shown { asked: 1, shown }));
        }
        if fits {
            judged.judge(Verdict::Conforms);
            self.tell_all(judged, observation, updates, known);
        } else if is_excused {
            judged.judge(Verdict::Known);
            if known.is_in_full() {
                let issues = self.excuse.map(|excuse| excuse.issues.clone());
                let signature = Signature::Known(issues.unwrap_or_default());
                self.tell(judged, Verdict::Known, signature, expectation, observation, updates);
            }
        } else {
            self.differs(judged, expectation, observation, updates, known, learned);
        }
        let benign = self.case.as_ref().flags().has(Flags::INTENT);
        let first = expectation.outcomes.first().filter(|_| benign);
        let violated = first.and_then(|allowed| {
            let case = self.case.as_ref();
            intent::violated(case, self.map, self.probe, &allowed.answer, self.pa_bits)
        });
        if let Some(violated) = violated {
            judged.findings.push(Finding {
                probe: Some(self.number()),
                verdict: Verdict::Mismatch,
                signature: Signature::Mappings,
                question: Question::of(self.probe),
                expectation: Expected::Mappings,
                observation: Seen::Told(violated).into(),
            });
        }
        true
    }

    /// Whether the answer is one that is allowed had TLB maintenance not been executed that does nothing.
    fn is_excused(
        &self,
        observation: &Observation<'_>,
        updates: &[Update],
        learned: &Learned,
    ) -> bool {
        // Nothing is learned from what should not be.
        let mut learned = learned.clone();
        self.excuse
            .is_some_and(|excuse| conforms(&excuse.expectation, observation, updates, &mut learned))
    }

    /// Its number in the whole case.
    fn number(&self) -> u32 {
        self.prepared.numbers[self.index].into()
    }

    /// An answer that is not allowed: a known issue, or a finding.
    fn differs(
        &self,
        judged: &mut Judged,
        expectation: &Expectation,
        observation: &Observation<'_>,
        updates: &[Update],
        known: &Known,
        learned: &Learned,
    ) {
        let differs = |allowed: &Allowed| {
            Difference::new(&allowed.answer, observation, updated(&allowed.updates, updates))
        };
        let signs = |allowed: &Allowed| differs(allowed).signs();
        let explain =
            |expectation| self.prepared.explain(known, learned, self.probe, expectation, signs);
        // What an old translation leads to may show another issue.
        let excused = || self.excuse.and_then(|excuse| explain(&excuse.expectation));
        let explained = explain(expectation).or_else(excused);
        let (verdict, signature) = match &explained {
            Some(rules) => {
                judged.show(known, self.prepared, self.index, rules);
                if !known.is_in_full() {
                    return;
                }
                (Verdict::Known, Signature::Known(known.names(rules)))
            }
            None => {
                judged.judge(Verdict::Mismatch);
                let allowed = expectation.outcomes.iter();
                // Of the outcomes that are allowed the nearest is the one that was most likely meant.
                let agreeing = allowed.clone().filter(|allowed| learned.agrees(allowed));
                let nearest = agreeing.map(differs).min_by_key(Difference::size);
                let difference = nearest.or_else(|| allowed.map(differs).next());
                let signature = match self.probe.operation() {
                    Some(operation) => Signature::of_answer(operation, difference),
                    None => Signature::Told("an answer to no operation".to_owned()),
                };
                (Verdict::Mismatch, signature)
            }
        };
        self.tell(judged, verdict, signature, expectation, observation, updates);
    }

    /// Tells of an answer that is not allowed.
    fn tell(
        &self,
        judged: &mut Judged,
        verdict: Verdict,
        signature: Signature,
        expectation: &Expectation,
        observation: &Observation<'_>,
        updates: &[Update],
    ) {
        judged.findings.push(Finding {
            probe: Some(self.number()),
            verdict,
            signature,
            question: Question::of(self.probe),
            expectation: Expected::of(expectation),
            observation: Observed::new(observation, updates),
        });
    }

    /// Tells of an answer that is no finding, where the case is told in full.
    fn tell_all(
        &self,
        judged: &mut Judged,
        observation: &Observation<'_>,
        updates: &[Update],
        known: &Known,
    ) {
        if known.is_in_full() {
            let number = self.prepared.numbers[self.index];
            judged.told.push((number, Observed::new(observation, updates)));
        }
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

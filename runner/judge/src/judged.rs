//! The judgement of what was sent at once: a case, or some of its probes.

use std::collections::BTreeMap;

use crate::finding::About;
use crate::known::{Known, RuleId, Shown};
use crate::prepared::Prepared;
use crate::verdict::{
    Counts, Defect, Fact, Finding, Observed, Question, Reason, Signature, Verdict, Wanted,
};

/// The judgement of what was sent at once.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Verdicts of the probes.
    pub verdicts: Counts,
    /// How known issues showed, by name.
    pub known: BTreeMap<String, Shown>,
    /// What somebody has to look at.
    pub findings: Vec<Finding>,
    /// The probes whose answers conform and contradict an erratum that predicts a finding of the case, by its name:
    /// their numbers in the whole case.
    pub contradicted: BTreeMap<String, Vec<u16>>,
    /// Probes that got no verdict, by number in the whole case, and why.
    pub not_asked: Vec<(u16, Reason)>,
    /// What was observed of probes that are no findings, where the case is told in full.
    pub told: Vec<(u16, Observed)>,
    /// Digest of the tables and of the answers.
    pub digest: u64,
    /// Numbers of probes, in the whole case, that are still to be asked: a probe before them broke
    /// the executor.
    pub left: Vec<u16>,
}

impl Judged {
    /// Probe number `index` of what was `prepared` shows these known issues.
    pub fn show(&mut self, known: &Known, prepared: &Prepared, index: usize, shown: &[RuleId]) {
        self.verdicts.add(Verdict::Known);
        for &rule in shown {
            // Where the tables changed otherwise than forecast, one may show that was not expected to.
            let asked = u64::from(!prepared.may_show(index, rule));
            self.count(known.rule(rule).name(), Shown { asked, shown: 1 });
        }
    }

    /// Counts the known issues that may show in probe number `index` of what was `prepared`.
    pub fn ask(&mut self, known: &Known, prepared: &Prepared, index: usize) {
        for (_, rule) in prepared.may_show.iter().filter(|(probe, _)| *probe == index) {
            self.count(known.rule(*rule).name(), Shown { asked: 1, shown: 0 });
        }
    }

    /// Counts the known issues that may show in those probes of what was `prepared` that got a verdict: all
    /// before number `asked`, without those in `unjudged`.
    pub fn ask_all(
        &mut self,
        known: &Known,
        prepared: &Prepared,
        asked: usize,
        unjudged: &[usize],
    ) {
        for rule in &prepared.candidates {
            let counts = |(probe, of): &&(usize, RuleId)| {
                of == rule && *probe < asked && !unjudged.contains(probe)
            };
            let asked = prepared.may_show.iter().filter(counts).count() as u64;
            if asked > 0 {
                self.count(known.rule(*rule).name(), Shown { asked, shown: 0 });
            }
        }
    }

    /// Counts how the known issue called `name` showed.
    pub fn count(&mut self, name: &str, shown: Shown) {
        match self.known.get_mut(name) {
            Some(counts) => counts.merge(shown),
            None => {
                self.known.insert(name.to_owned(), shown);
            }
        }
    }

    /// A mismatch of the case as a whole, about `question`, besides the verdicts of its probes.
    pub fn mismatch(&mut self, question: Question, violation: Violation) {
        let Violation { defect, wanted, found } = violation;
        let (about, signature) = (About::Case(question), Signature::Defect(defect));
        let wanted = Wanted::Fact(wanted);
        self.findings.push(Finding::new(about, Verdict::Mismatch, signature, wanted, found));
    }

    /// All probes of what was `prepared` get no verdict.
    pub fn skip(&mut self, prepared: &Prepared, reason: &Reason) {
        let numbers = prepared.numbers.iter();
        self.not_asked.extend(numbers.map(|number| (*number, reason.clone())));
    }
}

/// Something that is wrong with a case as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub defect: Defect,
    /// What it should be.
    pub wanted: Fact,
    pub found: Fact,
}

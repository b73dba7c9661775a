//! The judgement of what was sent at once: a case, or some of its probes.

use std::collections::BTreeMap;

use crate::finding::About;
use crate::known::Shown;
use crate::prepared::Prepared;
use crate::verdict::{
    Counts, Defect, Fact, Finding, Observed, Question, Reason, Signature, Verdict, Wanted,
};

/// The judgement of what was sent at once.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Verdicts of the probes.
    pub verdicts: Counts,
    /// How known errata showed, by name.
    pub known: BTreeMap<String, Shown>,
    /// What somebody has to look at.
    pub findings: Vec<Finding>,
    /// The probes whose answers conform and contradict an erratum that predicts a finding of the case, by its name:
    /// their numbers in the whole case.
    pub contradicted: BTreeMap<String, Vec<u16>>,
    /// How many answers that conform might have shown each erratum of TLB maintenance that predicts a finding of the
    /// case, and did not, by name.
    pub unshown: BTreeMap<String, u64>,
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
    /// Counts how the known erratum called `name` showed.
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

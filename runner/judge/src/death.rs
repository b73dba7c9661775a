//! Charging the death of a target.

use case::Case;
use case::operation::Operation;

use crate::finding::{About, outcomes};
use crate::judged::Judged;
use crate::known::Known;
use crate::not_asked;
use crate::prepared::Prepared;
use crate::quarantine::{self, Quarantine};
use crate::sign::Sign;
use crate::verdict::{Finding, Verdict};
use oracle::learned::Learned;
use oracle::playback::Expected;

/// How a target died.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetDeath {
    /// Whether it stopped answering, and nothing else is known of it.
    pub is_hung: bool,
    /// What is known of it, in words.
    pub words: String,
}

impl TargetDeath {
    const fn verdict(&self) -> Verdict {
        if self.is_hung { Verdict::Hung } else { Verdict::Aborted }
    }

    const fn sign(&self) -> Sign {
        if self.is_hung { Sign::Hung } else { Sign::Died }
    }

    /// Charges it to probe number `index` of those that were asked of what was `prepared`. Where no known issue
    /// explains it, probes of its kind come nearer to `quarantine`.
    pub fn of_probe(
        &self,
        prepared: &Prepared,
        index: usize,
        known: &Known,
        learned: &Learned,
        quarantine: &mut Quarantine,
    ) -> Judged {
        let mut judged = Judged::default();
        let probe = &Case::as_ref(&prepared.case).probes[index];
        let about = About::Probe(prepared.numbers[index].into(), probe);
        let (kind, wanted) = match prepared.expected(index) {
            Some(Expected { expectation, .. }) => {
                judged.ask(known, prepared, index);
                let signs = |_: &_| std::iter::once(self.sign());
                let wanted = outcomes(expectation);
                if let Some(rules) = prepared.explain(known, learned, probe, expectation, signs) {
                    judged.show(known, prepared, index, &rules);
                    if known.is_in_full() {
                        let (verdict, names) = (Verdict::Known, known.names(&rules));
                        let finding = Finding::new(about, verdict, names, wanted, &*self.words);
                        judged.findings.push(finding);
                    }
                    return judged;
                }
                let kind = quarantine::kind(probe, expectation);
                quarantine.died(&kind);
                (kind, wanted)
            }
            None => (probe.operation().map_or("?", Operation::name).to_owned(), an_answer()),
        };
        judged.verdicts.add(self.verdict());
        self.tell(&mut judged, about, &kind, wanted);
        judged
    }

    /// Charges it to what was `prepared` as a whole: no probe was in hand.
    pub fn of_case(&self, prepared: &Prepared) -> Judged {
        let mut judged = Judged::default();
        let reason = "the target died while it built or undid the case's tables";
        not_asked::count(&mut judged.not_asked, reason, prepared.numbers.len() as u64);
        self.tell(&mut judged, About::Case("the case"), "building", an_answer());
        judged
    }

    fn tell(&self, judged: &mut Judged, about: About<'_>, kind: &str, wanted: Vec<String>) {
        let signature = format!("{kind}: {}", self.sign());
        let finding = Finding::new(about, self.verdict(), signature, wanted, &*self.words);
        judged.findings.push(finding);
    }
}

fn an_answer() -> Vec<String> {
    vec!["an answer".to_owned()]
}

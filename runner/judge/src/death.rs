//! Charging the death of a target.

use case::Case;
use oracle::learned::Learned;
use oracle::playback::Expected;

use crate::finding::About;
use crate::judged::Judged;
use crate::known::Known;
use crate::prepared::Prepared;
use crate::quarantine::Quarantine;
use crate::sign::Sign;
use crate::verdict::{
    DeathRecord, Demise, Finding, ProbeKind, Question, Reason, Seen, Signature, Verdict, Wanted,
};

impl DeathRecord {
    /// Whether it stopped answering, and nothing else is known of it.
    fn is_hung(&self) -> bool {
        self.how == Demise::Hung
    }

    fn verdict(&self) -> Verdict {
        if self.is_hung() { Verdict::Hung } else { Verdict::Aborted }
    }

    fn sign(&self) -> Sign {
        if self.is_hung() { Sign::Hung } else { Sign::Died }
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
                let wanted = Wanted::of(expectation);
                if let Some(rules) = prepared.explain(known, learned, probe, expectation, signs) {
                    judged.show(known, prepared, index, &rules);
                    if known.is_in_full() {
                        let signature = Signature::Known(known.names(&rules));
                        let seen = Seen::Death(self.clone());
                        let finding = Finding::new(about, Verdict::Known, signature, wanted, seen);
                        judged.findings.push(finding);
                    }
                    return judged;
                }
                let kind = ProbeKind::of(probe, Some(expectation));
                kind.iter().for_each(|kind| quarantine.died(kind));
                (kind, wanted)
            }
            None => (ProbeKind::of(probe, None), Wanted::Answer),
        };
        judged.verdicts.add(self.verdict());
        self.tell(&mut judged, about, kind, wanted);
        judged
    }

    /// Charges it to what was `prepared` as a whole: no probe was in flight.
    pub fn of_case(&self, prepared: &Prepared) -> Judged {
        let mut judged = Judged::default();
        judged.skip(prepared, &Reason::DiedBuilding);
        self.tell(&mut judged, About::Case(Question::Case), None, Wanted::Answer);
        judged
    }

    fn tell(&self, judged: &mut Judged, about: About<'_>, kind: Option<ProbeKind>, wanted: Wanted) {
        let signature = Signature::Died { kind, hung: self.is_hung() };
        let seen = Seen::Death(self.clone());
        judged.findings.push(Finding::new(about, self.verdict(), signature, wanted, seen));
    }
}

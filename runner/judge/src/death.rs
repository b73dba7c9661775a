//! Charging the death of a target.

use case::Case;
use golden::Fault;
use golden::errata::{self, Erratum};
use oracle::expectation::Instruction;
use oracle::flaw::Prediction;
use oracle::playback::Expected;

use crate::finding::About;
use crate::judged::Judged;
use crate::known::{Known, Shown};
use crate::prepared::Prepared;
use crate::quarantine::Quarantine;
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

    /// Charges it to probe number `index` of those that were asked of what was `prepared`. Where no known erratum
    /// predicts it, probes of its kind come nearer to `quarantine`.
    pub fn of_probe(
        &self,
        prepared: &Prepared,
        index: usize,
        known: &Known,
        quarantine: &mut Quarantine,
    ) -> Judged {
        let mut judged = Judged::default();
        let probe = &Case::as_ref(&prepared.case).probes[index];
        let about = About::Probe(prepared.numbers[index].into(), probe);
        let (kind, wanted) = match prepared.expected(index) {
            Some(Expected { expectation, prediction, .. }) => {
                let wanted = Wanted::of(expectation);
                let may_kill = prediction.is_some_and(Prediction::may_kill);
                let flaws = prediction.map_or(&[][..], |prediction| &prediction.flaws);
                for flaw in flaws {
                    judged.count(known.name(*flaw), Shown { asked: 1, shown: may_kill.into() });
                }
                if may_kill {
                    judged.verdicts.add(Verdict::Known);
                    if known.is_in_full() {
                        let signature = Signature::Known(known.names(flaws));
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
        if let (Some(expected), Some(finding)) =
            (prepared.expected(index), judged.findings.last_mut())
        {
            finding.errata = deadly_errata(expected);
        }
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

/// The names of the errata by which a device would die of what is expected.
fn deadly_errata(expected: Expected<'_>) -> Vec<String> {
    let Some(instruction) =
        Instruction::of(expected.probe).and_then(Instruction::as_errata_know_it)
    else {
        return Vec::new();
    };
    let faults: Vec<Fault> =
        expected.outcomes().filter_map(|outcome| outcome.answer.fault()).collect();
    let kills =
        |erratum: &&'static Erratum| faults.iter().any(|fault| erratum.kills(&instruction, fault));
    errata::all().filter(kills).map(|erratum| erratum.name.to_owned()).collect()
}

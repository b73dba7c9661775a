//! A case of which probes are still to be judged.

use case::memory::MemoryMap;
use case::{Case, Flags};
use oracle::learned::Learned;

use crate::established::Established;
use crate::finding::About;
use crate::judged::Judged;
use crate::verdict::{CaseRecord, Cell, Finding, NotAsked, PlacementCell, ProbeResult, Reason};

/// A case that is not recorded yet.
#[derive(Clone, Debug)]
pub struct OpenCase {
    /// The case as drawn.
    pub case: Case,
    /// What its own answers say of the target's choices, beside what is settled for all cases.
    pub(crate) learned: Learned,
    /// What is known so far.
    record: CaseRecord,
    /// Whether it is told what became of each probe.
    is_in_full: bool,
}

impl OpenCase {
    /// Case number `index`, of which nothing is known, on a target with the memory of `map` of which
    /// so much is `established`.
    pub fn new(index: u64, case: Case, map: &MemoryMap, established: &Established) -> Self {
        let cell = Cell::of(case.as_ref());
        let placement = PlacementCell::of(case.as_ref(), map);
        let record = CaseRecord { index, cell, placement, ..CaseRecord::default() };
        let Established { learned, known } = established;
        Self { case, learned: learned.clone(), record, is_in_full: known.is_in_full() }
    }

    /// The numbers of all its probes.
    pub fn probes(&self) -> Vec<u16> {
        (0..self.case.as_ref().probes.len() as u16).collect()
    }

    /// What is kept of it.
    pub fn close(mut self) -> CaseRecord {
        self.record.settled = self.learned.news();
        self.record
    }

    /// Adds the judgement of some of its probes.
    pub fn add(&mut self, judged: Judged) {
        let record = &mut self.record;
        record.probes += judged.verdicts.total();
        record.verdicts.merge(&judged.verdicts);
        // Judgements come in an order that deaths decide: the sum does not depend on it.
        record.digest = record.digest.wrapping_add(judged.digest);
        for (name, shown) in judged.known {
            record.known.entry(name).or_default().merge(shown);
        }
        record.findings.extend(judged.findings);
        for (name, probes) in judged.contradicted {
            let all = record.contradicted.entry(name).or_default();
            all.extend(probes);
            all.sort_unstable();
        }
        for (name, count) in judged.unshown {
            *record.unshown.entry(name).or_default() += count;
        }
        record.findings.sort_by_key(|finding| finding.probe);
        let told = judged.told.into_iter();
        record
            .results
            .extend(told.map(|(number, observed)| (number, ProbeResult::Observed(observed))));
        self.skip(&judged.not_asked);
    }

    /// Adds probes that were not asked, by number, and why. Where a case's mappings say where its walks lead, none
    /// leaves its memory: the builder made other tables than they ask for, on host and target alike.
    pub fn skip(&mut self, not_asked: &[(u16, Reason)]) {
        let is_benign = self.case.as_ref().flags().has(Flags::INTENT);
        for (number, reason) in not_asked {
            self.record.not_asked.add(reason.clone(), 1);
            if is_benign && *reason == Reason::Strays {
                self.tell_strayed(*number);
            }
            if self.is_in_full {
                let told = self.record.results.entry(*number);
                told.or_insert_with(|| ProbeResult::NotAsked(reason.clone()));
            }
        }
    }

    fn tell_strayed(&mut self, number: u16) {
        let Some(probe) = self.case.as_ref().probes.get(usize::from(number)) else { return };
        let about = About::Probe(number.into(), probe);
        let found = "its walk leaves the memory that belongs to the case".to_owned();
        self.record.findings.push(Finding::unmet(about, found));
        self.record.findings.sort_by_key(|finding| finding.probe);
    }

    /// Adds probes that were not asked, of which there are counts alone.
    pub fn count_skipped(&mut self, not_asked: &NotAsked) {
        self.record.not_asked.merge(not_asked);
    }
}

#[cfg(test)]
mod tests {
    use case::probe::{Operation, Probe};
    use case::registers::Registers;

    use super::*;
    use crate::known::Known;

    #[test]
    fn a_stray_is_a_finding_where_the_mappings_say_what_is_found() {
        let learned = Learned::new([]).expect("nothing contradicts");
        let established = Established { learned, known: Known::default() };
        for (flags, findings) in [(Flags::INTENT, 1), (0, 0)] {
            let mut case = Case::new(Registers::default());
            case.set_flags(Flags(flags));
            for address in [0x1000, 0x2000] {
                case.push_probe(Probe::new(Operation::AtS12e1r, address)).expect("there is room");
            }
            let mut open = OpenCase::new(0, case, &MemoryMap::new(), &established);
            open.skip(&[(0, Reason::Alone), (1, Reason::Strays)]);
            let record = open.close();
            let probes: Vec<_> = record.findings.iter().map(|finding| finding.probe).collect();
            assert_eq!(probes, vec![Some(1); findings]);
        }
    }
}

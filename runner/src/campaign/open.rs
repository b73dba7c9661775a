//! A case of which parts are still to come.

use case::Case;
use case::memory::MemoryMap;

use judge::dossier::Dossier;
use judge::verdict::{CaseRecord, Cell, Dwelling, Reason, Told};
use judge::verdicts::Judged;
use oracle::learned::Learned;

/// A case that is not recorded yet.
#[derive(Clone, Debug)]
pub struct OpenCase {
    /// The case as drawn.
    pub case: Case,
    /// What its own answers say of the target's choices, beside what is settled for all cases.
    pub learned: Learned,
    /// What is known so far.
    pub record: CaseRecord,
    /// Parts that are still to come.
    pub parts: u32,
    /// Whether it is told what became of each probe.
    is_in_full: bool,
}

impl OpenCase {
    /// A case of which nothing is known, in one part, on a target with the memory of `map` of
    /// which `dossier` tells what is known.
    pub fn new(index: u64, case: Case, map: &MemoryMap, dossier: &Dossier) -> Self {
        let cell = Cell::of(case.as_ref());
        let dwelling = Dwelling::of(case.as_ref(), map);
        let record = CaseRecord { index, cell, dwelling, ..CaseRecord::default() };
        let Dossier { learned, known } = dossier;
        let (learned, is_in_full) = (learned.clone(), known.is_in_full());
        Self { case, learned, record, parts: 1, is_in_full }
    }

    /// What is kept of it.
    pub fn close(mut self) -> CaseRecord {
        self.record.settled = self.learned.told();
        self.record
    }

    /// Adds the judgement of a part.
    pub fn add(&mut self, judged: Judged) {
        let record = &mut self.record;
        record.probes += judged.verdicts.total();
        record.verdicts.merge(&judged.verdicts);
        // Parts come in an order that deaths decide: the sum does not depend on it.
        record.digest = record.digest.wrapping_add(judged.digest);
        for (name, shown) in judged.known {
            record.known.entry(name).or_default().merge(shown);
        }
        record.findings.extend(judged.findings);
        record.findings.sort_by_key(|finding| finding.probe);
        let told = judged.told.into_iter();
        record.told.extend(told.map(|(number, observed)| (number, Told::Observed(observed))));
        self.skip(&judged.not_asked);
    }

    /// Adds probes that were not asked, by number, and why.
    pub fn skip(&mut self, not_asked: &[(u16, Reason)]) {
        for (number, reason) in not_asked {
            self.record.not_asked.add(reason.clone(), 1);
            if self.is_in_full {
                let told = self.record.told.entry(*number);
                told.or_insert_with(|| Told::NotAsked(reason.clone()));
            }
        }
    }
}

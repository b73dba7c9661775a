//! A case of which probes are still to be judged.

use case::Case;
use case::memory::MemoryMap;

use crate::judged::Judged;
use crate::not_asked;
use crate::verdict::{CaseRecord, Cell, Dwelling, NotAsked};
use oracle::learned::Learned;

/// A case that is not recorded yet.
#[derive(Clone, Debug)]
pub struct OpenCase {
    /// The case as drawn.
    pub case: Case,
    /// What its own answers say of the target's choices, beside what is settled for all cases.
    pub(crate) learned: Learned,
    /// What is known so far.
    record: CaseRecord,
}

impl OpenCase {
    /// Case number `index`, of which nothing is known, on a target with the memory of `map` of which
    /// `learned` is known.
    pub fn new(index: u64, case: Case, map: &MemoryMap, learned: Learned) -> Self {
        let cell = Cell::of(case.as_ref());
        let dwelling = Dwelling::of(case.as_ref(), map);
        let record = CaseRecord { index, cell, dwelling, ..CaseRecord::default() };
        Self { case, learned, record }
    }

    /// The numbers of all its probes.
    pub fn probes(&self) -> Vec<u16> {
        (0..self.case.as_ref().probes.len() as u16).collect()
    }

    /// What is kept of it.
    pub fn close(mut self) -> CaseRecord {
        self.record.settled = self.learned.told();
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
        record.findings.sort_by_key(|finding| finding.probe);
        self.skip(&judged.not_asked);
    }

    /// Adds probes that were not asked.
    pub fn skip(&mut self, not_asked: &NotAsked) {
        not_asked::merge(&mut self.record.not_asked, not_asked);
    }
}

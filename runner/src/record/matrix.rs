//! The verdicts of a run by granule and IPA size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use judge::verdict::{CaseRecord, Cell, Counts};

/// The verdicts of a run by granule and IPA size:
///
/// ```text
///        32   33  ...  40  ...  52      IPA size in bits
///   4K    .    .        .        .
///  16K    .    .        .        .      each a Square
///  64K    .    .        .        .
/// ```
///
/// Cases that were not drawn are in none of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matrix(BTreeMap<Cell, Square>);

/// What the cases of one cell came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Square {
    pub cases: u64,
    pub probes: u64,
    pub verdicts: Counts,
    /// Findings, those about a case as a whole among them.
    pub findings: u64,
}

impl Matrix {
    pub fn add(&mut self, record: &CaseRecord) {
        if let Some(cell) = record.cell {
            self.0.entry(cell).or_default().add(record);
        }
    }

    /// The square of `cell`; `None` where no case was of it.
    pub fn get(&self, cell: Cell) -> Option<&Square> {
        self.0.get(&cell)
    }

    /// Every cell of which there was a case, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cell, &Square)> {
        self.0.iter().map(|(cell, square)| (*cell, square))
    }
}

impl Square {
    pub fn add(&mut self, record: &CaseRecord) {
        self.cases = self.cases.saturating_add(record.cases);
        self.probes += record.probes;
        self.verdicts.merge(&record.verdicts);
        self.findings += record.findings.len() as u64;
    }
}

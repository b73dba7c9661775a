//! The cases that have findings, by cell of the matrix.

use std::collections::BTreeMap;

use judge::verdict::{CaseRecord, Cell};

use crate::diagnosis::Causes;
use crate::record::{Run, RunError, Summary};

/// Cases that are listed of a cell.
const CASES: usize = 12;

/// The cases of a cell that have findings.
#[derive(Clone, Debug)]
pub struct Suspects {
    /// What links name it by: `4k-40`.
    pub id: String,
    /// `4K, IPA size 40`.
    pub name: String,
    /// The first of them.
    pub cases: Vec<Suspect>,
    /// How many more there are.
    pub others: usize,
}

/// A case that has findings.
#[derive(Clone, Debug)]
pub struct Suspect {
    pub case: u64,
    pub findings: usize,
    /// The names of their causes, each once, and last whether there are some that are not explained.
    pub causes: String,
    /// The command that asks it again.
    pub command: String,
}

/// What links name a cell by.
pub fn id(cell: Cell) -> String {
    format!("{}-{}", Cell::granule_name(cell.granule).to_lowercase(), cell.ipa_bits)
}

/// Those of each cell of `run`, as far as its records are there.
pub fn suspects(run: &Run, summary: &Summary) -> Result<Vec<Suspects>, RunError> {
    let mut cells: BTreeMap<Cell, Suspects> = BTreeMap::new();
    if summary.tally.findings == 0 || !run.has_records() {
        return Ok(Vec::new());
    }
    for record in run.records()? {
        let record = record?;
        let Some(cell) = record.cell.filter(|_| !record.findings.is_empty()) else { continue };
        let suspects = cells.entry(cell).or_insert_with(|| Suspects {
            id: id(cell),
            name: format!("{}, IPA size {}", Cell::granule_name(cell.granule), cell.ipa_bits),
            cases: Vec::new(),
            others: 0,
        });
        if suspects.cases.len() == CASES {
            suspects.others += 1;
            continue;
        }
        suspects.cases.push(Suspect {
            case: record.index,
            findings: record.findings.len(),
            causes: causes(&record, summary.causes.as_ref()),
            command: format!("hypwalk replay {}:{}", run.folder().display(), record.index),
        });
    }
    Ok(cells.into_values().collect())
}

fn causes(record: &CaseRecord, causes: Option<&Causes>) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut is_whole = true;
    for finding in &record.findings {
        match causes.and_then(|causes| causes.of(finding)) {
            Some(cause) if names.contains(&cause.name()) => {}
            Some(cause) => names.push(cause.name()),
            None => is_whole = false,
        }
    }
    if !is_whole {
        names.push("not explained");
    }
    names.join(", ")
}

//! Placements of the trampoline in the set-ups of EL2 of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use case::placement::Placement;
use serde::{Deserialize, Serialize};

use judge::verdict::{CaseRecord, Cell, PlacementCell};

/// How often all was well in set-ups of EL2: by granule and DS, address size, and placement of the trampoline.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlacementMatrix(BTreeMap<PlacementCell, PlacementCounts>);

/// Set-ups with one placement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementCounts {
    /// Cases that were run.
    pub run: u64,
    /// Those of them with answers, and without findings: the executor was where they say, too.
    pub passed: u64,
}

impl PlacementMatrix {
    pub fn add(&mut self, record: &CaseRecord) {
        let Some(placement) = record.placement else { return };
        let counts = self.0.entry(placement).or_default();
        counts.run += 1;
        let is_judged = record.verdicts.judged() > 0;
        counts.passed += u64::from(is_judged && record.findings.is_empty());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set-ups with one placement; `None` where there was none.
    pub fn get(&self, placement: PlacementCell) -> Option<PlacementCounts> {
        self.0.get(&placement).copied()
    }
}

/// A table: a row for each address size, a column for each granule and placement. Each square has the set-ups
/// that passed, and, where others did not, all of them.
impl fmt::Display for PlacementMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: BTreeSet<_> =
            self.0.keys().map(|placement| (placement.ds, placement.cell.granule)).collect();
        let sizes: BTreeSet<u8> = self.0.keys().map(|placement| placement.cell.ipa_bits).collect();
        write!(f, "{:>9}", "")?;
        for (ds, granule) in &kinds {
            let name = format!("{}{}", Cell::granule_name(*granule), if *ds { " DS" } else { "" });
            write!(f, "{name:^26}")?;
        }
        write!(f, "\n{:>9}", "VA bits")?;
        for placement in kinds.iter().flat_map(|_| Placement::ALL) {
            write!(f, "{:>8}", placement.name())?;
            if placement == Placement::Outside {
                write!(f, "  ")?;
            }
        }
        writeln!(f)?;
        for ipa_bits in sizes {
            write!(f, "{ipa_bits:>9}")?;
            for (ds, granule) in &kinds {
                for placement in Placement::ALL {
                    let cell = Cell { granule: *granule, ipa_bits };
                    let square = match self.get(PlacementCell { ds: *ds, cell, placement }) {
                        None => "-".to_owned(),
                        Some(PlacementCounts { run, passed }) if run == passed => {
                            passed.to_string()
                        }
                        Some(PlacementCounts { run, passed }) => format!("{passed}/{run}"),
                    };
                    write!(f, "{square:>8}")?;
                }
                write!(f, "  ")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::verdict::{Counts, Finding, Question, Seen, Signature, Verdict, Wanted};

    #[test]
    fn a_life_passes_with_answers_and_without_findings() {
        let record = |name: &str, conforms, findings: usize| CaseRecord {
            placement: Some(name.parse().unwrap()),
            verdicts: Counts { conforms, ..Counts::default() },
            findings: (0..findings).map(|_| finding()).collect(),
            ..CaseRecord::default()
        };
        let mut matrix = PlacementMatrix::default();
        matrix.add(&CaseRecord::default());
        assert!(matrix.is_empty());
        for (place, conforms, findings) in [
            ("4K/39/upper", 3, 0),
            ("4K/39/upper", 3, 1),
            ("4K/39/upper", 0, 0),
            ("16K/DS/52/lower", 1, 0),
        ] {
            matrix.add(&record(place, conforms, findings));
        }
        let table = "                     4K                      16K DS          \n  \
                     VA bits   lower   upper outside     lower   upper outside  \n       \
                     39       -     1/3       -         -       -       -  \n       \
                     52       -       -       -         1       -       -  \n";
        assert_eq!(matrix.to_string(), table);
    }

    fn finding() -> Finding {
        Finding {
            probe: None,
            verdict: Verdict::Mismatch,
            signature: Signature::Mappings,
            question: Question::Case,
            expectation: Wanted::Answer,
            observation: Seen::Told(String::new()).into(),
            errata: Vec::new(),
            rule: None,
        }
    }
}

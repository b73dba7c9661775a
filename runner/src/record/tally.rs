//! Sums over the records of a run.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use judge::known::Shown;
use judge::verdict::{CaseRecord, Counts, Finding, NotAsked, Signature, Verdict};
use serde::{Deserialize, Serialize};

use super::{Matrix, PlacementMatrix};

/// Sums over the records of a run, and its findings by kind.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub cases: u64,
    pub probes: u64,
    pub verdicts: Counts,
    /// How known errata showed, by name.
    pub known: BTreeMap<String, Shown>,
    /// Probes and cases that were not asked, by reason.
    pub not_asked: NotAsked,
    pub findings: u64,
    /// The same by granule and IPA size.
    pub matrix: Matrix,
    /// Set-ups of EL2 that passed, by where the trampoline lies.
    #[serde(default, rename = "dwellings", skip_serializing_if = "PlacementMatrix::is_empty")]
    pub placements: PlacementMatrix,
    /// Findings by signature. It is written as a list: the first finding of each has it.
    #[serde(with = "groups")]
    pub groups: BTreeMap<Signature, Group>,
}

/// Groups in JSON.
mod groups {
    use std::collections::BTreeMap;

    use judge::verdict::Signature;
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    use super::Group;

    pub fn serialize<S: Serializer>(
        groups: &BTreeMap<Signature, Group>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(groups.values())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Signature, Group>, D::Error> {
        let groups = Vec::<Group>::deserialize(deserializer)?;
        Ok(groups.into_iter().map(|group| (group.signature().clone(), group)).collect())
    }
}

/// Findings of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub count: u64,
    /// The worst verdict among them.
    pub verdict: Verdict,
    /// Number of the first case that showed it.
    pub first_case: u64,
    pub first: Finding,
    /// Files that reproduce it, relative to the run's folder, first one first.
    pub reproducers: Vec<String>,
}

impl Group {
    /// What its findings have in common.
    pub const fn signature(&self) -> &Signature {
        &self.first.signature
    }
}

impl Tally {
    /// The groups, the largest first, and of one size in the order of their signatures' words.
    pub fn largest_first(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_cached_key(|group| (Reverse(group.count), group.signature().to_string()));
        groups
    }

    /// Counts a case. Records come from disk, too: sums end at the largest number.
    pub fn add(&mut self, record: &CaseRecord) {
        let add = |sum: &mut u64, count: u64| *sum = sum.saturating_add(count);
        add(&mut self.cases, record.cases);
        add(&mut self.probes, record.probes);
        self.verdicts.merge(&record.verdicts);
        self.not_asked.merge(&record.not_asked);
        for (name, shown) in &record.known {
            self.known.entry(name.clone()).or_default().merge(*shown);
        }
        add(&mut self.findings, record.findings.len() as u64);
        self.matrix.add(record);
        self.placements.add(record);
        for finding in &record.findings {
            let group = self.groups.entry(finding.signature.clone()).or_insert_with(|| Group {
                count: 0,
                verdict: finding.verdict,
                first_case: record.index,
                first: finding.clone(),
                reproducers: Vec::new(),
            });
            group.count += 1;
            group.verdict = group.verdict.max(finding.verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use judge::verdict::Reason;

    use super::*;

    #[test]
    fn sums_of_absurd_records_end_at_the_largest_number() {
        let mut record = CaseRecord { probes: u64::MAX, ..CaseRecord::default() };
        record.verdicts = Counts { mismatch: u64::MAX, hung: u64::MAX, ..Counts::default() };
        record.not_asked.add(Reason::Strays, u64::MAX);
        let mut tally = Tally::default();
        tally.add(&record);
        tally.add(&record);
        assert_eq!((tally.cases, tally.probes, tally.not_asked.total()), (2, u64::MAX, u64::MAX));
        assert_eq!((tally.verdicts.findings(), tally.verdicts.total()), (u64::MAX, u64::MAX));
    }
}

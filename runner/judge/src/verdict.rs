//! What became of a probe, and what is said about it.

mod cell;
mod defect;
pub mod ending;
mod fact;
mod lack;
pub mod observed;
mod operation;
mod outcome;
mod placement_cell;
mod question;
mod reason;
mod signature;
mod wanted;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::known::Shown;
pub use cell::{Cell, CellError};
pub use defect::Defect;
pub use ending::Ending;
pub use fact::{Fact, Word};
pub use lack::Lack;
pub use observed::{DeathRecord, Demise, Observed, Place, Seen};
pub use outcome::{Outcome, Update, Way};
pub use placement_cell::{PlacementCell, PlacementCellError};
pub use question::{ProbeWords, Question};
pub use reason::{NotAsked, Reason};
pub use signature::{ProbeKind, Signature};
pub use wanted::Wanted;

/// The judgement of one probe, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The observation is one that the architecture allows.
    Conforms,
    /// It is not, and known errata of the target predict it bit by bit.
    Known,
    /// The target does not do what was asked: in records of earlier versions, for it is a [`Reason`] since.
    Unsupported,
    /// The answer is one that the architecture allows, and the mappings of the case ask for another: the case is
    /// wrong, or the builder of its tables.
    Unmet,
    /// It is not one that the architecture allows.
    Mismatch,
    /// The target died of it.
    Aborted,
    /// The target stopped answering.
    Hung,
}

impl Verdict {
    /// All verdicts, from best to worst.
    pub const ALL: [Self; 7] = [
        Self::Conforms,
        Self::Known,
        Self::Unsupported,
        Self::Unmet,
        Self::Mismatch,
        Self::Aborted,
        Self::Hung,
    ];

    /// Whether somebody has to look at it.
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Unmet) || self.is_of_device()
    }

    /// Whether it is a finding, and the device's.
    pub const fn is_of_device(self) -> bool {
        matches!(self, Self::Mismatch | Self::Aborted | Self::Hung)
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Known => "known",
            Self::Unsupported => "unsupported",
            Self::Unmet => "unmet",
            Self::Mismatch => "mismatch",
            Self::Aborted => "aborted",
            Self::Hung => "hung",
        }
    }
}

/// How many probes got each verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// See [`Verdict::Conforms`].
    pub conforms: u64,
    /// See [`Verdict::Known`].
    pub known: u64,
    /// See [`Verdict::Unsupported`].
    pub unsupported: u64,
    /// See [`Verdict::Unmet`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unmet: u64,
    /// See [`Verdict::Mismatch`].
    pub mismatch: u64,
    /// See [`Verdict::Aborted`].
    pub aborted: u64,
    /// See [`Verdict::Hung`].
    pub hung: u64,
}

impl Counts {
    pub const fn add(&mut self, verdict: Verdict) {
        *self.slot(verdict) += 1;
    }

    const fn slot(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Conforms => &mut self.conforms,
            Verdict::Known => &mut self.known,
            Verdict::Unsupported => &mut self.unsupported,
            Verdict::Unmet => &mut self.unmet,
            Verdict::Mismatch => &mut self.mismatch,
            Verdict::Aborted => &mut self.aborted,
            Verdict::Hung => &mut self.hung,
        }
    }

    /// How many probes got `verdict`.
    pub const fn of(mut self, verdict: Verdict) -> u64 {
        *self.slot(verdict)
    }

    /// How many probes have a verdict.
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    /// How many of them have it by an answer, or by a death.
    pub fn judged(&self) -> u64 {
        self.sum(|verdict| verdict != Verdict::Unsupported)
    }

    /// How many of them somebody has to look at.
    pub fn findings(&self) -> u64 {
        self.sum(Verdict::is_finding)
    }

    /// Counts come from disk, too: the sum ends at the largest number.
    fn sum(&self, counts: impl Fn(Verdict) -> bool) -> u64 {
        let counted = Verdict::ALL.into_iter().filter(|verdict| counts(*verdict));
        counted.fold(0, |sum, verdict| sum.saturating_add(self.of(verdict)))
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for verdict in Verdict::ALL {
            let slot = self.slot(verdict);
            *slot = slot.saturating_add(other.of(verdict));
        }
    }
}

/// A probe, or what belongs to a whole case, that somebody has to look at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Number of the probe in its case; absent when the finding is about the case as a whole.
    pub probe: Option<u32>,
    /// Unmet, mismatch, aborted or hung; known where a case is told in full.
    pub verdict: Verdict,
    /// What findings of the same kind have in common, for grouping.
    pub signature: Signature,
    pub question: Question,
    /// What the architecture allows.
    pub expectation: Wanted,
    pub observation: Observed,
    /// The errata each of which predicts what was observed, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errata: Vec<String>,
    /// The last rule that the reference walker applied on the pseudocode's own way, by name; absent where it applied
    /// none, or where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What became of one probe of a case of which everything is reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeResult {
    /// It was asked, and this was observed.
    Observed(Observed),
    /// It was not asked, or got no verdict.
    NotAsked(Reason),
}

/// The answers to each choice that are possible, by name: one where it is settled.
pub type Answers = BTreeMap<String, Vec<String>>;

/// What is kept of one case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// Number of the case in the campaign, or of the first of its cases.
    pub index: u64,
    /// How many cases it is of: those that a target has found to conform by itself, one after the other, have one
    /// record.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cases: u64,
    /// Where it stands in the matrix of verdicts; absent for a case that was not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// Where the executor's trampoline lay; absent without a world switch, or with two ranges.
    #[serde(default, rename = "dwelling", skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementCell>,
    pub probes: u64,
    pub verdicts: Counts,
    /// Probes, or the whole case with a count of 1, that were not asked, by reason.
    #[serde(default, skip_serializing_if = "NotAsked::is_empty")]
    pub not_asked: NotAsked,
    /// How the known errata of the target showed, by name: those that may show in a probe of the case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, Shown>,
    /// IMPLEMENTATION DEFINED choices of which this case told more than those before it.
    #[serde(default, skip_serializing_if = "Answers::is_empty")]
    pub settled: Answers,
    /// Digest of the tables and of all observations.
    pub digest: u64,
    /// What somebody has to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The probes whose answers conform and contradict an erratum that predicts a finding of the case, by its name:
    /// their numbers in the case, in order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contradicted: BTreeMap<String, Vec<u16>>,
    /// How many answers that conform might have shown each erratum of TLB maintenance that predicts a finding of the
    /// case, and did not, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unshown: BTreeMap<String, u64>,
    /// What became of each probe, by number, of a case of which everything is reported. It is not written.
    #[serde(skip)]
    pub results: BTreeMap<u16, ProbeResult>,
}

impl Default for CaseRecord {
    /// The first case, of which nothing was asked.
    fn default() -> Self {
        Self {
            index: 0,
            cases: 1,
            cell: None,
            placement: None,
            probes: 0,
            verdicts: Counts::default(),
            not_asked: NotAsked::default(),
            known: BTreeMap::new(),
            settled: Answers::new(),
            digest: 0,
            findings: Vec::new(),
            contradicted: BTreeMap::new(),
            unshown: BTreeMap::new(),
            results: BTreeMap::new(),
        }
    }
}

const fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_one(cases: &u64) -> bool {
    *cases == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(is: &bool) -> bool {
    !*is
}

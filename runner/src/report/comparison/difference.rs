//! One thing that is not as it was.

use serde::Serialize;

use judge::verdict::{Cell, Reason, Signature, Verdict};

/// One thing that is not as it was.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// Findings of a kind that the baseline has not.
    NewFinding {
        signature: Signature,
        /// The worst verdict among them.
        verdict: Verdict,
        count: u64,
        /// The first case that showed it.
        first_case: u64,
        /// The file that reproduces it, relative to the run's folder.
        reproducer: Option<String>,
    },
    /// A cause of findings that the baseline has not.
    NewCause {
        /// The names of its errata.
        errata: Vec<String>,
        /// How many findings it explains.
        count: u64,
        /// The first case that showed it.
        first_case: u64,
    },
    /// The run was interrupted, and the baseline was not.
    DidNotEnd,
    /// Fewer cases were asked, though no clock ended either run.
    FewerCases {
        /// Cases of the baseline.
        was: u64,
        /// Cases of the run.
        is: u64,
    },
    /// Fewer probes a case were asked.
    FewerProbes {
        /// Probes a case of the baseline.
        was: f64,
        /// Probes a case of the run.
        is: f64,
    },
    /// Probes of whole cells are missing.
    FewerInCells { cells: Vec<Cell> },
    /// Fewer probes a second, by more than is tolerated.
    Slower {
        /// Probes a second of the baseline.
        was: f64,
        /// Probes a second of the run.
        is: f64,
        /// By how much, in percent of the baseline's.
        percent: f64,
    },
    /// The target settled a choice in another way.
    Choice {
        choice: String,
        /// The answers that were possible: one where it was settled.
        was: Vec<String>,
        /// The answers that are possible.
        is: Vec<String>,
    },
    /// Findings of a kind that only the baseline has.
    FindingGone {
        signature: Signature,
        /// The worst verdict among them.
        verdict: Verdict,
        /// How many there were.
        count: u64,
    },
    /// A cause that only the baseline has.
    CauseGone {
        /// The names of its errata.
        errata: Vec<String>,
        /// How many findings it explained.
        count: u64,
    },
    /// No errata were looked for in one of the runs.
    CausesNotCompared { reason: String },
    /// A known erratum that did not show in the baseline.
    KnownNew {
        name: String,
        /// How many probes showed it.
        count: u64,
    },
    /// A known erratum that showed in the baseline only.
    KnownGone {
        name: String,
        /// How many probes showed it.
        count: u64,
    },
    /// Probes were not asked for a reason that the baseline has not.
    NotAsked { reason: Reason, count: u64 },
    /// Something that both runs were made with has changed.
    SetUp { part: String, was: String, is: String },
    /// The suite has changed, or what the command line said of it.
    OtherSuite,
    /// Speed says nothing.
    SpeedNotCompared { reason: String },
}

impl Difference {
    /// Whether somebody has to look at it.
    pub const fn is_worse(&self) -> bool {
        match self {
            Self::NewFinding { .. }
            | Self::NewCause { .. }
            | Self::DidNotEnd
            | Self::FewerCases { .. }
            | Self::FewerProbes { .. }
            | Self::FewerInCells { .. }
            | Self::Slower { .. }
            | Self::Choice { .. } => true,
            Self::FindingGone { .. }
            | Self::CauseGone { .. }
            | Self::CausesNotCompared { .. }
            | Self::KnownNew { .. }
            | Self::KnownGone { .. }
            | Self::NotAsked { .. }
            | Self::SetUp { .. }
            | Self::OtherSuite
            | Self::SpeedNotCompared { .. } => false,
        }
    }
}

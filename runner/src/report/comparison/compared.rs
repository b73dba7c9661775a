//! One of two runs that are compared.

use std::collections::BTreeMap;
use std::path::Path;

use judge::verdict::{Answers, Counts};
use serde::Serialize;
use suite::Suite;

use crate::diagnosis::Cause;
use crate::record::{Header, Host, Run, RunError, RunId, Summary};

/// One of two runs that are compared.
#[derive(Clone, Debug)]
pub struct Compared {
    pub(super) header: Header,
    pub(super) summary: Summary,
}

/// What a run came to in numbers.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Figures {
    pub cases: u64,
    pub probes: u64,
    /// Probes a second; absent where the run did not end.
    pub probes_per_second: Option<f64>,
    pub verdicts: Counts,
}

impl Figures {
    /// Probes a case on average, to one decimal.
    pub(super) fn probes_a_case(self) -> f64 {
        (self.probes as f64 / self.cases.max(1) as f64 * 10.0).round() / 10.0
    }
}

impl Compared {
    /// The run with this header and summary.
    pub const fn new(header: Header, summary: Summary) -> Self {
        Self { header, summary }
    }

    /// Reads a run; also says how many bytes of a torn record at its end are left out.
    pub fn read(run: &Run) -> Result<(Self, Option<usize>), RunError> {
        let (summary, torn) = run.summary()?;
        Ok((Self::new(run.header.clone(), summary), torn))
    }

    pub(super) fn figures(&self) -> Figures {
        let tally = &self.summary.tally;
        Figures {
            cases: tally.cases,
            probes: tally.probes,
            probes_per_second: self
                .seconds()
                .map(|seconds| (tally.probes as f64 / seconds.max(0.001)).round()),
            verdicts: tally.verdicts,
        }
    }

    pub(super) fn host(&self) -> Option<&Host> {
        self.summary.ending.as_ref()?.host.as_ref()
    }

    /// How often each known erratum showed, of those that did.
    pub(super) fn known(&self) -> BTreeMap<String, u64> {
        let known = self.summary.tally.known.iter().filter(|(_, shown)| shown.shown > 0);
        known.map(|(name, shown)| (name.clone(), shown.shown)).collect()
    }

    /// The choices that the target settled.
    pub(super) fn profile(&self) -> &Answers {
        static NONE: Answers = Answers::new();
        self.summary.ending.as_ref().map_or(&NONE, |ending| &ending.profile)
    }

    /// The causes of its findings.
    ///
    /// # Errors
    /// Its name, where it has findings and no errata were looked for.
    pub(super) fn causes(&self) -> Result<&[Cause], &RunId> {
        match &self.summary.causes {
            Some(causes) if causes.undiagnosed.is_empty() => Ok(&causes.causes),
            None if self.summary.tally.findings == 0 => Ok(&[]),
            _ => Err(&self.header.run),
        }
    }

    /// How long it took; `None` where it did not end.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.summary.ending.as_ref().map(|ending| ending.seconds)
    }

    /// Whether its time was over before its cases were, as far as can be told.
    pub(super) fn clock_ended(&self) -> bool {
        let suite = &self.header.suite;
        let in_text = || Suite::from_text(&suite.text, Path::new(&suite.name)).ok()?.seconds;
        let limit = suite.overrides.seconds.or_else(in_text);
        limit.is_some_and(|limit| self.seconds().is_none_or(|took| took >= limit as f64))
    }

    /// What decides how many cases and probes there are, but the clock.
    pub(super) fn extent(&self) -> impl PartialEq + use<'_> {
        let suite = &self.header.suite;
        (&suite.text, suite.overrides.cases, suite.overrides.probes)
    }
}

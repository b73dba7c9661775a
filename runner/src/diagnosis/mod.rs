//! What is wrong with a device: the causes of what runs on it found.
//!
//! ```text
//!   finding --> the errata each of which predicts it     (judged with the case, and recorded)
//!
//!   again and again: the erratum that explains most of what is left, less what contradicts it --> a cause
//!   what contradicts it shows where something else holds of the probe or the case             --> its condition
//!   what nothing explains, by the rule that decides and how the answers differ                --> unexplained
//! ```

mod afterwards;
pub mod condition;
pub mod device;
mod evidence;
mod scope;
mod traits;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use golden::errata::{self, Erratum};
use judge::known::KnownErrata;
use judge::verdict::{CaseRecord, Finding, Verdict};
use serde::{Deserialize, Serialize};

pub use self::afterwards::NamedAfterwards;
pub use self::condition::Condition;
use self::evidence::{Alike, Evidence, Growing};
use crate::record::{Run, RunError, RunId};

/// The findings of runs by their causes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Causes {
    /// In the order in which they were chosen: those that explain most first.
    pub causes: Vec<Cause>,
    /// The largest first, and of one size in the order of their first findings.
    pub unexplained: Vec<Unexplained>,
    /// Names of errata that this version does not know, and how many findings name them. They explain nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, u64>,
    /// Runs with findings of which no errata were looked for when they were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undiagnosed: Vec<RunId>,
    /// Why no conditions were looked for, where cases could not be drawn again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_drawn: Option<String>,
}

/// Errata that predict the same findings: what is wrong is one of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The names of the errata, that which most shows where it might first. There is one at least.
    pub errata: Vec<String>,
    /// How many findings it predicts, less those of causes before it.
    pub findings: u64,
    /// How many findings it predicts in all.
    pub shown: u64,
    /// How many answers that conform it predicts otherwise, in the cases that have a finding which it predicts.
    pub contradicted: u64,
    /// The same in cases in which all answers conform, of those that were walked again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub elsewhere: u64,
    /// Where it shows, if that tells all that it predicts from all that contradicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The worst verdict among its findings.
    pub verdict: Verdict,
    pub first: Example,
}

/// Findings that no erratum predicts and that are alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unexplained {
    /// The rule that decided what should have been answered, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was answered, and what instead of.
    pub kind: String,
    pub findings: u64,
    /// The worst verdict among them.
    pub verdict: Verdict,
    pub first: Example,
}

/// A finding, and where it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The number of the run among those that are diagnosed together.
    #[serde(skip)]
    pub run: usize,
    /// Number of the case.
    pub case: u64,
    pub finding: Finding,
}

/// What runs came to, taken together.
#[derive(Debug)]
pub struct Diagnosis {
    pub cases: u64,
    pub probes: u64,
    pub causes: Causes,
    /// The bytes of torn records at the ends of runs, which are left out.
    pub torn: Option<usize>,
    /// What is known by errata that were named afterwards; absent where none were.
    pub named: Option<NamedAfterwards>,
}

impl Diagnosis {
    /// Diagnoses what was found in `runs`, also where they did not come to their ends.
    ///
    /// # Errors
    /// Where records can't be read.
    pub fn new(runs: &[Run]) -> Result<Self, RunError> {
        Self::with(runs, None)
    }

    /// The same, where those findings have no cause, and are none any more, that one of these `errata` predicts.
    ///
    /// # Errors
    /// Where records can't be read.
    pub fn with(runs: &[Run], errata: Option<&KnownErrata>) -> Result<Self, RunError> {
        let mut evidence = Evidence::new(runs, errata)?;
        let causes = Self::causes(runs, &mut evidence)?;
        let unexplained = unexplained(&evidence.findings);
        let Evidence { count: cases, probes, torn, contradicted, named, .. } = evidence;
        let Evidence { unknown, undiagnosed, not_drawn, .. } = evidence;
        // Where nothing contradicts anything there is nothing to look for.
        let not_drawn = not_drawn.filter(|_| contradicted.iter().any(|count| *count > 0));
        let causes = Causes { causes, unexplained, unknown, undiagnosed, not_drawn };
        Ok(Self { cases, probes, causes, torn, named })
    }
}

impl Diagnosis {
    /// Takes the findings out of `evidence` that have causes. What cases without a finding contradict more often than it
    /// explains comes last: it may be the look of another.
    fn causes(runs: &[Run], evidence: &mut Evidence) -> Result<Vec<Cause>, RunError> {
        let mut scopes = BTreeMap::new();
        for _ in 0..LOOKS {
            evidence.weigh(&scopes);
            let looks = take_all(&mut evidence.clone());
            let alike = looks.iter().flat_map(|cause| cause.errata.iter().take(EQUALS));
            let new = alike.filter(|name| !scopes.contains_key(name.as_str()));
            let new: Vec<_> = new.filter_map(|name| errata::named(name)).collect();
            if new.is_empty() {
                break;
            }
            scopes.extend(scope::find(runs, new)?);
        }
        evidence.weigh(&scopes);
        let mut causes = take_all(evidence);
        evidence.elsewhere.fill(0);
        causes.extend(take_all(evidence));
        for cause in &mut causes {
            cause.elsewhere = scopes.get(cause.name()).map_or(0, |scope| scope.elsewhere);
        }
        Ok(causes)
    }
}

/// How often causes are chosen anew by what their scopes tell.
const LOOKS: usize = 3;
/// Of how many errata that predict the same the scope is looked for.
const EQUALS: usize = 6;

impl Causes {
    /// The first finding of each cause, and of each kind of those that have none, in the order in which they are told:
    /// with the name of the cause, and with the erratum that is its name.
    pub fn examples(&self) -> impl Iterator<Item = (&str, Option<&str>, &Example)> {
        let causes =
            self.causes.iter().map(|cause| (cause.name(), Some(cause.name()), &cause.first));
        causes.chain(self.unexplained.iter().map(|kind| (&*kind.kind, None, &kind.first)))
    }

    /// How many findings are explained.
    pub fn explained(&self) -> u64 {
        self.causes.iter().map(|cause| cause.findings).sum()
    }

    /// How many are not.
    pub fn left(&self) -> u64 {
        self.unexplained.iter().map(|kind| kind.findings).sum()
    }

    /// The cause of `finding`; `None` where it is not explained.
    pub fn of(&self, finding: &Finding) -> Option<&Cause> {
        self.causes.iter().find(|cause| finding.errata.contains(&cause.errata[0]))
    }
}

impl Cause {
    /// What names it: the first of its errata.
    pub fn name(&self) -> &str {
        &self.errata[0]
    }

    /// The first of its errata, where this version knows it.
    pub fn erratum(&self) -> Option<&'static Erratum> {
        errata::named(self.name())
    }

    /// Whether one of its errata is one of these: what is wrong may be the same.
    pub fn shares(&self, errata: &[String]) -> bool {
        self.errata.iter().any(|name| errata.contains(name))
    }
}

impl Unexplained {
    /// The key under which `finding` is grouped: rule and kind.
    pub fn key(finding: &Finding) -> (Option<String>, String) {
        (finding.rule.clone(), evidence::kind(finding))
    }
}

/// The causes of what is found in `records`, the largest first, each by the names of its errata. No conditions are looked
/// for.
pub fn names<'r>(records: impl IntoIterator<Item = &'r CaseRecord>) -> Vec<Vec<String>> {
    let mut growing = Growing::new();
    records.into_iter().for_each(|record| growing.add(record));
    let mut causes = take_all(&mut growing.evidence());
    causes.sort_by_key(|cause| Reverse(cause.findings));
    causes.into_iter().map(|cause| cause.errata).collect()
}

/// The causes of what is found while a run goes on. No conditions are looked for.
#[derive(Debug)]
pub struct Live(Growing);

impl Live {
    /// Of nothing yet.
    #[expect(clippy::new_without_default, reason = "no value of it goes without saying")]
    pub fn new() -> Self {
        Self(Growing::new())
    }

    /// Adds what a case came to.
    pub fn add(&mut self, record: &CaseRecord) {
        if !record.findings.is_empty() {
            self.0.add(record);
        }
    }

    /// The causes so far.
    pub fn causes(&self) -> Causes {
        let mut evidence = self.0.evidence();
        let causes = take_all(&mut evidence);
        let unexplained = unexplained(&evidence.findings);
        Causes { causes, unexplained, unknown: evidence.unknown, ..Causes::default() }
    }
}

/// Takes the findings out of `evidence` that have causes.
fn take_all(evidence: &mut Evidence) -> Vec<Cause> {
    let mut causes = Vec::new();
    while let Some(cause) = take_largest(evidence) {
        causes.push(cause);
    }
    causes
}

/// Takes the findings out of `evidence` that the erratum explains which explains most of it, less the answers that
/// contradict it and no condition tells apart; `None` where none explains more than contradicts it.
fn take_largest(evidence: &mut Evidence) -> Option<Cause> {
    let errata = 0..evidence.table.len();
    let mut explained = vec![0; errata.len()];
    for alike in &evidence.findings {
        for erratum in &alike.errata {
            explained[*erratum] += alike.count;
        }
    }
    let surplus = |erratum: usize| match evidence.conditions.get(&erratum) {
        Some(_) => explained[erratum],
        None => explained[erratum]
            .saturating_sub(evidence.contradicted[erratum] + evidence.elsewhere[erratum]),
    };
    // Of equals it is the one that least contradicts, then the one that most shows where it might, and then the first in
    // the table.
    let against =
        |erratum: usize| (evidence.contradicted[erratum], evidence.unshown[erratum], erratum);
    let best =
        errata.clone().max_by_key(|erratum| (surplus(*erratum), Reverse(against(*erratum))))?;
    if surplus(best) == 0 {
        return None;
    }
    let is_its = |alike: &Alike| alike.errata.contains(&best);
    let (its, others) = std::mem::take(&mut evidence.findings).into_iter().partition(is_its);
    evidence.findings = others;
    let its: Vec<Alike> = its;
    let is_equal = |other: &usize| {
        explained[*other] == explained[best]
            && evidence.contradicted[*other] == evidence.contradicted[best]
            && evidence.elsewhere[*other] == evidence.elsewhere[best]
            && its.iter().all(|alike| alike.errata.contains(other))
    };
    let name = |erratum: usize| evidence.table[erratum].name.to_owned();
    let mut equal: Vec<usize> = errata.filter(is_equal).collect();
    equal.sort_by_key(|erratum| (evidence.unshown[*erratum], *erratum));
    Some(Cause {
        errata: equal.into_iter().map(name).collect(),
        findings: explained[best],
        shown: evidence.shown[best],
        contradicted: evidence.contradicted[best],
        elsewhere: 0,
        condition: evidence.conditions.get(&best).cloned(),
        verdict: its.iter().map(|alike| alike.verdict).max()?,
        first: its.into_iter().map(|alike| alike.first).min_by_key(Example::place)?,
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Example {
    fn place(&self) -> (usize, u64, Option<u32>) {
        (self.run, self.case, self.finding.probe)
    }
}

/// What is left, by the rule that decides and how answers differ, whatever was asked.
fn unexplained(left: &[Alike]) -> Vec<Unexplained> {
    let mut kinds: BTreeMap<(Option<String>, String), Unexplained> = BTreeMap::new();
    for Alike { count, verdict, first, .. } in left {
        let key = Unexplained::key(&first.finding);
        let entry = kinds.entry(key.clone()).or_insert_with(|| Unexplained {
            rule: key.0,
            kind: key.1,
            findings: 0,
            verdict: *verdict,
            first: first.clone(),
        });
        entry.findings += count;
        entry.verdict = entry.verdict.max(*verdict);
        if first.place() < entry.first.place() {
            entry.first = first.clone();
        }
    }
    let mut kinds: Vec<Unexplained> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| (Reverse(kind.findings), kind.first.place()));
    kinds
}

//! The findings of a run by their causes: the errata that predict them.
//!
//! ```text
//!   finding --> the errata each of which predicts it     (judged with the case, and recorded)
//!
//!   again and again: the erratum that explains most of what is left, less what contradicts it --> a cause
//!   what nothing explains, by signature                                                       --> unexplained
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use golden::errata::{self, Erratum};
use serde::Serialize;

use super::legal::one_line;
use super::terminal::{grouped, plural};
use crate::record::{Run, RunError};
use judge::verdict::{CaseRecord, Finding, Signature};

/// The findings of a run by their causes.
#[derive(Debug, Serialize)]
pub struct Causes {
    suite: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    emulator: Option<String>,
    probes: u64,
    findings: u64,
    /// The largest first.
    causes: Vec<Cause>,
    /// The largest first.
    unexplained: Vec<Unexplained>,
    #[serde(skip)]
    folder: String,
    #[serde(skip)]
    torn: Option<usize>,
}

/// Errata that predict the same findings: what is wrong is one of them.
#[derive(Debug, Serialize)]
struct Cause {
    /// The names of the errata, in the order of the table.
    errata: Vec<&'static str>,
    does: &'static str,
    breaks: &'static str,
    /// How many findings it predicts, less those of causes that predict more.
    findings: u64,
    /// How many answers that conform it predicts otherwise, in the cases that have a finding which it predicts.
    contradicted: u64,
    first: Place,
}

/// Findings of one kind that no erratum predicts.
#[derive(Debug, Serialize)]
struct Unexplained {
    signature: String,
    findings: u64,
    first: Place,
}

/// Where a finding is.
#[derive(Clone, Debug, Serialize)]
struct Place {
    case: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<u32>,
    question: String,
}

/// A finding, and the places of those errata in the table that predict it.
#[derive(Clone, Debug)]
struct Evidence {
    place: Place,
    errata: Vec<usize>,
    signature: Signature,
}

impl Evidence {
    fn new(record: &CaseRecord, finding: &Finding, places: &BTreeMap<&str, usize>) -> Self {
        let known = |name: &String| places.get(name.as_str()).copied();
        let errata = finding.errata.iter().filter_map(known).collect();
        let (case, probe) = (record.index, finding.probe);
        let place = Place { case, probe, question: finding.question.to_string() };
        Self { place, errata, signature: finding.signature.clone() }
    }
}

impl Causes {
    /// The causes of what was found in `run`. A name of an erratum that this version does not know explains nothing.
    ///
    /// # Errors
    /// Where its records can't be read.
    pub fn new(run: &Run) -> Result<Self, RunError> {
        let mut gathered = Gathered::default();
        let mut records = run.records()?;
        for record in &mut records {
            gathered.add(&record?);
        }
        let (probes, findings) = (gathered.probes, gathered.evidence.len() as u64);
        let (causes, left) = gathered.causes();
        let header = &run.header;
        Ok(Self {
            suite: header.suite.name.clone(),
            target: header.machine.target.clone(),
            emulator: header.machine.emulator.clone(),
            probes,
            findings,
            causes,
            unexplained: unexplained(&left),
            folder: run.folder().components().collect::<PathBuf>().display().to_string(),
            torn: records.torn(),
        })
    }

    /// The size in bytes of a torn record at the end, which is left out.
    pub const fn torn(&self) -> Option<usize> {
        self.torn
    }

    /// Whether nothing was found.
    pub const fn is_empty(&self) -> bool {
        self.findings == 0
    }
}

/// What records tell of causes.
#[derive(Clone, Debug)]
pub struct Gathered {
    table: Vec<&'static Erratum>,
    places: BTreeMap<&'static str, usize>,
    probes: u64,
    evidence: Vec<Evidence>,
    /// How many answers contradict each erratum of the table.
    contradicted: Vec<u64>,
    /// How many might have shown it, and did not.
    unshown: Vec<u64>,
}

impl Default for Gathered {
    fn default() -> Self {
        let table: Vec<&'static Erratum> = errata::all().collect();
        let places = table.iter().map(|erratum| erratum.name).zip(0..).collect();
        let (contradicted, unshown) = (vec![0; table.len()], vec![0; table.len()]);
        Self { table, places, probes: 0, evidence: Vec::new(), contradicted, unshown }
    }
}

impl Gathered {
    /// Adds what the record of a case tells.
    pub fn add(&mut self, record: &CaseRecord) {
        let Self { places, probes, evidence, contradicted, unshown, .. } = self;
        *probes += record.probes;
        let found = record.findings.iter();
        evidence.extend(found.map(|finding| Evidence::new(record, finding, places)));
        for (sums, counts) in [(contradicted, &record.contradicted), (unshown, &record.unshown)] {
            for (name, count) in counts {
                if let Some(place) = places.get(name.as_str()) {
                    sums[*place] += count;
                }
            }
        }
    }

    /// The causes, the largest first, each by the names of its errata: those that explain the same, what would have
    /// shown least beside it first.
    pub fn names(&self) -> Vec<Vec<&'static str>> {
        self.clone().causes().0.into_iter().map(|cause| cause.errata).collect()
    }

    /// The causes, the largest first, and what no erratum explains.
    fn causes(mut self) -> (Vec<Cause>, Vec<Evidence>) {
        let mut causes = Vec::new();
        while let Some(cause) = self.take_largest() {
            causes.push(cause);
        }
        causes.sort_by_key(|cause| Reverse(cause.findings));
        (causes, self.evidence)
    }

    /// Takes the findings out of the evidence that the erratum explains which explains most of it, less the answers
    /// that contradict it; `None` where none explains more than contradicts it.
    fn take_largest(&mut self) -> Option<Cause> {
        let Self { table, evidence, contradicted, unshown, .. } = self;
        let mut explained = vec![0; table.len()];
        for erratum in evidence.iter().flat_map(|evidence| &evidence.errata) {
            explained[*erratum] += 1_u64;
        }
        let surplus = |erratum: usize| explained[erratum].saturating_sub(contradicted[erratum]);
        // Of equals it is the first in the table.
        let rank = |erratum: usize| (surplus(erratum), Reverse((unshown[erratum], erratum)));
        let best = (0..table.len()).max_by_key(|erratum| rank(*erratum))?;
        if surplus(best) == 0 {
            return None;
        }
        let is_its = |evidence: &Evidence| evidence.errata.contains(&best);
        let of_best: Vec<&Evidence> = evidence.iter().filter(|evidence| is_its(evidence)).collect();
        let is_equal = |other: &usize| {
            explained[*other] == explained[best]
                && contradicted[*other] == contradicted[best]
                && of_best.iter().all(|evidence| evidence.errata.contains(other))
        };
        let mut equal: Vec<usize> = (0..table.len()).filter(is_equal).collect();
        equal.sort_by_key(|erratum| Reverse(rank(*erratum)));
        let errata = equal.into_iter().map(|erratum| table[erratum].name).collect();
        let Erratum { does, breaks, .. } = *table[best];
        let (findings, first) = (explained[best], of_best.first()?.place.clone());
        let contradicted = contradicted[best];
        evidence.retain(|evidence| !is_its(evidence));
        Some(Cause { errata, does, breaks, findings, contradicted, first })
    }
}

/// What is left by kind: how answers differ, whatever was asked.
fn unexplained(evidence: &[Evidence]) -> Vec<Unexplained> {
    let mut kinds: BTreeMap<String, Unexplained> = BTreeMap::new();
    for Evidence { place, signature, .. } in evidence {
        let signature = match signature {
            Signature::Answer { difference: Some(difference), .. } => difference.to_string(),
            signature => signature.to_string(),
        };
        let kind = kinds.entry(signature.clone()).or_insert_with(|| Unexplained {
            signature,
            findings: 0,
            first: place.clone(),
        });
        kind.findings += 1;
    }
    let mut kinds: Vec<Unexplained> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| Reverse(kind.findings));
    kinds
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, target, emulator, probes, findings, causes, unexplained, folder, .. } =
            self;
        write!(f, "{suite} on {target}")?;
        if let Some(emulator) = emulator {
            write!(f, ", emulator {emulator}")?;
        }
        write!(f, ": {}, {}", plural(*probes, "probe"), plural(*findings, "finding"))?;
        let left: u64 = unexplained.iter().map(|kind| kind.findings).sum();
        match causes.len() as u64 {
            0 => writeln!(f)?,
            count => {
                let explained = grouped(findings - left);
                writeln!(f, ", {explained} of them by {}", plural(count, "cause"))?;
            }
        }
        for (number, cause) in (1..).zip(causes) {
            let Cause { errata, does, breaks, findings, contradicted, first } = cause;
            writeln!(
                f,
                "\n{number:>4} {:>9}  {}: {does} [{breaks}]",
                grouped(*findings),
                errata[0]
            )?;
            for other in &errata[1..] {
                writeln!(f, "                or {other}: these findings do not tell them apart")?;
            }
            if *contradicted > 0 {
                let against = plural(*contradicted, "answer");
                let told = "in the same cases conform, where it predicts otherwise";
                writeln!(f, "                but {against} {told}")?;
            }
            first.tell(f, folder)?;
        }
        if left > 0 {
            let kinds = plural(unexplained.len() as u64, "kind");
            writeln!(f, "\nnot explained: {} of {kinds}", plural(left, "finding"))?;
        }
        for Unexplained { signature, findings, first } in unexplained {
            writeln!(f, "\n     {:>9}  {}", grouped(*findings), one_line(signature))?;
            first.tell(f, folder)?;
        }
        Ok(())
    }
}

impl Place {
    fn tell(&self, f: &mut fmt::Formatter<'_>, folder: &str) -> fmt::Result {
        let Self { case, probe, question } = self;
        writeln!(f, "                first in case {case}: {}", one_line(question))?;
        write!(f, "                hypwalk replay {folder}:{case}")?;
        match probe {
            Some(probe) => writeln!(f, " --probe {probe}"),
            None => writeln!(f),
        }
    }
}

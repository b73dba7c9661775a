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
    #[serde(skip)]
    first_signature: Signature,
}

/// Findings of one kind that no erratum predicts.
#[derive(Debug, Serialize)]
struct Unexplained {
    signature: String,
    findings: u64,
    first: Place,
    #[serde(skip)]
    first_signature: Signature,
}

/// The first finding of a cause.
#[derive(Clone, Debug)]
pub struct Example {
    /// The name of the cause, or what its findings have in common.
    pub name: String,
    /// The erratum that predicts it, if one does.
    pub erratum: Option<&'static str>,
    pub case: u64,
    pub probe: Option<u32>,
    pub signature: Signature,
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
        let table: Vec<&'static Erratum> = errata::all().collect();
        let places: BTreeMap<&str, usize> =
            table.iter().map(|erratum| erratum.name).zip(0..).collect();
        let (mut probes, mut evidence) = (0, Vec::new());
        let mut contradicted = vec![0; table.len()];
        let mut records = run.records()?;
        for record in &mut records {
            let record = record?;
            probes += record.probes;
            let found = record.findings.iter();
            evidence.extend(found.map(|finding| Evidence::new(&record, finding, &places)));
            for (name, count) in &record.contradicted {
                if let Some(place) = places.get(name.as_str()) {
                    contradicted[*place] += count;
                }
            }
        }
        let findings = evidence.len() as u64;
        let mut causes = Vec::new();
        while let Some(cause) = take_largest(&table, &mut evidence, &contradicted) {
            causes.push(cause);
        }
        causes.sort_by_key(|cause| Reverse(cause.findings));
        let header = &run.header;
        Ok(Self {
            suite: header.suite.name.clone(),
            target: header.machine.target.clone(),
            emulator: header.machine.emulator.clone(),
            probes,
            findings,
            causes,
            unexplained: unexplained(&evidence),
            folder: run.folder().components().collect::<PathBuf>().display().to_string(),
            torn: records.torn(),
        })
    }

    /// The size in bytes of a torn record at the end, which is left out.
    pub const fn torn(&self) -> Option<usize> {
        self.torn
    }

    /// The first finding of each cause, and of each kind of those that have none, in the order in which they are told.
    pub fn examples(&self) -> impl Iterator<Item = Example> {
        let example = |name: String, erratum, first: &Place, signature: &Signature| {
            let Place { case, probe, .. } = *first;
            Example { name, erratum, case, probe, signature: signature.clone() }
        };
        let causes = self.causes.iter().map(move |cause| {
            let name = cause.errata[0];
            example(name.to_owned(), Some(name), &cause.first, &cause.first_signature)
        });
        let unexplained = self.unexplained.iter().map(move |kind| {
            example(kind.signature.clone(), None, &kind.first, &kind.first_signature)
        });
        causes.chain(unexplained)
    }

    /// Whether nothing was found.
    pub const fn is_empty(&self) -> bool {
        self.findings == 0
    }
}

/// Takes the findings out of `evidence` that the erratum explains which explains most of it, less the answers that
/// contradict it; `None` where none explains more than contradicts it.
fn take_largest(
    table: &[&'static Erratum],
    evidence: &mut Vec<Evidence>,
    contradicted: &[u64],
) -> Option<Cause> {
    let mut explained = vec![0; table.len()];
    for erratum in evidence.iter().flat_map(|evidence| &evidence.errata) {
        explained[*erratum] += 1_u64;
    }
    let surplus = |erratum: &usize| explained[*erratum].saturating_sub(contradicted[*erratum]);
    // Of equals it is the first in the table.
    let best = (0..table.len()).max_by_key(|erratum| (surplus(erratum), Reverse(*erratum)))?;
    if surplus(&best) == 0 {
        return None;
    }
    let is_its = |evidence: &Evidence| evidence.errata.contains(&best);
    let of_best: Vec<&Evidence> = evidence.iter().filter(|evidence| is_its(evidence)).collect();
    let is_equal = |other: &usize| {
        explained[*other] == explained[best]
            && contradicted[*other] == contradicted[best]
            && of_best.iter().all(|evidence| evidence.errata.contains(other))
    };
    let errata = (0..table.len()).filter(is_equal).map(|erratum| table[erratum].name).collect();
    let Erratum { does, breaks, .. } = *table[best];
    let (findings, first) = (explained[best], *of_best.first()?);
    let (first, first_signature) = (first.place.clone(), first.signature.clone());
    let contradicted = contradicted[best];
    evidence.retain(|evidence| !is_its(evidence));
    Some(Cause { errata, does, breaks, findings, contradicted, first, first_signature })
}

/// What is left by kind: how answers differ, whatever was asked.
fn unexplained(evidence: &[Evidence]) -> Vec<Unexplained> {
    let mut kinds: BTreeMap<String, Unexplained> = BTreeMap::new();
    for Evidence { place, signature: first, .. } in evidence {
        let signature = match first {
            Signature::Answer { difference: Some(difference), .. } => difference.to_string(),
            signature => signature.to_string(),
        };
        let kind = kinds.entry(signature.clone()).or_insert_with(|| Unexplained {
            signature,
            findings: 0,
            first: place.clone(),
            first_signature: first.clone(),
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
            let Cause { errata, does, breaks, findings, contradicted, first, .. } = cause;
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
        for Unexplained { signature, findings, first, .. } in unexplained {
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

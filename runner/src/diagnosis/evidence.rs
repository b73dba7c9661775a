//! What runs tell of errata: findings that they predict, and answers that contradict them.

use std::collections::BTreeMap;

use golden::errata::{self, Erratum};
use judge::known::KnownErrata;
use judge::verdict::{CaseRecord, Finding, Signature, Verdict};

use super::Example;
use super::afterwards::{self, Afterwards, NamedAfterwards};
use super::condition::{Condition, Splits};
use super::scope::Scope;
use super::traits;
use crate::plan::Plan;
use crate::record::redraw::plan;
use crate::record::{Run, RunError, RunId};

/// What runs tell of errata.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// All errata; others name them by their places.
    pub table: Vec<&'static Erratum>,
    /// The findings that are not explained yet.
    pub findings: Vec<Alike>,
    /// How many findings each erratum predicts.
    pub shown: Vec<u64>,
    /// How many answers contradict each erratum.
    pub contradicted: Vec<u64>,
    /// The same in cases in which all answers conform, of those that were walked again.
    pub elsewhere: Vec<u64>,
    /// How many answers might have shown each erratum of TLBs, and did not.
    pub unshown: Vec<u64>,
    /// Where each erratum shows, and where it is contradicted, by its place.
    splits: BTreeMap<usize, Splits>,
    /// What tells the findings that an erratum predicts from the answers that contradict it, by its place.
    pub conditions: BTreeMap<usize, Condition>,
    /// How many cases there are.
    pub count: u64,
    pub probes: u64,
    /// The bytes of torn records at the ends of runs, which are left out.
    pub torn: Option<usize>,
    /// See [`super::Diagnosis::named`].
    pub named: Option<NamedAfterwards>,
    /// See [`super::Causes::unknown`].
    pub unknown: BTreeMap<String, u64>,
    /// See [`super::Causes::undiagnosed`].
    pub undiagnosed: Vec<RunId>,
    /// See [`super::Causes::not_drawn`].
    pub not_drawn: Option<String>,
}

/// What records tell that come one after another, of cases that are not drawn again.
#[derive(Debug)]
pub struct Growing {
    evidence: Evidence,
    findings: BTreeMap<Key, Alike>,
}

impl Growing {
    /// Of no records.
    pub fn new() -> Self {
        Self { evidence: Evidence::none(), findings: BTreeMap::new() }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &CaseRecord) {
        let (places, findings) = (&places(), &mut self.findings);
        for finding in &record.findings {
            self.evidence.find(0, record.index, finding, places, findings);
        }
        self.evidence.count_against(record, places);
    }

    /// What they tell so far.
    pub fn evidence(&self) -> Evidence {
        Evidence { findings: self.findings.values().cloned().collect(), ..self.evidence.clone() }
    }
}

/// Findings of one kind that the same errata predict.
#[derive(Clone, Debug)]
pub struct Alike {
    /// The places of the errata.
    pub errata: Vec<usize>,
    pub count: u64,
    /// The worst verdict among them.
    pub verdict: Verdict,
    pub first: Example,
}

/// What makes findings alike: the errata, the deciding rule, and the kind.
type Key = (Vec<usize>, Option<String>, String);

impl Evidence {
    /// Reads `runs`. What one of these `errata` predicts is known.
    pub fn new(runs: &[Run], errata: Option<&KnownErrata>) -> Result<Self, RunError> {
        let mut evidence = Self::none();
        evidence.named = errata.map(|_| NamedAfterwards::default());
        let places = places();
        let mut findings: BTreeMap<Key, Alike> = BTreeMap::new();
        for (number, run) in runs.iter().enumerate() {
            let afterwards = errata.zip(evidence.named.as_mut());
            let afterwards =
                afterwards.map(|(errata, named)| Afterwards::new(errata, &run.header, named));
            evidence.read(number, run, afterwards.as_ref(), &places, &mut findings)?;
        }
        evidence.findings = findings.into_values().collect();
        evidence.conditions = evidence.conditions();
        Ok(evidence)
    }

    /// Takes into account what `scopes` tell of errata.
    pub fn weigh(&mut self, scopes: &BTreeMap<&str, Scope>) {
        for (place, erratum) in self.table.iter().enumerate() {
            let Some(scope) = scopes.get(erratum.name) else { continue };
            match &scope.condition {
                Some(condition) => {
                    self.conditions.insert(place, condition.clone());
                }
                None => {
                    self.elsewhere[place] = scope.elsewhere;
                    // What tells apart in cases with findings alone was not held against the others.
                    if scope.elsewhere > 0 {
                        self.conditions.remove(&place);
                    }
                }
            }
        }
    }

    fn none() -> Self {
        let table: Vec<&'static Erratum> = errata::all().collect();
        Self {
            findings: Vec::new(),
            shown: vec![0; table.len()],
            contradicted: vec![0; table.len()],
            elsewhere: vec![0; table.len()],
            unshown: vec![0; table.len()],
            table,
            splits: BTreeMap::new(),
            conditions: BTreeMap::new(),
            count: 0,
            probes: 0,
            torn: None,
            named: None,
            unknown: BTreeMap::new(),
            undiagnosed: Vec::new(),
            not_drawn: None,
        }
    }

    /// Counts the answers in `record` that speak against errata.
    fn count_against(&mut self, record: &CaseRecord, places: &BTreeMap<&str, usize>) {
        for (name, probes) in &record.contradicted {
            if let Some(place) = places.get(name.as_str()) {
                self.contradicted[*place] += probes.len() as u64;
            }
        }
        for (name, count) in &record.unshown {
            if let Some(place) = places.get(name.as_str()) {
                self.unshown[*place] += count;
            }
        }
    }

    fn read(
        &mut self,
        number: usize,
        run: &Run,
        afterwards: Option<&Afterwards>,
        places: &BTreeMap<&str, usize>,
        findings: &mut BTreeMap<Key, Alike>,
    ) -> Result<(), RunError> {
        let mut cases = None;
        let (mut found, mut is_diagnosed) = (false, run.header.errata.is_some());
        let mut records = run.records()?;
        for record in &mut records {
            let record = record?;
            self.count = self.count.saturating_add(record.cases);
            self.probes = self.probes.saturating_add(record.probes);
            let drawn = || plan(&run.header, run.folder());
            let cases = match record.findings.iter().any(|finding| !finding.errata.is_empty()) {
                true => Some(&*cases.get_or_insert_with(drawn)),
                false => None,
            };
            let registers = afterwards.filter(|them| them.asks_registers()).and_then(|_| {
                let case = cases?.as_ref().ok()?.case(record.index)?.ok()?;
                afterwards::registers(&run.header, &case)
            });
            for finding in &record.findings {
                found = true;
                is_diagnosed |= !finding.errata.is_empty();
                let known = afterwards.and_then(|them| them.predicts(finding, registers.as_ref()));
                match (known, &mut self.named) {
                    (Some(known), Some(named)) => {
                        *named.known.entry(known.to_owned()).or_default() += 1;
                    }
                    _ => self.find(number, record.index, finding, places, findings),
                }
            }
            self.count_against(&record, places);
            match cases {
                Some(Ok(cases)) => self.split(&record, cases, places),
                Some(Err(error)) => self.not_drawn = Some(error.to_string()),
                None => {}
            }
        }
        if found && !is_diagnosed {
            self.undiagnosed.push(run.header.run.clone());
        }
        if let Some(bytes) = records.torn() {
            *self.torn.get_or_insert_default() += bytes;
        }
        Ok(())
    }

    /// Draws the case of `record` again, and counts where errata show in it.
    fn split(&mut self, record: &CaseRecord, cases: &Plan, places: &BTreeMap<&str, usize>) {
        let Some(Ok(case)) = cases.case(record.index) else {
            self.not_drawn = Some(format!("case {} is not drawn here", record.index));
            return;
        };
        let probes = case.as_ref().probes;
        let mut tell = |name: &str, number: usize, shows: bool| {
            if let (Some(place), Some(probe)) = (places.get(name), probes.get(number)) {
                self.splits.entry(*place).or_default().add(traits::of(probe), shows);
            }
        };
        for finding in &record.findings {
            let Some(number) = finding.probe else { continue };
            finding.errata.iter().for_each(|name| tell(name, number as usize, true));
        }
        for (name, numbers) in &record.contradicted {
            numbers.iter().for_each(|number| tell(name, usize::from(*number), false));
        }
    }

    fn find(
        &mut self,
        run: usize,
        case: u64,
        finding: &Finding,
        places: &BTreeMap<&str, usize>,
        findings: &mut BTreeMap<Key, Alike>,
    ) {
        let mut errata = Vec::new();
        for name in &finding.errata {
            match places.get(name.as_str()) {
                Some(place) => errata.push(*place),
                None => *self.unknown.entry(name.clone()).or_default() += 1,
            }
        }
        for erratum in &errata {
            self.shown[*erratum] += 1;
        }
        let key = (errata, finding.rule.clone(), kind(finding));
        let alike = findings.entry(key).or_insert_with_key(|(errata, ..)| Alike {
            errata: errata.clone(),
            count: 0,
            verdict: finding.verdict,
            first: Example { run, case, finding: finding.clone() },
        });
        alike.count += 1;
        alike.verdict = alike.verdict.max(finding.verdict);
    }

    /// The conditions of those errata that show here and not there. They are looked for where all cases could be
    /// drawn again.
    fn conditions(&self) -> BTreeMap<usize, Condition> {
        if self.not_drawn.is_some() {
            return BTreeMap::new();
        }
        let conditions = self.splits.iter();
        conditions.filter_map(|(place, splits)| Some((*place, splits.condition()?))).collect()
    }
}

/// The place of each erratum in the table, by its name.
fn places() -> BTreeMap<&'static str, usize> {
    errata::all().map(|erratum| erratum.name).zip(0..).collect()
}

/// How the answer of `finding` differs, whatever was asked.
pub fn kind(finding: &Finding) -> String {
    match &finding.signature {
        Signature::Answer { difference: Some(difference), .. } => difference.to_string(),
        signature => signature.to_string(),
    }
}

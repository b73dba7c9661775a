//! One erratum: is it found by the suites, and named?

use case::Case;
use device::{Event, Target, TargetError};
use golden::errata::Erratum;
use judge::Judge;
use judge::established::Established;
use judge::known::Known;
use judge::prepare::Selection;
use judge::prepared::Prepared;
use judge::verdict::CaseRecord;
use link::hello::IdRegisters;
use oracle::learned::Learned;
use serde::Serialize;
use suite::Suite;
use suite::seed::Seed;

use super::device::target;
use super::pe;
use crate::diagnosis;
use crate::plan::Plan;

/// The machine that a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// Everything is implemented.
    Full,
    /// Armv8.0: for what a device has that it should not have.
    Plain,
}

impl Machine {
    const fn ids(self) -> &'static IdRegisters {
        match self {
            Self::Full => &pe::FULL,
            Self::Plain => &pe::PLAIN,
        }
    }
}

/// A suite as it is put to devices: the first cases of each of its generators, with what is expected.
#[derive(Debug)]
pub struct Exam {
    suite: String,
    machine: Machine,
    cases: Vec<(u64, Case, Prepared)>,
}

impl Exam {
    /// The first cases of each generator of `suite` on such a machine, at most so many.
    pub fn new(suite: &Suite, machine: Machine, most: u64) -> Self {
        let seed = match suite.seed {
            Seed::Fixed(seed) => seed,
            Seed::Date => 1,
        };
        let generators = suite.generators.clone();
        let plan = Plan::new(generators, pe::hello(machine.ids()).abilities(), pe::map(), seed);
        let mut judge = judge(machine);
        let mut prepared = |index| {
            let case = plan.case(index)?.ok()?;
            let wanted = judge.open(index, case.clone()).probes();
            let prepared = judge.prepare(&case, Selection { wanted: &wanted, samples: &[] });
            Some((index, case, prepared.ok()?))
        };
        let mut cases = Vec::new();
        let mut start = 0_u64;
        for share in plan.shares() {
            cases.extend((start..start + share.count.min(most)).filter_map(&mut prepared));
            start = start.saturating_add(share.count);
        }
        Self { suite: suite.name.to_string(), machine, cases }
    }
}

/// The judge of a device in software, of which nothing is known.
fn judge(machine: Machine) -> Judge {
    let learned = Learned::new([]).unwrap_or_else(|error| unreachable!("{error}"));
    Judge::new(machine.ids(), pe::map(), Established { learned, known: Known::default() })
}

/// What is asked of a device with one erratum.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The suites, one after another, until the erratum is named by itself: those for the full machine, and the others
    /// where none of them finds it.
    pub exams: &'a [Exam],
    /// Whether all suites are asked in any case, and all their cases.
    pub all: bool,
}

/// How an erratum is named among the causes of what was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// As the first name of the largest cause.
    First,
    /// Among those that explain the same as the first name of the largest cause.
    Together,
    /// With another cause than the largest.
    Behind,
    /// Not at all.
    Unnamed,
}

/// What a suite showed of an erratum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    pub suite: String,
    pub machine: Machine,
    pub probes: u64,
    pub findings: u64,
}

/// What came of a trial.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verdict {
    pub erratum: &'static str,
    /// After how many probes there was the first finding; `None` where there was none.
    pub probes: Option<u64>,
    /// The suites that were asked.
    pub suites: Vec<Shown>,
    pub naming: Naming,
    /// The other names of the cause in which it is named, or else of the largest, in their order.
    pub others: Vec<String>,
}

impl Verdict {
    pub const fn is_found(&self) -> bool {
        self.probes.is_some()
    }

    /// Whether it is named with the largest cause.
    pub fn is_named(&self) -> bool {
        self.naming <= Naming::Together
    }

    /// The first suite that found it, and on which machine.
    pub fn found_by(&self) -> Option<&Shown> {
        self.suites.iter().find(|shown| shown.findings > 0)
    }
}

/// What a device without errata answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sound {
    pub probes: u64,
    pub findings: u64,
    /// The first findings, in words.
    pub first: Vec<String>,
}

impl Sound {
    pub const fn conforms(&self) -> bool {
        self.findings == 0
    }

    /// One line of JSON, for other programs.
    pub fn json_line(&self) -> String {
        serde_json::json!({ "sound": self }).to_string()
    }
}

impl Trial<'_> {
    /// Asks a device with `erratum`.
    ///
    /// # Errors
    /// As of any target; a device in software gives no reason for one.
    pub fn of(&self, erratum: &'static Erratum) -> Result<Verdict, TargetError> {
        let (mut suites, mut notes) = (Vec::new(), Notes::default());
        let mut named = (Naming::Unnamed, Vec::new());
        for exam in self.exams {
            if exam.machine == Machine::Plain && notes.findings > 0 && !self.all {
                break;
            }
            let (probes, findings) = (notes.probes, notes.findings);
            let most = if self.all { usize::MAX } else { ENOUGH };
            ask(&[erratum], exam, most, &mut notes)?;
            let (probes, findings) = (notes.probes - probes, notes.findings - findings);
            let (suite, machine) = (exam.suite.clone(), exam.machine);
            suites.push(Shown { suite, machine, probes, findings });
            if findings > 0 {
                named = naming(erratum, &diagnosis::names(&notes.records));
            }
            if named.0 == Naming::First && !self.all {
                break;
            }
        }
        let (naming, others) = named;
        Ok(Verdict { erratum: erratum.name, probes: notes.first, suites, naming, others })
    }

    /// Asks a device without errata all suites: it must conform.
    ///
    /// # Errors
    /// As of any target.
    pub fn of_none(&self) -> Result<Sound, TargetError> {
        let mut notes = Notes::default();
        for exam in self.exams {
            ask(&[], exam, usize::MAX, &mut notes)?;
        }
        Ok(Sound { probes: notes.probes, findings: notes.findings, first: notes.told })
    }
}

/// So many cases of a suite that show something are enough for a diagnosis.
const ENOUGH: usize = 3;

/// Asks a device with these errata the cases of `exam` in their order, until so many of them have shown something.
fn ask(
    errata: &[&'static Erratum],
    exam: &Exam,
    most: usize,
    notes: &mut Notes,
) -> Result<(), TargetError> {
    let mut session = target(exam.machine.ids(), errata).boot()?;
    let mut judge = judge(exam.machine);
    let mut wrong = 0;
    for (index, case, prepared) in exam.cases.iter().filter(|(.., asked)| !asked.is_empty()) {
        let mut open = judge.open(*index, case.clone());
        session.send_case(*index, Case::as_ref(&prepared.case))?;
        if let Event::Observations { body, .. } = session.receive()? {
            judge.judge(&mut open, prepared, body);
        }
        let record = open.close();
        notes.add(&record);
        wrong += usize::from(!record.findings.is_empty());
        if wrong >= most {
            break;
        }
    }
    Ok(())
}

/// How `erratum` is named in these causes, and the names beside it.
fn naming(erratum: &'static Erratum, causes: &[Vec<String>]) -> (Naming, Vec<String>) {
    let own = causes.iter().position(|names| names.iter().any(|name| name == erratum.name));
    let naming = match own {
        Some(0) if causes[0][0] == erratum.name => Naming::First,
        Some(0) => Naming::Together,
        Some(_) => Naming::Behind,
        None => Naming::Unnamed,
    };
    let names = causes.get(own.unwrap_or(0)).into_iter().flatten();
    (naming, names.filter(|name| **name != erratum.name).cloned().collect())
}

/// What is noted of campaigns.
#[derive(Default)]
struct Notes {
    /// Those with findings.
    records: Vec<CaseRecord>,
    probes: u64,
    findings: u64,
    /// After how many probes there was the first finding.
    first: Option<u64>,
    /// The first findings, in words.
    told: Vec<String>,
}

/// So many findings are told of a device that should have none.
const MOST_TOLD: usize = 8;

impl Notes {
    fn add(&mut self, record: &CaseRecord) {
        if !record.findings.is_empty() {
            self.records.push(record.clone());
        }
        self.findings += record.findings.len() as u64;
        if let (None, Some(finding)) = (self.first, record.findings.first()) {
            let before = finding.probe.map_or(record.probes, |probe| u64::from(probe) + 1);
            self.first = Some(self.probes + before.min(record.probes.max(1)));
        }
        let room = MOST_TOLD.saturating_sub(self.told.len());
        self.told.extend(record.findings.iter().take(room).map(|finding| {
            format!("case {}: {}: {}", record.index, finding.question, finding.signature)
        }));
        self.probes += record.probes;
    }
}

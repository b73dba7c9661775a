//! A run as a list of tests, for formats that know tests.
//!
//! ```text
//!   records.jsonl --fold--> one point a cell of the matrix:  4K ipa 32, 4K ipa 33, ... 64K ipa 52
//!                           findings of cases without one:   no tables
//!                           each cause of findings:          cause DC-by-VA-does-not-translate
//!                           findings that have none:         not explained
//!                           summary.json is there, or not:   the run came to its end
//! ```
//!
//! The names stay the same from run to run, so that what reads them can tell what is new. A finding counts twice: where
//! it is, and for its cause.

use std::collections::BTreeMap;
use std::path::PathBuf;

use judge::verdict::{CaseRecord, Cell, Finding, NotAsked, Signature};

use super::causes::{support, what};
use super::legal::one_line;
use super::terminal::plural;
use crate::diagnosis::{Cause, Causes, Unexplained};
use crate::record::pace::Course;
use crate::record::{Header, Run, RunError, Square, Summary};

/// A run as a list of tests.
#[derive(Clone, Debug)]
pub struct Checklist {
    /// What was asked of whom.
    pub header: Header,
    /// The folder of the run.
    pub folder: PathBuf,
    /// What it came to.
    pub summary: Summary,
    /// How long it took; of an interrupted run, as far as that was written down.
    pub seconds: f64,
    pub points: Vec<Point>,
}

#[derive(Clone, Debug)]
pub struct Point {
    /// Its name, the same for every run of the suite.
    pub name: String,
    /// The sums over its cases.
    pub square: Square,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a test came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    /// There are findings, in the order of their signatures' words.
    Failed(Vec<FailedTest>),
    /// So many findings have this cause.
    Caused(Box<CausedTest>),
    /// There are none but known errata: how many probes showed each.
    Known(BTreeMap<String, u64>),
    /// No probe was asked, for these reasons.
    Skipped(NotAsked),
    /// It could not be brought to an end.
    Broken(&'static str),
}

/// Findings of one kind in one test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedTest {
    pub count: u64,
    /// Number of the first case that showed it.
    pub case: u64,
    pub first: Finding,
}

/// Findings of one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CausedTest {
    pub count: u64,
    /// The erratum, what it does, and which rule it breaks.
    pub title: String,
    /// How far the findings support it, and errata that they don't tell from it.
    pub details: Vec<String>,
    /// Number of the first case that showed it.
    pub case: u64,
    pub first: Finding,
}

impl Outcome {
    /// Whether somebody has to look at it.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Caused(_) | Self::Broken(_))
    }
}

impl CausedTest {
    fn new(cause: &Cause) -> Self {
        let others = cause.errata[1..].iter();
        let others = others.map(|name| format!("or {name}: these findings do not tell them apart"));
        Self {
            count: cause.findings,
            title: format!("{}: {}", cause.name(), what(cause)),
            details: others.chain([support(cause)]).collect(),
            case: cause.first.case,
            first: cause.first.finding.clone(),
        }
    }

    /// One line.
    pub fn message(&self) -> String {
        format!("{}: {}", plural(self.count, "finding"), one_line(&self.title))
    }
}

impl FailedTest {
    /// What its findings have in common.
    pub const fn signature(&self) -> &Signature {
        &self.first.signature
    }
}

/// One line: `3 findings of 2 kinds: at_s12e1r: ...; at_s12e1w: ...`.
pub fn message(failures: &[FailedTest]) -> String {
    let count = failures.iter().map(|failure| failure.count).sum();
    let kinds = failures.iter().map(|failure| one_line(&failure.signature().to_string()));
    let kinds: Vec<String> = kinds.collect();
    let of = plural(kinds.len() as u64, "kind");
    format!("{} of {of}: {}", plural(count, "finding"), kinds.join("; "))
}

#[derive(Default)]
struct Entry {
    square: Square,
    known: BTreeMap<String, u64>,
    not_asked: NotAsked,
    failures: BTreeMap<Signature, FailedTest>,
}

impl Checklist {
    /// Goes through the records of `run`, whose summary is `summary`. What is kept grows with the kinds
    /// of finding, and not with the number of cases.
    pub fn new(run: &Run, summary: Summary) -> Result<Self, RunError> {
        let mut cells: BTreeMap<Cell, Entry> = BTreeMap::new();
        let mut elsewhere = Entry::default();
        for record in run.records()? {
            let record = record?;
            let entry = record.cell.map(|cell| cells.entry(cell).or_default());
            entry.unwrap_or(&mut elsewhere).add(&record);
        }
        let named = |(cell, entry): (Cell, Entry)| {
            let granule = Cell::granule_name(cell.granule);
            entry.point(format!("{granule} ipa {}", cell.ipa_bits))
        };
        let mut points: Vec<Point> = cells.into_iter().map(named).collect();
        if !elsewhere.failures.is_empty() {
            points.push(elsewhere.point("no tables".to_owned()));
        }
        // Of a run without a diagnosis nobody can say that something is not explained.
        if let Some(causes) = summary.causes.as_ref().filter(|it| it.undiagnosed.is_empty()) {
            points.extend(causes_of(causes));
        }
        points.push(Point {
            name: "the run came to its end".to_owned(),
            square: Square::default(),
            outcome: match summary.ending {
                Some(_) if summary.tally.verdicts.judged() == 0 => {
                    Outcome::Skipped(summary.tally.not_asked.clone())
                }
                Some(_) => Outcome::Passed,
                None => Outcome::Broken("the run was interrupted: cases may be missing"),
            },
        });
        let seconds = match &summary.ending {
            Some(ending) => ending.seconds,
            None => {
                let course = Course::read(run.folder())?;
                course.and_then(|course| course.last()).map_or(0.0, |pace| pace.seconds)
            }
        };
        let (header, folder) = (run.header.clone(), run.folder().to_owned());
        Ok(Self { header, folder, summary, seconds, points })
    }

    /// `smoke@qemu-max`: the name of the list.
    pub fn name(&self) -> String {
        format!("{}@{}", self.header.suite.name, self.header.machine.target)
    }

    /// How long a point took: its share of the run's time, by probes.
    pub fn seconds_of(&self, point: &Point) -> f64 {
        let probes = self.summary.tally.probes.max(1);
        self.seconds * point.square.probes as f64 / probes as f64
    }

    /// The command that asks case number `case` again.
    pub fn replay(&self, case: u64) -> String {
        format!("hypwalk replay {}:{case}", self.folder.display())
    }

    /// Name and value of what the run depended on, its sums, and how often each known erratum showed.
    pub fn properties(&self) -> Vec<(String, String)> {
        let Header { run, started, hypwalk, revision, seed, machine, .. } = &self.header;
        let mut properties = vec![
            ("run".to_owned(), run.to_string()),
            ("seed".to_owned(), seed.to_string()),
            ("started".to_owned(), started.clone()),
            ("hypwalk".to_owned(), hypwalk.clone()),
        ];
        let mut add = |name: String, value: String| properties.push((name, value));
        if let Some(revision) = revision {
            add("revision".to_owned(), revision.clone());
        }
        add("generators".to_owned(), self.header.generators.to_string());
        add("target".to_owned(), machine.target.clone());
        if let Some(emulator) = &machine.emulator {
            add("emulator".to_owned(), emulator.clone());
        }
        for (register, value) in &machine.ids {
            add(register.clone(), value.to_string());
        }
        for (choice, answer) in self.summary.ending.iter().flat_map(|ending| &ending.profile) {
            add(format!("choice {choice}"), answer.join(" or "));
        }
        let tally = &self.summary.tally;
        add("cases".to_owned(), tally.cases.to_string());
        add("probes".to_owned(), tally.probes.to_string());
        for (name, shown) in &tally.known {
            add(format!("known erratum {name}"), shown.shown.to_string());
        }
        properties
    }
}

/// A point a cause, and one for what is not explained.
fn causes_of(causes: &Causes) -> impl Iterator<Item = Point> {
    let point = |name: String, outcome| Point { name, square: Square::default(), outcome };
    let caused = causes.causes.iter().map(move |cause| {
        point(format!("cause {}", cause.name()), Outcome::Caused(Box::new(CausedTest::new(cause))))
    });
    let failed = |kind: &Unexplained| FailedTest {
        count: kind.findings,
        case: kind.first.case,
        first: kind.first.finding.clone(),
    };
    let left = (causes.left() > 0).then(|| {
        let failures = causes.unexplained.iter().map(failed).collect();
        point("not explained".to_owned(), Outcome::Failed(failures))
    });
    caused.chain(left)
}

impl Entry {
    fn add(&mut self, record: &CaseRecord) {
        self.square.add(record);
        for (name, shown) in record.known.iter().filter(|(_, shown)| shown.shown > 0) {
            *self.known.entry(name.clone()).or_default() += shown.shown;
        }
        self.not_asked.merge(&record.not_asked);
        for finding in &record.findings {
            let failure = self.failures.entry(finding.signature.clone()).or_insert_with(|| {
                FailedTest { count: 0, case: record.index, first: finding.clone() }
            });
            failure.count += 1;
        }
    }

    fn point(self, name: String) -> Point {
        let outcome = if !self.failures.is_empty() {
            let mut failures: Vec<FailedTest> = self.failures.into_values().collect();
            failures.sort_by_cached_key(|failure| failure.signature().to_string());
            Outcome::Failed(failures)
        } else if self.square.probes == 0 {
            Outcome::Skipped(self.not_asked)
        } else if !self.known.is_empty() {
            Outcome::Known(self.known)
        } else {
            Outcome::Passed
        };
        Point { name, square: self.square, outcome }
    }
}

//! One erratum: is it found by the suites, and named?

use std::num::NonZeroUsize;

use case::Case;
use golden::errata::Erratum;
use judge::established::Established;
use judge::known::Known;
use judge::verdict::CaseRecord;
use link::hello::Hello;
use oracle::learned::Learned;
use serde::Serialize;
use suite::Suite;
use suite::seed::Seed;

use super::device::target;
use crate::campaign::{self, Campaign, CampaignError, RecordError, Recorder, Totals};
use crate::plan::Plan;
use crate::report::causes::Gathered;

/// What is asked of a device with one erratum.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The suites, one after another, until the erratum is named by itself.
    pub suites: &'a [Suite],
    /// The most cases of each.
    pub cases: u64,
    /// Whether all suites are asked in any case.
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
    pub others: Vec<&'static str>,
}

impl Verdict {
    pub const fn is_found(&self) -> bool {
        self.probes.is_some()
    }

    /// Whether it is named with the largest cause.
    pub fn is_named(&self) -> bool {
        self.naming <= Naming::Together
    }

    /// The first suite that found it.
    pub fn suite(&self) -> Option<&str> {
        let found = self.suites.iter().find(|shown| shown.findings > 0);
        found.map(|shown| shown.suite.as_str())
    }
}

/// What a device without errata answered.
#[derive(Clone, PartialEq, Eq, Debug)]
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
}

impl Trial<'_> {
    /// Asks a device with `erratum`.
    ///
    /// # Errors
    /// As of any campaign; a device in software gives no reason for one.
    pub fn of(&self, erratum: &'static Erratum) -> Result<Verdict, CampaignError> {
        let (mut suites, mut notes) = (Vec::new(), Notes::default());
        let mut named = (Naming::Unnamed, Vec::new());
        for suite in self.suites {
            let found = notes.findings;
            let totals = self.ask(&[erratum], suite, &mut notes)?;
            suites.push(Shown {
                suite: suite.name.to_string(),
                probes: totals.verdicts.total(),
                findings: notes.findings - found,
            });
            if notes.findings > found {
                named = naming(erratum, &notes.gathered.names());
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
    /// As of any campaign.
    pub fn of_none(&self) -> Result<Sound, CampaignError> {
        let mut notes = Notes::default();
        for suite in self.suites {
            self.ask(&[], suite, &mut notes)?;
        }
        Ok(Sound { probes: notes.probes, findings: notes.findings, first: notes.told })
    }

    fn ask(
        &self,
        errata: &[&'static Erratum],
        suite: &Suite,
        notes: &mut Notes,
    ) -> Result<Totals, CampaignError> {
        let learned = Learned::new([]).unwrap_or_else(|error| unreachable!("{error}"));
        let established = Established { learned, known: Known::default() };
        let seed = match suite.seed {
            Seed::Fixed(seed) => seed,
            Seed::Date => 1,
        };
        let campaign = Campaign {
            cases: Some(self.cases),
            workers: NonZeroUsize::MIN,
            ..Campaign::new(suite.generators.clone(), seed, established)
        };
        campaign::run(&target(errata), campaign, notes)
    }
}

/// How `erratum` is named in these causes, and the names beside it.
fn naming(erratum: &'static Erratum, causes: &[Vec<&'static str>]) -> (Naming, Vec<&'static str>) {
    let own = causes.iter().position(|names| names.contains(&erratum.name));
    let naming = match own {
        Some(0) if causes[0][0] == erratum.name => Naming::First,
        Some(0) => Naming::Together,
        Some(_) => Naming::Behind,
        None => Naming::Unnamed,
    };
    let names = causes.get(own.unwrap_or(0)).into_iter().flatten();
    (naming, names.copied().filter(|name| *name != erratum.name).collect())
}

/// What is noted of campaigns.
#[derive(Default)]
struct Notes {
    gathered: Gathered,
    probes: u64,
    findings: u64,
    /// After how many probes there was the first finding.
    first: Option<u64>,
    /// The first findings, in words.
    told: Vec<String>,
}

/// So many findings are told of a device that should have none.
const MOST_TOLD: usize = 8;

impl Recorder for Notes {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.gathered.add(record);
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
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

//! Known errata, tried by their reproducers: whether a target has them.

use case::Case;
use device::Target;
use judge::established::Established;
use judge::known::{Known, KnownErratum};
use judge::verdict::{CaseRecord, Signature};
use link::hello::Hello;
use oracle::learned::Learned;
use suite::case_file::{CaseFile, CaseFileError};
use suite::generator::{ExplicitCase, Generator};

use crate::campaign::{self, Campaign, CampaignError, RecordError, Recorder, Totals};
use crate::plan::Plan;

/// What became of errata that were tried.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Those that show: a reproducer of theirs is answered as they predict, and not as it may be.
    pub shown: Vec<KnownErratum>,
    /// Those whose reproducers conform.
    pub gone: Vec<KnownErratum>,
    /// Those that have no reproducer, or whose reproducers were not asked, or could not show them here.
    pub untried: Vec<KnownErratum>,
}

/// Errata that can't be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A reproducer can't be read.
    #[error(transparent)]
    Reproducer(#[from] CaseFileError),
    /// The target can't be run.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
}

/// Tries `errata` on `target`, of whose choices so much is `learned`.
///
/// # Errors
/// [`TrialError`] where a reproducer can't be read, or the target can't be run.
pub fn try_errata(
    target: &dyn Target,
    learned: &Learned,
    errata: &Known,
) -> Result<Tried, TrialError> {
    let mut cases = Vec::new();
    let mut of_case = Vec::new();
    for erratum in errata.iter() {
        for file in erratum.reproducers() {
            let case = CaseFile::read(file)?.case;
            cases.push(ExplicitCase::new(erratum.name(), *case.0));
            of_case.push(erratum.name());
        }
    }
    let mut records = Records::default();
    if !cases.is_empty() {
        let known = errata.clone().in_full();
        let established = Established { learned: learned.clone(), known };
        let campaign = Campaign::new(vec![Generator::Explicit(cases)], 0, established);
        campaign::run(target, campaign, &mut records)?;
    }
    let mut tried = Tried::default();
    for erratum in errata.iter() {
        let is_its = |record: &&CaseRecord| of_case[record.index as usize] == erratum.name();
        let own: Vec<&CaseRecord> = records.0.iter().filter(is_its).collect();
        let list = if own.iter().any(|record| shows(record, erratum.name())) {
            &mut tried.shown
        } else if own.iter().any(|record| is_asked(record, erratum.name())) {
            &mut tried.gone
        } else {
            &mut tried.untried
        };
        list.push(erratum.clone());
    }
    Ok(tried)
}

/// Whether an answer in `record` could have shown the erratum called `name`: on another PE it may make no difference.
fn is_asked(record: &CaseRecord, name: &str) -> bool {
    record.known.get(name).is_some_and(|shown| shown.asked > 0)
}

/// Whether an answer in `record` shows the erratum called `name`.
fn shows(record: &CaseRecord, name: &str) -> bool {
    record.findings.iter().any(|finding| match &finding.signature {
        Signature::Known(names) => names.iter().any(|one| one == name),
        _ => false,
    })
}

#[derive(Default)]
struct Records(Vec<CaseRecord>);

impl Recorder for Records {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.0.push(record.clone());
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

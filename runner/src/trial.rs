//! Known errata of earlier versions, tried by their reproducers: whether a target has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use case::Case;
use device::{Identity, Target};
use judge::established::Established;
use judge::known::{KnownErrata, KnownErratum};
use judge::verdict::{CaseRecord, Signature};
use oracle::learned::Learned;
use suite::case_file::{CaseFile, CaseFileError};
use suite::generator::ExplicitCase;

use crate::campaign::{self, CampaignError};

/// What became of errata that were tried, by name.
pub type Tried = BTreeMap<&'static str, Outcome>;

/// What became of an erratum that was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A reproducer is answered as it predicts, and not as it may be.
    Shows,
    /// Its reproducers conform, where it would have had another answer.
    Gone,
    /// It has no reproducer.
    NoReproducer,
    /// None of its reproducers can show it on this target.
    NotAsked,
    /// A reproducer is answered neither as it may be nor as known errata predict.
    Unclear,
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
    #[error("interrupted while errata of earlier versions were tried: nothing is recorded")]
    Interrupted,
}

/// Tries those of `errata` on `target`, of whose choices so much is `learned`, that were seen on earlier versions of it.
///
/// A reproducer is judged by all that is known of the target, and by all that is tried: what another erratum changes in it
/// is predicted, too. Where some turn out to be gone the others are judged once more without them.
///
/// # Errors
/// [`TrialError`] where a reproducer can't be read, the target can't be run, or `interrupt` was set.
pub fn try_errata(
    target: &dyn Target,
    learned: &Learned,
    errata: &KnownErrata,
    interrupt: &Arc<AtomicBool>,
) -> Result<Tried, TrialError> {
    let Identity { name, emulator, .. } = target.identity();
    let to_try = errata.to_try(name, emulator.as_deref());
    let mut tried: Tried =
        to_try.iter().map(|erratum| (erratum.name(), Outcome::NoReproducer)).collect();
    let mut open = reproducers(to_try.iter())?;
    let mut supposed: BTreeSet<&'static str> = open.iter().map(|(name, _)| *name).collect();
    let judged = |cases: &[Reproducer], supposed: &BTreeSet<&'static str>| {
        let supposed = supposed.iter().map(|name| ((*name).to_owned(), true)).collect();
        let known = errata.with_tried(name, emulator.as_deref(), supposed).in_full();
        let established = Established { learned: learned.clone(), known };
        let asked = cases.iter().map(|(of, case)| ExplicitCase::new(of, case.clone())).collect();
        let records = campaign::ask(target, asked, established, interrupt)?.records;
        if records.len() < cases.len() {
            return Err(TrialError::Interrupted);
        }
        let mut by_name = BTreeMap::<_, Vec<CaseRecord>>::new();
        for ((of, _), record) in cases.iter().zip(records) {
            by_name.entry(*of).or_default().push(record);
        }
        Ok(by_name)
    };
    while !open.is_empty() {
        for (name, records) in judged(&open, &supposed)? {
            tried.insert(name, outcome(name, &records));
        }
        open.retain(|(name, _)| matches!(tried[name], Outcome::Unclear | Outcome::NotAsked));
        let has = |name: &&'static str, outcome| tried.get(name) == Some(&outcome);
        let mut gone: Vec<&'static str> =
            supposed.iter().copied().filter(|name| has(name, Outcome::Gone)).collect();
        if gone.is_empty() {
            // What it seems to show may be another's doing: then it conforms, or is predicted, without it.
            let unclear: Vec<Reproducer> =
                open.iter().filter(|(name, _)| has(name, Outcome::Unclear)).cloned().collect();
            let mut others = supposed.clone();
            others.retain(|name| !has(name, Outcome::Unclear));
            let records =
                if unclear.is_empty() { BTreeMap::new() } else { judged(&unclear, &others)? };
            let explained = records.iter().filter(|(_, records)| !records.iter().any(is_wrong));
            gone.extend(explained.map(|(name, _)| *name));
        }
        if gone.is_empty() {
            break;
        }
        tried.extend(gone.iter().map(|name| (*name, Outcome::Gone)));
        supposed.retain(|name| !gone.contains(name));
        open.retain(|(name, _)| !gone.contains(name));
    }
    Ok(tried)
}

/// A case, and the name of the erratum that it shows.
type Reproducer = (&'static str, Case);

/// The reproducers of `errata`.
fn reproducers<'e>(
    errata: impl Iterator<Item = &'e KnownErratum>,
) -> Result<Vec<Reproducer>, CaseFileError> {
    let files = errata.flat_map(|erratum| {
        erratum.reproducers().iter().map(|file: &PathBuf| (erratum.name(), file))
    });
    files.map(|(name, file)| Ok((name, *CaseFile::read(file)?.case.0))).collect()
}

/// What became of the erratum called `name`, of whose reproducers these are the records.
fn outcome(name: &str, records: &[CaseRecord]) -> Outcome {
    let shows = |record: &CaseRecord| {
        record.findings.iter().any(|finding| match &finding.signature {
            Signature::Known(names) => names.iter().any(|one| one == name),
            _ => false,
        })
    };
    // On another PE it may make no difference.
    let is_asked =
        |record: &CaseRecord| record.known.get(name).is_some_and(|shown| shown.asked > 0);
    if records.iter().any(shows) {
        Outcome::Shows
    } else if records.iter().any(is_wrong) {
        Outcome::Unclear
    } else if records.iter().any(is_asked) {
        Outcome::Gone
    } else {
        Outcome::NotAsked
    }
}

fn is_wrong(record: &CaseRecord) -> bool {
    record.findings.iter().any(|finding| finding.verdict.is_finding())
}

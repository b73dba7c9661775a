//! Runs of format 2, whose reasons, signatures, expectations and observations are sentences.
//!
//! ```text
//!   "at_s12e1r: success, with another ATTR"  -->  Signature::Answer { .. }
//!   "as nobody says it any more"             -->  Signature::Told(..)
//! ```
//!
//! A sentence becomes data where that reads just so, and stays as it is otherwise: what is told of such a run is
//! what was told of it when it was written.

use std::collections::BTreeMap;

use case::draw::NotDrawn;
use case::probe::Operation;
use device::wire::Wear;
use judge::difference::Difference;
use judge::kind::{AnswerKind, Class};
use judge::known::{Issue, Shown};
use judge::verdict::{
    self, Answers, Cell, Counts, Defect, NotAsked, Observed, PlacementCell, ProbeKind, Question,
    Reason, Seen, Signature, Verdict, Wanted, Word,
};
use serde::Deserialize;
use suite::hex::Hex;

use super::{Host, Matrix, PlacementMatrix, RunId, summary, tally};

/// The version of the format.
pub const VERSION: u32 = 2;

/// What stands between things of which one is meant.
const OR: &str = " or ";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    index: u64,
    #[serde(default = "one")]
    cases: u64,
    #[serde(default)]
    cell: Option<Cell>,
    #[serde(default)]
    dwelling: Option<PlacementCell>,
    probes: u64,
    verdicts: Counts,
    #[serde(default)]
    not_asked: BTreeMap<String, u64>,
    #[serde(default)]
    known: BTreeMap<String, Shown>,
    #[serde(default)]
    settled: BTreeMap<String, String>,
    digest: u64,
    #[serde(default)]
    findings: Vec<Finding>,
}

const fn one() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    probe: Option<u32>,
    verdict: Verdict,
    signature: String,
    question: String,
    expectation: Vec<String>,
    observation: String,
}

/// The summary of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    format: u32,
    run: RunId,
    suite: String,
    target: String,
    seed: u64,
    ending: Option<RunEnd>,
    issues: BTreeMap<String, Issue>,
    tally: Tally,
}

/// How a run ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunEnd {
    seconds: f64,
    #[serde(default)]
    host: Option<Host>,
    workers: u64,
    boots: u64,
    #[serde(default)]
    wear: Wear,
    profile: BTreeMap<String, String>,
}

/// Sums over the records of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tally {
    cases: u64,
    probes: u64,
    verdicts: Counts,
    known: BTreeMap<String, Shown>,
    not_asked: BTreeMap<String, u64>,
    findings: u64,
    matrix: Matrix,
    #[serde(default)]
    dwellings: PlacementMatrix,
    groups: BTreeMap<String, Group>,
}

/// Findings of one kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    count: u64,
    verdict: Verdict,
    first_case: u64,
    first: Finding,
    reproducers: Vec<String>,
}

impl From<CaseRecord> for verdict::CaseRecord {
    fn from(record: CaseRecord) -> Self {
        Self {
            index: record.index,
            cases: record.cases,
            cell: record.cell,
            placement: record.dwelling,
            probes: record.probes,
            verdicts: record.verdicts,
            not_asked: not_asked(&record.not_asked),
            known: record.known,
            settled: answers(&record.settled),
            digest: record.digest,
            findings: record.findings.into_iter().map(Finding::into).collect(),
            contradicted: BTreeMap::new(),
            unshown: BTreeMap::new(),
            results: BTreeMap::new(),
        }
    }
}

impl From<Finding> for verdict::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            probe: finding.probe,
            verdict: finding.verdict,
            signature: signature(&finding.signature),
            question: Question::Told(finding.question),
            expectation: Wanted::Told(finding.expectation),
            observation: observation(&finding.observation),
            errata: Vec::new(),
            rule: None,
        }
    }
}

impl From<Summary> for summary::Summary {
    fn from(summary: Summary) -> Self {
        let Summary { format, run, suite, target, seed, ending, issues, tally } = summary;
        let (ending, tally) = (ending.map(RunEnd::into), tally.into());
        Self { format, run, suite, target, seed, ending, issues, tally, causes: None }
    }
}

impl From<RunEnd> for summary::RunEnd {
    fn from(ending: RunEnd) -> Self {
        let RunEnd { seconds, host, workers, boots, wear, profile } = ending;
        Self { seconds, host, workers, boots, wear, profile: answers(&profile) }
    }
}

impl From<Tally> for tally::Tally {
    fn from(tally: Tally) -> Self {
        let groups = tally.groups.into_values().map(tally::Group::from);
        Self {
            cases: tally.cases,
            probes: tally.probes,
            verdicts: tally.verdicts,
            known: tally.known,
            not_asked: not_asked(&tally.not_asked),
            findings: tally.findings,
            matrix: tally.matrix,
            placements: tally.dwellings,
            groups: groups.map(|group| (group.signature().clone(), group)).collect(),
        }
    }
}

impl From<Group> for tally::Group {
    fn from(group: Group) -> Self {
        let Group { count, verdict, first_case, first, reproducers } = group;
        Self { count, verdict, first_case, first: first.into(), reproducers }
    }
}

fn answers(settled: &BTreeMap<String, String>) -> Answers {
    let answers = |told: &str| told.split(OR).map(str::to_owned).collect();
    settled.iter().map(|(choice, told)| (choice.clone(), answers(told))).collect()
}

fn not_asked(reasons: &BTreeMap<String, u64>) -> NotAsked {
    reasons.iter().map(|(words, count)| (reason(words), *count)).collect()
}

/// `read`, if it reads like `words` again.
fn just<T: ToString>(words: &str, read: Option<T>) -> Option<T> {
    read.filter(|read| read.to_string() == words)
}

fn reason(words: &str) -> Reason {
    const PLAIN: [Reason; 17] = [
        Reason::Strays,
        Reason::GuestCode,
        Reason::Alone,
        Reason::ForeignTranslations,
        Reason::UntoldMemory,
        Reason::NoAtomics,
        Reason::MismatchedAttributes,
        Reason::NotExecuted,
        Reason::NotModelled,
        Reason::Harmful,
        Reason::MoreOutcomes,
        Reason::ExecutorException,
        Reason::Truncated,
        Reason::DiedBuilding,
        Reason::NoHost,
        Reason::LogFull,
        Reason::NotReached,
    ];
    let payload = |before: &str| words.strip_prefix(before);
    let mut all = PLAIN
        .into_iter()
        .chain([Reason::Misfit, Reason::HeldBack(None)])
        .chain(NotDrawn::ALL.map(Reason::NotDrawn))
        .chain(Defect::ALL.map(Reason::Defect))
        .chain(
            payload("held back: it would kill the target by ")
                .map(|issue| Reason::HeldBack(Some(issue.to_owned()))),
        )
        .chain(
            payload("the case can't be built here: ")
                .map(|error| Reason::BuildError(error.to_owned())),
        )
        .chain(
            payload("held back: probes of its kind killed the target (")
                .and_then(|kind| probe_kind(kind.strip_suffix(')')?))
                .map(Reason::Quarantined),
        );
    let found = all.find(|reason| reason.to_string() == words);
    found.unwrap_or_else(|| Reason::Told(words.to_owned()))
}

/// Reads `at_s12e1r: success or stage 2 Permission fault`.
fn probe_kind(words: &str) -> Option<ProbeKind> {
    let (operation, expected) = match words.split_once(": ") {
        Some((operation, expected)) => (operation, expected.split(OR).map(class).collect()),
        None => (words, Some(Vec::new())),
    };
    Some(ProbeKind { operation: Operation::from_name(operation)?, expected: expected? })
}

fn class(words: &str) -> Option<Class> {
    AnswerKind::all().map(Class::of).find(|class| class.to_string() == words)
}

fn signature(words: &str) -> Signature {
    const CHOICE: &str = "the target makes a choice in two ways: ";
    let whole = || {
        let defects = Defect::ALL.into_iter().map(Signature::Defect);
        let mut all = defects.chain([Signature::Mappings]);
        all.find(|signature| signature.to_string() == words)
    };
    let choice = || words.strip_prefix(CHOICE).map(|choice| Signature::Choice(choice.to_owned()));
    let died = || {
        let (kind, sign) = words.rsplit_once(": ")?;
        let hung = match sign {
            "the target died" => false,
            "the target hung" => true,
            _ => return None,
        };
        Some(Signature::Died { kind: probe_kind(kind), hung })
    };
    let executor = || {
        let kind = words.strip_suffix(": the executor took an exception")?;
        Some(Signature::ExecutorException { kind: probe_kind(kind) })
    };
    let answer = || {
        let (operation, difference) = words.split_once(": ")?;
        let operation = Operation::from_name(operation)?;
        Some(Signature::of_answer(operation, Difference::named(difference)))
    };
    just(words, whole())
        .or_else(|| just(words, choice()))
        .or_else(|| just(words, died()))
        .or_else(|| just(words, executor()))
        .or_else(|| just(words, answer()))
        .unwrap_or_else(|| Signature::Told(words.to_owned()))
}

fn observation(words: &str) -> Observed {
    let told = || Seen::Told(words.to_owned()).into();
    just(words, par(words)).unwrap_or_else(told)
}

/// Reads `PAR_EL1 0xa1b: a fault; descriptor [0x1000] is now 0x0000000000000003`, whatever it says of the value.
fn par(words: &str) -> Option<Observed> {
    let mut parts = words.split("; ");
    let (value, _) = parts.next()?.strip_prefix("PAR_EL1 ")?.split_once(": ")?;
    let update = |words: &str| {
        let (pa, value) = words.strip_prefix("descriptor [")?.split_once("] is now ")?;
        Some(Word::new(hex(pa)?, hex(value)?))
    };
    let updates = parts.map(update).collect::<Option<_>>()?;
    Some(Observed { answer: Seen::Par(Hex(hex(value)?)), updates })
}

fn hex(words: &str) -> Option<u64> {
    u64::from_str_radix(words.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_become_data_where_they_read_just_so() {
        for words in [
            "its walk would leave the memory that belongs to the case",
            "what the target told of it does not fit the case",
            "the PE has no HCR_EL2.E2H",
            "answers are missing",
            "held back: it would kill the target by an-issue",
            "held back: it would kill the target by something that it was not told",
            "held back: probes of its kind killed the target (at_s12e1r: success or stage 2 Permission fault)",
            "held back: probes of its kind killed the target (load: exception Translation fault)",
            "the case can't be built here: it is too large (4)",
        ] {
            let reason = reason(words);
            assert!(!matches!(reason, Reason::Told(_)), "{words}");
            assert_eq!(reason.to_string(), words);
        }
        for words in [
            "at_s12e1r: success instead of stage 2 Address size fault, level 1",
            "at_s12e1r: success, with another PA and ATTR, with descriptors changed as they may not be",
            "load: exception Translation fault, level 3, with another syndrome",
            "at_s1e2r: success, which a choice that is settled rules out",
            "at_s12e1w: stage 2 Permission fault: the target died",
            "at_s12e1w: success or stage 1 Permission fault: the target hung",
            "change: the target died",
            "building: the target died",
            "a case: the executor took an exception",
            "at_s12e1r: the executor took an exception",
            "the tables are not what the mappings ask for",
            "a case comes to another digest when the target asks it by itself",
            "the target makes a choice in two ways: par_xs",
        ] {
            let signature = signature(words);
            assert!(!matches!(signature, Signature::Told(_)), "{words}");
            assert_eq!(signature.to_string(), words);
        }
        for words in [
            "PAR_EL1 0xa1b: stage 2 Permission fault, level 1",
            "PAR_EL1 0xff00000456789b80: PA 0x456789000, ATTR 0xff, SH 0b11; descriptor [0x1000] is now \
             0x0000000000000403",
        ] {
            let observed = observation(words);
            assert!(matches!(observed.answer, Seen::Par(_)), "{words}");
            assert_eq!(observed.to_string(), words);
        }
    }

    #[test]
    fn other_sentences_stay_as_they_are() {
        for words in [
            "",
            "at_s12e1r: PA instead of fault",
            "at: success",
            ": the target died",
            "PAR_EL1 0x1",
        ] {
            assert_eq!(reason(words), Reason::Told(words.to_owned()));
            assert_eq!(signature(words), Signature::Told(words.to_owned()));
            assert_eq!(observation(words), Seen::Told(words.to_owned()).into());
        }
        let odd = "PAR_EL1 0xa1b: a fault";
        assert_eq!(observation(odd), Seen::Told(odd.to_owned()).into());
        let answers = answers(&BTreeMap::from([("tg0".to_owned(), "16k or 4k".to_owned())]));
        assert_eq!(answers["tg0"], ["16k", "4k"]);
    }
}

//! What must stay while a case is made smaller: the cause of one of its findings.

use std::fmt;

use judge::verdict::{CaseRecord, Demise, Finding, Observed, Seen, Signature};

/// The cause of a finding: an erratum that predicts it or, where none does, its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    Erratum(String),
    Signature {
        signature: Signature,
        /// How the target ended, if it did.
        demise: Option<Demise>,
    },
}

/// A cause, and what else could be behind the finding that shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub cause: Cause,
    /// All errata that predict the finding. A smaller case must not show what others predict: one of those could be what
    /// is wrong there.
    among: Vec<String>,
}

impl Kept {
    /// The cause of `finding` is this erratum, which predicts it; `None` where it does not.
    pub fn by_erratum(finding: &Finding, erratum: &str) -> Option<Self> {
        let cause = Cause::Erratum(finding.errata.iter().find(|one| *one == erratum)?.clone());
        Some(Self { cause, among: finding.errata.clone() })
    }

    /// The cause of `finding` is not known: what stays is its signature.
    pub fn by_signature(finding: &Finding) -> Self {
        let (signature, demise) = (finding.signature.clone(), demise(&finding.observation));
        Self { cause: Cause::Signature { signature, demise }, among: finding.errata.clone() }
    }

    /// The finding of `record` that shows it, if one does.
    pub fn shown<'r>(&self, record: &'r CaseRecord) -> Option<&'r Finding> {
        record.findings.iter().find(|finding| self.is_of(finding))
    }

    fn is_of(&self, finding: &Finding) -> bool {
        let is_among = finding.errata.iter().all(|one| self.among.contains(one));
        let is_same = match &self.cause {
            Cause::Erratum(name) => finding.errata.contains(name),
            Cause::Signature { signature, demise: ended } => {
                finding.signature == *signature && demise(&finding.observation) == *ended
            }
        };
        finding.verdict.is_finding() && is_among && is_same
    }
}

impl Cause {
    /// Whether the target ends by it.
    pub const fn is_death(&self) -> bool {
        matches!(self, Self::Signature { demise: Some(_), .. })
    }

    /// A name for files: letters, digits and dashes.
    pub fn slug(&self) -> String {
        const LONGEST: usize = 60;
        let words: String = self.to_string().chars().map(plain).collect();
        let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
        let slug: String = words.join("-").chars().take(LONGEST).collect();
        slug.trim_end_matches('-').to_owned()
    }
}

const fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erratum(name) => f.write_str(name),
            Self::Signature { signature, .. } => signature.fmt(f),
        }
    }
}

const fn demise(observation: &Observed) -> Option<Demise> {
    match &observation.answer {
        Seen::Death(death) => Some(death.how),
        _ => None,
    }
}

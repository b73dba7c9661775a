//! The digest that stands for a case that conforms.

use link::observations::Observations;
use tables::Digest;

/// The digest of a case's tables, as built and after the last probe, and of its answers.
pub fn digest(observations: &Observations<'_>) -> u64 {
    let report = observations.report;
    let tables = Digest::new().add(report.built).add(report.after);
    observations.answers.iter().fold(tables, |digest, answer| digest.add(*answer)).value()
}

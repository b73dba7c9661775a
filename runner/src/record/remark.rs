//! What a reproducer says of its findings, in the comments above its case.

use suite::case_file::Remark;

use judge::verdict::Finding;

/// Outcomes that are written of those that are allowed.
const OUTCOMES: usize = 4;

/// What is said of `finding`.
pub fn remark(finding: &Finding) -> Remark {
    let what = finding.probe.map_or("the case".to_owned(), |probe| format!("probe {probe}"));
    let title = format!("{what}: {}: {}", finding.verdict.name(), finding.question);
    let outcomes = finding.expectation.lines();
    let others = outcomes.len().saturating_sub(OUTCOMES);
    let mut lines: Vec<_> =
        outcomes.into_iter().take(OUTCOMES).map(|outcome| ("allowed", outcome)).collect();
    if others > 0 {
        lines.push(("allowed", format!("{others} others")));
    }
    lines.push(("observed", finding.observation.to_string()));
    Remark { title, lines }
}

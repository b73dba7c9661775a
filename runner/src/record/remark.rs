//! What a reproducer says of its findings, in the comments above its case.

use suite::case_file::Remark;

use judge::verdict::Finding;

/// Outcomes that are written of those that are allowed.
const OUTCOMES: usize = 4;

/// What is said of `finding`.
pub fn remark(finding: &Finding) -> Remark {
    let what = finding.probe.map_or("the case".to_owned(), |probe| format!("probe {probe}"));
    let title = format!("{what}: {}: {}", finding.verdict.name(), finding.question);
    let allowed = finding.expectation.iter().take(OUTCOMES).cloned();
    let mut lines: Vec<_> = allowed.map(|outcome| ("allowed", outcome)).collect();
    if let Some(others) = finding.expectation.len().checked_sub(OUTCOMES).filter(|&more| more > 0) {
        lines.push(("allowed", format!("{others} others")));
    }
    lines.push(("observed", finding.observation.clone()));
    Remark { title, lines }
}

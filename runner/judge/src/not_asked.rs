//! Counting what is not asked.

use crate::verdict::NotAsked;

/// Counts so many probes, or cases, that are not asked for `reason`.
pub fn count(not_asked: &mut NotAsked, reason: impl Into<String>, probes: u64) {
    *not_asked.entry(reason.into()).or_default() += probes;
}

/// Adds the counts of `other`.
pub fn merge(not_asked: &mut NotAsked, other: &NotAsked) {
    for (reason, probes) in other {
        count(not_asked, reason, *probes);
    }
}

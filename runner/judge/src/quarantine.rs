//! Probes that are held back because their like has killed the target.

use std::collections::BTreeMap;

use crate::verdict::ProbeKind;

/// How many deaths of one kind it takes before probes of that kind are held back.
const DEATHS: u64 = 3;
/// The first sample is asked after this many were held back; each death in a sample makes it ten
/// times as many.
const FIRST_SAMPLE: u64 = 1000;

/// Which kinds of probe kill the target.
///
/// A target that dies of one kind
/// would die of it a thousand times in a campaign, and a restart costs as much as ten thousand
/// probes. So probes of that kind are held back, and counted; now and then one is asked all the
/// same, so that a target that has been mended is noticed.
///
/// This is for what nobody knows. What a [known erratum](crate::known) says that it kills is held back from the
/// start, but for samples.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    kinds: BTreeMap<ProbeKind, Deaths>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Deaths {
    deaths: u64,
    held: u64,
    next_sample: u64,
}

impl Quarantine {
    /// A probe of this kind has killed the target, and nobody knows why.
    pub fn died(&mut self, kind: &ProbeKind) {
        let entry = self.kinds.entry(kind.clone()).or_default();
        entry.deaths += 1;
        if entry.deaths >= DEATHS {
            let factor = 10u64.saturating_pow((entry.deaths - DEATHS).min(9) as u32);
            entry.next_sample = entry.held + FIRST_SAMPLE * factor;
        }
    }

    /// Whether a probe of this kind is held back; it is counted as such then.
    pub fn holds(&mut self, kind: &ProbeKind) -> bool {
        let Some(entry) = self.kinds.get_mut(kind).filter(|entry| entry.deaths >= DEATHS) else {
            return false;
        };
        if entry.held >= entry.next_sample {
            entry.next_sample = entry.held + FIRST_SAMPLE;
            return false;
        }
        entry.held += 1;
        true
    }

    /// Whether any kind is held back.
    pub fn is_active(&self) -> bool {
        self.kinds.values().any(|entry| entry.deaths >= DEATHS)
    }
}

#[cfg(test)]
mod tests {
    use case::probe::Operation;

    use super::*;

    fn kind(operation: Operation) -> ProbeKind {
        ProbeKind { operation, expected: Vec::new() }
    }

    #[test]
    fn a_kind_is_held_back_after_three_deaths_and_sampled() {
        let (a, b) = (kind(Operation::AtS12e1r), kind(Operation::AtS12e1w));
        let mut quarantine = Quarantine::default();
        for _ in 0..DEATHS {
            assert!(!quarantine.holds(&a));
            quarantine.died(&a);
        }
        assert!(quarantine.is_active());
        assert!(!quarantine.holds(&b), "other kinds are not touched");
        let held = (0..FIRST_SAMPLE).filter(|_| quarantine.holds(&a)).count() as u64;
        assert_eq!(held, FIRST_SAMPLE);
        assert!(!quarantine.holds(&a), "a sample is asked");
        assert!(quarantine.holds(&a), "one sample, not all from then on");
    }

    #[test]
    fn a_death_in_a_sample_makes_samples_rarer() {
        let a = kind(Operation::AtS12e1r);
        let mut quarantine = Quarantine::default();
        for _ in 0..=DEATHS {
            quarantine.died(&a);
        }
        assert!((0..10 * FIRST_SAMPLE).all(|_| quarantine.holds(&a)));
        assert!(!quarantine.holds(&a));
    }
}

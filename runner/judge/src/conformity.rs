//! Whether an observation is one that the architecture allows.

use conform::{has_syndrome, is_updated};
use link::observations::{Exception, Update};
use oracle::answer::{Answer, Taken};
use oracle::expectation::{Allowed, Expectation};
use oracle::learned::Learned;

use crate::observation::Observation;

/// Whether `observation`, with the descriptors in `updates` changed by it, is one that is expected; `None` where
/// nobody looks for updates. Learns from it which IMPLEMENTATION DEFINED choices the target has made.
pub fn conforms(
    expectation: &Expectation,
    observation: &Observation<'_>,
    updates: Option<&[Update]>,
    learned: &mut Learned,
) -> bool {
    // What kills does not answer.
    let fits = |allowed: &&Allowed| {
        !allowed.kills
            && admits(&allowed.answer, observation)
            && updates.is_none_or(|updates| is_updated(&allowed.updates, updates))
    };
    // Nearly always one outcome, by no choice: nothing to learn.
    if let [only] = &expectation.outcomes[..]
        && only.asked.is_empty()
    {
        return fits(&only);
    }
    let fitting = expectation.outcomes.iter().filter(fits);
    let fitting: Vec<&Allowed> = fitting.filter(|outcome| learned.agrees(outcome)).collect();
    learned.learn(&fitting);
    !fitting.is_empty()
}

/// Whether `answer` is what was observed.
pub fn admits(answer: &Answer, observation: &Observation<'_>) -> bool {
    match (answer, observation) {
        (Answer::Par { par, .. }, Observation::Par(value)) => par.admits(*value),
        (Answer::Reached(reach), Observation::Reached { places, .. }) => places.contains(reach),
        (Answer::Maintained(_), Observation::Reached { word, .. }) => *word == 0,
        (Answer::Exception(taken), Observation::Exception(found)) => {
            taken.target == found.target as u8
                && has_syndrome(&taken.abort.exception, found)
                && has_return_state(taken, found)
        }
        _ => false,
    }
}

/// Whether the exception returns to the instruction that took it, and to its state.
pub(crate) fn has_return_state(wanted: &Taken, found: &Exception) -> bool {
    wanted.elr.is_none_or(|elr| elr == found.elr) && wanted.spsr.admits(found.spsr)
}

#[cfg(test)]
mod tests {
    use golden::{Abort, El, Fault, FaultKind, Level, Masked, Stage, Va};

    use super::*;
    use crate::difference::Difference;

    /// A store of EL0 to a page that EL1 has not mapped, and what is seen of it.
    fn fault() -> (Answer, Exception) {
        let fault = Fault {
            kind: FaultKind::Translation,
            level: Level::L3,
            stage: Stage::One,
            s1_walk: false,
            ipa: None,
            write: true,
            dirty_bit: false,
        };
        let exception = golden::Exception {
            target: El::El1,
            esr: Masked::exact(0x9200_0047),
            far: Va(0x4000),
            hpfar: None,
        };
        let taken = Taken {
            elr: Some(0x8020),
            spsr: Masked::exact(0x3c0),
            ..Taken::new(Abort { fault, exception })
        };
        let seen = Exception {
            target: 1,
            esr: 0x9200_0047,
            far: 0x4000,
            hpfar: 0x77,
            elr: 0x8020,
            spsr: 0x3c0,
            ..Exception::default()
        };
        (Answer::Exception(taken), seen)
    }

    #[test]
    fn an_exception_is_judged_in_full() {
        let (answer, seen) = fault();
        assert!(admits(&answer, &Observation::Exception(&seen)));
        type Change = fn(&mut Exception);
        let cases: [(Change, &str); 6] = [
            (|seen| seen.target = 2, "target EL"),
            (|seen| seen.esr ^= 1 << 6, "syndrome"),
            (|seen| seen.far += 8, "syndrome"),
            (|seen| seen.elr += 4, "return state"),
            (|seen| seen.spsr = 0x3c5, "return state"),
            (|seen| (seen.target, seen.far) = (2, 0), "syndrome and target EL"),
        ];
        for (change, what) in cases {
            let mut wrong = seen;
            change(&mut wrong);
            let observation = Observation::Exception(&wrong);
            assert!(!admits(&answer, &observation), "{what}");
            let told = Difference::new(&answer, &observation, true).to_string();
            let wanted = format!("exception Translation fault, level 3, with another {what}");
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn a_guest_that_does_not_come_back_is_never_allowed() {
        let (answer, seen) = fault();
        let observation = Observation::Runaway(&seen);
        assert!(!admits(&answer, &observation));
        let told = Difference::new(&answer, &observation, true).to_string();
        assert_eq!(
            told,
            "a guest that does not come back instead of exception Translation fault, level 3"
        );
    }
}

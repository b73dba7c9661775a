//! What a target will probably answer to a case, to the bit: on a slow line a digest then stands for it.
//!
//! A forecast decides nothing. Where the target's digest is another, all of its answer is asked for; where it is
//! the same, so is the answer, and it is judged like any other.

use case::Flags;
use link::observations::{Observations, Report, Status};
use oracle::answer::Answer;
use oracle::playback::Expected;
use zerocopy::IntoBytes;

use crate::prepared::Prepared;

/// What is known of a target's habits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecaster {
    /// The bits of `PAR_EL1` that the architecture leaves open, as they were seen last, by `PAR_EL1.F`.
    open: [u64; 2],
}

/// `PAR_EL1.F`.
const F: u64 = 1;

impl Forecaster {
    /// The body of the observations that are to come, as words; `None` where they are hard to tell: of anything
    /// but AT instructions in the executor's own set-up, and of what hardware may update.
    pub fn forecast(&self, prepared: &Prepared) -> Option<Vec<u64>> {
        const HARD: u64 =
            Flags::WORLD_SWITCH | Flags::MONITOR | Flags::GUEST | Flags::UPDATES | Flags::AUDIT;
        let flags = prepared.case.as_ref().as_ref().flags();
        if flags.0 & HARD != 0 {
            return None;
        }
        let answers = self.answers(prepared)?;
        let built = &prepared.built;
        let mut report = Report::new(Status::Done);
        report.answers = answers.len() as u32;
        (report.built, report.after) = (prepared.digest, prepared.after);
        report.vttbr_el2 = built.vttbr_el2;
        (report.ttbr0_el1, report.ttbr1_el1) = (built.ttbr0_el1, built.ttbr1_el1);
        let mut words = vec![0; size_of::<Report>() / 8];
        words.as_mut_bytes().copy_from_slice(report.as_bytes());
        words.extend(answers);
        Some(words)
    }

    fn answers(&self, prepared: &Prepared) -> Option<Vec<u64>> {
        let answer = |par: golden::Masked| {
            let open = self.open[(par.value & F) as usize];
            par.value | open & !par.mask
        };
        let all = 0..prepared.numbers.len();
        all.map(|index| first_par(prepared.expected(index)?).map(answer)).collect()
    }

    /// Learns from what the target answered.
    pub fn learn(&mut self, prepared: &Prepared, observations: &Observations<'_>) {
        for (index, &answer) in observations.answers.iter().enumerate() {
            if let Some(par) = prepared.expected(index).and_then(first_par)
                && par.value & F == answer & F
            {
                let open = &mut self.open[(answer & F) as usize];
                *open = *open & par.mask | answer & !par.mask;
            }
        }
    }
}

/// The `PAR_EL1` of the most likely outcome, where it is one and nothing is updated.
fn first_par(expected: Expected<'_>) -> Option<golden::Masked> {
    let first = expected.probable().outcomes.first().filter(|first| first.updates.is_empty())?;
    match first.answer {
        Answer::Par { par, .. } => Some(par),
        _ => None,
    }
}

//! What is known of one target.

use case::Case;
use case::probe::Probe;
use golden::Registers;

use crate::judge::learned::Learned;
use crate::known::{Known, Symptom};

/// What is known of one target: the choices that it has made, and what it does wrong.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// Its IMPLEMENTATION DEFINED choices that are settled before the first case. What cases tell does
    /// not change it: each is judged as if it were the first.
    pub learned: Learned,
    /// Its known issues.
    pub known: Known,
}

impl Dossier {
    /// The name of the known issue that the answer to `probe` shows, if it is one: `expected` and
    /// `observed` are kinds of answer, as in a finding's signature.
    pub fn name(
        &mut self,
        case: &Case,
        registers: &Registers,
        probe: &Probe,
        expected: &str,
        observed: &str,
    ) -> Option<String> {
        let operation = probe.operation()?;
        let root_bytes = root_bytes(case);
        let symptom = Symptom { operation, expected, observed, registers, root_bytes };
        self.known.names(&symptom).map(|rule| rule.name().to_owned())
    }

    /// Counts a case that is asked.
    pub fn case_asked(&mut self, case: &Case, registers: &Registers) {
        self.known.case_asked(registers, root_bytes(case));
    }
}

fn root_bytes(case: &Case) -> u64 {
    case.as_ref().header.format.decode().map_or(0, |format| format.root_bytes())
}

//! What is known of one target.

use case::Case;
use case::probe::Probe;

use super::prepared::{Prepared, question};
use crate::judge::expectation::{Allowed, Expectation};
use crate::judge::learned::Learned;
use crate::judge::sign::Sign;
use crate::known::{Known, RuleId};

/// What is known of one target: the choices that it has made, and what it does wrong.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// Its IMPLEMENTATION DEFINED choices.
    pub learned: Learned,
    /// Its known issues.
    pub known: Known,
}

impl Dossier {
    /// The known issues that explain the answer to `probe`: `signs` tells what is wrong with it, held
    /// against one of the outcomes that are allowed. `None` where they do not explain all of that, whichever
    /// outcome is meant.
    pub fn explain<S: Iterator<Item = Sign>>(
        &self,
        prepared: &Prepared,
        probe: &Probe,
        expectation: &Expectation,
        signs: impl Fn(&Allowed) -> S,
    ) -> Option<Vec<RuleId>> {
        let operation = probe.operation()?;
        let explained = |allowed: &Allowed| {
            self.known.name(&prepared.candidates, &question(operation, allowed), signs(allowed))
        };
        let outcomes = expectation.outcomes.iter();
        outcomes.filter(|allowed| self.learned.agrees(allowed)).find_map(explained)
    }
}

/// The size of the root table of `case`, in bytes.
pub fn root_bytes(case: &Case) -> u64 {
    case.as_ref().header.format.decode().map_or(0, |format| format.root_bytes())
}

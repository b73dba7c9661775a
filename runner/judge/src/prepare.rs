//! Preparing a case: which of its probes are asked, and what is expected of them.
//!
//! ```text
//!   turn of the playback ---> may it be asked? --no--> not asked: a reason
//!     a step: always             | yes
//!                                v
//!                       what would it show? --known erratum kills, no sample--> held back
//!                                |        \--a kind in quarantine---------> not asked
//!                                v
//!                             Prepared
//! ```

use case::memory::MemoryMap;
use case::operation::Operation;
use case::probe::{El, Probe};
use case::tree::Role;
use case::{Case, CaseRef, Flags, scratch};
use oracle::expectation::Expectation;
use oracle::flaw::{FlawId, Prediction};
use oracle::learned::Learned;
use oracle::playback::{Expected, Playback, Turn, is_step};
use oracle::twin::{Tables, Twin};
use tables::BuildError;

use crate::established::Established;
use crate::observable::Observability;
use crate::prepared::Prepared;
use crate::quarantine::Quarantine;
use crate::verdict::{ProbeKind, Reason};

/// Which probes of a case are to be asked, by their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// All of them. The steps between them come by themselves.
    pub wanted: &'a [u16],
    /// Those that are asked although they would kill the target by a known erratum.
    pub samples: &'a [u16],
}

/// Builds `case` on the `twin` of a target of which so much is `established`, and looks at the probes that
/// are selected.
///
/// # Errors
/// [`BuildError`] where its tables can't be built, or a step names what it does not have.
pub fn prepare(
    twin: &mut Twin,
    case: &Case,
    map: &MemoryMap,
    selection: Selection<'_>,
    established: &Established,
    quarantine: &mut Quarantine,
) -> Result<Prepared, BuildError> {
    twin.with_tables(case, map, |tables| {
        let mut preparation = Preparation {
            established,
            samples: selection.samples,
            quarantine,
            observability: Observability::new(case.as_ref(), map),
            guest_code: GuestCode::default(),
            prepared: before_the_first_turn(case, tables, selection),
        };
        let (learned, probes) = (&established.learned, case.as_ref().probes);
        let mut playback = Playback::of_some(tables, learned, probes, selection.wanted);
        while let Some(turn) = playback.next() {
            preparation.take(&mut playback, turn?);
        }
        Ok(preparation.finish(map, tables))
    })?
}

/// `case` as it is built, of which nothing is asked yet.
fn before_the_first_turn(case: &Case, tables: &Tables<'_>, selection: Selection<'_>) -> Prepared {
    let (digest, most) = (tables.digest(), selection.wanted.len());
    Prepared {
        case: Box::new(case.clone()),
        numbers: Vec::with_capacity(most),
        expectations: Vec::with_capacity(most),
        predictions: Vec::with_capacity(most),
        arrival: None,
        built: tables.built.clone(),
        registers: tables.registers,
        digest,
        after: digest,
        held: Vec::new(),
        not_asked: Vec::new(),
    }
}

/// A case while it is prepared.
struct Preparation<'a> {
    established: &'a Established,
    samples: &'a [u16],
    quarantine: &'a mut Quarantine,
    observability: Observability<'a>,
    guest_code: GuestCode,
    /// All probes of the case are in it until the end.
    prepared: Prepared,
}

impl Preparation<'_> {
    fn take(&mut self, playback: &mut Playback<'_, '_>, turn: Turn<'_>) {
        if turn.is_step {
            self.guest_code = GuestCode::default();
            self.prepared.numbers.push(turn.first);
            self.prepared.expectations.push(None);
            self.prepared.predictions.push(None);
            return;
        }
        if let Some(reason) = self.obstacle(playback.tables(), &turn) {
            self.skip(&reason, &turn);
            return;
        }
        let deadly = self.deadly(&turn);
        // Whether it is held back or not: what comes behind it must not depend on that.
        let has_updates = Case::as_ref(&self.prepared.case).flags().has(Flags::UPDATES);
        if has_updates {
            playback.forecast(&turn);
        }
        let quarantined = self.quarantined(&turn);
        if let Some(flaw) = deadly {
            self.prepared.held.extend(turn.numbers().map(|number| (number, flaw)));
        } else if let Some(kind) = quarantined {
            self.skip(&Reason::Quarantined(kind), &turn);
        } else {
            // What known errata have hardware change where nobody looks.
            if !has_updates {
                playback.forecast(&turn);
            }
            self.prepared.numbers.extend(turn.numbers());
            self.prepared.expectations.extend(turn.expectations);
            self.prepared.predictions.extend(turn.predictions);
        }
    }

    fn skip(&mut self, reason: &Reason, turn: &Turn<'_>) {
        let skipped = turn.numbers().map(|number| (number, reason.clone()));
        self.prepared.not_asked.extend(skipped);
    }

    /// Why the probes of `turn` can't be asked: what is done at the same time is asked as a whole, or not at
    /// all.
    fn obstacle(&mut self, tables: &mut Tables<'_>, turn: &Turn<'_>) -> Option<Reason> {
        if !turn.is_whole {
            return Some(Reason::Alone);
        }
        let mut first = None;
        // All of them are looked at: what the others would reach counts for the probes behind.
        let expectations = turn.expectations.iter().zip(&turn.predictions);
        for (probe, (expectation, prediction)) in turn.probes.iter().zip(expectations) {
            let prediction = prediction.as_deref();
            let expected =
                expectation.as_ref().map(|expectation| Expected { probe, expectation, prediction });
            let reason = self.obstacle_of(tables, probe, expected);
            first = first.or(reason);
        }
        first
    }

    fn obstacle_of(
        &mut self,
        tables: &mut Tables<'_>,
        probe: &Probe,
        expected: Option<Expected<'_>>,
    ) -> Option<Reason> {
        let learned = &self.established.learned;
        let strays = |prediction: &Prediction| prediction.expectation.strays_to.is_some();
        match expected {
            Some(Expected { expectation: Expectation { strays_to: Some(_), .. }, .. }) => {
                Some(Reason::Strays)
            }
            Some(Expected { expectation: Expectation { is_foreign: true, .. }, .. }) => {
                Some(Reason::ForeignTranslations)
            }
            _ if !self.guest_code.is_mapped(tables, learned, probe) => Some(Reason::GuestCode),
            Some(expected) if expected.prediction.is_some_and(strays) => {
                Some(Reason::StraysByErrata)
            }
            Some(expected) => self.observability.obstacle(expected),
            None => self.observability.obstacle_without_expectation(probe),
        }
    }

    /// The known erratum for which the probes of `turn` are held back: by it one may kill the target, and
    /// none is a sample.
    fn deadly(&self, turn: &Turn<'_>) -> Option<FlawId> {
        // What is done at the same time is asked as a whole.
        if turn.numbers().any(|number| self.samples.contains(&number)) {
            return None;
        }
        turn.asked().find_map(|(_, expected)| {
            let prediction = expected.prediction.filter(|prediction| prediction.may_kill());
            self.established.known.holds_back(&prediction?.flaws)
        })
    }

    /// The first kind among the probes of `turn` that is in quarantine. Those of all of them are counted.
    fn quarantined(&mut self, turn: &Turn<'_>) -> Option<ProbeKind> {
        let mut first = None;
        for (_, Expected { probe, expectation, .. }) in turn.asked() {
            if self.quarantine.is_active()
                && let Some(kind) = ProbeKind::of(probe, Some(expectation))
            {
                let is_held = self.quarantine.holds(&kind);
                first = first.or(is_held.then_some(kind));
            }
        }
        first
    }

    /// What is to be sent, after the last turn on `tables`.
    fn finish(self, map: &MemoryMap, tables: &mut Tables<'_>) -> Prepared {
        let Established { learned, known } = self.established;
        let mut prepared = self.prepared;
        prepared.not_asked.extend(
            prepared.held.iter().map(|(number, flaw)| {
                (*number, Reason::HeldBack(Some(known.name(*flaw).to_owned())))
            }),
        );
        let case = Case::as_ref(&prepared.case);
        if case.probes.iter().any(is_step) || prepared.has_untold_updates() {
            prepared.after = tables.digest_now();
        }
        prepared.arrival = trampoline(case, map).and_then(|address| {
            let fetch = Probe::new(Operation::Fetch, address);
            let (mut arrival, prediction) = tables.expect_and_predict(&fetch, learned);
            if let (Some(arrival), Some(prediction)) = (&mut arrival, prediction) {
                arrival.admit(prediction.expectation);
            }
            arrival
        });
        let mut left = prepared.numbers.iter().peekable();
        prepared
            .case
            .retain_probes(|index| left.next_if(|number| usize::from(**number) == index).is_some());
        prepared
    }
}

/// Whether a guest finds its own code at each EL, as the tables are: `None` where nobody has looked.
#[derive(Clone, Copy, Debug, Default)]
struct GuestCode {
    el1: Option<bool>,
    el0: Option<bool>,
}

impl GuestCode {
    /// Whether `probe` finds the code that it runs. What EL0 does may end in the vectors of EL1.
    fn is_mapped(&mut self, tables: &mut Tables<'_>, learned: &Learned, probe: &Probe) -> bool {
        let mut finds = |el| tables.finds_guest_code(el, learned);
        match probe.el() {
            Some(El::El1) => *self.el1.get_or_insert_with(|| finds(El::El1)),
            Some(El::El0) => {
                *self.el1.get_or_insert_with(|| finds(El::El1))
                    && *self.el0.get_or_insert_with(|| finds(El::El0))
            }
            Some(El::El2) | None => true,
        }
    }
}

/// Where the trampoline is, of a case that enters its own tree by another.
fn trampoline(case: CaseRef<'_>, map: &MemoryMap) -> Option<u64> {
    case.tree(Role::Idmap).filter(|_| case.flags().has(Flags::WORLD_SWITCH))?;
    Some(map.resolve(case.header.world_switch.trampoline)? + scratch::CODE)
}

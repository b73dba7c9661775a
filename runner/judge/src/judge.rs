//! The judge of one target.

use case::Case;
use case::memory::MemoryMap;
use link::hello::IdRegisters;
use link::observations::Observations;
use oracle::flaw::FlawId;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use zerocopy::IntoBytes as _;

use crate::established::Established;
use crate::exchange::Exchange;
use crate::forecast::Forecaster;
use crate::judgement::judge;
use crate::offer::Offer;
use crate::open::OpenCase;
use crate::prepare::{Selection, prepare};
use crate::prepared::Prepared;
use crate::quarantine::Quarantine;
use crate::soak::Suspect;
use crate::verdict::{CaseRecord, DeathRecord, Reason};

/// The judge of one target: its twin, what is established about it, and what its answers and deaths have told
/// since.
///
/// ```text
///   open --> prepare --> (sent) --> judge | died --> close: a record
///              ^                        |
///              +--- probes that are left, or were not in flight when the target died
/// ```
#[derive(Debug)]
pub struct Judge {
    twin: Twin,
    map: MemoryMap,
    offer: Option<Offer>,
    established: Established,
    quarantine: Quarantine,
    forecaster: Forecaster,
}

impl Judge {
    /// The judge of a target whose PE has these ID registers, with the memory of `map`.
    pub fn new(ids: &IdRegisters, map: MemoryMap, established: Established) -> Self {
        let twin = Twin::new(conform::implementation(ids), Simulation::new(&map))
            .with_branch_targets(conform::has_branch_targets(ids))
            .with_flaws(established.known.flaws());
        let (quarantine, forecaster) = (Quarantine::default(), Forecaster::default());
        Self { twin, map, offer: None, established, quarantine, forecaster }
    }

    /// The same judge, of a target that offers so much: what it lacks is not sent to it.
    #[must_use]
    pub fn with_offer(self, offer: Offer) -> Self {
        Self { offer: Some(offer), ..self }
    }

    /// Case number `index`, of which nothing is known yet.
    pub fn open(&self, index: u64, case: Case) -> OpenCase {
        OpenCase::new(index, case, &self.map, &self.established)
    }

    /// Makes those probes of `case` ready that are selected.
    ///
    /// # Errors
    /// Why they are not asked, where the case can't be built, or the target can't do what it asks.
    pub fn prepare(
        &mut self,
        case: &Case,
        selection: Selection<'_>,
    ) -> Result<Prepared, Vec<(u16, Reason)>> {
        let Self { twin, map, offer, established, quarantine, .. } = self;
        let lack = offer.and_then(|offer| offer.lacks(case.as_ref()));
        let prepared = match lack {
            Some(lack) => Err(Reason::Lack(lack)),
            None => prepare(twin, case, map, selection, established, quarantine)
                .map_err(|error| Reason::BuildError(error.to_string())),
        };
        prepared.map_err(|reason| {
            selection.wanted.iter().map(|number| (*number, reason.clone())).collect()
        })
    }

    /// The probes of `case` that are held back for a known erratum, each with its number.
    pub fn held_back(&mut self, case: Case) -> Vec<(u16, FlawId)> {
        let open = self.open(0, case);
        let selection = Selection { wanted: &open.probes(), samples: &[] };
        let (twin, quarantine) = (&mut self.twin, &mut Quarantine::default());
        let looked = prepare(twin, &open.case, &self.map, selection, &self.established, quarantine);
        looked.map_or_else(|_| Vec::new(), |looked| looked.held)
    }

    /// The body of the observations that will probably come: see [`Forecaster::forecast`].
    pub fn forecast(&self, prepared: &Prepared) -> Option<Vec<u64>> {
        self.forecaster.forecast(prepared)
    }

    /// Judges the observations in `body` of what was `prepared` from `open`. Returns the numbers of probes that
    /// are still to be asked: a probe before them broke the executor. `None` where it is no list of observations.
    pub fn judge(
        &mut self,
        open: &mut OpenCase,
        prepared: &Prepared,
        body: &[u8],
    ) -> Option<Vec<u16>> {
        let observations = &Observations::from_bytes(body)?;
        self.forecaster.learn(prepared, observations);
        let OpenCase { case, learned, .. } = open;
        let exchange = Exchange { case, map: &self.map, prepared, observations };
        let judged = judge(&mut self.twin, exchange, &self.established, learned);
        open.skip(&prepared.not_asked);
        // It was built once already, for sending it.
        let Ok(mut judged) = judged else { return Some(Vec::new()) };
        let left = std::mem::take(&mut judged.left);
        open.add(judged);
        Some(left)
    }

    /// The target died of what was `prepared` from `open`: of probe number `index` of those that were asked, or of
    /// none of them.
    pub fn died(
        &mut self,
        open: &mut OpenCase,
        prepared: &Prepared,
        index: Option<usize>,
        death: &DeathRecord,
    ) {
        let Self { established: Established { known, .. }, quarantine, .. } = self;
        open.add(match index {
            Some(index) => death.of_probe(prepared, index, known, quarantine),
            None => death.of_case(prepared),
        });
    }

    /// Judges case number `index` by what a target that asks by itself told of it; `None` where that does not fit
    /// the case as it is drawn here, so that it has to be asked in full.
    pub fn judge_suspect(
        &mut self,
        index: u64,
        case: Case,
        suspect: &Suspect,
    ) -> Option<CaseRecord> {
        let mut open = self.open(index, case);
        let Self { twin, map, established, .. } = self;
        let OpenCase { case, learned, .. } = &mut open;
        // Nothing of it is held back any more.
        let selection = Selection { wanted: &suspect.numbers, samples: &suspect.numbers };
        let quarantine = &mut Quarantine::default();
        let prepared = &prepare(twin, case, map, selection, established, quarantine).ok()?;
        let observations = &Observations::from_bytes(suspect.observations.as_bytes())?;
        if prepared.numbers != suspect.numbers {
            return None;
        }
        let exchange = Exchange { case, map, prepared, observations };
        let judged = judge(twin, exchange, established, learned);
        let mut judged = judged.ok().filter(|judged| judged.left.is_empty())?;
        judged.verdicts.conforms += suspect.probes - suspect.numbers.len() as u64;
        judged.digest = suspect.digest;
        open.count_skipped(&suspect.not_asked);
        open.add(judged);
        Some(open.close())
    }
}

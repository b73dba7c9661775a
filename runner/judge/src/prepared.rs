//! A case that is ready to be sent.

use case::{Case, Flags};
use golden::Registers;
use oracle::expectation::Expectation;
use oracle::flaw::{FlawId, Prediction};
use oracle::playback::{Expected, is_step};
use tables::Built;

use crate::verdict::Reason;

/// What is asked of the target, and what the host knows about it beforehand.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The case with the probes that are asked, and no others.
    pub case: Box<Case>,
    /// For each probe that is asked, its number in the whole case.
    pub numbers: Vec<u16>,
    /// For each probe that is asked, what is allowed; `None` where it asks the MMU nothing.
    ///
    /// Where hardware may update the tables this is a forecast: the judge walks again, in the tables
    /// as the target's own updates have left them.
    pub expectations: Vec<Option<Expectation>>,
    /// For each probe that is asked, what the target answers by its known errata, where it is something else.
    pub predictions: Vec<Option<Box<Prediction>>>,
    /// What a fetch at the trampoline may lead to in the case's own tree, where it enters by another.
    pub arrival: Option<Expectation>,
    /// The roots, and the registers that name them.
    pub built: Built,
    /// The registers, as the reference walker sees them.
    pub registers: Registers,
    /// The digest that the target's tables must have.
    pub digest: u64,
    /// The digest that they must have after the last step, if hardware changes none of them.
    pub after: u64,
    /// Probes that are held back since they would kill the target by a known erratum: the number in the whole
    /// case, and the erratum.
    pub held: Vec<(u16, FlawId)>,
    /// The other probes, by number in the whole case, and why they are not asked.
    pub not_asked: Vec<(u16, Reason)>,
}

impl Prepared {
    /// Whether nothing of it is to be sent.
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Whether by known errata hardware may change descriptors of a case that does not ask for that: what becomes of
    /// its tables is open then.
    pub fn has_untold_updates(&self) -> bool {
        let predictions = self.predictions.iter().flatten();
        let mut outcomes = predictions.flat_map(|prediction| &prediction.expectation.outcomes);
        !Case::as_ref(&self.case).flags().has(Flags::UPDATES)
            && outcomes.any(|allowed| !allowed.updates.is_empty())
    }

    /// The probes that are asked and are no steps, which come with whatever is behind them: for each its
    /// index among those that are asked, and its number in the whole case.
    pub fn questions(&self) -> Vec<(usize, u16)> {
        let probes = Case::as_ref(&self.case).probes;
        let asked = self.numbers.iter().copied().enumerate().zip(probes);
        asked.filter(|(_, probe)| !is_step(probe)).map(|(numbers, _)| numbers).collect()
    }

    /// Probe number `index` of those that are asked, and what is expected of it; `None` where it asks the MMU
    /// nothing.
    pub fn expected(&self, index: usize) -> Option<Expected<'_>> {
        let probe = Case::as_ref(&self.case).probes.get(index)?;
        let expectation = self.expectations.get(index)?.as_ref()?;
        let prediction = self.predictions.get(index)?.as_deref();
        Some(Expected { probe, expectation, prediction })
    }
}

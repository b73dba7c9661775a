//! Takes in what workers hand in, and has it recorded in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use judge::personality::Personality;
use judge::verdict::CaseRecord;

use super::dispenser::Dispenser;
use super::order::Order;
use super::{CampaignError, RecordError, Recorder, Totals};
use crate::plan::Plan;

/// How often progress is told where no records come.
const TICK: Duration = Duration::from_millis(100);

/// Takes in what workers hand in, and has it recorded in order.
pub struct Clerk<'a> {
    /// Whose turn it is.
    pub order: Order,
    /// What cases have told of the target's choices.
    pub personality: Personality,
    pub plan: &'a Plan,
    /// Who takes it down.
    pub recorder: &'a mut dyn Recorder,
    /// The sums so far.
    pub totals: Totals,
    /// When the target was ready for the first time.
    pub begun: Instant,
    /// How often the target was started.
    pub boots: &'a AtomicU64,
}

impl Clerk<'_> {
    /// Works until all workers have gone.
    pub fn take(
        &mut self,
        records: Receiver<Vec<CaseRecord>>,
        dispenser: &Dispenser<'_>,
    ) -> Result<(), CampaignError> {
        let mut told = Instant::now();
        loop {
            match records.recv_timeout(TICK) {
                Ok(batch) => batch.into_iter().for_each(|record| self.order.push(record)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Some(record) = self.order.pop() {
                self.record(record).map_err(CampaignError::Record)?;
            }
            dispenser.recorded(self.order.next());
            if told.elapsed() >= TICK {
                told = Instant::now();
                self.tick();
                self.recorder.progress(&self.totals).map_err(CampaignError::Record)?;
            }
        }
    }

    /// Brings the sums up to now.
    pub fn tick(&mut self) {
        self.totals.elapsed = self.totals.before + self.begun.elapsed();
        self.totals.boots = self.boots.load(Ordering::Relaxed);
    }

    fn record(&mut self, mut record: CaseRecord) -> Result<(), RecordError> {
        self.personality.take(&mut record);
        self.totals.cases += record.cases;
        self.totals.verdicts.merge(&record.verdicts);
        self.totals.findings += record.findings.len() as u64;
        self.totals.not_asked.merge(&record.not_asked);
        // Drawing it again costs less than keeping all cases until their turn.
        let case = match record.findings.is_empty() {
            true => None,
            false => self.plan.case(record.index).and_then(Result::ok),
        };
        self.recorder.case(&record, case.as_ref())
    }
}

//! Cases asked for their own sake: all of their records, and none on disk.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use case::Case;
use case::memory::MemoryMap;
use device::Target;
use judge::established::Established;
use judge::verdict::CaseRecord;
use link::hello::{Hello, IdRegisters};
use suite::generator::{ExplicitCase, Generator};

use super::{Campaign, CampaignError, RecordError, Recorder, Totals, run};
use crate::plan::Plan;

/// Keeps all records in memory.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The ID registers and the memory of the target.
    pub machine: Option<(IdRegisters, MemoryMap)>,
    /// One of each case, in their order; fewer where it was interrupted.
    pub records: Vec<CaseRecord>,
}

/// Asks `cases` of `target`, of which so much is `established`, one machine after another, until `interrupt` is set.
///
/// # Errors
/// When the target can't be run.
pub fn ask(
    target: &dyn Target,
    cases: Vec<ExplicitCase>,
    established: Established,
    interrupt: &Arc<AtomicBool>,
) -> Result<Asked, CampaignError> {
    let mut asked = Asked::default();
    let campaign = Campaign::new(vec![Generator::Explicit(cases)], 0, established);
    let campaign = Campaign { interrupt: Arc::clone(interrupt), ..campaign };
    run(target, campaign, &mut asked)?;
    Ok(asked)
}

impl Recorder for Asked {
    fn started(&mut self, hello: &Hello, plan: &Plan) -> Result<(), RecordError> {
        self.machine = Some((hello.ids, plan.map().clone()));
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.records.push(record.clone());
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

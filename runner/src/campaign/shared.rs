//! What all workers of a campaign share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use device::wire::Wear;
use device::{HowDied, Session, Target, TargetError};
use link::hello::IdRegisters;

use super::CampaignError;
use super::dispenser::Dispenser;
use super::soaking::Soak;
use crate::plan::{Plan, Shard};

/// What all workers of a campaign share.
#[derive(Debug)]
pub struct Shared<'a> {
    /// What the machine said of itself when it was started first.
    pub ids: IdRegisters,
    pub plan: &'a Plan,
    /// Which of them are this campaign's.
    pub shard: Shard,
    /// Deals them out.
    pub dispenser: &'a Dispenser<'a>,
    /// How often the target was started.
    pub boots: &'a AtomicU64,
    /// What the lines to it did to messages.
    pub wear: &'a Mutex<Wear>,
    /// Whether the target asks and compares by itself.
    pub soak: Option<Soak>,
}

impl Shared<'_> {
    /// Starts the target, and makes sure that it is the machine that the plan was made for.
    pub fn boot(&self, target: &dyn Target) -> Result<Box<dyn Session>, CampaignError> {
        let boot = || {
            self.boots.fetch_add(1, Ordering::Relaxed);
            target.boot()
        };
        let session = match boot() {
            // Whoever ended an emulator may have ended the next one too.
            Err(TargetError::Boot { death, .. }) if matches!(death.how, HowDied::Killed { .. }) => {
                boot()
            }
            other => other,
        }?;
        let same = session.hello().ids == self.ids && session.memory_map() == self.plan.map();
        if same { Ok(session) } else { Err(CampaignError::Changed) }
    }

    /// Counts what a session's line did.
    pub fn count(&self, wear: Wear) {
        self.wear.lock().unwrap_or_else(PoisonError::into_inner).add(wear);
    }
}

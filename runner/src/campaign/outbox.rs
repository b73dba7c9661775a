//! What a worker has recorded and not handed in yet.

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use judge::verdict::CaseRecord;

/// Records are handed in so many at a time: each time wakes somebody up.
const BATCH: usize = 16;
/// Or when the oldest of them has been here for so long.
const LONGEST: Duration = Duration::from_millis(50);

/// Records that a worker has not handed in yet.
#[derive(Debug)]
pub struct Outbox {
    records: Vec<CaseRecord>,
    since: Instant,
    sender: SyncSender<Vec<CaseRecord>>,
}

impl Outbox {
    /// An empty one, that hands in to the other end of `sender`.
    pub fn new(sender: SyncSender<Vec<CaseRecord>>) -> Self {
        Self { records: Vec::new(), since: Instant::now(), sender }
    }

    /// Adds a record, and hands in where it is time for that.
    pub fn push(&mut self, record: CaseRecord) {
        if self.records.is_empty() {
            self.since = Instant::now();
        }
        self.records.push(record);
        if self.records.len() >= BATCH || self.since.elapsed() >= LONGEST {
            self.flush();
        }
    }

    /// Hands all in. Waits while too much was handed in and not taken.
    pub fn flush(&mut self) {
        if !self.records.is_empty() {
            // Nobody takes them any more only where the campaign has failed, and stops.
            let _ = self.sender.send(std::mem::take(&mut self.records));
        }
    }
}

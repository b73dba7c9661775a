//! The pauses of a wait for a message.

use std::time::{Duration, Instant};

use crate::watchdog::INTERVAL;
use crate::wire::Wire;

/// How a wait goes on: a short spin, then ever longer sleeps, so that a target that is at work has
/// the processor.
pub struct Pause {
    spins: u32,
    next: Duration,
    asked: Duration,
    since: Option<Instant>,
}

impl Pause {
    const SPINS: u32 = 64;
    const FIRST: Duration = Duration::from_micros(20);
    const LONGEST: Duration = Duration::from_millis(2);

    /// The first moment of a wait.
    pub const fn new() -> Self {
        Self { spins: 0, next: Self::FIRST, asked: Duration::ZERO, since: None }
    }

    /// Spins a little; `false` when it is time to sleep.
    pub fn spin(&mut self) -> bool {
        self.spins += 1;
        std::hint::spin_loop();
        self.spins <= Self::SPINS
    }

    /// Sleeps until `wire` may have something, a little longer each time.
    pub fn sleep(&mut self, wire: &mut impl Wire) {
        self.since.get_or_insert_with(Instant::now);
        wire.sleep(self.next);
        self.asked += self.next;
        self.next = (self.next * 5 / 4).min(Self::LONGEST);
    }

    /// Time asked for and time taken since the last look, when the next look is due.
    pub fn interval(&mut self) -> Option<(Duration, Duration)> {
        let took = self.since?.elapsed();
        if took < INTERVAL {
            return None;
        }
        self.since = None;
        Some((std::mem::take(&mut self.asked), took))
    }
}

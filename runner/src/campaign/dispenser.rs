//! Deals the cases of a shard out to workers.
//!
//! ```text
//!   ordinal   0 .. recorded ......... drawn ........ next ............. end
//!             |  on disk   | at work, or waits    |  in the hands of   |
//!             |            | for one before it    |  workers           |
//! ```
//!
//! Workers take blocks and draw the cases of them one by one. Whoever stops them does so here.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::BLOCK;

/// The most cases that may wait for one before them: a worker with a slow case does not stop the others,
/// and does not fill the memory either.
const MOST_WAITING: u64 = 1 << 16;
/// How long a worker without work sleeps before it looks whether somebody wants it to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Deals cases out.
#[derive(Debug)]
pub struct Dispenser<'a> {
    end: u64,
    /// How many cases it deals out at a time.
    block: u64,
    deadline: Option<Instant>,
    /// Set by whoever interrupts the campaign.
    interrupt: &'a AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The first case that was not dealt out.
    next: u64,
    /// One beyond the last case that was drawn.
    drawn: u64,
    /// The first case that is not recorded.
    recorded: u64,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Cases are dealt out.
    Open,
    /// Time is up: only what comes before a case that was drawn is still drawn, so that no case is
    /// missing between others.
    Closing,
    /// Nothing is drawn any more.
    Stopped,
}

/// What a worker is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Given {
    /// Cases, by ordinal.
    Block(Range<u64>),
    /// Nothing for now: too many wait for a case that is at work.
    Later,
    /// There is nothing more to do.
    Over,
}

impl<'a> Dispenser<'a> {
    /// Deals out the cases `cases`, by ordinal, until `deadline`.
    pub fn new(cases: Range<u64>, deadline: Option<Instant>, interrupt: &'a AtomicBool) -> Self {
        let Range { start, end } = cases;
        let state = State { next: start, drawn: start, recorded: start, phase: Phase::Open };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { end, block: BLOCK, deadline, interrupt, state, changed }
    }

    /// The same, which deals out so many cases at a time.
    #[must_use]
    pub fn in_blocks_of(self, block: u64) -> Self {
        Self { block, ..self }
    }

    /// The next cases. With `wait`, [`Given::Later`] never comes: what the others wait for is then not
    /// in the caller's own hands.
    pub fn take(&self, wait: bool) -> Given {
        let mut state = self.state();
        loop {
            self.look(&mut state);
            if state.phase != Phase::Open || state.next >= self.end {
                return Given::Over;
            }
            if state.next - state.recorded < MOST_WAITING {
                let start = state.next;
                state.next = (start / self.block + 1).saturating_mul(self.block).min(self.end);
                return Given::Block(start..state.next);
            }
            if !wait {
                return Given::Later;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether case `ordinal` of a block that was taken may be drawn.
    pub fn draw(&self, ordinal: u64) -> bool {
        let mut state = self.state();
        self.look(&mut state);
        match state.phase {
            Phase::Open => state.drawn = state.drawn.max(ordinal + 1),
            Phase::Closing if ordinal < state.drawn => {}
            Phase::Closing | Phase::Stopped => return false,
        }
        true
    }

    /// Case `ordinal`, and all before it in its block, were drawn by the target.
    pub fn drew(&self, ordinal: u64) {
        let mut state = self.state();
        state.drawn = state.drawn.max(ordinal + 1);
    }

    /// Whether workers are to drop what they have in flight.
    pub fn is_stopped(&self) -> bool {
        let mut state = self.state();
        self.look(&mut state);
        state.phase == Phase::Stopped
    }

    /// All cases before `ordinal` are recorded.
    pub fn recorded(&self, ordinal: u64) {
        self.state().recorded = ordinal;
        self.changed.notify_all();
    }

    /// Deals nothing out any more.
    pub fn stop(&self) {
        self.state().phase = Phase::Stopped;
        self.changed.notify_all();
    }

    /// Whether all cases are recorded, or all that there was time for.
    pub fn is_complete(&self) -> bool {
        let state = self.state();
        state.recorded >= self.end || state.phase == Phase::Closing && state.recorded == state.drawn
    }

    fn look(&self, state: &mut State) {
        if self.interrupt.load(Ordering::Relaxed) {
            state.phase = Phase::Stopped;
        } else if state.phase == Phase::Open
            && self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
        {
            state.phase = Phase::Closing;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    static NOBODY: AtomicBool = AtomicBool::new(false);

    #[test]
    fn blocks_are_aligned_wherever_the_first_case_is() {
        let dispenser = Dispenser::new(5..40, None, &NOBODY);
        for block in [5..16, 16..32, 32..40] {
            assert_eq!(dispenser.take(true), Given::Block(block));
        }
        assert_eq!(dispenser.take(true), Given::Over);
        assert!(!dispenser.is_complete());
        dispenser.recorded(40);
        assert!(dispenser.is_complete());
    }

    #[test]
    fn when_time_is_up_no_case_is_left_out_between_others() {
        let mut dispenser = Dispenser::new(0..1000, None, &NOBODY);
        assert_eq!(dispenser.take(true), Given::Block(0..16));
        assert_eq!(dispenser.take(true), Given::Block(16..32));
        assert!(dispenser.draw(0) && dispenser.draw(20));
        dispenser.deadline = Some(Instant::now());
        assert!(!dispenser.draw(21), "beyond the last");
        assert!(dispenser.draw(1) && dispenser.draw(15), "before the last");
        assert_eq!(dispenser.take(true), Given::Over);
        dispenser.recorded(20);
        assert!(!dispenser.is_complete());
        dispenser.recorded(21);
        assert!(dispenser.is_complete(), "all that there was time for");
    }

    #[test]
    fn an_interrupt_stops_at_once() {
        let interrupt = AtomicBool::new(false);
        let dispenser = Dispenser::new(0..1000, None, &interrupt);
        assert_eq!(dispenser.take(true), Given::Block(0..16));
        assert!(dispenser.draw(3) && !dispenser.is_stopped());
        interrupt.store(true, Ordering::Relaxed);
        assert!(!dispenser.draw(1) && dispenser.is_stopped());
        dispenser.recorded(4);
        assert!(!dispenser.is_complete());
    }

    #[test]
    fn those_that_wait_for_a_stuck_case_are_bounded() {
        let dispenser = Dispenser::new(0..u64::MAX, None, &NOBODY);
        let mut blocks = 0;
        while let Given::Block(_) = dispenser.take(false) {
            blocks += 1;
        }
        assert_eq!(blocks, MOST_WAITING / BLOCK);
        thread::scope(|scope| {
            let waits = scope.spawn(|| dispenser.take(true));
            dispenser.recorded(1);
            assert_eq!(waits.join().unwrap(), Given::Block(MOST_WAITING..MOST_WAITING + BLOCK));
        });
    }
}

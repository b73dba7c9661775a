//! The watchdog: when a target counts as hung.
//!
//! Time on the wall proves nothing: the host may be overloaded, or have slept. What counts is what
//! the target did with the time that it really had. What a board does nobody can see: there counts the
//! time in which the runner really listened, and nothing came.
//!
//! ```text
//!                    ┌ progress: anything it said or moved since the last look ──> all counts at 0
//!   look every 10 ms ┤ busy:     processor time that it used since then          >= limit ──> hung
//!                    ├ idle:     looks at which none of its threads wanted to run >= limit ──> hung
//!                    │           (not counted: a look that came late, a stopped process)
//!                    └ silent:   looks at a board                                 >= limit ──> hung
//!                                (not counted: a look that came late)
//! ```

use std::time::Duration;

use crate::death::HungReason;
use crate::description::Description;

/// How often the watchdog should be shown a [`Look`].
pub const INTERVAL: Duration = Duration::from_millis(10);

/// A look that took this many times as long as it should counts for nothing: the runner itself did
/// not get to run.
const LATE: u32 = 8;

/// What a process is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// A thread runs, or waits for a processor or a disk.
    Running,
    /// All threads sleep.
    Asleep,
    /// Somebody stopped it.
    Stopped,
}

/// A process, seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vitals {
    /// Processor time that it has used since its start.
    pub cpu: Duration,
    /// What it is at now.
    pub activity: Activity,
}

/// What is seen of a target at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Changes whenever the target makes progress, or is given new work.
    pub progress: [u64; 5],
    /// Its process; `None` where it can't be seen, and then this look tells nothing.
    pub vitals: Option<Vitals>,
    /// For how long the runner meant to sleep since the last look.
    pub asked: Duration,
    /// For how long it was really away.
    pub took: Duration,
}

/// For how long a target may go without progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Processor time that it may use.
    pub busy: Duration,
    /// Time for which it may be watched asleep.
    pub idle: Duration,
    /// Time for which it may be listened to in vain. `None` where it can be watched: a look that does
    /// not show it tells nothing then.
    pub silent: Option<Duration>,
}

impl Patience {
    /// While what `description` describes boots.
    pub fn at_boot(description: &Description) -> Self {
        let limits = &description.limits;
        Self {
            busy: Duration::from_secs(limits.boot_busy_seconds.into()),
            idle: Duration::from_secs(limits.boot_idle_seconds.into()),
            silent: Self::silent(description, limits.boot_silent_seconds),
        }
    }

    /// While it works on cases.
    pub fn at_work(description: &Description) -> Self {
        let limits = &description.limits;
        Self {
            busy: Duration::from_secs(limits.busy_seconds.into()),
            idle: Duration::from_secs(limits.idle_seconds.into()),
            silent: Self::silent(description, limits.silent_seconds),
        }
    }

    fn silent(description: &Description, seconds: u32) -> Option<Duration> {
        let is_seen = description.start.kind().shows_activity();
        (!is_seen).then(|| Duration::from_secs(seconds.into()))
    }
}

/// Watches one target.
#[derive(Debug)]
pub struct Watchdog {
    patience: Patience,
    since: Option<Since>,
}

/// What was seen since the last progress.
#[derive(Debug)]
struct Since {
    progress: [u64; 5],
    cpu: Duration,
    idle: Duration,
    silent: Duration,
}

impl Watchdog {
    /// A watchdog that has seen nothing yet.
    pub const fn new(patience: Patience) -> Self {
        Self { patience, since: None }
    }

    /// Takes a look; says when it has seen enough.
    pub fn look(&mut self, look: Look) -> Option<HungReason> {
        let cpu = match (look.vitals, self.patience.silent) {
            (Some(vitals), _) => vitals.cpu,
            (None, Some(_)) => Duration::ZERO,
            (None, None) => return None,
        };
        let since = match &mut self.since {
            Some(since) if since.progress == look.progress => since,
            since => {
                let (idle, silent) = (Duration::ZERO, Duration::ZERO);
                *since = Some(Since { progress: look.progress, cpu, idle, silent });
                return None;
            }
        };
        let late = look.took > look.asked * LATE;
        let Some(vitals) = look.vitals else {
            if !late {
                since.silent += look.took;
            }
            let silent = since.silent;
            return self
                .patience
                .silent
                .filter(|most| silent >= *most)
                .map(|_| HungReason::Silent { milliseconds: milliseconds(silent) });
        };
        let busy = vitals.cpu.saturating_sub(since.cpu);
        if busy >= self.patience.busy {
            return Some(HungReason::Busy { milliseconds: milliseconds(busy) });
        }
        if vitals.activity == Activity::Asleep && !late {
            since.idle += look.asked;
        }
        (since.idle >= self.patience.idle)
            .then(|| HungReason::Idle { milliseconds: milliseconds(since.idle) })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { busy: Duration::from_secs(4), idle: Duration::from_secs(1), silent: None };

    /// A pretend host and target: time passes only when a test says so.
    struct World {
        watchdog: Watchdog,
        progress: [u64; 5],
        cpu: Duration,
    }

    impl World {
        fn new() -> Self {
            let (progress, cpu) = ([1, 2, 3, 4, 5], Duration::from_secs(70));
            let mut world = Self { watchdog: Watchdog::new(PATIENCE), progress, cpu };
            assert_eq!(world.look(Activity::Running, INTERVAL), None);
            world
        }

        fn look(&mut self, activity: Activity, took: Duration) -> Option<HungReason> {
            let vitals = Some(Vitals { cpu: self.cpu, activity });
            self.watchdog.look(Look { progress: self.progress, vitals, asked: INTERVAL, took })
        }

        /// Looks until the target is held to hang, or has been looked at `most` times.
        fn looks(
            &mut self,
            most: u32,
            mut pass: impl FnMut(&mut Self),
        ) -> Option<(u32, HungReason)> {
            (0..most).find_map(|count| {
                pass(self);
                self.look(Activity::Asleep, INTERVAL).map(|reason| (count + 1, reason))
            })
        }
    }

    #[test]
    fn processor_time_without_progress_is_a_hang() {
        let mut world = World::new();
        for _ in 0..399 {
            world.cpu += INTERVAL;
            assert_eq!(world.look(Activity::Running, INTERVAL), None);
        }
        world.cpu += INTERVAL;
        let reason = world.look(Activity::Running, INTERVAL);
        assert_eq!(reason, Some(HungReason::Busy { milliseconds: 4000 }));
    }

    #[test]
    fn idling_with_cases_in_flight_is_a_hang() {
        let hung = World::new().looks(1000, |_| {});
        assert_eq!(hung, Some((100, HungReason::Idle { milliseconds: 1000 })));
    }

    #[test]
    fn progress_starts_both_counts_again() {
        let mut world = World::new();
        let hung = world.looks(5000, |world| {
            world.cpu += INTERVAL / 2;
            if world.cpu.as_millis().is_multiple_of(250) {
                world.progress[3] += 1;
            }
        });
        assert_eq!(hung, None);
    }

    #[test]
    fn a_host_that_was_away_does_not_make_a_target_hang() {
        let mut world = World::new();
        for _ in 0..5000 {
            assert_eq!(world.look(Activity::Asleep, Duration::from_secs(3600)), None);
        }
    }

    #[test]
    fn a_target_that_is_not_let_run_does_not_hang() {
        let mut world = World::new();
        for _ in 0..5000 {
            assert_eq!(world.look(Activity::Running, INTERVAL), None);
            assert_eq!(world.look(Activity::Stopped, INTERVAL), None);
        }
    }

    #[test]
    fn a_process_that_can_not_be_seen_tells_nothing() {
        let mut world = World::new();
        let (progress, asked) = (world.progress, INTERVAL);
        for _ in 0..5000 {
            let look = Look { progress, vitals: None, asked, took: asked };
            assert_eq!(world.watchdog.look(look), None);
        }
    }

    #[test]
    fn silence_of_a_board_is_a_hang_unless_nobody_listened() {
        let silent = Some(Duration::from_secs(2));
        let mut watchdog = Watchdog::new(Patience { silent, ..PATIENCE });
        let mut look = |progress, took| {
            watchdog.look(Look { progress: [progress; 5], vitals: None, asked: INTERVAL, took })
        };
        for _ in 0..5000 {
            assert_eq!(look(0, Duration::from_secs(3600)), None);
        }
        for _ in 0..199 {
            assert_eq!(look(0, INTERVAL), None);
        }
        for _ in 0..200 {
            assert_eq!(look(1, INTERVAL), None);
        }
        assert_eq!(look(1, INTERVAL), Some(HungReason::Silent { milliseconds: 2000 }));
    }
}

//! When to take the turn, though nothing came.
//!
//! To ask too early costs a few bytes, to ask too late costs time, and neither changes what is told. So the
//! time is learned from how long the target takes (as TCP does, RFC 6298), and doubled for each turn that
//! is not answered.

/// Learns how long answers take, and says when one is late. All times are in microseconds, on a clock of the
/// caller's that never goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// Time that a byte takes on the line; 0 where that is not known.
    byte_us: u64,
    /// What is known of the time that answers take, if any has come.
    learned: Option<Learned>,
    /// How often the wait is doubled.
    doublings: u32,
    /// When the last turn was sent, the time included that its bytes take on the line.
    sent: u64,
    /// Whether the answer to that turn, if one comes, tells how long answers take.
    is_sample: bool,
    /// When the last byte came, or was sent.
    last_byte: u64,
    /// When the last segment came, or was sent.
    last_segment: u64,
}

/// Mean of the times that answers took, and how far they are from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Learned {
    mean: u64,
    deviation: u64,
}

impl Timer {
    const SHORTEST: u64 = 30_000;
    const LONGEST: u64 = 4_000_000;
    /// Before anything is known. A board that boots is left alone so long.
    const FIRST: u64 = 500_000;
    /// Bytes of a segment: a pause as long as that is none.
    const SEGMENT_BYTES: u64 = 160;
    /// What is no segment is waited for, but not for ever: so many times as long as for an answer.
    const NOISE: u64 = 8;

    /// A timer for a line on which a byte takes `byte_us`; 0 where that is not known.
    pub const fn new(byte_us: u64, now: u64) -> Self {
        Self {
            byte_us,
            learned: None,
            doublings: 0,
            sent: now,
            is_sample: false,
            last_byte: now,
            last_segment: now,
        }
    }

    /// The host has sent a turn of `bytes` bytes.
    pub const fn sent(&mut self, bytes: usize, now: u64) {
        self.sent = now + bytes as u64 * self.byte_us;
        self.last_byte = self.sent;
        self.last_segment = self.sent;
        self.is_sample = true;
    }

    /// Some bytes came.
    pub fn heard_bytes(&mut self, now: u64) {
        self.last_byte = self.last_byte.max(now);
    }

    /// A segment of the target's came.
    pub fn heard_segment(&mut self, now: u64) {
        self.last_segment = self.last_segment.max(now);
        if core::mem::take(&mut self.is_sample) {
            // Not before: a wait that is shorter than the way there and back would never end.
            self.doublings = 0;
            let took = now.saturating_sub(self.sent);
            let Learned { mean, deviation } =
                self.learned.unwrap_or(Learned { mean: took, deviation: 2 * took / 3 });
            self.learned = Some(Learned {
                mean: (7 * mean + took) / 8,
                deviation: (3 * deviation + took.abs_diff(mean)) / 4,
            });
        }
    }

    /// Whether it is time for another turn. `is_under_way` says that a part of the answer is here.
    pub fn is_due(&self, is_under_way: bool, now: u64) -> bool {
        let wait = self.wait(is_under_way);
        now.saturating_sub(self.last_byte) >= wait
            || now.saturating_sub(self.last_segment) >= wait * Self::NOISE
    }

    /// The turn that was sent last was taken since it was due: which turn an answer belongs to is not
    /// known then.
    pub fn overdue(&mut self) {
        self.doublings = (self.doublings + 1).min(8);
        self.is_sample = false;
    }

    fn wait(&self, is_under_way: bool) -> u64 {
        let learned = self.learned.map_or(Self::FIRST, |of| of.mean + 4 * of.deviation);
        // Within an answer nothing is computed.
        let wait = if is_under_way { learned.min(Self::SHORTEST) } else { learned };
        let wait = (wait.max(Self::SHORTEST) << self.doublings).min(Self::LONGEST);
        wait + Self::SEGMENT_BYTES * self.byte_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long `timer` waits after a turn at `now`.
    fn patience(timer: &Timer, now: u64) -> u64 {
        (0..).map(|step| step * 1000).find(|step| timer.is_due(false, now + step)).unwrap_or(0)
    }

    #[test]
    fn it_learns_how_long_answers_take() {
        let mut timer = Timer::new(0, 0);
        assert_eq!(patience(&timer, 0), Timer::FIRST);
        let mut now = 0;
        for took in [(500_000, 40), (1000, 80)] {
            for _ in 0..took.1 {
                timer.sent(100, now);
                now += took.0;
                timer.heard_bytes(now);
                timer.heard_segment(now);
            }
            timer.sent(100, now);
            let waits = patience(&timer, now);
            assert!(waits >= took.0 && waits < 2 * took.0.max(Timer::SHORTEST), "{waits}");
        }
    }

    #[test]
    fn an_answer_to_one_of_several_turns_teaches_nothing() {
        let mut timer = Timer::new(0, 0);
        timer.sent(100, 0);
        timer.overdue();
        timer.heard_segment(3_000_000);
        assert_eq!(timer.learned, None);
    }

    #[test]
    fn it_waits_longer_and_longer_and_not_for_ever() {
        let mut timer = Timer::new(0, 0);
        let mut waits = [0; 12];
        for wait in &mut waits {
            *wait = patience(&timer, 0);
            timer.overdue();
        }
        assert_eq!(waits[..5], [500_000, 1_000_000, 2_000_000, 4_000_000, 4_000_000]);
        assert_eq!(waits[5..], [Timer::LONGEST; 7]);
        timer.heard_segment(0);
        assert_eq!(patience(&timer, 0), Timer::LONGEST, "it may be the answer to any of them");
        timer.sent(100, 0);
        timer.heard_segment(0);
        assert_eq!(patience(&timer, 0), Timer::SHORTEST);
    }

    #[test]
    fn a_slow_line_is_given_the_time_that_its_bytes_take() {
        let mut timer = Timer::new(87, 0);
        timer.sent(3000, 0);
        assert!(!timer.is_due(false, 3000 * 87 + Timer::FIRST));
        assert!(timer.is_due(false, 3000 * 87 + Timer::FIRST + Timer::SEGMENT_BYTES * 87));
    }

    #[test]
    fn bytes_that_are_no_segments_do_not_hold_it_up_for_ever() {
        let mut timer = Timer::new(0, 0);
        timer.sent(100, 0);
        let mut now = 0;
        while !timer.is_due(false, now) {
            now += 1000;
            timer.heard_bytes(now);
        }
        assert_eq!(now, Timer::FIRST * Timer::NOISE);
    }
}

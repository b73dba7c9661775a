//! Probes a second over the time of a run, as a line.

use std::fmt::Write as _;

use crate::record::pace::{Course, Pace};
use crate::report::terminal::grouped;

/// Width and height of the drawing, in its own units: it is stretched to the room there is.
const SIZE: (f64, f64) = (1000.0, 200.0);
/// The line has so many points at most.
const POINTS: f64 = 150.0;

/// A line chart. Its labels stand beside the drawing, so that they are not stretched with it.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// The line, as the points of an SVG `polyline`.
    pub line: String,
    /// The rate at the upper edge.
    pub top: String,
    /// The average rate.
    pub average: String,
    /// Where that is, from the top.
    pub average_at: String,
    /// The time at the right edge.
    pub end: String,
}

impl Chart {
    /// The chart of `course`; `None` where it is too short for one.
    pub fn new(course: &Course) -> Option<Self> {
        let end = course.last().filter(|end| end.seconds > 0.0)?;
        let mut before = Pace::default();
        let mut rates = Vec::new();
        for pace in course.samples() {
            let seconds = pace.seconds - before.seconds;
            let is_last = pace == end;
            if seconds > 0.0 && (is_last || seconds >= end.seconds / POINTS) {
                let probes = pace.probes.saturating_sub(before.probes);
                rates.push((before.seconds, pace.seconds, probes as f64 / seconds));
                before = pace;
            }
        }
        let top = rates.iter().map(|(_, _, rate)| *rate).fold(0.0, f64::max);
        if rates.len() < 2 || top <= 0.0 {
            return None;
        }
        let average = end.probes as f64 / end.seconds;
        let x = |seconds: f64| SIZE.0 * seconds / end.seconds;
        let y = |rate: f64| SIZE.1 * (1.0 - rate / top);
        let mut line = String::new();
        for (from, to, rate) in &rates {
            let _ = write!(line, "{:.1},{:.1} ", x((from + to) / 2.0), y(*rate));
        }
        Some(Self {
            line: line.trim_end().to_owned(),
            top: grouped(top as u64),
            average: grouped(average as u64),
            average_at: format!("{:.1}", y(average)),
            end: format!("{:.0} s", end.seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(probes: &[u64]) -> Course {
        let mut course = Course::default();
        for (second, probes) in (1u32..).zip(probes) {
            course.push(Pace { seconds: second.into(), probes: *probes, ..Pace::default() });
        }
        course
    }

    #[test]
    fn rates_are_differences_of_sums() {
        // 100, 300 and 200 a second.
        let chart = Chart::new(&course(&[100, 400, 600])).unwrap();
        assert_eq!(chart.line, "166.7,133.3 500.0,0.0 833.3,66.7");
        assert_eq!((&*chart.top, &*chart.average, &*chart.end), ("300", "200", "3 s"));
        assert_eq!(chart.average_at, "66.7");
    }

    #[test]
    fn what_is_too_short_or_asked_nothing_has_no_chart() {
        for probes in [&[][..], &[5], &[0, 0, 0]] {
            assert_eq!(Chart::new(&course(probes)), None, "{probes:?}");
        }
    }

    #[test]
    fn a_long_run_has_few_points() {
        let probes: Vec<u64> = (1..10_000).collect();
        let chart = Chart::new(&course(&probes)).unwrap();
        assert!((75..=151).contains(&chart.line.split(' ').count()), "{}", chart.line);
    }
}

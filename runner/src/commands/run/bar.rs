//! What a person sees who watches a run.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use judge::verdict::Verdict;

use crate::campaign::Totals;
use crate::output::remark;
use crate::report::terminal::grouped;

/// A bar for a run: how far it is, how fast, what was found, and how long it will take. On a terminal
/// only.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    limit: Limit,
    /// Cases that were done before.
    past: u64,
}

/// What a run ends by: whichever comes first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// So many cases; `None` where time alone ends it.
    pub cases: Option<u64>,
    /// So much time.
    pub time: Option<Duration>,
}

impl Bar {
    /// A bar that nobody sees.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), limit: Limit::default(), past: 0 }
    }

    /// A bar for a run that is called `name` and has `past` cases already; hidden where standard error is
    /// no terminal.
    pub fn new(name: &str, limit: Limit, past: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        const PARTS: u64 = 1000;
        let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(name.to_owned());
        Self { bar, limit, past }
    }

    /// Shows what was done.
    pub fn show(&self, totals: &Totals) {
        if self.bar.is_hidden() {
            return;
        }
        let done = self.limit.done(self.past + totals.cases, totals.elapsed);
        self.bar.set_message(message(self.past, totals, done));
        self.bar.set_position((done * self.bar.length().unwrap_or_default() as f64) as u64);
    }

    /// Tells something on standard error, above the bar where there is one.
    pub fn tell(&self, text: &str) {
        self.bar.suspend(|| remark(text));
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Limit {
    /// Which part of the run is done, 0 to 1, with so many cases after so much time.
    fn done(&self, cases: u64, elapsed: Duration) -> f64 {
        let part = |done: f64, all: f64| if all > 0.0 { (done / all).min(1.0) } else { 1.0 };
        let by_cases = self.cases.map(|all| part(cases as f64, all as f64));
        let by_time = self.time.map(|all| part(elapsed.as_secs_f64(), all.as_secs_f64()));
        by_cases.unwrap_or(0.0).max(by_time.unwrap_or(0.0))
    }
}

/// `12 048 cases, 91 200 probes/s, 3 mismatch, 1 known, 0:42 left`
fn message(past: u64, totals: &Totals, done: f64) -> String {
    let seconds = totals.elapsed.saturating_sub(totals.before).as_secs_f64();
    let rate = totals.verdicts.total() as f64 / seconds.max(0.001);
    let cases = grouped(past + totals.cases);
    let mut text = format!("{cases} cases, {} probes/s", grouped(rate as u64));
    for verdict in Verdict::ALL.into_iter().rev().filter(|verdict| *verdict != Verdict::Conforms) {
        let count = totals.verdicts.of(verdict);
        if count > 0 {
            text += &format!(", {} {}", grouped(count), verdict.name());
        }
    }
    if done > 0.0 && done < 1.0 {
        let left = totals.elapsed.as_secs_f64() * (1.0 - done) / done;
        text += &format!(", {}:{:02} left", left as u64 / 60, left as u64 % 60);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::verdict::Counts;

    #[test]
    fn what_is_shown_is_what_was_done() {
        let verdicts = Counts { conforms: 900, known: 60, mismatch: 40, ..Counts::default() };
        let (before, elapsed) = (Duration::from_secs(10), Duration::from_secs(20));
        let totals = Totals { cases: 1_500, verdicts, before, elapsed, ..Totals::default() };
        let limit = Limit { cases: Some(10_000), time: None };
        let done = limit.done(1_000 + totals.cases, totals.elapsed);
        let wanted = "2 500 cases, 100 probes/s, 40 mismatch, 60 known, 1:00 left";
        assert_eq!(message(1_000, &totals, done), wanted);
    }

    #[test]
    fn a_run_ends_by_what_comes_first() {
        let half = Duration::from_secs(30);
        let limit = Limit { cases: Some(100), time: Some(Duration::from_secs(60)) };
        assert_eq!((limit.done(10, half), limit.done(80, half)), (0.5, 0.8));
        assert_eq!(Limit { cases: None, ..limit }.done(10, half), 0.5);
        assert_eq!(Limit { time: None, ..limit }.done(300, half), 1.0);
        assert_eq!(Limit::default().done(300, half), 0.0);
        assert_eq!(Limit { cases: Some(0), time: None }.done(0, half), 1.0, "nothing to do");
    }
}

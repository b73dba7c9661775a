//! Batch: a soak without a host, as it was written into the image, reported on the console and in a log in memory.
//! See [`link::batch`].

use core::fmt::Write;
use core::sync::atomic::AtomicU64;

use link::batch::{Batch, Log};
use link::hello::{Configure, Hello};
use link::soak::{Item, Progress, Soak};
use zerocopy::IntoBytes;

use crate::payload::asm;
use crate::payload::batch_log::BatchLog;
use crate::payload::buffer::{Buffer, buffer};
use crate::payload::console::console;
use crate::payload::el2_map::El2Map;
use crate::payload::in_flight;
use crate::payload::psci;
use crate::payload::run::Runner;
use crate::payload::soak::Soaker;

static CURSOR: AtomicU64 = AtomicU64::new(0);
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// The most points that are reported: each is of as many cases as any other.
const MOST_POINTS: u64 = 64;
/// The log is brought up to date after so many milliseconds.
const MILLISECONDS: u64 = 500;

/// Sums over cases.
#[derive(Clone, Copy, Default)]
struct Sums {
    probes: u64,
    suspects: u64,
    left: u64,
    /// The first suspect.
    first: Option<u64>,
}

/// A batch under way.
struct Run<'a> {
    batch: &'a Batch,
    soaker: Soaker,
    runner: &'a mut Runner,
    log: BatchLog,
    /// Progress that is not in the log yet.
    progress: &'a mut Buffer,
}

/// Does `batch`, and ends as it says.
pub fn run(
    batch: &'static Batch,
    map: &mut El2Map,
    runner: &mut Runner,
    hello: &Hello,
    has_psci: bool,
) -> ! {
    in_flight::set_cursor(&CURSOR);
    let mut soaker = Soaker::new(hello);
    let log = BatchLog::open(batch, hello);
    let memory = batch.configure().and_then(Configure::map);
    let windows = memory.as_ref().and_then(|memory| map.configure(memory));
    let is_kept = batch.plan().is_some_and(|plan| soaker.plan.keep(plan));
    let is_agreed = batch.terms().is_some_and(|terms| soaker.agree(terms));
    let mut run = Run { batch, soaker, runner, log, progress: buffer!() };
    let state = match (memory, windows) {
        (Some(memory), Some(windows)) if is_kept && is_agreed => {
            // SAFETY: just mapped, and whoever wrote the batch has given the memory away.
            unsafe { run.runner.configure(memory, windows) };
            run.log.head_mut().seed = run.soaker.plan.kept().map_or(0, |plan| plan.seed());
            run.ask_all();
            if run.log.head().suspects > 0 { Log::FAIL } else { Log::PASS }
        }
        _ => Log::DIED,
    };
    run.log.head_mut().state = state;
    run.log.sync();
    say_end(run.log.head());
    if has_psci && batch.end != Batch::WAIT {
        // SAFETY: the firmware is what the device tree says.
        unsafe { psci::end(batch.end == Batch::RESET) };
    }
    loop {
        asm::wait_for_interrupt();
    }
}

impl Run<'_> {
    /// Asks all cases, point by point.
    fn ask_all(&mut self) {
        let batch = self.batch;
        let points = batch.count.min(MOST_POINTS);
        if batch.report & Batch::TAP != 0 {
            // A console never fails, here and below.
            let _ = write!(console(), "TAP version 13\r\n1..{points}\r\n");
        }
        // No more than 64 times a number of cases that fits.
        let bound = |point: u64| {
            batch.first + (u128::from(batch.count) * u128::from(point) / u128::from(points)) as u64
        };
        for point in 0..points {
            let (first, end) = (bound(point), bound(point + 1));
            let sums = self.ask(first, end);
            say(batch.report, point + 1, first, end - 1, &sums);
            if self.log.head().next < end {
                return;
            }
        }
    }

    /// Asks the cases from `first` to `end`, and logs them.
    fn ask(&mut self, first: u64, end: u64) -> Sums {
        let Self { soaker, runner, log, progress: Buffer(buffer), .. } = self;
        let mut sums = Sums::default();
        let mut next = first;
        while next < end {
            let soak = Soak { first: next, count: end - next, milliseconds: MILLISECONDS };
            let bytes = soaker.soak(soak.as_bytes(), runner, 0, (&CURSOR, &DRAWN), buffer);
            let Some(body) = bytes.map(|bytes| &buffer[..bytes]) else { break };
            let Some(progress) = Progress::from_bytes(body, next) else { break };
            if progress.next == next {
                break;
            }
            let mut at = next;
            for item in progress.items().flatten() {
                sums.add(&item, at);
                at += item.cases();
            }
            log.add(next, progress.next, body);
            next = progress.next;
        }
        let head = log.head_mut();
        head.next = next;
        head.probes += sums.probes;
        head.suspects += sums.suspects;
        head.left += sums.left;
        log.sync();
        sums
    }
}

impl Sums {
    /// Adds what became of the case, or the first of the cases, number `at`.
    fn add(&mut self, item: &Item<'_>, at: u64) {
        match item {
            Item::Run(totals) => self.probes += totals.probes,
            Item::Suspect(suspect) => {
                self.probes += suspect.totals.probes;
                self.suspects += 1;
                self.first = self.first.or(Some(at));
            }
            Item::Left => self.left += 1,
        }
    }
}

/// Reports one point: what became of the cases from `first` to `last`.
fn say(report: u64, point: u64, first: u64, last: u64, sums: &Sums) {
    let mut console = console();
    let Sums { probes, suspects, left, first: suspect } = *sums;
    if report & Batch::TAP != 0 {
        let not = if suspects > 0 { "not " } else { "" };
        let _ = write!(console, "{not}ok {point} - cases {first} to {last}: {probes} probes");
        if let Some(suspect) = suspect {
            let _ = write!(console, ", {suspects} suspects from case {suspect} on");
        }
        if left > 0 {
            let _ = write!(console, ", {left} left to a host");
        }
        let _ = write!(console, "\r\n");
    }
    if report & Batch::LAVA != 0 {
        let result = if suspects > 0 { "fail" } else { "pass" };
        let _ = write!(
            console,
            "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=cases-{first}-to-{last} RESULT={result}>\r\n"
        );
    }
}

fn say_end(head: &Log) {
    let mut console = console();
    let word = match head.state {
        Log::PASS => "pass",
        Log::FAIL => "fail",
        _ => "the batch in the image makes no sense here",
    };
    let asked = head.next - head.first;
    let Log { probes, suspects, left, lost, .. } = *head;
    let place = (&raw const *head).addr();
    let _ = write!(
        console,
        "# hypwalk: {word}: {asked} cases, {probes} probes, {suspects} suspects, {left} left to a host, \
         {lost} not in the log; log at {place:#x}\r\n"
    );
}

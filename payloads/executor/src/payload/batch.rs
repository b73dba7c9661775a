//! Soaking without a host: a batch that was written into the image, reported on the console and in a log in
//! memory. See [`link::batch`].

use core::fmt::Write;
use core::sync::atomic::AtomicU64;

use link::MAX_MESSAGE;
use link::batch::{Batch, Entry, LOG_BYTES, Log};
use link::hello::{Configure, Hello};
use link::soak::{Item, Progress, Soak};
use zerocopy::{FromZeros, IntoBytes};

use crate::payload::asm;
use crate::payload::boot;
use crate::payload::el2_map::Home;
use crate::payload::global::Global;
use crate::payload::in_flight;
use crate::payload::plan;
use crate::payload::psci;
use crate::payload::run::Runner;
use crate::payload::soak::Soaker;

/// The log, where whoever reads a dump finds it.
#[repr(C, align(4096))]
struct Memory {
    head: Log,
    entries: [u8; LOG_BYTES],
}

/// Progress that is not in the log yet.
#[repr(C, align(16))]
struct Buffer([u8; MAX_MESSAGE]);

#[unsafe(link_section = ".noinit")]
static LOG: Global<core::mem::MaybeUninit<Memory>> = Global::new(core::mem::MaybeUninit::uninit());
#[unsafe(link_section = ".noinit")]
static BUFFER: Global<Buffer> = Global::new(Buffer([0; MAX_MESSAGE]));
static CURSOR: AtomicU64 = AtomicU64::new(0);
/// Whether the log is in use.
static IS_OPEN: Global<bool> = Global::new(false);

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

/// Does `batch`, and ends as it says.
pub fn run(
    batch: &'static Batch,
    home: &mut Home,
    runner: &mut Runner,
    hello: &Hello,
    has_psci: bool,
) -> ! {
    in_flight::set_cursor(&CURSOR);
    let mut soaker = Soaker::new(hello);
    let head = open(batch, hello);
    let map = batch.configure().and_then(Configure::map);
    let windows = map.as_ref().and_then(|map| home.configure(map));
    let is_kept = batch.plan().is_some_and(plan::keep);
    let is_agreed = batch.terms().is_some_and(|terms| soaker.agree(terms));
    match (map, windows) {
        (Some(map), Some(windows)) if is_kept && is_agreed => {
            // SAFETY: just mapped, and whoever wrote the batch has given the memory away.
            unsafe { runner.configure(map, windows) };
            head.seed = plan::kept().map_or(0, |plan| plan.seed());
            ask_all(batch, &mut soaker, runner, head);
            head.state = if head.suspects > 0 { Log::FAIL } else { Log::PASS };
        }
        _ => head.state = Log::DIED,
    }
    sync(head, 0..0);
    say_end(head);
    if has_psci && batch.end != Batch::WAIT {
        // SAFETY: the firmware is what the device tree says.
        unsafe { psci::end(batch.end == Batch::RESET) };
    }
    loop {
        asm::wait_for_interrupt();
    }
}

/// The executor can't go on: says so in the log, if there is one.
pub fn died() {
    // SAFETY: whoever used them never runs again.
    let (is_open, log) = unsafe { (*IS_OPEN.pointer(), &mut *LOG.pointer()) };
    if is_open {
        // SAFETY: it was filled when it was opened.
        let head = unsafe { &mut log.assume_init_mut().head };
        head.state = Log::DIED;
        sync(head, 0..0);
    }
}

/// Begins the log.
fn open(batch: &Batch, hello: &Hello) -> &'static mut Log {
    // SAFETY: once, before anybody else uses it; all of it is plain words.
    let head = unsafe {
        *IS_OPEN.pointer() = true;
        &mut (*(*LOG.pointer()).as_mut_ptr()).head
    };
    head.zero();
    head.magic = Log::MAGIC;
    head.version = link::VERSION.into();
    head.state = Log::RUNNING;
    (head.first, head.count, head.next) = (batch.first, batch.count, batch.first);
    head.entry_el = hello.entry_el.into();
    head.ids = hello.ids;
    head.digest = batch.digest();
    if let Some(configure) = batch.configure() {
        head.configure = *configure;
    }
    sync(head, 0..0);
    head
}

/// Asks all cases, point by point.
fn ask_all(batch: &Batch, soaker: &mut Soaker, runner: &mut Runner, head: &mut Log) {
    let points = batch.count.min(MOST_POINTS);
    let mut console = boot::console();
    if batch.report & Batch::TAP != 0 {
        // A console never fails, here and below.
        let _ = write!(console, "TAP version 13\r\n1..{points}\r\n");
    }
    // No more than 64 times a number of cases that fits.
    let bound = |point: u64| {
        batch.first + (u128::from(batch.count) * u128::from(point) / u128::from(points)) as u64
    };
    for point in 0..points {
        let (first, end) = (bound(point), bound(point + 1));
        let sums = ask(first, end, soaker, runner, head);
        say(batch.report, point + 1, first, end - 1, &sums);
        if head.next < end {
            return;
        }
    }
}

/// Asks the cases from `first` to `end`, and logs them.
fn ask(first: u64, end: u64, soaker: &mut Soaker, runner: &mut Runner, head: &mut Log) -> Sums {
    let mut sums = Sums::default();
    let mut next = first;
    while next < end {
        let soak = Soak { first: next, count: end - next, milliseconds: MILLISECONDS };
        // SAFETY: nobody else uses it.
        let buffer = unsafe { &mut (*BUFFER.pointer()).0 };
        let bytes = soaker.soak(soak.as_bytes(), runner, 0, &CURSOR, buffer);
        let Some(body) = bytes.map(|bytes| &buffer[..bytes]) else { break };
        let Some(progress) = Progress::from_bytes(body, next) else { break };
        if progress.next == next {
            break;
        }
        let mut at = next;
        for item in progress.items().flatten() {
            match &item {
                Item::Run(totals) => sums.probes += totals.probes,
                Item::Suspect(suspect) => {
                    sums.probes += suspect.totals.probes;
                    sums.suspects += 1;
                    sums.first = sums.first.or(Some(at));
                }
                Item::Left => sums.left += 1,
            }
            at += item.cases();
        }
        log(head, next, progress.next, body);
        next = progress.next;
    }
    head.next = next;
    head.probes += sums.probes;
    head.suspects += sums.suspects;
    head.left += sums.left;
    sync(head, 0..0);
    sums
}

/// Adds the progress in `body`, on the cases from `first` to `next`, to the log; or counts them where it is full.
fn log(head: &mut Log, first: u64, next: u64, body: &[u8]) {
    // SAFETY: the head is somebody's, and the entries are nobody else's.
    let entries = unsafe { &mut (*(*LOG.pointer()).as_mut_ptr()).entries };
    let entry = Entry { first, bytes: body.len() as u64 };
    let from = head.used as usize;
    let behind = from + size_of::<Entry>();
    match entries.get_mut(from..behind + body.len()) {
        Some(place) => {
            place[..size_of::<Entry>()].copy_from_slice(entry.as_bytes());
            place[size_of::<Entry>()..].copy_from_slice(body);
            // An entry is there before it counts.
            sync(head, from..behind + body.len());
            head.used = (behind + body.len()) as u64;
        }
        None => head.lost += next - first,
    }
    head.next = next;
    sync(head, 0..0);
}

/// Brings the head, and these bytes of the entries, to where one sees them who looks behind the caches.
fn sync(head: &mut Log, entries: core::ops::Range<usize>) {
    let line = asm::line_bytes();
    let clean = |from: u64, bytes: u64| {
        let first = from & !(line - 1);
        (first..from + bytes).step_by(line as usize).for_each(asm::clean_line);
    };
    let base = (&raw const *head).addr() as u64;
    let behind = base + core::mem::offset_of!(Memory, entries) as u64;
    clean(behind + entries.start as u64, entries.len() as u64);
    asm::dsb_sy();
    clean(base, size_of::<Log>() as u64);
    asm::dsb_sy();
}

/// Reports one point: what became of the cases from `first` to `last`.
fn say(report: u64, point: u64, first: u64, last: u64, sums: &Sums) {
    let mut console = boot::console();
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

/// The last line.
fn say_end(head: &Log) {
    let mut console = boot::console();
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

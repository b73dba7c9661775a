//! Log of a batch, in memory where whoever reads a dump finds it. See [`link::batch`].

use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use link::batch::{Batch, Entry, LOG_BYTES, Log};
use link::hello::Hello;
use zerocopy::{FromZeros, IntoBytes};

use crate::payload::asm;
use crate::payload::global::Global;

/// The log as it lies in memory.
#[repr(C, align(4096))]
struct Memory {
    head: Log,
    entries: [u8; LOG_BYTES],
}

#[unsafe(link_section = ".noinit")]
static MEMORY: Global<MaybeUninit<Memory>> = Global::new(MaybeUninit::uninit());
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// The log, open.
pub struct BatchLog {
    memory: &'static mut Memory,
}

impl BatchLog {
    /// Begins the log of `batch`.
    ///
    /// # Panics
    /// When there is one already.
    pub fn open(batch: &Batch, hello: &Hello) -> Self {
        // The primary PE alone comes here; and there may be no exclusives, where the MMU is off.
        assert!(!IS_OPEN.load(Ordering::Relaxed));
        IS_OPEN.store(true, Ordering::Relaxed);
        // SAFETY: once; any bytes make a log.
        let memory = unsafe { (*MEMORY.pointer()).assume_init_mut() };
        let head = &mut memory.head;
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
        let log = Self { memory };
        log.sync();
        log
    }

    /// What the log says in front.
    pub const fn head(&self) -> &Log {
        &self.memory.head
    }

    /// What the log says in front, to be changed. [`BatchLog::sync`] makes it seen.
    pub const fn head_mut(&mut self) -> &mut Log {
        &mut self.memory.head
    }

    /// Adds the progress in `body`, on the cases from `first` to `next`; or counts them where the log is full.
    pub fn add(&mut self, first: u64, next: u64, body: &[u8]) {
        let entry = Entry { first, bytes: body.len() as u64 };
        let Memory { head, entries } = &mut *self.memory;
        let from = head.used as usize;
        let behind = from + size_of::<Entry>();
        match entries.get_mut(from..behind + body.len()) {
            Some(place) => {
                place[..size_of::<Entry>()].copy_from_slice(entry.as_bytes());
                place[size_of::<Entry>()..].copy_from_slice(body);
                // An entry is there before it counts.
                self.sync_with(from..behind + body.len());
                self.memory.head.used = (behind + body.len()) as u64;
            }
            None => head.lost += next - first,
        }
        self.memory.head.next = next;
        self.sync();
    }

    /// Brings the head to where one sees it who looks behind the caches.
    pub fn sync(&self) {
        self.sync_with(0..0);
    }

    /// The same, behind these bytes of the entries.
    fn sync_with(&self, entries: Range<usize>) {
        let line = asm::line_bytes();
        let clean = |bytes: &[u8]| {
            let (from, to) = (bytes.as_ptr().addr() as u64, bytes.as_ptr_range().end.addr() as u64);
            (from & !(line - 1)..to).step_by(line as usize).for_each(asm::clean_line);
            asm::dsb_sy();
        };
        clean(&self.memory.entries[entries]);
        clean(self.memory.head.as_bytes());
    }
}

/// The executor can't go on: says so in the log, if there is one.
///
/// # Safety
/// Whoever uses the log never runs again.
pub unsafe fn died() {
    if IS_OPEN.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise; it was filled when it was opened.
        let memory = unsafe { (*MEMORY.pointer()).assume_init_mut() };
        memory.head.state = Log::DIED;
        BatchLog { memory }.sync();
    }
}

//! In flight: the case that is being run, what the exception handler needs to know of it, and the memory that is its
//! alone.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};

use arrayvec::ArrayVec;
use case::MAX_PROBES;
use case::probe::Probe;
use link::mailbox::Cursor;
use link::observations::{Exception, Update};
use tables::WordLog;

use crate::payload::asm;
use crate::payload::global::Global;
use crate::payload::memory::Watched;

/// The most changed words that one case reports.
const MAX_UPDATES: usize = 1024;

/// The exceptions of a case: one a probe, and those that ended it.
pub type Exceptions = ArrayVec<Exception, { MAX_PROBES + 4 }>;
/// The descriptors that hardware changed in a case.
pub type Updates = ArrayVec<Update, MAX_UPDATES>;

static MEMORY: Global<(WordLog, Watched, Updates)> =
    Global::new((WordLog::new(), Watched::none(), Updates::new_const()));
/// Written by the exception handler while probes are asked, and by nobody else then.
static EXCEPTIONS: Global<Exceptions> = Global::new(Exceptions::new_const());
static IS_ONE: AtomicBool = AtomicBool::new(false);

/// The case in flight on the primary PE. There is one at a time, so that whoever has it may use the memory of cases;
/// and probes are asked through a unique reference to it, so that nobody looks at exceptions while the handler may
/// write them.
pub struct InFlight {
    /// The words that the builder wrote.
    pub log: &'static mut WordLog,
    /// The words that hardware may change.
    pub watched: &'static mut Watched,
    /// The words that hardware changed.
    pub updates: &'static mut Updates,
}

impl InFlight {
    /// Begins a case: log and lists are empty.
    ///
    /// # Panics
    /// When there is one already.
    pub fn begin() -> Self {
        // The primary PE alone runs cases.
        assert!(!IS_ONE.load(Ordering::Relaxed));
        IS_ONE.store(true, Ordering::Relaxed);
        // SAFETY: references to these are in the one value of this type, and in those borrowed from it.
        let (log, watched, updates) = unsafe { &mut *MEMORY.pointer() };
        log.clear();
        updates.clear();
        let mut this = Self { log, watched, updates };
        this.exceptions_mut().clear();
        this
    }

    /// Says what the executor does from here on.
    pub fn enter(&mut self, phase: Phase) {
        enter(phase);
    }

    /// Asks AT instructions at this PE: the probes of `probes`, with an answer for each at `answers`. Returns the
    /// address of the first that it did not ask. The cursor's word is `here` at the first, and goes on by 1.
    ///
    /// # Safety
    /// All pointers must be good for the number of probes, and the case's registers loaded.
    pub unsafe fn ask(
        &mut self,
        probes: Range<*const Probe>,
        answers: *mut u64,
        cursor: *const u64,
        here: u64,
    ) -> *const Probe {
        // SAFETY: the caller's promise. The handler may write exceptions: nobody has a reference to them.
        unsafe { asm::ask(probes.start, probes.end, answers, cursor, here) }
    }

    /// The exceptions so far.
    pub fn exceptions(&self) -> &Exceptions {
        // SAFETY: while this is borrowed no probe is asked, so that the handler writes nothing that is read here;
        // and there is one value of this type.
        unsafe { &*EXCEPTIONS.pointer() }
    }

    /// The exceptions so far.
    pub fn exceptions_mut(&mut self) -> &mut Exceptions {
        // SAFETY: as above.
        unsafe { &mut *EXCEPTIONS.pointer() }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        enter(Phase::Idle);
        IS_ONE.store(false, Ordering::Relaxed);
    }
}

/// What the executor is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Phase {
    /// Starting. An SError now is what somebody before left behind.
    Booting,
    /// No case is asked: an exception is the end.
    Idle,
    /// Building a case's tables: the log of words is being changed.
    Building,
    /// Asking a case's probes.
    Asking,
    /// Before and after the probes: the log of words is complete.
    Built,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Booting, Self::Idle, Self::Building, Self::Asking, Self::Built];
}

/// See [`phase`]. Zero, as .bss is: booting.
static PHASE: AtomicU32 = AtomicU32::new(Phase::Booting as u32);
static CURSOR: AtomicPtr<AtomicU64> = AtomicPtr::new(core::ptr::null_mut());

/// What the executor is doing.
pub fn phase() -> Phase {
    let number = PHASE.load(Ordering::Relaxed) as usize;
    Phase::ALL.get(number).copied().unwrap_or(Phase::Idle)
}

/// The executor has started: cases may come.
pub fn boot_is_over() {
    enter(Phase::Idle);
}

fn enter(phase: Phase) {
    // The handler runs on this PE: the order of the compiler is all that matters.
    compiler_fence(Ordering::SeqCst);
    PHASE.store(phase as u32, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
}

/// Adds an exception to those of the case in flight, if there is room.
///
/// # Safety
/// For the handler of that exception. It was taken by a probe, while nobody has a reference to the list; or else
/// the interrupted code does not go on.
pub unsafe fn record(exception: Exception) {
    // SAFETY: the caller's promise.
    let exceptions = unsafe { &mut *EXCEPTIONS.pointer() };
    // A list that is full holds one exception a probe already; the status still says the rest.
    let _ = exceptions.try_push(exception);
}

/// Says which word is the cursor.
pub fn set_cursor(cursor: &'static AtomicU64) {
    CURSOR.store(core::ptr::from_ref(cursor).cast_mut(), Ordering::Relaxed);
}

/// The probe at which the cursor stands; [`Cursor::NO_PROBE`] where it stands at none.
pub fn probe() -> u16 {
    let cursor = CURSOR.load(Ordering::Relaxed);
    if cursor.is_null() {
        return Cursor::NO_PROBE;
    }
    // SAFETY: set from a reference that lives for ever.
    let word = unsafe { &*cursor }.load(Ordering::Relaxed);
    Cursor(word).probe().unwrap_or(Cursor::NO_PROBE)
}

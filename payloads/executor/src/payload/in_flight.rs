//! What the executor has in hand, as an exception handler needs to know it.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};

use arrayvec::ArrayVec;
use case::MAX_PROBES;
use link::mailbox::Cursor;
use link::observations::Exception;

use crate::payload::global::Global;

/// What the executor is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Phase {
    /// Starting. An SError now is what somebody before left behind.
    Booting,
    /// Nothing is in hand: an exception is the end.
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

/// The exceptions of the case in hand: one a probe, and those that ended it. Written by the handler,
/// read and cleared by the code around a case while none is to come.
pub static EXCEPTIONS: Global<ArrayVec<Exception, { MAX_PROBES + 4 }>> =
    Global::new(ArrayVec::new_const());

/// What the executor is doing.
pub fn phase() -> Phase {
    let number = PHASE.load(Ordering::Relaxed) as usize;
    Phase::ALL.get(number).copied().unwrap_or(Phase::Idle)
}

/// Says what the executor does from here on.
pub fn enter(phase: Phase) {
    // The handler runs on this PE: the order of the compiler is all that matters.
    compiler_fence(Ordering::SeqCst);
    PHASE.store(phase as u32, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
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

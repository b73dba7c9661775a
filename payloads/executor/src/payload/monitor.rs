//! Monitor at EL3, as EL2 knows it: whether it is there.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::payload::asm::{self, msr};

static IS_THERE: AtomicBool = AtomicBool::new(false);

/// Whether the executor was entered at EL3, so that EL3 is the monitor's.
pub fn is_there() -> bool {
    IS_THERE.load(Ordering::Relaxed)
}

/// Takes EL3 for the monitor.
///
/// # Safety
/// Called at EL3, with its MMU off. It stays off there.
pub unsafe fn install() {
    // SAFETY: the vectors of the monitor, at the address where they are fetched with the MMU off.
    unsafe { msr!("vbar_el3", asm::monitor_vectors_address()) };
    asm::isb();
    IS_THERE.store(true, Ordering::Relaxed);
}

//! Exceptions: whose they are, and what becomes of them.
//!
//! ```text
//!                       in hand   nothing in hand
//!  a probe's AT         a record, on with the next probe      -
//!  anything else        a record, `recover` ends the case     last words
//!  in a handler         last words                            last words
//! ```
//!
//! Interrupts stay masked for ever; one that is taken all the same is treated like anything else, and
//! so is an SError.

use aarch64_cpu::registers::*;
use link::hello::Epitaph;
use link::observations::Exception;

use crate::payload::asm::{Image, Resume};
use crate::payload::in_flight::{self, Phase};
use crate::payload::last_words;

/// What the vectors save: the interrupted state, which handlers may change.
#[repr(C)]
pub struct Frame {
    x: [u64; 31],
    elr: u64,
    spsr: u64,
}

const SYNCHRONOUS: u64 = 0;
const SERROR: u64 = 3;
/// Vectors of an exception in an exception.
const NESTED: core::ops::RangeInclusive<u64> = 4..=7;

/// EL2 on SP_EL0; debug exceptions, IRQ and FIQ masked.
const SPSR_HOME: u64 = 0x2c8;
/// `PSTATE.BTYPE`: where execution goes on is no branch target.
const SPSR_BTYPE: u64 = 3 << 10;

/// Called by the vectors, on the exception stack or the last one.
#[unsafe(no_mangle)]
extern "C" fn take_exception(frame: &mut Frame, vector: u64) {
    let phase = in_flight::phase();
    if phase == Phase::Booting && vector == SERROR {
        return;
    }
    if NESTED.contains(&vector) || matches!(phase, Phase::Booting | Phase::Idle) {
        last_words::speak(Epitaph {
            reason: Epitaph::EXCEPTION,
            esr: ESR_EL2.get(),
            elr: relative(frame.elr),
            far: FAR_EL2.get(),
        });
    }
    let own = phase == Phase::Asking && vector == SYNCHRONOUS && Resume::is_probe(frame.elr);
    let record = Exception {
        probe: in_flight::probe().into(),
        origin: if own { Exception::PROBE } else { Exception::EXECUTOR },
        target: 2,
        esr: ESR_EL2.get(),
        far: FAR_EL2.get(),
        hpfar: HPFAR_EL2.get(),
        elr: relative(frame.elr),
        spsr: frame.spsr,
    };
    // SAFETY: whoever else uses the list does so where no exception of a probe can come; an
    // executor's own exception there ends that use.
    let exceptions = unsafe { &mut *in_flight::EXCEPTIONS.pointer() };
    // A list that is full holds one exception a probe already; the status still says the rest.
    let _ = exceptions.try_push(record);
    if own {
        frame.elr = Resume::excepted();
        frame.spsr &= !SPSR_BTYPE;
    } else {
        frame.elr = Resume::recover();
        frame.spsr = SPSR_HOME;
    }
}

/// An address relative to the image, where it lies in it.
pub fn relative(address: u64) -> u64 {
    if (Image::start()..Image::end()).contains(&address) {
        address - Image::start()
    } else {
        address
    }
}

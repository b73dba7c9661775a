//! Exceptions: whose they are, and what becomes of them.
//!
//! ```text
//!                     a case in flight                     no case
//!  of a probe's AT    recorded, the next probe is asked    -
//!  any other          recorded, `recover` ends the case    last words
//!  in a handler       last words                           last words
//! ```
//!
//! Interrupts stay masked for ever; one that is taken all the same is treated like anything else, and
//! so is an SError.

use aarch64_cpu::registers::*;
use executor::abi::{Frame, vector};
use link::hello::Epitaph;
use link::observations::Exception;

use crate::payload::asm::{Image, Resume};
use crate::payload::in_flight::{self, Phase};
use crate::payload::last_words;

/// EL2 on SP_EL0; debug exceptions, IRQ and FIQ masked.
const SPSR_EXECUTOR: u64 = 0x2c8;
/// `PSTATE.BTYPE`: where execution goes on is no branch target.
const SPSR_BTYPE: u64 = 3 << 10;

/// Called by the vectors, on the exception stack or the last one.
#[unsafe(no_mangle)]
extern "C" fn take_exception(frame: &mut Frame, number: u64) {
    let phase = in_flight::phase();
    if phase == Phase::Booting && number == vector::SERROR {
        return;
    }
    if vector::NESTED.contains(&number) || matches!(phase, Phase::Booting | Phase::Idle) {
        last_words::speak(Epitaph {
            reason: Epitaph::EXCEPTION,
            esr: ESR_EL2.get(),
            elr: Image::relative(frame.elr),
            far: FAR_EL2.get(),
        });
    }
    let own =
        phase == Phase::Asking && number == vector::SYNCHRONOUS && Resume::is_probe(frame.elr);
    let record = Exception {
        probe: in_flight::probe().into(),
        origin: if own { Exception::PROBE } else { Exception::EXECUTOR },
        target: 2,
        esr: ESR_EL2.get(),
        far: FAR_EL2.get(),
        hpfar: HPFAR_EL2.get(),
        elr: Image::relative(frame.elr),
        spsr: frame.spsr,
    };
    // SAFETY: this is the handler: a probe took it, or the interrupted code is given up for `recover`.
    unsafe { in_flight::record(record) };
    if own {
        frame.elr = Resume::excepted();
        frame.spsr &= !SPSR_BTYPE;
    } else {
        frame.elr = Resume::recover();
        frame.spsr = SPSR_EXECUTOR;
    }
}

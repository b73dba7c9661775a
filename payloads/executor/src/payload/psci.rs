//! PSCI (Arm DEN 0022): firmware that starts PEs.

use core::arch::asm;

use executor::machine::Psci;

/// Starts the PE with affinity `pe` at physical address `entry`, at the EL of the caller and with its MMU off,
/// with `context` in x0. Returns what CPU_ON returns: 0, or a negative number.
///
/// # Safety
/// The firmware must be there, and what runs at `entry` must leave all memory alone but its own.
pub unsafe fn cpu_on(psci: Psci, pe: u64, entry: u64, context: u64) -> i64 {
    let result: i64;
    // By SMCCC, x4 to x17 may be lost.
    macro_rules! call {
        ($instruction:literal) => {
            // SAFETY: the caller's promise.
            unsafe {
                asm!(
                    $instruction,
                    inout("x0") u64::from(psci.cpu_on) => result,
                    inout("x1") pe => _,
                    inout("x2") entry => _,
                    inout("x3") context => _,
                    out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
                    out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
                    out("x15") _, out("x16") _, out("x17") _,
                    options(nostack)
                );
            }
        };
    }
    if psci.is_hvc {
        call!("hvc #0");
    } else {
        call!("smc #0");
    }
    result
}

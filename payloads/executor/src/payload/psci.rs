//! PSCI (Arm DEN 0022): firmware that starts PEs, called by SMC.

use core::arch::asm;

use executor::machine::Psci;
use smccc::psci::{PSCI_CPU_OFF, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET, PSCI_VERSION};

/// Starts the PE with affinity `pe` at physical address `entry`, at the EL of the caller and with its MMU off,
/// with `context` in x0. Returns what CPU_ON returns: 0, or a negative number.
///
/// # Safety
/// The firmware must be there, and what runs at `entry` must leave all memory alone but its own.
pub unsafe fn cpu_on(psci: Psci, pe: u64, entry: u64, context: u64) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { call(psci.cpu_on, [pe, entry, context]) }
}

/// Starts the PE with affinity `pe` as [`cpu_on`] does, and ends this one. Returns only where the other does not
/// start: what CPU_ON returned.
///
/// # Safety
/// As for [`cpu_on`]; and this PE must be ready to lose its caches: its MMU is off. What runs at `entry` may
/// use all memory, this PE's stack too: behind CPU_ON nothing here does.
pub unsafe fn hand_over(psci: Psci, pe: u64, entry: u64, context: u64) -> i64 {
    let result: i64;
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "smc #0",
            "cbnz x0, 3f",
            "mov w0, #{cpu_off_low}",
            "movk w0, #{cpu_off_high}, lsl #16",
            "smc #0",
            // Firmware that can't end a PE leaves it here.
            "2: wfi",
            "b 2b",
            "3:",
            cpu_off_low = const PSCI_CPU_OFF & 0xffff,
            cpu_off_high = const PSCI_CPU_OFF >> 16,
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
    result
}

/// Ends the machine, or starts it anew where `is_reset`, if the firmware can: since PSCI 0.2.
///
/// # Safety
/// The firmware must be there.
pub unsafe fn end(is_reset: bool) {
    // SAFETY: the caller's promise.
    unsafe { call(if is_reset { PSCI_SYSTEM_RESET } else { PSCI_SYSTEM_OFF }, [0; 3]) };
}

/// The version of the firmware's PSCI: major in bits 30:16, minor in bits 15:0; 0 before 0.2.
///
/// # Safety
/// The firmware must be there.
pub unsafe fn version() -> u64 {
    // SAFETY: the caller's promise; the call changes nothing.
    let version = unsafe { call(PSCI_VERSION, [0; 3]) };
    // A 32-bit result; firmware from before 0.2 answers that it knows no such call.
    u64::try_from(version as i32).unwrap_or(0)
}

/// Calls the firmware. By SMCCC 1.0 it may change x4 to x17, in a call of 32 bits too: so it is always made as one
/// of 64.
///
/// # Safety
/// It must be there, and what it does must be allowed to happen.
unsafe fn call(function: u32, [x1, x2, x3]: [u64; 3]) -> i64 {
    let mut arguments = [0; 17];
    arguments[..3].copy_from_slice(&[x1, x2, x3]);
    smccc::smc64(function, arguments)[0] as i64
}

//! The 32-bit registers of a device.

use core::ptr;

/// Registers from a physical address on, mapped as Device or with the MMU off.
#[derive(Clone, Copy)]
pub struct Registers(pub u64);

impl Registers {
    /// Reads the register at `offset`.
    pub fn read(self, offset: u64) -> u32 {
        // SAFETY: a register of a UART that device tree, UEFI or host name.
        unsafe { ptr::read_volatile((self.0 + offset) as *const u32) }
    }

    /// Writes the register at `offset`.
    pub fn write(self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile((self.0 + offset) as *mut u32, value) }
    }

    /// Waits until the register at `offset` has `value` in the bits of `mask`.
    pub fn wait(self, offset: u64, mask: u32, value: u32) {
        while self.read(offset) & mask != value {}
    }

    /// The same, but no longer than a full FIFO takes: a UART that never gets ready to be set up may do so
    /// when it is.
    pub fn wait_a_little(self, offset: u64, mask: u32, value: u32) {
        for _ in 0..PATIENCE {
            if self.read(offset) & mask == value {
                break;
            }
        }
    }
}

/// Looks at a register: to read a device takes 100 ns or more, and 64 bytes at 9600 baud 67 ms.
const PATIENCE: u32 = 1_000_000;

//! 16550 UARTs and their children, polled.

use core::ptr;

/// A 16550.
pub struct Ns16550 {
    base: u64,
    shift: u8,
    wide: bool,
}

/// Receive buffer and transmit holding register.
const DATA: u64 = 0;
const INTERRUPT_ENABLE: u64 = 1;
const FIFO_CONTROL: u64 = 2;
const LINE_STATUS: u64 = 5;

/// FIFOs on, and what is in the receiver's stays.
const FIFO_ON: u32 = 1;
const DATA_READY: u32 = 1;
const HOLDING_EMPTY: u32 = 1 << 5;

impl Ns16550 {
    /// Sets up the UART at `base`, whose registers are `1 << shift` bytes apart. Baud rate and line
    /// settings are the firmware's.
    pub fn new(base: u64, shift: u8, wide: bool) -> Self {
        let uart = Self { base, shift, wide };
        uart.write(INTERRUPT_ENABLE, 0);
        uart.write(FIFO_CONTROL, FIFO_ON);
        uart
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn put(&self, byte: u8) {
        while self.read(LINE_STATUS) & HOLDING_EMPTY == 0 {}
        self.write(DATA, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        // To read the line status clears its errors: a damaged byte is left to the frame's check.
        (self.read(LINE_STATUS) & DATA_READY != 0).then(|| self.read(DATA) as u8)
    }

    fn at(&self, register: u64) -> u64 {
        self.base + (register << self.shift)
    }

    fn read(&self, register: u64) -> u32 {
        let at = self.at(register);
        // SAFETY: the registers of a device, mapped as Device or with the MMU off.
        unsafe {
            if self.wide {
                ptr::read_volatile(at as *const u32)
            } else {
                ptr::read_volatile(at as *const u8).into()
            }
        }
    }

    fn write(&self, register: u64, value: u32) {
        let at = self.at(register);
        // SAFETY: as above.
        unsafe {
            if self.wide {
                ptr::write_volatile(at as *mut u32, value);
            } else {
                ptr::write_volatile(at as *mut u8, value as u8);
            }
        }
    }
}

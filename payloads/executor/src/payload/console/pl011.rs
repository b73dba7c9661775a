//! Arm PL011 (DDI 0183), polled.

use core::ptr;

/// A PL011.
pub struct Pl011 {
    base: u64,
}

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IMSC: u64 = 0x38;

const FR_BUSY: u32 = 1 << 3;
const FR_RX_EMPTY: u32 = 1 << 4;
const FR_TX_FULL: u32 = 1 << 5;
/// 8 data bits, FIFOs on.
const LCR_H_8N1_FIFO: u32 = 0b11 << 5 | 1 << 4;
/// UART, transmitter and receiver on.
const CR_ON: u32 = 1 | 1 << 8 | 1 << 9;

impl Pl011 {
    /// Sets up the PL011 at `base`. The baud rate is the firmware's: only it knows the clock.
    pub fn new(base: u64) -> Self {
        let uart = Self { base };
        // The line control register may only be written while the UART is off, and that only when
        // the last byte is out. (A UART that was never on is not busy.)
        while uart.read(FR) & FR_BUSY != 0 {}
        uart.write(CR, 0);
        uart.write(LCR_H, LCR_H_8N1_FIFO);
        uart.write(IMSC, 0);
        uart.write(CR, CR_ON);
        uart
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn put(&self, byte: u8) {
        while self.read(FR) & FR_TX_FULL != 0 {}
        self.write(DR, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        // The upper bits are line errors: a damaged byte is left to the frame's check.
        (self.read(FR) & FR_RX_EMPTY == 0).then(|| self.read(DR) as u8)
    }

    fn read(&self, offset: u64) -> u32 {
        // SAFETY: the registers of a device, mapped as Device or with the MMU off.
        unsafe { ptr::read_volatile((self.base + offset) as *const u32) }
    }

    fn write(&self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile((self.base + offset) as *mut u32, value) }
    }
}

//! 16550 UARTs and their children, polled.

use crate::payload::mmio::Registers;

/// A 16550.
pub struct Ns16550 {
    registers: Registers,
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
    /// Sets up the UART whose registers these are, `1 << shift` bytes apart; with 32-bit accesses where `wide`,
    /// or else with bytes. Baud rate and line settings are the firmware's.
    pub fn new(registers: Registers, shift: u8, wide: bool) -> Self {
        let uart = Self { registers, shift, wide };
        uart.write(INTERRUPT_ENABLE, 0);
        uart.write(FIFO_CONTROL, FIFO_ON);
        uart
    }

    pub fn base(&self) -> u64 {
        self.registers.base()
    }

    pub fn put(&self, byte: u8) {
        while self.read(LINE_STATUS) & HOLDING_EMPTY == 0 {}
        self.write(DATA, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        // To read the line status clears its errors: a damaged byte is left to the frame's check.
        (self.read(LINE_STATUS) & DATA_READY != 0).then(|| self.read(DATA) as u8)
    }

    fn read(&self, register: u64) -> u32 {
        let offset = register << self.shift;
        if self.wide {
            self.registers.read(offset)
        } else {
            self.registers.read_byte(offset).into()
        }
    }

    fn write(&self, register: u64, value: u32) {
        let offset = register << self.shift;
        if self.wide {
            self.registers.write(offset, value);
        } else {
            self.registers.write_byte(offset, value as u8);
        }
    }
}

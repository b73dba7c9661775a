//! Arm PL011 (DDI 0183) and SBSA generic UART (DEN 0029), polled.

use crate::payload::console::DRAIN;
use crate::payload::mmio::Registers;

pub struct Pl011(Registers);

const DR: u64 = 0x00;
const RSR_ECR: u64 = 0x04;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IMSC: u64 = 0x38;

/// FE, PE, BE and OE of a byte.
const DR_ERRORS: u32 = 0xf << 8;
const FR_BUSY: u32 = 1 << 3;
const FR_RX_EMPTY: u32 = 1 << 4;
const FR_TX_FULL: u32 = 1 << 5;
/// 8 data bits, FIFOs on.
const LCR_H_8N1_FIFO: u32 = 0b11 << 5 | 1 << 4;
/// UART, transmitter and receiver on; no flow control.
const CR_ON: u32 = 1 | 1 << 8 | 1 << 9;

impl Pl011 {
    /// Sets up the PL011 with these registers. The baud rate is the firmware's: only it knows the clock.
    pub fn new(registers: Registers) -> Self {
        // The line control register may only be written while the UART is off, and that only when
        // the last byte is out. (A UART that was never on is not busy.)
        registers.wait_at_most(DRAIN, FR, FR_BUSY, 0);
        registers.write(CR, 0);
        registers.write(LCR_H, LCR_H_8N1_FIFO);
        registers.write(IMSC, 0);
        registers.write(CR, CR_ON);
        registers.write(RSR_ECR, 0);
        Self(registers)
    }

    /// The SBSA generic UART with these registers, which has only the registers that need no set-up.
    pub fn sbsa(registers: Registers) -> Self {
        registers.write(IMSC, 0);
        registers.write(RSR_ECR, 0);
        Self(registers)
    }

    pub fn base(&self) -> u64 {
        self.0.base()
    }

    pub fn put(&self, byte: u8) {
        self.0.wait(FR, FR_TX_FULL, 0);
        self.0.write(DR, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        if self.0.read(FR) & FR_RX_EMPTY != 0 {
            return None;
        }
        let byte = self.0.read(DR);
        // A damaged byte, or one before which others were lost, is left to the frame's check. An overrun
        // stays told until it is cleared.
        if byte & DR_ERRORS != 0 {
            self.0.write(RSR_ECR, 0);
        }
        Some(byte as u8)
    }
}

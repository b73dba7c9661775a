//! Cadence UART of Zynq (UG585) and ZynqMP (UG1087), polled.

use crate::payload::console::DRAIN;
use crate::payload::mmio::Registers;

/// A Cadence UART.
pub struct Cadence(Registers);

/// Control.
const CR: u64 = 0x00;
/// Mode.
const MR: u64 = 0x04;
/// Interrupts to switch off, and interrupts that came.
const IDR: u64 = 0x0c;
const ISR: u64 = 0x14;
/// Channel status.
const SR: u64 = 0x2c;
const FIFO: u64 = 0x30;

/// RXEN and TXEN.
const CR_ON: u32 = 1 << 2 | 1 << 4;
/// The clock's divider, which belongs to the baud rate.
const MR_CLKS: u32 = 1;
/// 8 data bits, no parity, one stop bit, no loop.
const MR_8N1: u32 = 0b100 << 3;
const SR_RX_EMPTY: u32 = 1 << 1;
const SR_TX_FULL: u32 = 1 << 4;
/// Nothing is on its way: TACTIVE is clear, TEMPTY is set.
const SR_TX_BUSY: u32 = 1 << 11 | 1 << 3;
const SR_TX_DONE: u32 = 1 << 3;

impl Cadence {
    /// Sets up the UART with these registers. The baud rate is the firmware's: only it knows the clock.
    pub fn new(registers: Registers) -> Self {
        registers.write(IDR, u32::MAX);
        registers.wait_at_most(DRAIN, SR, SR_TX_BUSY, SR_TX_DONE);
        registers.write(MR, registers.read(MR) & MR_CLKS | MR_8N1);
        registers.write(CR, CR_ON);
        registers.write(ISR, u32::MAX);
        Self(registers)
    }

    pub fn base(&self) -> u64 {
        self.0.base()
    }

    pub fn put(&self, byte: u8) {
        self.0.wait(SR, SR_TX_FULL, 0);
        self.0.write(FIFO, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        // Line errors are told in ISR alone, and stop nothing: a damaged byte is left to the frame's check.
        (self.0.read(SR) & SR_RX_EMPTY == 0).then(|| self.0.read(FIFO) as u8)
    }
}

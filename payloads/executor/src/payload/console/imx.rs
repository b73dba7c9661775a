//! NXP's UART of i.MX ("Universal Asynchronous Receiver/Transmitter" of any i.MX 6 to 8M reference
//! manual), polled.

use crate::payload::console::DRAIN;
use crate::payload::mmio::Registers;

/// An i.MX UART.
pub struct Imx(Registers);

const URXD: u64 = 0x00;
const UTXD: u64 = 0x40;
const UCR1: u64 = 0x80;
const UCR2: u64 = 0x84;
const USR2: u64 = 0x98;
const UTS: u64 = 0xb4;

/// UARTEN, without interrupts and DMA.
const UCR1_ON: u32 = 1;
/// No reset, receiver, transmitter, 8 bits, and whatever RTS says: SRST, RXEN, TXEN, WS, IRTS. No
/// parity, one stop bit.
const UCR2_ON: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 14;
/// The transmitter has sent all: TXDC.
const USR2_TX_DONE: u32 = 1 << 3;
/// Bytes were lost, or the line was held low: ORE and BRCD.
const USR2_ERRORS: u32 = 1 << 1 | 1 << 2;
/// Something of that kind happened with or before this byte: ERR.
const URXD_ERROR: u32 = 1 << 14;
const UTS_TX_FULL: u32 = 1 << 4;
const UTS_RX_EMPTY: u32 = 1 << 5;

impl Imx {
    /// Sets up the UART with these registers. The baud rate is the firmware's: only it knows the clock. So are UCR3,
    /// which has to do with pins, and the FIFO's dividers in UFCR.
    pub fn new(registers: Registers) -> Self {
        registers.wait_at_most(DRAIN, USR2, USR2_TX_DONE, USR2_TX_DONE);
        registers.write(UCR1, UCR1_ON);
        registers.write(UCR2, UCR2_ON);
        registers.write(USR2, USR2_ERRORS);
        Self(registers)
    }

    pub fn base(&self) -> u64 {
        self.0.base()
    }

    pub fn put(&self, byte: u8) {
        self.0.wait(UTS, UTS_TX_FULL, 0);
        self.0.write(UTXD, byte.into());
    }

    pub fn get(&self) -> Option<u8> {
        if self.0.read(UTS) & UTS_RX_EMPTY != 0 {
            return None;
        }
        let byte = self.0.read(URXD);
        // A damaged byte is left to the frame's check. These bits stay until they are cleared.
        if byte & URXD_ERROR != 0 {
            self.0.write(USR2, USR2_ERRORS);
        }
        Some(byte as u8)
    }
}

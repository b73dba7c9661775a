//! Console: a UART, polled. Its line settings are the firmware's, but for 8N1 without flow control.

mod cadence;
mod imx;
mod ns16550;
mod pl011;

use executor::el2_tables::{Range, RangeKind};
use executor::machine::{self, ConsoleKind};

use cadence::Cadence;
use imx::Imx;
use ns16550::Ns16550;
use pl011::Pl011;

use crate::payload::global::Global;
use crate::payload::mmio::Registers;

/// Reads of a register until a transmitter must have sent what is in its FIFO: to read a device takes 100 ns or
/// more, and 64 bytes at 9600 baud 67 ms. One that never gets ready to be set up may do so when it is.
const DRAIN: u32 = 1_000_000;

static CONSOLE: Global<Console> = Global::new(Console::None);

pub fn console() -> &'static Console {
    // SAFETY: replaced by `open` only, before anybody keeps a reference.
    unsafe { &*CONSOLE.pointer() }
}

/// Takes the UART that `found` names into use as the console.
///
/// # Safety
/// That UART is there, and while the MMU is on its registers are mapped to themselves as Device. Nobody keeps a
/// reference to the console from before.
pub unsafe fn open(found: Option<machine::Console>) {
    // SAFETY: the caller's promise.
    unsafe { *CONSOLE.pointer() = Console::new(found) };
}

/// A UART that was set up.
pub enum Console {
    /// There is none: bytes go nowhere.
    None,
    /// Arm PL011, or SBSA generic UART.
    Pl011(Pl011),
    /// 16550 and its children.
    Ns16550(Ns16550),
    Cadence(Cadence),
    /// i.MX.
    Imx(Imx),
}

impl Console {
    /// Sets up what `found` names.
    ///
    /// # Safety
    /// As for [`open`].
    unsafe fn new(found: Option<machine::Console>) -> Self {
        let Some(machine::Console { base, kind }) = found else { return Self::None };
        // SAFETY: the caller's promise.
        let registers = unsafe { Registers::new(base) };
        match kind {
            ConsoleKind::Pl011 => Self::Pl011(Pl011::new(registers)),
            ConsoleKind::Sbsa => Self::Pl011(Pl011::sbsa(registers)),
            ConsoleKind::Ns16550 { shift, wide } => {
                Self::Ns16550(Ns16550::new(registers, shift, wide))
            }
            ConsoleKind::Cadence => Self::Cadence(Cadence::new(registers)),
            ConsoleKind::Imx => Self::Imx(Imx::new(registers)),
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Pl011(_) => "pl011",
            Self::Ns16550(_) => "ns16550",
            Self::Cadence(_) => "cadence",
            Self::Imx(_) => "imx",
        }
    }

    /// The registers, to map.
    pub fn range(&self) -> Option<Range> {
        let base = match self {
            Self::None => return None,
            Self::Pl011(uart) => uart.base(),
            Self::Ns16550(uart) => uart.base(),
            Self::Cadence(uart) => uart.base(),
            Self::Imx(uart) => uart.base(),
        };
        Some(Range::identity(base, 0x100, RangeKind::Device))
    }

    /// Sends a byte, as soon as there is room for it.
    pub fn put(&self, byte: u8) {
        match self {
            Self::None => {}
            Self::Pl011(uart) => uart.put(byte),
            Self::Ns16550(uart) => uart.put(byte),
            Self::Cadence(uart) => uart.put(byte),
            Self::Imx(uart) => uart.put(byte),
        }
    }

    /// The next byte received, if there is one. A line error may damage or lose bytes, but never stops the
    /// UART.
    pub fn get(&self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Pl011(uart) => uart.get(),
            Self::Ns16550(uart) => uart.get(),
            Self::Cadence(uart) => uart.get(),
            Self::Imx(uart) => uart.get(),
        }
    }
}

impl core::fmt::Write for &Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}

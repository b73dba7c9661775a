//! The console: a UART whose registers the device tree or the configuration names.

mod ns16550;
mod pl011;

use executor::home_map::{Kind, Range};
use executor::machine::{self, ConsoleKind};

use ns16550::Ns16550;
use pl011::Pl011;

/// A UART that was set up.
pub enum Console {
    /// There is none: bytes go nowhere.
    None,
    /// Arm PL011.
    Pl011(Pl011),
    /// 16550 and its children.
    Ns16550(Ns16550),
}

impl Console {
    /// Sets up what `found` names.
    pub fn new(found: Option<machine::Console>) -> Self {
        match found {
            None => Self::None,
            Some(machine::Console { base, kind: ConsoleKind::Pl011 }) => {
                Self::Pl011(Pl011::new(base))
            }
            Some(machine::Console { base, kind: ConsoleKind::Ns16550 { shift, wide } }) => {
                Self::Ns16550(Ns16550::new(base, shift, wide))
            }
        }
    }

    /// What it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Pl011(_) => "pl011",
            Self::Ns16550(_) => "ns16550",
        }
    }

    /// The registers, to map.
    pub fn range(&self) -> Option<Range> {
        let base = match self {
            Self::None => return None,
            Self::Pl011(uart) => uart.base(),
            Self::Ns16550(uart) => uart.base(),
        };
        Some(Range::identity(base, 0x100, Kind::Device))
    }

    /// Sends a byte, as soon as there is room for it.
    pub fn put(&self, byte: u8) {
        match self {
            Self::None => {}
            Self::Pl011(uart) => uart.put(byte),
            Self::Ns16550(uart) => uart.put(byte),
        }
    }

    /// The next byte received, if there is one.
    pub fn get(&self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Pl011(uart) => uart.get(),
            Self::Ns16550(uart) => uart.get(),
        }
    }
}

impl core::fmt::Write for &Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}

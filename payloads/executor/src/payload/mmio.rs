//! MMIO: memory-mapped registers of a device.

use core::ptr;

/// The 32-bit registers of a device, by their offset.
#[derive(Clone, Copy)]
pub struct Registers {
    base: u64,
}

impl Registers {
    /// Those from physical address `base` on.
    ///
    /// # Safety
    /// A device has registers there, at all offsets that are used, and to access them changes no memory that Rust
    /// knows. While they are accessed they are mapped as Device, each to itself, or the MMU is off.
    pub const unsafe fn new(base: u64) -> Self {
        Self { base }
    }

    /// Others of the same device, `offset` further on.
    pub const fn behind(self, offset: u64) -> Self {
        Self { base: self.base + offset }
    }

    /// The physical address of the first.
    pub const fn base(self) -> u64 {
        self.base
    }

    /// Reads the register at `offset`.
    pub fn read(self, offset: u64) -> u32 {
        // SAFETY: the promise of `new`.
        unsafe { ptr::read_volatile((self.base + offset) as *const u32) }
    }

    /// Reads the register at `offset` by an access to one byte.
    pub fn read_byte(self, offset: u64) -> u8 {
        // SAFETY: the promise of `new`.
        unsafe { ptr::read_volatile((self.base + offset) as *const u8) }
    }

    /// Writes the register at `offset`.
    pub fn write(self, offset: u64, value: u32) {
        // SAFETY: the promise of `new`.
        unsafe { ptr::write_volatile((self.base + offset) as *mut u32, value) }
    }

    /// Writes the register at `offset` by an access to one byte.
    pub fn write_byte(self, offset: u64, value: u8) {
        // SAFETY: the promise of `new`.
        unsafe { ptr::write_volatile((self.base + offset) as *mut u8, value) }
    }

    /// Waits until the register at `offset` has `value` in the bits of `mask`.
    pub fn wait(self, offset: u64, mask: u32, value: u32) {
        while self.read(offset) & mask != value {}
    }

    /// The same, but for `tries` reads at most: hardware may never get ready.
    pub fn wait_at_most(self, tries: u32, offset: u64, mask: u32, value: u32) {
        for _ in 0..tries {
            if self.read(offset) & mask == value {
                break;
            }
        }
    }
}

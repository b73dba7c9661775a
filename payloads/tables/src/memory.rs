//! The memory that tables are built in.

/// 8-byte words at physical addresses, little-endian, all zero where nothing was written.
///
/// The builder only touches 8-byte aligned addresses in the arenas of the case's memory map.
pub trait TableMemory {
    /// The word at physical address `pa`.
    fn read(&self, pa: u64) -> u64;
    /// Replaces the word at physical address `pa`.
    fn write(&mut self, pa: u64, value: u64);
    /// Replaces the word at physical address `pa`, and returns what it was.
    #[inline]
    fn replace(&mut self, pa: u64, value: u64) -> u64 {
        let old = self.read(pa);
        self.write(pa, value);
        old
    }
}

//! What is mapped, as probes want to know it.

use crate::mapping::Attributes;
use crate::tree::Role;

/// A run of leaves of one tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Area {
    /// The range it is in.
    pub role: Role,
    /// Address size of that range in bits.
    pub va_bits: u8,
    /// First input address.
    pub first: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// What the leaves say.
    pub attributes: Attributes,
    /// Whether it is Device memory.
    pub is_device: bool,
    /// Tags that it leads to: first input address, and size in bytes.
    pub tags: Option<(u64, u64)>,
    /// Slots that it leads to, likewise.
    pub slots: Option<(u64, u64)>,
}

impl Area {
    /// The virtual address for `input`.
    pub fn address(&self, input: u64) -> u64 {
        self.role.address(self.va_bits, input)
    }

    /// Whether `input` is in it.
    pub const fn has(&self, input: u64) -> bool {
        input >= self.first && input - self.first < self.bytes
    }
}

/// What `bytes` bytes from input address `first`, which lead to physical address `output`, reach of the
/// `size` bytes at `wanted`: first input address, and size in bytes.
pub(super) fn overlap(
    first: u64,
    bytes: u64,
    output: u64,
    wanted: u64,
    size: u64,
) -> Option<(u64, u64)> {
    let start = output.max(wanted);
    let end = (output + bytes).min(wanted + size);
    (start < end).then(|| (first + (start - output), end - start))
}

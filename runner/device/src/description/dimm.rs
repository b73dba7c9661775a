//! RAM at addresses of its own.

use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::range::Range;
use super::size::Size;

/// RAM plugged at an address of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimm {
    /// First physical address; QEMU wants a multiple of 2 MB.
    pub address: Address,
    /// Size.
    pub size: Size,
    /// How much of it, from its start, is an arena.
    #[serde(default)]
    pub arena: Size,
}

impl Dimm {
    /// Where it is.
    pub const fn range(&self) -> Range {
        Range { address: self.address, size: self.size }
    }

    /// The part of it that is an arena.
    pub const fn arena(&self) -> Range {
        Range { address: self.address, size: self.arena }
    }
}

//! Pieces of the physical address space.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::size::Size;

/// A piece of the physical address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First physical address.
    pub address: Address,
    /// Size.
    pub size: Size,
}

impl Range {
    /// The address after the last one.
    pub fn end(&self) -> u64 {
        self.address.0.saturating_add(self.size.0)
    }

    /// Whether `other` lies in this range whole.
    pub fn contains(&self, other: &Self) -> bool {
        self.address <= other.address && other.end() <= self.end()
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.address.0 < other.end() && other.address.0 < self.end()
    }

    /// What is wrong with it as memory for tables, or as a place without any, which messages call `name`.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        let page = 0x1_0000;
        if self.size.0 == 0 || self.end() > 1 << 56 {
            return Err(format!("{name} must have a size, and end below 2^56"));
        }
        if !self.address.0.is_multiple_of(page) || !self.size.0.is_multiple_of(page) {
            return Err(format!("{name} must begin and end at multiples of 64 KB"));
        }
        Ok(())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.address.0, self.end())
    }
}

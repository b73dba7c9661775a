//! Arenas of whose addresses a target file says nothing.

use schemars::JsonSchema;
use serde::Deserialize;

use super::size::Size;

/// Arenas cut from the RAM that the target reports as free.
///
/// They are taken from the top of the free regions downwards, so that their addresses do not depend
/// on the size of the executor's image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Carve {
    /// How many.
    pub count: usize,
    /// Size of each, and what its address is a multiple of; a power of two.
    pub size: Size,
}

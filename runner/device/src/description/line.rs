//! A bad serial line, as a target file asks for it.

use schemars::JsonSchema;
use serde::Deserialize;

use suite::bounded::Bounded;

/// What a simulated line does to the bytes between host and console, both ways. The same bytes are
/// harmed in the same way whenever the machine is started for the first, second, .. time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Line {
    /// One byte in so many is flipped, lost, doubled, or gets another before it.
    pub noise_every: Option<Bounded<20, 1_000_000_000>>,
    /// At one byte in so many a burst begins: up to 40 bytes in a row that are harmed.
    pub bursts_every: Option<Bounded<200, 1_000_000_000>>,
    /// How many bytes a second it carries: 11500 on a line of 115200 baud.
    pub bytes_per_second: Option<Bounded<100, 100_000_000>>,
    /// The seed of what is harmed.
    pub seed: u32,
}

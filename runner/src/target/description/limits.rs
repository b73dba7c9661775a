//! When a target counts as hung.

use schemars::JsonSchema;
use serde::Deserialize;

/// When a target counts as hung.
///
/// Neither limit runs while the target makes progress, and neither is a wall clock: a host that is
/// overloaded or was suspended does not make a target hang.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds of its own CPU time that the emulator may burn without progress.
    pub busy_seconds: u32,
    /// Seconds for which the runner may watch the emulator sit idle with work in hand.
    pub idle_seconds: u32,
    /// Like `busy-seconds`, but until the executor's first word.
    pub boot_busy_seconds: u32,
    /// Like `idle-seconds`, but until the executor's first word.
    pub boot_idle_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { busy_seconds: 4, idle_seconds: 4, boot_busy_seconds: 20, boot_idle_seconds: 10 }
    }
}

//! The limits of the watchdog, as a target file has them.

use schemars::JsonSchema;
use serde::Deserialize;

/// When a target counts as hung.
///
/// No limit runs while the target makes progress. Those of an emulator are no wall clock: a host that is
/// overloaded or was suspended does not make it hang. Into a board nobody can look, so time counts in
/// which nothing came from it and nothing could be sent to it; not that in which the host did not get
/// to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds of its own CPU time that the emulator may burn without progress: no answer, and no move of the cursor
    /// that tells which probe is in hand. A hang costs that much. An emulator for which one probe is the work of
    /// seconds, such as a model in RTL, needs more.
    pub busy_seconds: u32,
    /// Seconds for which the runner may watch the emulator sit idle with cases in flight, and no progress. It holds
    /// for a machine behind a debugger too, which nobody sees at work.
    pub idle_seconds: u32,
    /// Like `busy-seconds`, but until the executor's first word.
    pub boot_busy_seconds: u32,
    /// Like `idle-seconds`, but until the executor's first word.
    pub boot_idle_seconds: u32,
    /// Seconds in which a board with cases in flight may say nothing. It holds for `serial` targets, in
    /// place of the limits above.
    pub silent_seconds: u32,
    /// Like `silent-seconds`, but from the end of the boot recipe until the executor's first word.
    pub boot_silent_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            busy_seconds: 2,
            idle_seconds: 2,
            boot_busy_seconds: 20,
            boot_idle_seconds: 10,
            silent_seconds: 10,
            boot_silent_seconds: 20,
        }
    }
}

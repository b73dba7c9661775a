//! What is behind a wire: something that lives, and can be ended.

use super::watchdog::Vitals;

/// The life of a target.
pub trait Life: Send {
    /// How it ended, in words, if it has.
    fn ended(&mut self) -> Option<String>;

    /// What it is at; `None` where that can't be seen.
    fn vitals(&mut self) -> Option<Vitals>;

    /// Ends it, if need be, and returns the end of what it said on its standard error.
    fn end(&mut self) -> String;
}

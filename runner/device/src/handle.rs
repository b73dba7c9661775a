//! The handle of what runs behind a wire: whether it still runs, what it is at, and how to end it.

use crate::watchdog::Vitals;

/// The handle of a device that runs.
pub trait DeviceHandle: Send {
    /// How it ended, if it has.
    fn ended(&mut self) -> Option<End>;

    /// What it is at; `None` where that can't be seen.
    fn vitals(&mut self) -> Option<Vitals>;

    /// Ends it, if need be, and returns the end of what it said, other than messages.
    fn end(&mut self) -> String;
}

/// How a device ended by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Its process ended: exit code or signal, in words.
    Exited(String),
    /// Its process was ended by others: how, in words.
    Killed(String),
    /// It started again: what showed it, in words.
    Reset(String),
    /// Whether it ended or not, nobody can reach it: how that showed.
    Lost(String),
}

impl End {
    /// How it ended, in words.
    pub fn into_words(self) -> String {
        let (Self::Exited(how) | Self::Killed(how) | Self::Reset(how) | Self::Lost(how)) = self;
        how
    }
}

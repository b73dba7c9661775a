//! A process beside the targets that ends with the runner.

use std::io;
use std::process::Command;

use crate::handle::{DeviceHandle as _, End};
use crate::process::Process;

/// A process that never outlives the runner; dropping it kills it. What it prints is lost.
#[derive(Debug)]
pub struct Child(Process);

impl Child {
    /// Starts `command`.
    pub fn start(command: Command) -> io::Result<Self> {
        Process::start(command, Vec::new()).map(Self)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, in words, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.0.ended().map(End::into_words)
    }

    /// Ends it, if need be, and returns the end of what it said on its standard error.
    pub fn end(&mut self) -> String {
        self.0.end()
    }
}

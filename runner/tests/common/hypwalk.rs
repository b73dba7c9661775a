//! The program as a user starts it.

use std::process::Command;

/// A command of `hypwalk`, to be given its arguments.
pub fn hypwalk() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hypwalk"))
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit status: none where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Runs `command` to its end.
    pub fn by(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let [stdout, stderr] = [output.stdout, output.stderr]
            .map(|text| String::from_utf8(text).expect("it says text"));
        Self { code: output.status.code(), stdout, stderr }
    }

    /// All that it said.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

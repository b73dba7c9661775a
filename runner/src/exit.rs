//! Exit codes.

use std::process::ExitCode;

/// How `hypwalk` ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked conforms.
    Conforms = 0,
    Findings = 1,
    /// The command line, a suite, a target file or another input can't be used.
    Usage = 2,
    /// The target could not be run: no emulator, no payload, no answer.
    Target = 3,
    /// Results could not be written or read.
    Results = 4,
    /// A bug in Hypwalk.
    Bug = 70,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Self; 7] = [
        Self::Conforms,
        Self::Findings,
        Self::Usage,
        Self::Target,
        Self::Results,
        Self::Bug,
        Self::Interrupted,
    ];

    pub const fn code(self) -> u8 {
        self as u8
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Conforms => "all conform",
            Self::Findings => "there are findings",
            Self::Usage => "the command line, a suite, a target file or another input is wrong",
            Self::Target => "the target could not be run",
            Self::Results => "results could not be written or read",
            Self::Bug => "a bug in Hypwalk",
            Self::Interrupted => {
                "stopped by a signal; what was done is kept, and a run can be resumed"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

//! Exit codes.

use std::process::ExitCode;

use judge::verdict::{Counts, Verdict};

/// How `hypwalk` ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Nothing was asked, or nothing of it got a verdict.
    NothingJudged = 5,
    /// A case asks by its mappings for what the reference walker does not give: the case is wrong, or the builder.
    Unmet = 6,
    /// A bug in Hypwalk.
    Bug = 70,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Self; 9] = [
        Self::Conforms,
        Self::Findings,
        Self::Usage,
        Self::Target,
        Self::Results,
        Self::NothingJudged,
        Self::Unmet,
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
            Self::NothingJudged => {
                "no probe was judged: what was not asked is told with its reason"
            }
            Self::Unmet => {
                "no finding of the device, but a case does not do what its mappings ask for"
            }
            Self::Bug => "a bug in Hypwalk",
            Self::Interrupted => {
                "stopped by a signal; what was done is kept, and a run can be resumed"
            }
        }
    }

    /// The end of what has these `verdicts`, where `worst` is the worst one among its findings.
    pub fn of(worst: Option<Verdict>, verdicts: &Counts) -> Self {
        match worst {
            Some(verdict) if verdict.is_of_device() => Self::Findings,
            Some(verdict) if verdict.is_finding() => Self::Unmet,
            _ if verdicts.judged() == 0 => Self::NothingJudged,
            _ => Self::Conforms,
        }
    }

    /// The end of two runs, one of which ended so and one like `other`: findings of a device come before what is wrong
    /// with a case, and that before a run in which nothing was judged.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Conforms => 0,
            Self::NothingJudged => 1,
            Self::Unmet => 2,
            Self::Findings => 3,
            Self::Usage | Self::Target | Self::Results | Self::Bug | Self::Interrupted => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_judged_is_no_success_and_an_unmet_intent_no_finding_of_the_device() {
        let none = Counts { unsupported: 4, ..Counts::default() };
        let some = Counts { conforms: 1, ..none };
        for (worst, verdicts, wanted) in [
            (None, some, Exit::Conforms),
            (Some(Verdict::Known), some, Exit::Conforms),
            (None, none, Exit::NothingJudged),
            (None, Counts::default(), Exit::NothingJudged),
            (Some(Verdict::Unmet), some, Exit::Unmet),
            (Some(Verdict::Mismatch), some, Exit::Findings),
            (Some(Verdict::Mismatch), none, Exit::Findings),
        ] {
            assert_eq!(Exit::of(worst, &verdicts), wanted, "{worst:?} {verdicts:?}");
        }
    }

    #[test]
    fn of_several_runs_the_worst_counts() {
        let order = [Exit::Conforms, Exit::NothingJudged, Exit::Unmet, Exit::Findings];
        for (at, better) in order.into_iter().enumerate() {
            for worse in order.into_iter().skip(at) {
                assert_eq!((better.or_worse(worse), worse.or_worse(better)), (worse, worse));
            }
        }
    }
}

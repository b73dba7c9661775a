//! How a verdict looks: never by colour alone.

use judge::verdict::Verdict;

/// The looks of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// A sign that stands for it where there is no colour.
    pub sign: &'static str,
    pub name: &'static str,
}

impl Mark {
    /// Nothing was asked.
    pub const NONE: Self = Self { sign: "·", name: "none" };

    /// Something may be missing.
    pub const INTERRUPTED: Self = Self { sign: "…", name: "interrupted" };

    /// The looks of `verdict`. Its name is also that of its style.
    pub const fn of(verdict: Verdict) -> Self {
        let sign = match verdict {
            Verdict::Conforms => "✓",
            Verdict::Known => "≈",
            Verdict::Unsupported => "∅",
            Verdict::Unmet => "?",
            Verdict::Mismatch => "✗",
            Verdict::Aborted => "‡",
            Verdict::Hung => "∞",
        };
        Self { sign, name: verdict.name() }
    }
}

//! A PE's personality: the choices that are settled.

use core::fmt;

use crate::choices::{Answer, Choice, Choices, GroupInspection};
use crate::errata::Errata;

/// Choices, each open or settled with one answer.
///
/// As a [`Choices`] it answers open choices with answer 0, what the pseudocode is usually run with. To
/// see every outcome that open choices allow, use [`allowed`](crate::allowed()).
///
/// What is IMPLEMENTATION DEFINED may be settled by what was observed. A CONSTRAINED UNPREDICTABLE choice
/// may be settled too, by a test vector or a target's description that names it, but not by observation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    settled: [Option<Answer>; Choice::COUNT],
    group_inspection: GroupInspection,
}

impl Profile {
    /// All choices open.
    #[must_use]
    pub const fn open() -> Self {
        Self { settled: [None; Choice::COUNT], group_inspection: GroupInspection::Always }
    }

    /// All choices settled as the pseudocode is usually run, and contiguous groups taken at their word.
    #[must_use]
    pub const fn pseudocode() -> Self {
        Self { settled: [Some(Answer(0)); Choice::COUNT], group_inspection: GroupInspection::Never }
    }

    /// Settles a choice.
    pub fn settle(&mut self, choice: Choice, answer: Answer) {
        if let Some(settled) = self.settled.get_mut(choice as usize) {
            *settled = Some(answer);
        }
    }

    /// Opens a choice.
    pub fn reopen(&mut self, choice: Choice) {
        if let Some(settled) = self.settled.get_mut(choice as usize) {
            *settled = None;
        }
    }

    /// The answer, if the choice is settled.
    #[must_use]
    pub fn settled(&self, choice: Choice) -> Option<Answer> {
        self.settled.get(choice as usize).copied().flatten()
    }

    /// Every settled choice and its answer.
    pub fn iter(&self) -> impl Iterator<Item = (Choice, Answer)> + '_ {
        Choice::ALL.iter().filter_map(|&choice| Some((choice, self.settled(choice)?)))
    }

    /// The same with this inspection of contiguous groups.
    #[must_use]
    pub const fn with_group_inspection(mut self, group_inspection: GroupInspection) -> Self {
        self.group_inspection = group_inspection;
        self
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::open()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (choice, answer)) in self.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{choice}={}", choice.answer_name(answer))?;
        }
        Ok(())
    }
}

impl Errata for Profile {}

impl Choices for Profile {
    fn choose(&mut self, choice: Choice, _count: u16) -> Answer {
        self.settled(choice).unwrap_or_default()
    }

    fn group_inspection(&self) -> GroupInspection {
        self.group_inspection
    }
}

//! The set of outcomes that the architecture allows, by walking again.

use core::ops::ControlFlow;

use crate::choices::{Answer, Choice, Choices, GroupInspection, Openness};
use crate::errata::Errata;
use crate::profile::Profile;

/// The most open choices that one walk is followed through. Those asked beyond are answered with 0.
pub const MAX_ASKED: usize = 16;

/// The most walks that [`allowed`] makes.
pub const MAX_WALKS: u32 = 1 << 16;

/// An open choice that a walk consulted, and the answer that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The choice.
    pub choice: Choice,
    /// The answer.
    pub answer: Answer,
    /// How many answers there were.
    pub count: u16,
}

/// How far [`allowed`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many walks it made: 1 where no open choice was consulted.
    pub walks: u32,
    /// Were all outcomes seen? Not if the callback broke off, a limit was met, or the architecture allows more than
    /// choices can name.
    pub complete: bool,
}

/// Walks once for each combination of answers to the open choices that the walk consults, and hands each
/// outcome to `each` with the choices behind it. `each` may break off, as soon as it has seen enough.
///
/// Choices settled in the profile are answered as it says. Where the walk consults no open choice this is
/// exactly one walk. An IMPLEMENTATION DEFINED choice has one answer within a walk; a CONSTRAINED
/// UNPREDICTABLE one is put anew each time it comes up. Different choices may lead to equal outcomes.
///
/// The number of walks is bounded by [`MAX_WALKS`], and the choices followed in one by [`MAX_ASKED`].
///
/// ```
/// use core::ops::ControlFlow;
/// use golden::{Choice, Choices, Profile, allowed};
///
/// let mut outcomes = 0;
/// let explored = allowed(
///     &Profile::open(),
///     |choices| choices.choose(Choice::ReservedShareability, 3),
///     |_answer, asked| {
///         assert_eq!(asked[0].choice, Choice::ReservedShareability);
///         outcomes += 1;
///         ControlFlow::Continue(())
///     },
/// );
/// assert_eq!((outcomes, explored.walks, explored.complete), (3, 3, true));
/// ```
pub fn allowed<T>(
    profile: &Profile,
    mut walk: impl FnMut(&mut Script<'_>) -> T,
    mut each: impl FnMut(T, &[Asked]) -> ControlFlow<()>,
) -> Explored {
    let mut script = Script::new(profile);
    let mut walks = 0;
    let mut complete = true;
    loop {
        let outcome = walk(&mut script);
        walks += 1;
        complete &= !script.overflowed;
        if each(outcome, script.path()).is_break() {
            return Explored { walks, complete: complete && !script.advance() };
        }
        if !script.advance() {
            return Explored { walks, complete };
        }
        if walks == MAX_WALKS {
            return Explored { walks, complete: false };
        }
    }
}

/// A [`Choices`] that follows a script: one path through the tree of answers.
#[derive(Debug)]
pub struct Script<'a> {
    profile: &'a Profile,
    path: [Asked; MAX_ASKED],
    /// The length of the path; the next walk follows it and extends it with answers 0.
    len: usize,
    /// How much of the path the current walk has come through.
    position: usize,
    /// More choices were put than fit into the path, or something is allowed that no choice names.
    overflowed: bool,
}

impl<'a> Script<'a> {
    const fn new(profile: &'a Profile) -> Self {
        const NONE: Asked = Asked { choice: Choice::TxszBelowMin, answer: Answer(0), count: 0 };
        Self { profile, path: [NONE; MAX_ASKED], len: 0, position: 0, overflowed: false }
    }

    fn path(&self) -> &[Asked] {
        self.path.get(..self.position).unwrap_or_default()
    }

    /// Moves on to the next path, in the order of a depth-first search. False after the last.
    fn advance(&mut self) -> bool {
        self.len = self.position;
        self.position = 0;
        while let Some(last) = self.len.checked_sub(1).and_then(|n| self.path.get_mut(n)) {
            if last.answer.0 + 1 < last.count {
                last.answer.0 += 1;
                return true;
            }
            self.len -= 1;
        }
        false
    }
}

impl Errata for Script<'_> {}

impl Choices for Script<'_> {
    fn choose(&mut self, choice: Choice, count: u16) -> Answer {
        if let Some(answer) = self.profile.settled(choice) {
            return answer;
        }
        if choice.openness() == Openness::ImplementationDefined
            && let Some(asked) = self.path().iter().find(|asked| asked.choice == choice)
        {
            return asked.answer;
        }
        let Some(slot) = self.path.get_mut(self.position) else {
            self.overflowed = true;
            return Answer(0);
        };
        if self.position >= self.len {
            *slot = Asked { choice, answer: Answer(0), count };
        }
        self.position += 1;
        slot.answer
    }

    fn group_inspection(&self) -> GroupInspection {
        // Where all is settled as if there were no group, its members need no look.
        let is_settled = |&choice: &Choice| self.profile.settled(choice) == Some(Answer(0));
        let of_groups =
            [Choice::ContiguousGroup, Choice::ContiguousConflict, Choice::ContiguousOutOfPlace];
        match of_groups.iter().all(is_settled) {
            true => GroupInspection::Never,
            false => self.profile.group_inspection(),
        }
    }

    fn anything(&mut self) {
        self.overflowed = true;
    }
}

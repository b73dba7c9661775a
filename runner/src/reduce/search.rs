//! The search: from a case that shows a cause to a smaller one, pass by pass.
//!
//! ```text
//!   draft --pass--> candidates --ask--> which show the cause?
//!     ^                                      |
//!     +------ the first, or all of them <----+        until no pass finds a smaller one
//! ```
//!
//! A batch of candidates is asked at once. Which one is taken does not depend on what came back first: the search is the
//! same on every machine on which the target answers the same.

use std::collections::HashSet;
use std::num::NonZeroU32;

use case::Case;
use case::memory::MemoryMap;

use super::draft::{Draft, Part};
use super::passes::{Move, PASSES, Pass, Tries, made};
use super::size::Size;

/// Who knows whether a case shows the cause.
pub trait Ask {
    /// Why nobody can be asked any more.
    type Error;
    /// What a case showed.
    type Shown: Clone;

    /// Whether nobody is to be asked any more.
    fn is_over(&self) -> bool {
        false
    }

    /// How many cases it is best asked at once, at least 1.
    fn most_at_once(&self) -> usize;

    /// What each of `cases` shows, where it shows the cause.
    fn show(&mut self, cases: Vec<Case>) -> Result<Vec<Option<Self::Shown>>, Self::Error>;
}

/// A search while it is made.
pub struct Search<'a, A: Ask> {
    asker: &'a mut A,
    map: &'a MemoryMap,
    draft: Draft,
    /// What the draft shows; `None` of the one that came in.
    shown: Option<A::Shown>,
    /// How many candidates may still be asked.
    left: u32,
    /// Cases that were asked and do not show the cause: passes come by them again and again.
    vain: HashSet<Vec<u8>>,
    asked: u32,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Found<S, E> {
    /// The smallest that was found.
    pub draft: Draft,
    /// What it showed; `None` where it is what came in.
    pub shown: Option<S>,
    /// How many candidates were asked.
    pub asked: u32,
    pub end: End<E>,
}

/// Why a search ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End<E> {
    /// No candidate is left that is smaller.
    Least,
    /// The budget was spent, or it was interrupted.
    Stopped,
    /// Nobody could be asked any more.
    Failed(E),
}

impl<E> End<E> {
    /// Whether no candidate is left that is smaller.
    pub const fn is_least(&self) -> bool {
        matches!(self, Self::Least)
    }

    /// Why nobody could be asked any more, if so.
    pub fn into_error(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Least | Self::Stopped => None,
        }
    }
}

impl<'a, A: Ask> Search<'a, A> {
    /// Makes `draft`, which shows the cause, smaller, with at most `budget` candidates asked. `probe` is the number of the
    /// probe that shows it, where one does. Where nobody can be asked any more it ends with what it has.
    pub fn run(
        asker: &'a mut A,
        map: &'a MemoryMap,
        draft: Draft,
        probe: Option<usize>,
        budget: NonZeroU32,
    ) -> Found<A::Shown, A::Error> {
        let (shown, vain) = (None, HashSet::new());
        let mut this = Self { asker, map, draft, shown, left: budget.get(), vain, asked: 0 };
        let end = match this.go_through(probe) {
            Ok(()) if this.left > 0 => End::Least,
            Ok(()) => End::Stopped,
            Err(error) => End::Failed(error),
        };
        Found { draft: this.draft, shown: this.shown, asked: this.asked, end }
    }

    /// All passes, until none finds a smaller one.
    fn go_through(&mut self, probe: Option<usize>) -> Result<(), A::Error> {
        if let Some(probe) = probe {
            self.keep_one_probe(probe)?;
        }
        loop {
            let before = Size::of(&self.draft);
            for pass in &PASSES {
                self.pass(pass)?;
            }
            if self.left == 0 || Size::of(&self.draft) == before {
                return Ok(());
            }
        }
    }

    /// One probe is enough as a rule: the one that shows it, by itself or behind the steps before it.
    fn keep_one_probe(&mut self, probe: usize) -> Result<(), A::Error> {
        let is_step = |number: usize| {
            let operation = self.draft.probes[number].operation();
            number < probe && operation.is_some_and(|operation| operation.is_step())
        };
        let without = |kept: &dyn Fn(usize) -> bool| {
            let gone = (0..self.draft.probes.len()).filter(|number| !kept(*number));
            self.draft.without(&gone.map(Part::Probe).collect::<Vec<_>>())
        };
        let alone = without(&|number| number == probe);
        let behind_steps = without(&|number| number == probe || is_step(number));
        let before = without(&|number| number <= probe);
        let drafts = [alone, behind_steps, before].into_iter();
        let size = Size::of(&self.draft);
        let drafts = drafts.filter(|draft| Size::of(draft) < size).collect();
        self.first_of(drafts)?;
        Ok(())
    }

    fn pass(&mut self, pass: &Pass) -> Result<(), A::Error> {
        match pass.tries(&self.draft, self.map) {
            Tries::Together(moves) => self.together(pass, moves),
            Tries::Each(mut drafts) => {
                while self.first_of(drafts)? {
                    let Tries::Each(more) = pass.tries(&self.draft, self.map) else { break };
                    drafts = more;
                }
                Ok(())
            }
        }
    }

    /// Takes the first of `drafts` that shows the cause. Returns whether one does.
    fn first_of(&mut self, drafts: Vec<Draft>) -> Result<bool, A::Error> {
        let mut drafts = drafts.into_iter().peekable();
        while drafts.peek().is_some() && self.left > 0 {
            let batch: Vec<Draft> = drafts.by_ref().take(self.batch()).collect();
            let shown = self.ask(&batch)?;
            if let Some((draft, shown)) =
                batch.into_iter().zip(shown).find(|(_, one)| one.is_some())
            {
                (self.draft, self.shown) = (draft, shown);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes as many moves of `pass` as can be made: all at once, halves, quarters, and so on to single ones.
    fn together(&mut self, pass: &Pass, mut moves: Vec<Move>) -> Result<(), A::Error> {
        let mut size = moves.len();
        while size > 0 && self.left > 0 {
            if self.chunks(&moves, size)? {
                match pass.tries(&self.draft, self.map) {
                    Tries::Together(more) => moves = more,
                    Tries::Each(_) => return Ok(()),
                }
                size = size.min(moves.len());
            } else {
                size /= 2;
            }
        }
        Ok(())
    }

    /// Tries chunks of so many of `moves`, and takes what can be made of them. Returns whether anything can.
    fn chunks(&mut self, moves: &[Move], size: usize) -> Result<bool, A::Error> {
        let chunks: Vec<&[Move]> = moves.chunks(size).collect();
        for batch in chunks.chunks(self.batch()) {
            let drafts: Vec<(usize, Draft)> = (0..)
                .zip(batch)
                .filter_map(|(number, chunk)| Some((number, made(&self.draft, chunk)?)))
                .collect();
            let shown = self.ask_each(&drafts)?;
            let good: Vec<usize> = (0..drafts.len()).filter(|at| shown[*at].is_some()).collect();
            let Some(&first) = good.first() else { continue };
            // What is good by itself is good together as a rule.
            let mut unions = Vec::new();
            for count in [good.len(), good.len() / 2] {
                let moves: Vec<Move> =
                    good[..count].iter().flat_map(|at| batch[drafts[*at].0]).cloned().collect();
                unions.extend(made(&self.draft, &moves).filter(|_| count > 1));
            }
            if !self.first_of(unions)? {
                (self.draft, self.shown) = (drafts[first].1.clone(), shown[first].clone());
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn batch(&self) -> usize {
        self.asker.most_at_once().max(1)
    }

    fn ask_each(&mut self, drafts: &[(usize, Draft)]) -> Result<Vec<Option<A::Shown>>, A::Error> {
        let drafts: Vec<Draft> = drafts.iter().map(|(_, draft)| draft.clone()).collect();
        self.ask(&drafts)
    }

    /// What each of `drafts` shows, where it shows the cause. Those behind the end of the budget do not.
    fn ask(&mut self, drafts: &[Draft]) -> Result<Vec<Option<A::Shown>>, A::Error> {
        let mut shown = vec![None; drafts.len()];
        let mut cases = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            let Ok(case) = draft.case() else { continue };
            let words = words(&case);
            if cases.len() < self.left as usize && !self.vain.contains(&words) {
                cases.push((at, words, case));
            }
        }
        if self.asker.is_over() {
            self.left = 0;
            return Ok(shown);
        }
        self.left -= cases.len() as u32;
        self.asked += cases.len() as u32;
        let asked = cases.iter().map(|(_, _, case)| case.clone()).collect();
        let answers = if cases.is_empty() { Vec::new() } else { self.asker.show(asked)? };
        for ((at, words, _), answer) in cases.into_iter().zip(answers) {
            if answer.is_none() {
                self.vain.insert(words);
            }
            shown[at] = answer;
        }
        Ok(shown)
    }
}

/// A case as it is sent: equal cases have equal words.
fn words(case: &Case) -> Vec<u8> {
    let case = case.as_ref();
    let mut words = vec![0; case.wire_bytes()];
    case.write_to(&mut words);
    words
}

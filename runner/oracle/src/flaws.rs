//! The flaws of a target that may show in a case, by the points of a walk at which they act.
//!
//! ```text
//!   Machine      Params           Rule                         by point; at one, in their own order
//!   | own | 3 |  | 0 | 7 | 9 |    | 1 | 4 |   ...
//!           ^            ^                  off: out of effect for this probe, or left out on trial
//! ```
//!
//! Whichever makes a difference in a walk is noted: the others can't be behind what comes out.

use std::cell::Cell;

use case::operation::Operation;
use golden::Registers;
use golden::errata::{ErrataSet, Erratum, Point};
use smallvec::SmallVec;

use crate::flaw::{Flaw, FlawId};

/// A few flaws, by their places among [`Flaws`].
pub(crate) type Places = SmallVec<[usize; 4]>;

/// The flaws of a target that may show in a case, and the twin's own errata.
#[derive(Debug)]
pub(crate) struct Flaws<'a> {
    entries: Vec<Entry<'a>>,
    /// Where the entries of each point begin, and where the last ones end.
    starts: [usize; Point::COUNT + 1],
}

#[derive(Debug)]
struct Entry<'a> {
    erratum: &'static Erratum,
    /// `None` for what is wrong with the twin itself.
    flaw: Option<(FlawId, &'a Flaw)>,
    is_in_effect: Cell<bool>,
    has_acted: Cell<bool>,
}

impl<'a> Flaws<'a> {
    /// Those of `flaws` that may show under these registers, and `own` errata of the twin before them.
    pub(crate) fn new(own: &[&'static Erratum], flaws: &'a [Flaw], registers: &Registers) -> Self {
        let entry = |erratum, flaw| Entry {
            erratum,
            flaw,
            is_in_effect: Cell::new(true),
            has_acted: Cell::new(false),
        };
        let fitting = flaws.iter().enumerate().filter(|(_, flaw)| flaw.when.fits(registers));
        let known = fitting.map(|(id, flaw)| entry(flaw.erratum, Some((id, flaw))));
        let own = own.iter().map(|erratum| entry(*erratum, None));
        let mut entries: Vec<Entry<'a>> = own.chain(known).collect();
        entries.sort_by_key(|entry| entry.erratum.effect.point());
        let starts = std::array::from_fn(|point| {
            entries.partition_point(|entry| (entry.erratum.effect.point() as usize) < point)
        });
        Self { entries, starts }
    }

    /// Those of the target, in the order in which it is known to have them.
    pub(crate) fn known(&self) -> SmallVec<[(FlawId, &'a Flaw); 8]> {
        let mut known: SmallVec<_> = self.entries.iter().filter_map(|entry| entry.flaw).collect();
        known.sort_unstable_by_key(|(id, _)| *id);
        known
    }

    /// Has those be in effect that may show where a probe asks by `operation`, and no others. Returns whether there
    /// are any.
    pub(crate) fn select(&self, operation: Option<Operation>) -> bool {
        let mut any = false;
        for entry in &self.entries {
            let shows = entry.flaw.is_none_or(|(_, flaw)| flaw.when.includes(operation));
            entry.is_in_effect.set(shows);
            any |= shows && entry.flaw.is_some();
        }
        any
    }

    /// Does `work` while those at `places` are not in effect.
    pub(crate) fn without<T>(&self, places: &[usize], work: impl FnOnce() -> T) -> T {
        places.iter().for_each(|place| self.entries[*place].is_in_effect.set(false));
        let done = work();
        places.iter().for_each(|place| self.entries[*place].is_in_effect.set(true));
        done
    }

    /// The places of those that made a difference since the last call.
    pub(crate) fn take_acted(&self) -> Places {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, entry)| entry.has_acted.take()).map(|(place, _)| place).collect()
    }

    /// Whether the one at `place` shows now and then.
    pub(crate) fn is_now_and_then(&self, place: usize) -> bool {
        self.entries[place].flaw.is_some_and(|(_, flaw)| flaw.sometimes)
    }

    /// The numbers of those at `places`.
    pub(crate) fn ids(&self, places: &[usize]) -> SmallVec<[FlawId; 2]> {
        let ids = places.iter().filter_map(|place| self.entries[*place].flaw);
        let mut ids: SmallVec<[FlawId; 2]> = ids.map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }
}

/// What is wrong with a device that is walked with: flaws that are in effect, and at times one erratum beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InEffect<'f> {
    pub(crate) flaws: &'f Flaws<'f>,
    pub(crate) beside: Option<&'static Erratum>,
}

impl ErrataSet for InEffect<'_> {
    #[inline]
    fn at(&self, point: Point) -> impl Iterator<Item = (usize, &'static Erratum)> {
        let Flaws { entries, starts } = self.flaws;
        let first = starts[point as usize];
        let here = (first..).zip(&entries[first..starts[point as usize + 1]]);
        let in_effect = here.filter(|(_, entry)| entry.is_in_effect.get());
        let beside = self.beside.filter(|erratum| erratum.effect.point() == point);
        in_effect
            .map(|(place, entry)| (place, entry.erratum))
            .chain(beside.map(|erratum| (entries.len(), erratum)))
    }

    #[inline]
    fn acted(&self, number: usize) {
        if let Some(Entry { flaw: Some(_), has_acted, .. }) = self.flaws.entries.get(number) {
            has_acted.set(true);
        }
    }
}

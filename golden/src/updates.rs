//! The descriptors that the hardware changes on the way.

use core::fmt;

use crate::address::Pa;
use crate::fault::{Fault, Stage};

/// The most words that one translation can update.
///
/// Each of the five stage 1 lookups and the final output may go through its own five stage 2
/// descriptors, and each stage 1 descriptor may itself be updated: 6 x 5 + 5.
pub const MAX_UPDATES: usize = 35;

/// One word of memory that a hardware update changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// The stage whose descriptor it is. A word that serves both is counted where it was updated first.
    pub stage: Stage,
    /// Where.
    pub pa: Pa,
    /// The word before, as a little-endian load reads it.
    pub old: u64,
    /// The word after.
    pub new: u64,
    /// Must it happen?
    pub certainty: Certainty,
}

/// Must an update happen, or may it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The access can't complete without it.
    Certain,
    /// The architecture allows it and does not require it: the update of a stage 1 descriptor by an
    /// access that then faults at stage 2, and what that update itself updates at stage 2.
    Permitted,
    /// Of a word that is updated more than once: a part is certain, the rest permitted. The word has this value or the
    /// new one.
    InPart(u64),
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {:#018x} -> {:#018x}", self.pa, self.old, self.new)?;
        match self.certainty {
            Certainty::Certain => Ok(()),
            Certainty::Permitted => f.write_str(" (permitted)"),
            Certainty::InPart(certain) => write!(f, " (permitted beyond {certain:#018x})"),
        }
    }
}

impl Update {
    /// The bits that must change.
    const fn certain(&self) -> u64 {
        match self.certainty {
            Certainty::Certain => self.old ^ self.new,
            Certainty::Permitted => 0,
            Certainty::InPart(certain) => self.old ^ certain,
        }
    }

    /// Both updates of a word together, where one follows the other or neither knows of the other: what one of them
    /// must change must change.
    #[must_use]
    pub const fn joined(self, other: &Self) -> Self {
        let (first, second) = (self.old ^ self.new, other.old ^ other.new);
        // Dirty state of stage 1 is undone by that of stage 2.
        let changed = if other.old == self.new { first ^ second } else { first | second };
        let certainty = match (self.certain() | other.certain()) & changed {
            0 => Certainty::Permitted,
            all if all == changed => Certainty::Certain,
            part => Certainty::InPart(self.old ^ part),
        };
        Self { new: self.old ^ changed, certainty, ..self }
    }
}

/// The updates of one translation, in the order of their first change: one entry a word.
#[derive(Clone, Copy)]
pub struct Updates {
    list: [Update; MAX_UPDATES],
    len: usize,
    /// The certainty of updates from now on, should stage 2 fault in the end.
    after_stage2_fault: Certainty,
}

impl Updates {
    /// No updates.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        const NONE: Update =
            Update { stage: Stage::One, pa: Pa(0), old: 0, new: 0, certainty: Certainty::Certain };
        Self { list: [NONE; MAX_UPDATES], len: 0, after_stage2_fault: Certainty::Certain }
    }

    /// The updates.
    #[must_use]
    pub fn as_slice(&self) -> &[Update] {
        self.list.get(..self.len).unwrap_or_default()
    }

    /// The updates.
    pub fn iter(&self) -> core::slice::Iter<'_, Update> {
        self.as_slice().iter()
    }

    /// Are there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value that an update gave this word, if one did.
    #[must_use]
    #[inline]
    pub fn value(&self, pa: Pa) -> Option<u64> {
        self.iter().find(|update| update.pa == pa).map(|update| update.new)
    }

    /// Forgets all.
    #[inline]
    pub(crate) const fn clear(&mut self) {
        self.len = 0;
        self.after_stage2_fault = Certainty::Certain;
    }

    /// Notes an update. A second update of a word joins the first. `None` if there is no room, which no
    /// translation comes to.
    pub(crate) fn push(&mut self, stage: Stage, pa: Pa, old: u64, new: u64) -> Option<Update> {
        let known = self.as_slice().iter().position(|update| update.pa == pa);
        let slot = self.list.get_mut(known.unwrap_or(self.len))?;
        let update = Update { stage, pa, old, new, certainty: self.after_stage2_fault };
        match known {
            Some(_) => *slot = slot.joined(&update),
            None => {
                *slot = update;
                self.len += 1;
            }
        }
        Some(Update { certainty: Certainty::Certain, ..*slot })
    }

    /// Updates from now on are needed only if stage 2 lets the access through.
    pub(crate) const fn begin_provisional(&mut self) {
        self.after_stage2_fault = Certainty::Permitted;
    }

    pub(crate) const fn end_provisional(&mut self) {
        self.after_stage2_fault = Certainty::Certain;
    }

    /// Makes up its mind, now that it is known how the translation ended.
    #[inline]
    pub(crate) fn settle(&mut self, fault: Option<&Fault>) {
        if !fault.is_some_and(|fault| fault.stage == Stage::Two) {
            for update in self.list.get_mut(..self.len).unwrap_or_default() {
                update.certainty = Certainty::Certain;
            }
        }
    }
}

impl Default for Updates {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> IntoIterator for &'a Updates {
    type Item = &'a Update;
    type IntoIter = core::slice::Iter<'a, Update>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Updates {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Updates {}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

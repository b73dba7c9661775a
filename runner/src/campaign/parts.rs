//! What a worker is to ask next: parts of cases.
//!
//! ```text
//!   first   parts that are asked again: the target died before they were answered
//!   then    cases that a target has left to the host
//!   then    the next case of the block that was dealt out; on a target that soaks, only the first ones
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use super::dispenser::Given;
use super::outbox::Outbox;
use super::shared::Shared;
use super::soaking::Soaking;

/// A case with some of its probes: all of them at first.
#[derive(Clone, Debug)]
pub struct CasePart {
    /// The number of the case.
    pub index: u64,
    /// The numbers of the probes.
    pub probes: Vec<u16>,
    /// Deaths that others may have brought about, once each: the probe that was in hand, by its number; `None` where
    /// none was, or nobody can tell.
    pub pardons: Vec<Option<u16>>,
}

#[derive(Clone, Debug)]
pub enum Next {
    /// A part of a case that is open.
    Again(CasePart),
    Case(u64),
}

/// What a worker is to ask.
pub struct Parts<'a> {
    shared: &'a Shared<'a>,
    /// Parts to be asked again, before new cases.
    again: VecDeque<CasePart>,
    /// Cases that the target has left to the host, or that it can't be left alone with.
    in_full: VecDeque<u64>,
    /// Cases that were dealt out and not drawn yet, by ordinal.
    block: Range<u64>,
}

impl<'a> Parts<'a> {
    /// Those of the campaign, of which nothing was dealt out yet.
    pub const fn new(shared: &'a Shared<'a>) -> Self {
        Self { shared, again: VecDeque::new(), in_full: VecDeque::new(), block: 0..0 }
    }

    /// Has `part` asked again, before all others.
    pub fn again(&mut self, part: CasePart) {
        self.again.push_front(part);
    }

    /// Has case number `index` asked in full.
    pub fn in_full(&mut self, index: u64) {
        self.in_full.push_back(index);
    }

    /// What is next. Where nothing is in flight the worker `is_idle`: it hands in what is in its `outbox` before
    /// it waits for others.
    pub fn next(
        &mut self,
        mut soaking: Option<&mut Soaking>,
        outbox: &mut Outbox,
        is_idle: bool,
    ) -> Option<Next> {
        let dispenser = self.shared.dispenser;
        if !self.again.is_empty() && !dispenser.is_stopped() {
            return self.again.pop_front().map(Next::Again);
        }
        if soaking.is_some() && dispenser.is_stopped() {
            return None;
        }
        if let Some(index) = self.in_full.pop_front() {
            return Some(Next::Case(index));
        }
        if soaking.as_ref().is_some_and(|soaking| !soaking.is_idle()) {
            return None;
        }
        let ordinal = self.next_ordinal(outbox, is_idle)?;
        let index = self.shared.shard.index(ordinal);
        match &mut soaking {
            Some(soaking) if !soaking.is_prelude(index) => {
                // All behind it is the target's own.
                soaking.take(ordinal..self.block.end);
                self.block = 0..0;
                None
            }
            _ => Some(Next::Case(index)),
        }
    }

    /// The next case that may be drawn, by ordinal.
    fn next_ordinal(&mut self, outbox: &mut Outbox, is_idle: bool) -> Option<u64> {
        let dispenser = self.shared.dispenser;
        if self.block.is_empty() {
            // Others wait for what is in flight here: it must be on its way before this one waits.
            if is_idle {
                outbox.flush();
            }
            match dispenser.take(is_idle) {
                Given::Block(block) => self.block = block,
                Given::Later | Given::Over => return None,
            }
        }
        let ordinal = self.block.start;
        dispenser.draw(ordinal).then(|| {
            self.block.start += 1;
            ordinal
        })
    }
}

//! The passes of a reduction: each tries to make one kind of thing less.
//!
//! ```text
//!   Draft --pass--> moves that can be made together      all of them, halves, quarters, .. each
//!                or drafts that take its place            one after the other
//! ```
//!
//! A pass knows the case and the memory map, and nothing of the target: whether a candidate still shows the cause
//! somebody else asks. A candidate is strictly smaller than what it came from, by [`Size`].

mod addresses;
mod entries;
mod leaves;
mod parts;
mod places;
mod questions;
mod registers;
mod shapes;
mod stages;

use case::memory::MemoryMap;

use super::draft::{Draft, Field, Part};
use super::size::Size;

/// What a pass tries.
#[derive(Clone, Debug)]
pub enum Tries {
    /// Moves of which any number can be made at once.
    Together(Vec<Move>),
    /// One or the other, the boldest first.
    Each(Vec<Draft>),
}

/// A small change that can be made beside others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Move {
    Drop(Part),
    Set(Vec<Bits>),
}

/// What some bits of a field become. To do it twice is as good as once: moves may overlap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    pub field: Field,
    /// Which bits.
    pub mask: u64,
    /// What they become.
    pub value: u64,
}

impl Bits {
    /// All of these bits of `field` become 0.
    pub const fn clear(field: Field, mask: u64) -> Self {
        Self { field, mask, value: 0 }
    }

    fn set(&self, draft: &mut Draft) {
        draft.update(self.field, |old| old & !self.mask | self.value & self.mask);
    }
}

/// One pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// What it makes less.
    pub noun: &'static str,
    tries: fn(&Draft, &MemoryMap) -> Tries,
}

/// All passes, the coarsest first.
pub const PASSES: [Pass; 16] = [
    Pass::new("probes", parts::probes),
    Pass::new("flags", parts::flags),
    Pass::new("PEs", parts::pes),
    Pass::new("trees", parts::trees),
    Pass::new("questions", questions::tries),
    Pass::new("edits", parts::edits),
    Pass::new("mappings", parts::mappings),
    Pass::new("stages", stages::tries),
    Pass::new("shapes", shapes::tries),
    Pass::new("entries", entries::tries),
    Pass::new("slots", parts::slots),
    Pass::new("registers", registers::tries),
    Pass::new("leaves", leaves::tries),
    Pass::new("addresses", addresses::tries),
    Pass::new("arenas", places::arenas),
    Pass::new("offsets", places::offsets),
];

impl Pass {
    const fn new(noun: &'static str, tries: fn(&Draft, &MemoryMap) -> Tries) -> Self {
        Self { noun, tries }
    }

    /// What it tries with `draft` on a target with the memory of `map`. Of drafts those alone that are smaller.
    pub fn tries(&self, draft: &Draft, map: &MemoryMap) -> Tries {
        match (self.tries)(draft, map) {
            Tries::Each(drafts) => {
                let size = Size::of(draft);
                Tries::Each(drafts.into_iter().filter(|one| Size::of(one) < size).collect())
            }
            together => together,
        }
    }
}

/// `draft` with all of `moves` made; `None` where it is no smaller then.
pub fn made(draft: &Draft, moves: &[Move]) -> Option<Draft> {
    let mut made = draft.clone();
    let mut dropped = Vec::new();
    for each in moves {
        match each {
            Move::Drop(part) => dropped.push(*part),
            Move::Set(bits) => bits.iter().for_each(|bits| bits.set(&mut made)),
        }
    }
    let made = made.without(&dropped);
    (Size::of(&made) < Size::of(draft)).then_some(made)
}

/// A move for each bit that is set in `mask`, the highest first.
fn bit_by_bit(mask: u64, set: impl Fn(u64) -> Vec<Bits>) -> impl Iterator<Item = Move> {
    let bits = (0..64).rev().map(|bit| 1_u64 << bit).filter(move |bit| mask & bit != 0);
    bits.map(move |bit| Move::Set(set(bit)))
}

//! A suite's cases, for a target that draws them by itself.
//!
//! ```text
//!  body:  +------+-----------------+---------------------------------------+
//!         | Head | shares: Part .. | cases that are spelled out, in order  |
//!         +------+-----------------+---------------------------------------+
//! ```
//!
//! Abilities and memory map are no part of it: both sides have the target's ID registers and the arenas.
//! A plan fits into one message.

use case::draw::{self, NotDrawn};
use case::plan::{Environment, Share};
use case::source::Source;
use case::{Case, CaseRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most shares that a plan has.
pub const MAX_SHARES: usize = 32;

/// The fixed part of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    /// [`draw::VERSION`].
    generators: u32,
    /// How many shares follow.
    shares: u32,
    /// The seed of all that is random.
    seed: u64,
}

/// One share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawShare {
    /// [`Source::number`]; 0 of cases that are spelled out.
    kind: u64,
    count: u64,
    /// What it draws from, at the front.
    space: [u64; SPACE_WORDS],
}

/// Words of the largest space.
const SPACE_WORDS: usize = Source::MAX_SPACE / 8;

impl RawShare {
    fn new(share: &Share) -> Self {
        let kind = share.source.as_ref().map_or(0, Source::number);
        let space = share.source.as_ref().map_or(&[][..], Source::space);
        let mut part = Self { kind, count: share.count, space: [0; SPACE_WORDS] };
        part.space.as_mut_bytes()[..space.len()].copy_from_slice(space);
        part
    }

    fn share(&self) -> Option<Share> {
        let source = match self.kind {
            0 => None,
            number => Some(Source::from_parts(number, self.space.as_bytes())?),
        };
        Some(Share { source, count: self.count })
    }
}

/// Writes a plan to the front of `out`; returns the bytes written, or `None` when `out` is too small or there
/// are too many shares. `spelled` are the cases of the shares that are spelled out, in order.
pub fn write<'c>(
    seed: u64,
    shares: &[Share],
    spelled: impl IntoIterator<Item = CaseRef<'c>>,
    out: &mut [u8],
) -> Option<usize> {
    if shares.len() > MAX_SHARES {
        return None;
    }
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        at += bytes.len();
        Some(())
    };
    put(Head { generators: draw::VERSION, shares: shares.len() as u32, seed }.as_bytes())?;
    shares.iter().try_for_each(|share| put(RawShare::new(share).as_bytes()))?;
    for case in spelled {
        at += case.write_to(out.get_mut(at..)?)?;
    }
    Some(at)
}

/// A plan, where somebody else keeps its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    head: &'a Head,
    parts: &'a [RawShare],
    spelled: &'a [u8],
}

impl<'a> Plan<'a> {
    /// Reads a plan from bytes that are 8-byte aligned; `None` when they are too few, misaligned, drawn by
    /// another version of the generators, or a part makes no sense.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = Head::ref_from_prefix(bytes).ok()?;
        if head.generators != draw::VERSION || head.shares as usize > MAX_SHARES {
            return None;
        }
        let parts = <[RawShare]>::ref_from_prefix_with_elems(rest, head.shares as usize).ok();
        let (parts, spelled) = parts?;
        let plan = Self { head, parts, spelled };
        parts.iter().all(|part| part.share().is_some()).then_some(())?;
        // All cases that are counted are there.
        let counts = plan.shares().filter(|share| share.source.is_none());
        let count = counts.fold(0, |sum: u64, share| sum.saturating_add(share.count));
        (count == 0 || plan.spelled_case(count - 1).is_some()).then_some(plan)
    }

    /// The seed of all that is random.
    pub const fn seed(&self) -> u64 {
        self.head.seed
    }

    /// Its parts, in order.
    pub fn shares(&self) -> impl Iterator<Item = Share> + use<'a> {
        self.parts.iter().filter_map(RawShare::share)
    }

    /// Case number `index` on this `environment`, whose seed does not count; see [`Environment::case`].
    pub fn case(
        &self,
        environment: &Environment<'_>,
        index: u64,
    ) -> Option<Result<Case, NotDrawn>> {
        let environment = Environment { seed: self.head.seed, ..*environment };
        let spelled = |share: usize, local: u64| {
            let before = self.parts.get(..share)?.iter().filter(|part| part.kind == 0);
            let before = before.fold(0, |sum: u64, part| sum.saturating_add(part.count));
            self.spelled_case(before.saturating_add(local)).map(Case::from_ref)
        };
        environment.case(self.shares(), spelled, index)
    }

    /// Case number `number` of those that are spelled out.
    fn spelled_case(&self, number: u64) -> Option<CaseRef<'a>> {
        let mut rest = self.spelled;
        let mut left = number;
        loop {
            let case = CaseRef::from_bytes(rest)?;
            left = match left.checked_sub(1) {
                None => return Some(case),
                Some(left) => left,
            };
            rest = rest.get(case.wire_bytes()..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::vec;
    use alloc::vec::Vec;

    use case::abilities::{Abilities, Ids};
    use case::draw::Space;
    use case::draw::el2::HypSpace;
    use case::draw::el10::GuestSpace;
    use case::memory::{Arena, ArenaKind, MemoryMap};
    use case::probe::{Operation, Probe};
    use case::registers::Registers;
    use proptest::prelude::*;

    use super::*;
    use crate::MAX_MESSAGE;

    fn cases() -> Vec<Case> {
        let case = |number: u64| {
            let mut case = Case::new(Registers { vtcr_el2: number, ..Registers::default() });
            for address in 0..number {
                case.push_probe(Probe::new(Operation::AtS12e1r, address)).expect("it has room");
            }
            case
        };
        (0..5).map(case).collect()
    }

    fn shares() -> Vec<Share> {
        let share = |source, count| Share { source, count };
        vec![
            share(None, 2),
            share(Some(Source::Random(Space { probes: 3, ..Space::BENIGN })), 4),
            share(None, 3),
            share(Some(Source::Legality(Space::BENIGN)), 2),
            share(Some(Source::Shapes(Space { dc: [1, 0], ..Space::BENIGN })), 2),
            share(Some(Source::Hyp(HypSpace::BENIGN)), 2),
            share(Some(Source::Placements(HypSpace { vhe: 9, ..HypSpace::BENIGN })), 2),
            share(Some(Source::Guest(GuestSpace::BENIGN)), 2),
            share(Some(Source::Tlbi(GuestSpace { pes: 2, ..GuestSpace::BENIGN })), u64::MAX),
        ]
    }

    /// In words, so that it is aligned.
    fn written() -> Vec<u64> {
        let mut words = vec![0u64; MAX_MESSAGE / 8];
        let cases = cases();
        let spelled = cases.iter().map(Case::as_ref);
        let bytes = write(42, &shares(), spelled, words.as_mut_bytes()).expect("it fits");
        assert!(bytes.is_multiple_of(8));
        words.truncate(bytes / 8);
        words
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let words = written();
        let plan = Plan::from_bytes(words.as_bytes()).expect("it is whole");
        assert_eq!((plan.seed(), plan.shares().collect::<Vec<_>>()), (42, shares()));
        let mut map = MemoryMap::new();
        map.push(Arena { base: 1 << 30, size: 1 << 24, kind: ArenaKind::Tables }).expect("room");
        let abilities = Abilities::new(&Ids::default());
        let environment = Environment { abilities: &abilities, map: &map, seed: 42 };
        let spelled = |share: usize, local: u64| {
            Some(cases()[local as usize + if share == 0 { 0 } else { 2 }].clone())
        };
        let other_seed = Environment { seed: 1, ..environment };
        for index in 0..40 {
            let wanted = environment.case(shares(), spelled, index);
            assert_eq!(plan.case(&other_seed, index), wanted, "case {index}");
        }
    }

    #[test]
    fn what_is_cut_short_or_of_another_version_is_no_plan() {
        let mut words = written();
        for end in 0..words.len() {
            assert!(Plan::from_bytes(words[..end].as_bytes()).is_none(), "{end} words");
        }
        words[0] += 1;
        assert!(Plan::from_bytes(words.as_bytes()).is_none(), "another version");
        let mut small = [0; 64];
        assert_eq!(write(1, &shares(), [], &mut small), None);
        let many = vec![shares()[0]; MAX_SHARES + 1];
        assert_eq!(write(1, &many, [], vec![0; MAX_MESSAGE].as_mut_slice()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut words in prop::collection::vec(any::<u64>(), 0..60),
            shares in 0..4u64,
            kind in 0..9u64,
            count in 0..4u64,
        ) {
            if words.len() > 4 {
                words[0] = u64::from(draw::VERSION) | shares << 32;
                (words[2], words[3]) = (kind, count);
            }
            if let Some(plan) = Plan::from_bytes(words.as_bytes()) {
                prop_assert!(plan.shares().count() as u64 == shares);
            }
        }
    }
}

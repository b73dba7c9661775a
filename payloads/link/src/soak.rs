//! Soak: the target draws cases of its [plan](crate::plan), asks them, and compares the answers with what the
//! architecture allows, all by itself. A case with an answer that is not among the
//! allowed outcomes is reported to the host, which judges it.
//!
//! ```text
//!   host                                    target
//!    |-- Plan ------------------------------>|  the cases
//!    |-- Terms ----------------------------->|  what is settled, and what kills it
//!    |-- Soak: cases 0 to 4095, 500 ms ----->|
//!    |<----------- Progress: next is 1720 ---|  conforming runs, and suspects among them
//!    |-- Soak: cases 1720 to 4095, 500 ms -->|
//!
//!   Progress:  +------+-----------------+---------+-----------------+-----
//!              | Head | Run 0 to 211    | Suspect | Run 213 to 1719 | ...   in the order of the cases
//!              +------+-----------------+---------+-----------------+-----
//! ```
//!
//! Comparing on the target is a filter and never the last word: whatever answer is not among the outcomes
//! that are allowed makes its case a *suspect*.

use case::draw::NotDrawn;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most choices that terms settle.
pub const MAX_SETTLED: usize = 64;
/// The most known crashes that terms name.
pub const MAX_KNOWN_CRASHES: usize = 32;

/// The fixed part of terms. It is followed by the settled choices, and the known_crashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct TermsHead {
    settled: u32,
    known_crashes: u32,
}

/// A choice that is settled, by the reference walker's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settled {
    /// The choice.
    pub choice: u32,
    /// Its answer.
    pub answer: u32,
}

/// Signature of a known crash, by status codes in PAR_EL1: an AT instruction whose allowed outcomes include one of them
/// is not executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KnownCrash {
    /// Bit n: `PAR_EL1` that tells of a stage 1 fault with status code n.
    pub stage1: u64,
    /// The same for stage 2.
    pub stage2: u64,
    /// See the constants.
    pub flags: u64,
}

impl KnownCrash {
    /// Flag: all of these probes are held back. Otherwise only the host can tell which, and asks their
    /// cases itself.
    pub const EXACT: u64 = 1;

    /// Whether it is about an AT instruction that answers with this `PAR_EL1`.
    pub const fn has_par(&self, par: u64) -> bool {
        let faults = if par >> 9 & 1 == 0 { self.stage1 } else { self.stage2 };
        par & 1 == 1 && faults >> (par >> 1 & 0x3f) & 1 == 1
    }

    /// Whether all of its probes are held back.
    pub const fn is_exact(&self) -> bool {
        self.flags & Self::EXACT != 0
    }
}

/// What a soaking target goes by: what is settled, and what kills it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms<'a> {
    /// Choices that are settled.
    pub settled: &'a [Settled],
    /// Probes that may kill it.
    pub known_crashes: &'a [KnownCrash],
}

impl<'a> Terms<'a> {
    /// Reads terms from bytes that are 8-byte aligned; `None` when they are too few, misaligned, or a count is
    /// out of range.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = TermsHead::ref_from_prefix(bytes).ok()?;
        let (settled, known_crashes) = (head.settled as usize, head.known_crashes as usize);
        if settled > MAX_SETTLED || known_crashes > MAX_KNOWN_CRASHES {
            return None;
        }
        let (settled, rest) = <[Settled]>::ref_from_prefix_with_elems(rest, settled).ok()?;
        let (known_crashes, _) =
            <[KnownCrash]>::ref_from_prefix_with_elems(rest, known_crashes).ok()?;
        Some(Self { settled, known_crashes })
    }

    /// Writes them to the front of `out`; returns the bytes written, or `None` when there are too many, or
    /// `out` is too small.
    pub fn write_to(&self, out: &mut [u8]) -> Option<usize> {
        if self.settled.len() > MAX_SETTLED || self.known_crashes.len() > MAX_KNOWN_CRASHES {
            return None;
        }
        let (settled, known_crashes) = (self.settled.len() as u32, self.known_crashes.len() as u32);
        let mut out = Writer { out, at: 0 };
        out.put(&TermsHead { settled, known_crashes })?;
        self.settled.iter().try_for_each(|settled| out.put(settled))?;
        self.known_crashes.iter().try_for_each(|known_crash| out.put(known_crash))?;
        Some(out.at)
    }
}

/// Which cases to ask now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Soak {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// After so many milliseconds it tells how far it came. It asks one case at least.
    pub milliseconds: u64,
}

/// The fixed part of progress. Items follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    next: u64,
    items: u64,
}

/// What stands in front of each item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ItemHead {
    kind: u32,
    bytes: u32,
}

const RUN: u32 = 1;
const SUSPECT: u32 = 2;
const LEFT: u32 = 3;

/// Why a probe, or a case, was not asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// A probe: its walk would leave the memory that belongs to the case.
    Strays,
    /// A probe: the instruction is UNDEFINED or trapped there.
    NotExecuted,
    /// A probe: by the known_crash of this number.
    KnownCrash(u32),
    /// A case: it can't be drawn for this target.
    NotDrawn(NotDrawn),
}

impl Why {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let known_crashes = (0..MAX_KNOWN_CRASHES as u32).map(Self::KnownCrash);
        let not_drawn = NotDrawn::ALL.into_iter().map(Self::NotDrawn);
        [Self::Strays, Self::NotExecuted].into_iter().chain(known_crashes).chain(not_drawn)
    }

    /// Its number.
    pub fn number(self) -> usize {
        match self {
            Self::Strays => 0,
            Self::NotExecuted => 1,
            Self::KnownCrash(number) => 2 + number as usize,
            Self::NotDrawn(why) => 2 + MAX_KNOWN_CRASHES + why as usize,
        }
    }

    /// How many there are.
    pub const COUNT: usize = 2 + MAX_KNOWN_CRASHES + NotDrawn::ALL.len();
}

/// How many of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Count {
    why: u32,
    count: u32,
}

/// Sums over cases that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    /// How many cases.
    pub cases: u64,
    /// Probes that were asked.
    pub probes: u64,
    /// The sum of the digests of their tables and answers, without carry out of the top.
    pub digest: u64,
    /// What was not asked, by the number of the reason.
    not_asked: [u32; Why::COUNT],
}

impl Totals {
    /// Of no cases.
    pub const NONE: Self = Self { cases: 0, probes: 0, digest: 0, not_asked: [0; Why::COUNT] };

    /// Counts what was not asked.
    pub fn skip(&mut self, why: Why) {
        let count = &mut self.not_asked[why.number()];
        *count = count.saturating_add(1);
    }

    /// What was not asked, and why, where there is any.
    pub fn not_asked(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        let counted = |why: Why| (why, u64::from(self.not_asked[why.number()]));
        Why::all().map(counted).filter(|(_, count)| *count > 0)
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        self.cases = self.cases.saturating_add(other.cases);
        self.probes = self.probes.saturating_add(other.probes);
        self.digest = self.digest.wrapping_add(other.digest);
        for (count, other) in self.not_asked.iter_mut().zip(other.not_asked) {
            *count = count.saturating_add(other);
        }
    }
}

/// The fixed part of [`Totals`] as it crosses the wire. Counts follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawTotals {
    digest: u64,
    cases: u32,
    probes: u32,
    counts: u64,
}

/// A case with answers that are not allowed, or with tables that changed as they may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suspect<'a> {
    /// Sums over this one case.
    pub totals: Totals,
    /// The numbers of the probes that are told, in the whole case: of a case with hardware updates all that
    /// were asked, of another those with answers that are not allowed.
    pub numbers: &'a [u64],
    /// The observations of these probes, as of a case that has no others: for
    /// [`crate::observations::Observations::from_bytes`].
    pub observations: &'a [u8],
}

/// What became of cases that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// All answers are allowed.
    Run(Totals),
    /// One case with answers that are not.
    Suspect(Suspect<'a>),
    /// One case that was not asked: the host has to.
    Left,
}

impl Item<'_> {
    /// How many cases it is about.
    pub const fn cases(&self) -> u64 {
        match self {
            Self::Run(totals) => totals.cases,
            Self::Suspect(_) | Self::Left => 1,
        }
    }
}

/// Fills `out` from the front.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, item: &(impl IntoBytes + Immutable + ?Sized)) -> Option<()> {
        let bytes = item.as_bytes();
        self.out.get_mut(self.at..self.at + bytes.len())?.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    fn put_totals(&mut self, totals: &Totals) -> Option<()> {
        let small = |count: u64| u32::try_from(count).ok();
        let (cases, probes) = (small(totals.cases)?, small(totals.probes)?);
        let counts = totals.not_asked().count() as u64;
        self.put(&RawTotals { digest: totals.digest, cases, probes, counts })?;
        totals.not_asked().try_for_each(|(why, count)| {
            self.put(&Count { why: why.number() as u32, count: count as u32 })
        })
    }
}

/// Bytes that a run takes at most.
const LARGEST_RUN: usize =
    size_of::<ItemHead>() + size_of::<RawTotals>() + Why::COUNT * size_of::<Count>();

/// Writes progress into the body of a message. Behind whatever it holds there is room for a run.
pub struct ProgressWriter<'a> {
    out: Writer<'a>,
    items: u64,
}

impl<'a> ProgressWriter<'a> {
    /// Begins in `out`; `None` when it is too small for anything.
    pub fn new(out: &'a mut [u8]) -> Option<Self> {
        (out.len() >= size_of::<Head>())
            .then_some(Self { out: Writer { out, at: size_of::<Head>() }, items: 0 })
    }

    /// Bytes that are left.
    fn room(&self) -> usize {
        self.out.out.len() - self.out.at
    }

    /// Adds a run; `None`, and nothing is added, when there is no room. One of no cases is left out.
    pub fn run(&mut self, totals: &Totals) -> Option<()> {
        if totals.cases == 0 {
            return Some(());
        }
        self.item(RUN, |out| out.put_totals(totals))
    }

    /// Adds a suspect; `None`, and nothing is added, when there is no room. Its observations are of a
    /// multiple of 8 bytes, written by `write`, which returns how many.
    pub fn suspect(
        &mut self,
        totals: &Totals,
        numbers: impl ExactSizeIterator<Item = u64>,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<()> {
        self.item(SUSPECT, |out| {
            out.put_totals(totals)?;
            out.put(&(numbers.len() as u64))?;
            for number in numbers {
                out.put(&number)?;
            }
            out.at += write(out.out.get_mut(out.at..)?)?;
            Some(())
        })
    }

    /// Adds a case that was not asked; `None`, and nothing is added, when there is no room.
    pub fn left(&mut self) -> Option<()> {
        self.item(LEFT, |_| Some(()))
    }

    fn item(&mut self, kind: u32, write: impl FnOnce(&mut Writer<'_>) -> Option<()>) -> Option<()> {
        let begin = self.out.at;
        let body = begin + size_of::<ItemHead>();
        self.out.at = body;
        let written = self.out.out.get(..body).is_some().then(|| write(&mut self.out)).flatten();
        let bytes = (self.out.at - body) as u32;
        // A run always has room behind it.
        let is_short = kind != RUN && self.room() < LARGEST_RUN;
        if written.is_none() || is_short {
            self.out.at = begin;
            return None;
        }
        self.items += 1;
        let end = core::mem::replace(&mut self.out.at, begin);
        let head = self.out.put(&ItemHead { kind, bytes });
        self.out.at = end;
        head
    }

    /// Ends it: `next` is the first case that was not looked at. Returns the size in bytes.
    pub fn finish(mut self, next: u64) -> usize {
        let end = core::mem::replace(&mut self.out.at, 0);
        // `new` saw to the room.
        let _ = self.out.put(&Head { next, items: self.items });
        end
    }
}

/// How far a soaking target came, borrowed from the bytes of a message body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// The first case that it did not look at.
    pub next: u64,
    items: u64,
    bytes: &'a [u8],
}

impl<'a> Progress<'a> {
    /// Reads progress on the cases from number `first` on; `None` where it makes no sense.
    pub fn from_bytes(body: &'a [u8], first: u64) -> Option<Self> {
        let (head, bytes) = Head::read_from_prefix(body).ok()?;
        let progress = Self { next: head.next, items: head.items, bytes };
        let mut at = first;
        let mut items = 0;
        for item in progress.items() {
            at = at.checked_add(item?.cases())?;
            items += 1;
        }
        (at == head.next && items == head.items).then_some(progress)
    }

    /// What became of the cases, in their order; `None` where it makes no sense.
    pub fn items(&self) -> impl Iterator<Item = Option<Item<'a>>> + use<'a> {
        let mut rest = self.bytes;
        let items = usize::try_from(self.items).unwrap_or(usize::MAX);
        let mut is_sound = true;
        core::iter::from_fn(move || {
            if !is_sound {
                return None;
            }
            let item = take_item(&mut rest);
            is_sound = item.is_some();
            Some(item)
        })
        .take(items)
    }
}

fn take_item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let (head, after) = ItemHead::read_from_prefix(rest).ok()?;
    let (body, after) = after.split_at_checked(head.bytes as usize)?;
    *rest = after;
    match head.kind {
        RUN => {
            let (totals, _) = take_totals(body)?;
            (totals.cases > 0).then_some(Item::Run(totals))
        }
        SUSPECT => {
            let (totals, body) = take_totals(body)?;
            let (count, body) = u64::read_from_prefix(body).ok()?;
            let count = usize::try_from(count).ok().filter(|count| *count <= case::MAX_PROBES)?;
            let (numbers, observations) = <[u64]>::ref_from_prefix_with_elems(body, count).ok()?;
            (totals.cases == 1).then_some(Item::Suspect(Suspect { totals, numbers, observations }))
        }
        LEFT => Some(Item::Left),
        _ => None,
    }
}

fn take_totals(bytes: &[u8]) -> Option<(Totals, &[u8])> {
    let (raw, rest) = RawTotals::read_from_prefix(bytes).ok()?;
    let count = usize::try_from(raw.counts).ok().filter(|count| *count <= Why::COUNT)?;
    let (counts, rest) = <[Count]>::ref_from_prefix_with_elems(rest, count).ok()?;
    let (cases, probes) = (raw.cases.into(), raw.probes.into());
    let mut totals = Totals { cases, probes, digest: raw.digest, ..Totals::NONE };
    for Count { why, count } in counts {
        *totals.not_asked.get_mut(*why as usize)? = *count;
    }
    Some((totals, rest))
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_reason_has_a_number_of_its_own() {
        let numbers: Vec<usize> = Why::all().map(Why::number).collect();
        assert_eq!(numbers, (0..Why::COUNT).collect::<Vec<_>>());
    }

    fn totals(cases: u64) -> Totals {
        let mut totals = Totals { cases, probes: 64 * cases, digest: 77, ..Totals::NONE };
        totals.skip(Why::Strays);
        totals.skip(Why::Strays);
        totals.skip(Why::NotDrawn(NotDrawn::NoRoom));
        totals
    }

    /// In words, so that it is aligned.
    fn written() -> Vec<u64> {
        let mut words = vec![0u64; 200];
        let mut writer = ProgressWriter::new(words.as_mut_bytes()).expect("it has room");
        writer.run(&totals(5)).expect("it has room");
        let observe = |out: &mut [u8]| {
            out.get_mut(..8)?.fill(9);
            Some(8)
        };
        writer.suspect(&totals(1), [3, 8].into_iter(), observe).expect("it has room");
        writer.run(&Totals::NONE).expect("it is left out");
        writer.left().expect("it has room");
        let bytes = writer.finish(17);
        words.truncate(bytes / 8);
        words
    }

    #[test]
    fn progress_is_read_as_it_was_written() {
        let words = written();
        let progress = Progress::from_bytes(words.as_bytes(), 10).expect("it is whole");
        assert_eq!(progress.next, 17);
        let items: Vec<_> = progress.items().map(Option::unwrap).collect();
        let suspect = Suspect { totals: totals(1), numbers: &[3, 8], observations: &[9; 8] };
        assert_eq!(items, [Item::Run(totals(5)), Item::Suspect(suspect), Item::Left]);
        let skipped: Vec<_> = totals(5).not_asked().collect();
        assert_eq!(skipped, [(Why::Strays, 2), (Why::NotDrawn(NotDrawn::NoRoom), 1)]);
    }

    #[test]
    fn what_is_of_other_cases_or_cut_short_is_no_progress() {
        let words = written();
        assert_eq!(Progress::from_bytes(words.as_bytes(), 9), None);
        for end in 0..words.len() {
            assert_eq!(Progress::from_bytes(words[..end].as_bytes(), 10), None, "{end} words");
        }
    }

    #[test]
    fn what_has_no_room_is_not_added() {
        // The head, and a run with two counts.
        const RUN: usize = 16 + 8 + 24 + 2 * 8;
        let mut words = [0u64; (RUN + LARGEST_RUN) / 8];
        let mut writer = ProgressWriter::new(words.as_mut_bytes()).expect("it has room");
        writer.run(&totals(5)).expect("it has room");
        // It would have room alone, but not with a run behind it.
        assert_eq!(writer.suspect(&totals(1), [].into_iter(), |_| Some(0)), None);
        assert_eq!(writer.left(), None);
        assert_eq!(writer.finish(5), RUN);
        let progress = Progress::from_bytes(words.as_bytes(), 0).expect("it is whole");
        assert_eq!(progress.items().collect::<Vec<_>>(), [Some(Item::Run(totals(5)))]);
    }

    #[test]
    fn terms_are_read_as_they_were_written() {
        let settled = [Settled { choice: 4, answer: 1 }];
        let known_crash = KnownCrash { stage1: 0, stage2: 0xf << 12, flags: KnownCrash::EXACT };
        let terms = Terms { settled: &settled, known_crashes: &[known_crash] };
        let mut words = [0u64; 20];
        let bytes = terms.write_to(words.as_mut_bytes()).expect("it has room");
        let bytes = &words.as_bytes()[..bytes];
        assert_eq!(Terms::from_bytes(bytes), Some(terms));
        assert_eq!(Terms::from_bytes(&bytes[..bytes.len() - 8]), None);
        // A Permission fault of level 2, of stage 2 and of stage 1, and success.
        assert_eq!([0xa1d, 0x81d, 0xb80].map(|par| known_crash.has_par(par)), [true, false, false]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            words in prop::collection::vec(prop_oneof![0..6u64, any::<u64>()], 0..40),
        ) {
            let _ = Progress::from_bytes(words.as_bytes(), 0);
            let _ = Terms::from_bytes(words.as_bytes());
        }
    }
}

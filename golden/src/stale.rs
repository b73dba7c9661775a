//! Descriptors of which a TLB may hold older values.

use crate::choices::{Choice, Choices, Conflict, ask};
use crate::descriptor::{Descriptor, Format};
use crate::fault::Fault;
use crate::level::Level;
use crate::memory::{PhysicalMemory, Refusal, Stale};
use crate::observer::Observer;
use crate::walker::{Blame, Walker, ordered};

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// What a walk may take for a descriptor: the word in memory or an older value; where break-before-make was
    /// left out, also a mixture, or a TLB conflict abort.
    ///
    /// Each part of a mixture is that of one value:
    ///
    /// ```text
    ///          63:60  59  58:55  54:53  52 51:50      49:12      11 10 9:8  7:6  5:2   1:0
    ///  leaf   | addr |at.| addr | perm |ad.|perm|    address    |at|pe|at.*|perm|attr | ad.|
    ///  table  | limits   |                         address                                 |
    ///                                                         * with DS = 1, address bits
    /// ```
    pub fn stale_descriptor(
        &mut self,
        blame: Blame,
        (format, level): (&Format, Level),
        ee: bool,
        new: u64,
        stale: &Stale,
    ) -> Result<u64, Fault> {
        let mut values = [new; 1 + Stale::MAX];
        let olds = stale.olds();
        for (value, &old) in values.iter_mut().skip(1).zip(olds) {
            *value = ordered(old, ee);
        }
        let values = values.get(..=olds.len()).unwrap_or_default();
        if values.iter().all(|&value| value == new) {
            return Ok(new);
        }
        if stale.is_unbroken()
            && ask::<Conflict, _>(&mut self.noted(), Choice::StaleConflict) == Conflict::TlbConflict
        {
            return Err(self.refused(blame, level, Refusal::TlbConflict));
        }
        let found = self.one_of(values);
        if !stale.is_unbroken() {
            return Ok(found);
        }
        let kind = Kind::of(format, found, level);
        let mut mixed = found;
        for part in kind.parts(format) {
            let differs = |&value: &u64| {
                Kind::of(format, value, level) == kind && (value ^ found) & part != 0
            };
            if values.iter().any(differs) {
                let other = self.one_of(values);
                if differs(&other) {
                    mixed = mixed & !part | other & part;
                }
            }
        }
        Ok(mixed)
    }

    fn one_of(&mut self, values: &[u64]) -> u64 {
        let answer = self.noted().choose(Choice::StaleDescriptor, values.len() as u16);
        let value = values.get(usize::from(answer.0)).or(values.first());
        value.copied().unwrap_or_default()
    }
}

/// Entries of the same kind can mix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Table,
    Invalid,
}

impl Kind {
    fn of(format: &Format, descriptor: u64, level: Level) -> Self {
        match format.decode(descriptor, level) {
            Descriptor::Leaf => Self::Leaf,
            Descriptor::Table(_) => Self::Table,
            Descriptor::Invalid(_) => Self::Invalid,
        }
    }

    /// The parts that come apart from the first one, the address.
    fn parts(self, format: &Format) -> [u64; 2] {
        match self {
            Self::Leaf => {
                [if format.ds { ATTRIBUTES } else { ATTRIBUTES | SHAREABILITY }, PERMISSIONS]
            }
            Self::Table => [LIMITS, 0],
            Self::Invalid => [0, 0],
        }
    }
}

/// The index or type of memory, nG or FnXS, and the fourth bit of the index.
const ATTRIBUTES: u64 = 0b1111 << 2 | 1 << 11 | 1 << 59;
const SHAREABILITY: u64 = 0b11 << 8;
/// AP or S2AP, the access flag, execute-never, DBM and GP; the permission index is made of these bits.
const PERMISSIONS: u64 = 0b11 << 6 | 1 << 10 | 0b11 << 50 | 0b11 << 53;
/// NSTable, APTable, UXNTable and PXNTable.
const LIMITS: u64 = 0b1_1111 << 59;

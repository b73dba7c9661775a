//! Probe block: the probes that code outside the executor's own context is to ask, and the answers.
//!
//! That code runs in a case's set-up of EL2, and the block is the data of a scratch arena; or it runs at EL3, and
//! the block is a static.
//!
//! ```text
//!  +0x0000  trace, counts
//!  +0x1000  probes
//!  +0x3000  answers
//!  +0x4000  exceptions
//! ```

use core::mem::offset_of;

use case::MAX_PROBES;
use case::probe::Probe;
use case::scratch;
use link::observations::{Exception, SwitchTrace};
use zerocopy::FromZeros;

use super::layout;

/// The most exceptions: one a probe, and one of the code's own that ends the asking.
const MAX_EXCEPTIONS: usize = MAX_PROBES + 1;

/// The probes of a case, or some of them, and their answers.
#[derive(Debug, FromZeros)]
#[repr(C)]
pub struct ProbeBlock {
    /// Where the executor was and under which registers, if it ran in the case's set-up.
    pub trace: SwitchTrace,
    /// How many probes are to be asked.
    pub count: u64,
    /// The number in the case of the first one.
    pub first: u64,
    /// How often they are asked, one after the other; what is answered is of the last round. At least 1.
    pub rounds: u64,
    /// How many were asked.
    pub asked: u64,
    /// How many bytes of `exceptions` count.
    pub exception_bytes: u64,
    padding: [u64; 483],
    pub probes: [Probe; MAX_PROBES],
    /// The answers, one a probe that was asked.
    pub answers: [u64; MAX_PROBES],
    /// The exceptions, in the order in which they were taken.
    pub exceptions: [Exception; MAX_EXCEPTIONS],
}

const _: () = assert!(size_of::<ProbeBlock>() as u64 <= scratch::DATA_BYTES);
// One ADD reaches them.
layout!(ProbeBlock { probes: 0x1000, answers: 0x3000, exceptions: 0x4000 });

impl ProbeBlock {
    /// The exceptions that count.
    pub fn exceptions(&self) -> &[Exception] {
        let count = self.exception_bytes as usize / size_of::<Exception>();
        &self.exceptions[..count.min(MAX_EXCEPTIONS)]
    }

    /// Offset and size in bytes of each piece that is written or read when so many probes are asked.
    pub const fn used(probes: usize) -> [(u64, u64); 4] {
        const fn piece(offset: usize, bytes: usize) -> (u64, u64) {
            (offset as u64, bytes as u64)
        }
        [
            piece(0, offset_of!(Self, padding)),
            piece(offset_of!(Self, probes), probes * size_of::<Probe>()),
            piece(offset_of!(Self, answers), probes * size_of::<u64>()),
            piece(offset_of!(Self, exceptions), (probes + 1) * size_of::<Exception>()),
        ]
    }

    /// Writes up what is to be asked: `probes`, the first of which is number `first` of the case, so many
    /// rounds.
    pub fn open(&mut self, first: usize, probes: &[Probe], rounds: u64) {
        self.trace = SwitchTrace::default();
        self.count = probes.len() as u64;
        self.first = first as u64;
        self.rounds = rounds;
        self.asked = 0;
        self.exception_bytes = 0;
        self.probes[..probes.len()].copy_from_slice(probes);
    }
}

#[cfg(test)]
mod tests {
    use case::probe::Operation;

    use super::*;

    #[test]
    fn what_is_used_grows_with_the_probes_up_to_all() {
        let ends = |probes| ProbeBlock::used(probes).map(|(offset, bytes)| offset + bytes);
        assert_eq!(ends(0), [232, 0x1000, 0x3000, 0x4030]);
        assert_eq!(ends(2), [232, 0x1020, 0x3010, 0x4090]);
        assert_eq!(ends(MAX_PROBES)[1..3], [0x3000, 0x4000]);
        assert_eq!(ends(MAX_PROBES)[3], size_of::<ProbeBlock>() as u64);
    }

    #[test]
    fn what_the_last_case_left_is_gone() {
        let mut block = ProbeBlock::new_zeroed();
        block.exception_bytes = u64::MAX;
        assert_eq!(block.exceptions().len(), MAX_EXCEPTIONS, "never more than there are");
        block.trace.runtime.pc = 1;
        block.asked = 7;
        block.open(3, &[Probe::new(Operation::Load, 8)], 2);
        assert_eq!((block.count, block.first, block.rounds, block.asked), (1, 3, 2, 0));
        assert!(block.exceptions().is_empty());
        assert_eq!(block.trace, SwitchTrace::default());
        assert_eq!(block.probes[0].address, 8);
    }
}

//! Run list: the guests that one PE is to enter, one for each probe, and the exceptions that they took.
//!
//! Rust writes the entries. The code that enters guests and takes their exceptions is assembly. While guests run,
//! EL2's stack pointer is the address of the run list: all that EL2 must not lose is in it.

use core::mem::offset_of;

use case::MAX_PROBES;
use case::guest;
use case::probe::{El, Operation, Probe};
use case::scratch;
use link::observations::Exception;
use zerocopy::FromZeros;

use super::layout;

/// The operand of the BRK with which a piece ends. Those of EL1's vectors are their numbers, 0 to 15.
pub const DONE: u16 = 0x40;
/// How many ticks of the timer may find a guest at the same probe: the last of them stops it.
pub const MAX_TICKS: u64 = 4;
/// Ticks of the timer in a second.
pub const TICKS_PER_SECOND: u64 = 20;

/// `PSTATE.PAN` in an SPSR.
const SPSR_PAN: u64 = 1 << 22;

/// The guests to enter, and what came of it.
#[derive(Debug, FromZeros)]
#[repr(C, align(128))]
pub struct RunList {
    /// The executor's context while guests run: x19 to x30, SP_EL0, SP_EL2, VBAR_EL2, MDCR_EL2.
    pub executor: [u64; 16],
    /// The guest's x0 to x3 while its exception is handled.
    pub guest: [u64; 4],
    /// Address of the current entry.
    pub at: u64,
    /// Address behind the last entry.
    pub end: u64,
    /// Address of the cursor's word.
    pub cursor: u64,
    /// Its value at probe number 0.
    pub here: u64,
    /// Address of the answer to probe number 0.
    pub answers: u64,
    /// Address of the next exception.
    pub taken: u64,
    /// What the timer counts down from between ticks; 0 where there are none.
    pub tick: u64,
    /// How many ticks have found the current entry.
    pub ticks: u64,
    /// The handler of an exception of the loop itself: the frame's x0 and x1 are at the stack pointer, and x1
    /// is the number of the vector.
    pub handler: u64,
    /// What is to be done.
    pub entries: [Entry; MAX_PROBES],
    /// The exceptions, in the order in which they were taken.
    pub exceptions: [Exception; MAX_PROBES],
}

// LDP and STP reach 504 bytes, and load and store these in pairs.
const _: () = {
    assert!(offset_of!(RunList, executor) == 0);
    assert!(offset_of!(RunList, end) == offset_of!(RunList, at) + 8);
    assert!(offset_of!(RunList, here) == offset_of!(RunList, cursor) + 8);
    assert!(offset_of!(RunList, entries) <= 504);
    // It is a stack pointer.
    assert!(align_of::<RunList>().is_multiple_of(16));
};

/// One entry of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromZeros)]
#[repr(C)]
pub struct Entry {
    /// The address of the piece.
    pub pc: u64,
    /// The PSTATE with which it begins.
    pub spsr: u64,
    /// The address that it is about.
    pub address: u64,
    /// What it stores: [`scratch::stored`] of the probe's number, which is in the low 16 bits.
    pub value: u64,
}

layout!(Entry { pc: 0, spsr: 8, address: 16, value: 24 });

impl Entry {
    /// The entry for `probe`, which is number `number` of its case, of a guest whose code is at
    /// `code_va`; `None` where no guest does such a thing.
    pub fn new(probe: &Probe, number: u16, code_va: u64) -> Option<Self> {
        let operation: Operation = probe.operation()?;
        // All exceptions masked, and EL1's own stack pointer.
        let spsr = match probe.el()? {
            El::El2 => return None,
            El::El1 => 0x3c5,
            El::El0 => 0x3c0,
        };
        let pan = if probe.has(Probe::PAN) { SPSR_PAN } else { 0 };
        Some(Self {
            pc: code_va.wrapping_add(guest::piece(operation, probe.bytes())?),
            spsr: spsr | pan,
            address: probe.address,
            value: scratch::stored(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_where_a_guest_begins_and_as_what() {
        let probe = Probe::new(Operation::Store, 0x1238).by(El::El1).of_bytes(4);
        let store = guest::piece(Operation::Store, 4).unwrap();
        let entry =
            Entry { pc: 0x7000 + store, spsr: 0x3c5, address: 0x1238, value: 0x5704 << 48 | 9 };
        assert_eq!(Entry::new(&probe, 9, 0x7000), Some(entry));
        let spsr = |probe| Entry::new(&probe, 9, 0).map(|entry| entry.spsr);
        assert_eq!(spsr(probe.with(Probe::PAN)), Some(0x40_03c5));
        assert_eq!(spsr(probe.by(El::El0)), Some(0x3c0));
        assert_eq!(spsr(probe.by(El::El2)), None);
        assert_eq!(spsr(Probe::new(Operation::TlbiVae1, 0).by(El::El1)), None);
    }
}

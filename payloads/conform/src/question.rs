//! Address translation instructions, as the reference walker is asked about them.

use case::probe::{self, Operation, Probe};
use golden::{At, AtQuestion, El, Va};

/// The question that `probe` asks by an AT instruction; `None` where it asks by another instruction.
pub fn question(probe: &Probe) -> Option<AtQuestion> {
    let executed_at = match probe.el()? {
        probe::El::El2 => El::El2,
        probe::El::El1 => El::El1,
        probe::El::El0 => El::El0,
    };
    let (at, pan) = (at(probe.operation()?)?, probe.has(Probe::PAN));
    Some(AtQuestion { at, executed_at, pan, va: Va(probe.address) })
}

/// The AT instruction that `operation` is, if it is one.
const fn at(operation: Operation) -> Option<At> {
    Some(match operation {
        Operation::AtS12e1r => At::S12E1R,
        Operation::AtS12e1w => At::S12E1W,
        Operation::AtS12e0r => At::S12E0R,
        Operation::AtS12e0w => At::S12E0W,
        Operation::AtS1e2r => At::S1E2R,
        Operation::AtS1e2w => At::S1E2W,
        Operation::AtS1e1r => At::S1E1R,
        Operation::AtS1e1w => At::S1E1W,
        Operation::AtS1e0r => At::S1E0R,
        Operation::AtS1e0w => At::S1E0W,
        Operation::AtS1e1rp => At::S1E1RP,
        Operation::AtS1e1wp => At::S1E1WP,
        _ => return None,
    })
}

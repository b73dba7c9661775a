//! What is seen of a guest besides its faults: where it was, and in which state.

use case::guest::{Guest, piece};
use case::probe::{El, Operation, Probe};
use case::{CaseRef, Flags};
use golden::{Abort, Features, Implementation, Machine, Masked};

use crate::access::Stop;
use crate::answer::Taken;

/// PSTATE with which the executor enters EL1, on SP_EL1, with all interrupts masked.
const EL1H: u64 = 0x3c5;
/// The same for EL0.
const EL0T: u64 = 0x3c0;
/// PSTATE.PAN.
const PAN: u64 = 1 << 22;
/// PSTATE.BTYPE.
const BTYPE: u64 = 0b11 << 10;
/// What BLR leaves in PSTATE.BTYPE.
const BTYPE_CALL: u64 = 0b10 << 10;

/// Who puts a case's questions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asker {
    guest: Option<Guest>,
    /// The monitor at EL3 stands in for EL2.
    is_monitor: bool,
    /// FEAT_BTI; `None` where nobody has looked.
    branch_targets: Option<bool>,
}

impl Asker {
    /// Whoever puts the questions of `case`, on a PE that has FEAT_BTI or not.
    pub fn of(case: CaseRef<'_>, branch_targets: Option<bool>) -> Self {
        let flags = case.flags();
        Self {
            guest: flags.has(Flags::GUEST).then_some(case.header.guest),
            is_monitor: flags.has(Flags::MONITOR),
            branch_targets,
        }
    }

    /// The guest, if there is one.
    pub const fn guest(&self) -> Option<&Guest> {
        self.guest.as_ref()
    }

    /// The exception that `probe` takes, whose address is `va`, when an AT instruction meets a fault.
    pub(super) fn taken_by_at(&self, pe: &Implementation, probe: &Probe, abort: Abort) -> Taken {
        let stop = Stop { abort, instruction: 0, partial: None };
        self.taken(pe, probe, probe.address, stop)
    }

    /// The exception that `probe`, whose address is `va` as it is translated, takes where it is stopped.
    pub(super) fn taken(&self, pe: &Implementation, probe: &Probe, va: u64, stop: Stop) -> Taken {
        let Stop { abort, instruction, partial } = stop;
        let base = Taken { partial, ..Taken::new(abort) };
        let (state, guest) = match (probe.el(), self.guest) {
            (Some(El::El1), Some(guest)) => (EL1H, guest),
            (Some(El::El0), Some(guest)) => (EL0T, guest),
            _ if self.is_monitor => return Taken { target: 3, ..base },
            _ => return base,
        };
        let has_pan = probe.has(Probe::PAN) && pe.has(Features::FEAT_PAN);
        let state = state | if has_pan { PAN } else { 0 };
        if probe.operation() == Some(Operation::Fetch) {
            let spsr = match self.branch_targets {
                Some(true) => Masked::exact(state | BTYPE_CALL),
                Some(false) => Masked::exact(state),
                None => Masked::new(state, !BTYPE),
            };
            return Taken { elr: Some(va), spsr, ..base };
        }
        let piece = probe.operation().and_then(|operation| piece(operation, probe.bytes()));
        let elr = piece.map(|piece| guest.code_va + piece + 4 * instruction);
        Taken { elr, spsr: Masked::exact(state), ..base }
    }
}

/// The address at which a guest fetches that branches to `va`: tags are dropped.
///
/// ```text
///   63    56 55                     0
///  |  tag   |s  ...                  |  --TBI-->  | s .. s | s  ...  |
/// ```
///
/// Source: `AArch64.BranchAddr`, `AddrTop`.
pub(super) fn branch_address<M: ?Sized>(machine: Machine<'_, M>, va: u64) -> u64 {
    let Machine { implementation, registers, .. } = machine;
    let is_upper = va >> 55 & 1;
    let bit = |lower: u32| registers.tcr_el1 >> (lower as u64 + is_upper) & 1 == 1;
    let (tbi, tbid) = (bit(37), implementation.has(Features::FEAT_PAuth) && bit(51));
    if tbi && !tbid { ((va << 8) as i64 >> 8) as u64 } else { va }
}

//! Steps of a sequence, between its probes: whether this PE can do them, and TLB maintenance.
//!
//! All of it is done at EL2: a TLBI of the EL1&0 regime is then for the VMID in `VTTBR_EL2`.

use aarch64_cpu::registers::*;
use case::CaseRef;
use case::probe::{El, Operation, Probe};
use case::tree::Role;
use link::observations::Status;

use crate::payload::asm;
use crate::payload::ids::field;

/// Whether `probe` is a step.
pub fn is_step(probe: &Probe) -> bool {
    probe.operation().is_some_and(Operation::is_step)
}

/// Whether all steps of `case` can be done, or why not.
pub fn check(case: &CaseRef<'_>) -> Result<(), Status> {
    case.probes.iter().filter(|probe| is_step(probe)).try_for_each(|step| {
        if step.el() != Some(El::El2) {
            return Err(Status::Unsupported);
        }
        let number = usize::from(step.number);
        match step.operation() {
            Some(Operation::Change) => {
                let edit = case.edits.get(number).filter(|edit| edit.is_late());
                edit.map(|_| ()).ok_or(Status::BadCase)
            }
            Some(Operation::UseTree) => {
                let role = case.trees.get(number).and_then(|tree| tree.role());
                let is_loaded =
                    matches!(role, Some(Role::Stage2 | Role::Ttbr0El1 | Role::Ttbr1El1));
                if is_loaded { Ok(()) } else { Err(Status::BadCase) }
            }
            _ => Tlbi::new(step).map(|_| ()).ok_or(Status::Unsupported),
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlbi {
    operand: u64,
    /// See tlbi.S.
    form: u64,
    domain: Domain,
}

/// Whom a TLBI is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Domain {
    Pe = 0,
    Inner = 1,
    Outer = 2,
}

impl Tlbi {
    /// The TLBI of `step`; `None` where it is none that this PE has.
    pub fn new(step: &Probe) -> Option<Self> {
        // ID_AA64ISAR0_EL1.TLB: 1 has the forms for the Outer Shareable domain, 2 ranges too.
        let level = field(ID_AA64ISAR0_EL1.get(), 56);
        let has_xs = field(ID_AA64ISAR1_EL1.get(), 56) != 0;
        let operation = step.operation().filter(|operation| operation.is_tlbi())?;
        let domain = match (step.has(Probe::INNER_SHAREABLE), step.has(Probe::OUTER_SHAREABLE)) {
            (false, false) => Domain::Pe,
            (true, false) => Domain::Inner,
            (false, true) => Domain::Outer,
            (true, true) => return None,
        };
        let is_range = operation as u8 >= Operation::TlbiRvae1 as u8;
        let is_nxs = step.has(Probe::NXS);
        if is_nxs && !has_xs || is_range && level < 2 || domain == Domain::Outer && level == 0 {
            return None;
        }
        let number = u64::from(operation as u8 - Operation::TlbiVmalle1 as u8);
        let form = 6 * number + 3 * u64::from(is_nxs) + domain as u64;
        Some(Self { operand: step.address, form, domain })
    }

    /// Does it, and waits until it is done. Changes to tables before it are visible to walks.
    pub fn perform(&self) {
        // SAFETY: the PE has it, and it is of the EL1&0 regime.
        unsafe { asm::tlbi(self.operand, self.form) };
        // That of nXS would be enough for its form, but is not wanted: the next probe sees what the
        // TLBI did, and no more can be said of one that is under way.
        match self.domain {
            Domain::Pe => asm::dsb_nsh(),
            Domain::Inner => asm::dsb_ish(),
            Domain::Outer => asm::dsb_osh(),
        }
        asm::isb();
    }
}

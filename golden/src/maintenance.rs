//! Cache maintenance by virtual address.

use core::fmt;

use crate::access::{Alignment, Kind, StageAccess};
use crate::address::Va;
use crate::choices::{CacheFaults, Choice, Choices, NeedsTranslation, ask};
use crate::el::{El, Regime};
use crate::errata::{Errata, Instruction, Subject};
use crate::exception::{Cause, Exception};
use crate::fault::{Fault, FaultKind, Stage};
use crate::implementation::Implementation;
use crate::level::Level;
use crate::memory::PhysicalMemory;
use crate::observer::Observer;
use crate::permissions::Permissions;
use crate::rule::Rule;
use crate::translate::{Abort, Machine, OutOfScope, Translation};
use crate::updates::Updates;
use crate::walker::{Blame, Walker};

/// A cache maintenance instruction by virtual address. DC ZVA is none: it is an
/// [access](crate::Operation::Zero).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maintenance {
    /// DC CVAC: clean to the Point of Coherency.
    DcCvac,
    /// DC CVAU: clean to the Point of Unification.
    DcCvau,
    /// DC CIVAC: clean and invalidate to the Point of Coherency.
    DcCivac,
    /// DC IVAC: invalidate to the Point of Coherency. UNDEFINED at EL0.
    DcIvac,
    /// IC IVAU: invalidate instructions to the Point of Unification.
    IcIvau,
}

impl Maintenance {
    /// Every instruction.
    pub const ALL: [Self; 5] =
        [Self::DcCvac, Self::DcCvau, Self::DcCivac, Self::DcIvac, Self::IcIvau];

    /// Its name in assembly.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DcCvac => "DC CVAC",
            Self::DcCvau => "DC CVAU",
            Self::DcCivac => "DC CIVAC",
            Self::DcIvac => "DC IVAC",
            Self::IcIvau => "IC IVAU",
        }
    }

    /// The choice whether it translates its address at all; `None` where it must.
    ///
    /// Source: `DCInstNeedsTranslation`, `ICInstNeedsTranslation`.
    const fn translation_choice(self, pe: &Implementation) -> Option<Choice> {
        match self {
            Self::IcIvau => Some(Choice::IcTranslation),
            _ if pe.no_cache_to_poc => Some(Choice::DcTranslation),
            Self::DcCvau if pe.no_cache_to_pou => Some(Choice::DcTranslation),
            _ => None,
        }
    }
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a cache maintenance instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenanceOutcome {
    /// Where its address led, `None` if it was not translated; or how it failed.
    pub result: Result<Option<Translation>, Abort>,
    /// The descriptors that the hardware changed.
    pub updates: Updates,
}

/// Executes a cache maintenance instruction at EL0, EL1 or EL2, where it is neither UNDEFINED nor trapped: what
/// SCTLR_ELx.UCI, HCR_EL2.{TPCP, TPU, TOCU} and fine-grained traps say has been asked before.
///
/// Source: `AArch64.DC`, `AArch64.IC`.
///
/// # Errors
/// [`OutOfScope`] for one at EL3.
pub fn maintain<M, C, O>(
    machine: Machine<'_, M>,
    maintenance: Maintenance,
    el: El,
    va: Va,
    choices: &mut C,
    observer: &mut O,
) -> Result<MaintenanceOutcome, OutOfScope>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    let mut flawed = None;
    let machine = machine.as_seen(choices, &mut flawed);
    let Machine { implementation, registers, .. } = machine;
    let regime = Regime::of(el, implementation, registers).ok_or(OutOfScope)?;
    // It neither reads nor writes, and PAN is not for it.
    let (reads, writes, pan) = (false, false, false);
    let kind = Kind::Maintenance(maintenance);
    let alignment = Alignment::Aligned;
    let access = StageAccess { kind, el, reads, writes, alignment, pan };
    let mut updates = Updates::new();
    let (instruction, cause) = (Instruction::Maintenance(maintenance), Cause::Maintenance);
    let subject = Subject { instruction, el, pan, cause };
    if choices.does_nothing(&subject) {
        return Ok(MaintenanceOutcome { result: Ok(None), updates });
    }
    let mut walker = Walker::new(machine, choices, observer, &mut updates, subject);
    if let Some(choice) = maintenance.translation_choice(implementation)
        && ask::<NeedsTranslation, _>(&mut walker.noted(), choice) == NeedsTranslation::No
    {
        return Ok(MaintenanceOutcome { result: Ok(None), updates });
    }
    let result = walker.full_translate(va, regime, &access);
    updates.settle(result.as_ref().err());
    let result = match result {
        Ok(stages) => Ok(Some(stages.translation())),
        Err(fault) => {
            let fault = choices.fault(&subject, fault);
            observer.fault(&fault);
            let exception = Exception::new(&fault, cause, el, va, implementation, registers);
            let exception = choices.exception(&subject, &fault, exception);
            Err(Abort { fault, exception })
        }
    };
    Ok(MaintenanceOutcome { result, updates })
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// Do the permissions allow the maintenance? `cmow` is that of the stage: what throws away what others
    /// could not write wants to be allowed to write.
    ///
    /// ```text
    ///              at EL0                above
    ///  CVAC, CVAU  read                  -
    ///  CIVAC       read; write if CMOW   - ; write if CMOW at stage 2
    ///  IVAC        write                 write
    ///  IVAU        read, or not: open;   - ;
    ///              write if CMOW         write if CMOW at stage 2
    /// ```
    ///
    /// Source: `AArch64.S1CheckPermissions`, `AArch64.S2CheckPermissions`.
    pub fn check_maintenance(
        &mut self,
        blame: Blame,
        maintenance: Maintenance,
        el: El,
        permissions: Permissions,
        cmow: bool,
        level: Level,
    ) -> Result<(), Fault> {
        let unprivileged = el == El::El0;
        let wants_read = unprivileged
            && match maintenance {
                Maintenance::DcCvac | Maintenance::DcCvau | Maintenance::DcCivac => true,
                Maintenance::DcIvac => false,
                Maintenance::IcIvau => {
                    !permissions.read
                        && ask::<CacheFaults, _>(&mut self.noted(), Choice::IcReadPermission)
                            == CacheFaults::Fault
                }
            };
        let wants_write = match maintenance {
            Maintenance::DcIvac => true,
            Maintenance::DcCivac | Maintenance::IcIvau => {
                cmow && (unprivileged || blame.stage == Stage::Two)
            }
            Maintenance::DcCvac | Maintenance::DcCvau => false,
        };
        let rule = if wants_read && !permissions.read {
            Rule::NoRead
        } else if wants_write && !permissions.write {
            Rule::NoWrite
        } else {
            return Ok(());
        };
        if !self.applies(blame, level, rule) {
            return Ok(());
        }
        Err(self.fails(blame, FaultKind::Permission, level, rule))
    }
}

//! The checks of a leaf, in architectural order, and what hardware then updates in it.

use crate::access::{Alignment, Kind, StageAccess};
use crate::attributes::MemoryAttributes;
use crate::choices::{CacheFaults, Choice, Choices, DeviceFetch, Faults, RestOfAccess, ask};
use crate::descriptor::{AF, AP_READ_ONLY, Format, NT};
use crate::errata::Errata;
use crate::fault::{Fault, FaultKind};
use crate::implementation::Features;
use crate::level::Level;
use crate::memory::PhysicalMemory;
use crate::observer::Observer;
use crate::permissions::Permissions;
use crate::rule::Rule;
use crate::walker::{Blame, Entry, Walker};

/// What a leaf allows, and on what it depends beside the access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafUse {
    pub permissions: Permissions,
    /// Is it Device memory?
    pub device: bool,
    /// Does hardware manage dirty state?
    pub dirty_managed: bool,
    /// Does cache maintenance that invalidates need write permission?
    pub cmow: bool,
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// The checks of a leaf that need no permissions, in architectural order, and its output address.
    ///
    /// Source: the end of `AArch64.S1Walk` and of `AArch64.S2Walk`.
    pub fn check_leaf(
        &mut self,
        blame: Blame,
        format: &Format,
        entry: &Entry,
        ia: u64,
        ha: bool,
        access: &StageAccess,
    ) -> Result<u64, Fault> {
        let Entry { level, descriptor, contiguous, .. } = *entry;
        if contiguous
            && format.range_bits(level, true) > format.ia_bits
            && ask::<Faults, _>(&mut self.noted(), Choice::ContiguousMisprogrammed) == Faults::Fault
        {
            return Err(self.fails(blame, FaultKind::Translation, level, Rule::ContiguousTooLarge));
        }
        if level != Level::FINAL
            && descriptor & NT != 0
            && self.pe.has(Features::FEAT_BBM)
            && matches!(self.pe.bbm_level, 1 | 2)
            && ask::<Faults, _>(&mut self.noted(), Choice::NtBitOnBlock) == Faults::Fault
        {
            return Err(self.fails(blame, FaultKind::Translation, level, Rule::BlockNt));
        }
        let output = format.output(descriptor, level, contiguous, ia);
        let site = self.site(blame, level);
        if self.choices.out_of_range(&site, format, descriptor, output)
            && self.applies(blame, level, Rule::OutputOutOfRange)
        {
            return Err(self.fails(blame, FaultKind::AddressSize, level, Rule::OutputOutOfRange));
        }
        let may_pass = matches!(access.kind, Kind::Maintenance(_));
        if descriptor & AF == 0
            && !ha
            && !(may_pass
                && ask::<CacheFaults, _>(&mut self.noted(), Choice::MaintenanceAccessFlag)
                    == CacheFaults::NoFault)
            && self.applies(blame, level, Rule::AccessFlag)
        {
            return Err(self.fails(blame, FaultKind::AccessFlag, level, Rule::AccessFlag));
        }
        Ok(self.choices.address(&self.site(blame, level), output))
    }

    /// Does an access that is not aligned meet Device memory, or DC ZVA?
    ///
    /// Source: `AArch64.S1HasAlignmentFault`, `AArch64.S2HasAlignmentFault`.
    pub fn check_alignment(
        &mut self,
        blame: Blame,
        access: &StageAccess,
        attributes: &MemoryAttributes,
        level: Level,
    ) -> Result<(), Fault> {
        let rule = match access.kind {
            Kind::Fetch => return Ok(()),
            Kind::Zero => Rule::ZeroDevice,
            _ if access.alignment.is_aligned() => return Ok(()),
            _ => Rule::DeviceAlignment,
        };
        let is_open = access.kind != Kind::Zero && access.alignment == Alignment::Rest;
        if attributes.memory.is_device()
            && !(is_open
                && ask::<RestOfAccess, _>(&mut self.noted(), Choice::UnalignedIntoDevice)
                    == RestOfAccess::NoFault)
            && self.applies(blame, level, rule)
        {
            return Err(self.fails(blame, FaultKind::Alignment, level, rule));
        }
        Ok(())
    }

    /// Do the permissions allow the access?
    ///
    /// Source: `AArch64.S1CheckPermissions`, `AArch64.S2CheckPermissions`.
    pub fn check_permissions(
        &mut self,
        blame: Blame,
        access: &StageAccess,
        leaf: LeafUse,
        level: Level,
    ) -> Result<(), Fault> {
        let LeafUse { permissions, device, dirty_managed, cmow } = leaf;
        if let Kind::Maintenance(maintenance) = access.kind {
            let el = access.el;
            return self.check_maintenance(blame, maintenance, el, permissions, cmow, level);
        }
        let denied = |walker: &mut Self, write, dirty_bit, rule| {
            // A descriptor access fails as what the access was that brought it about.
            let write = if access.kind == Kind::Walk { blame.write } else { write };
            let dirty_bit = dirty_bit || blame.dirty_bit;
            Err(walker.fails(
                Blame { write, dirty_bit, ..blame },
                FaultKind::Permission,
                level,
                rule,
            ))
        };
        if access.kind == Kind::Fetch {
            if !permissions.execute && self.applies(blame, level, Rule::NoExecute) {
                denied(self, blame.write, false, Rule::NoExecute)
            } else if device
                && ask::<DeviceFetch, _>(&mut self.noted(), Choice::FetchFromDevice)
                    == DeviceFetch::PermissionFault
            {
                denied(self, blame.write, false, Rule::DeviceFetch)
            } else {
                Ok(())
            }
        } else if access.reads && !permissions.read && self.applies(blame, level, Rule::NoRead) {
            denied(self, false, false, Rule::NoRead)
        } else if access.writes && !permissions.write && self.applies(blame, level, Rule::NoWrite) {
            denied(self, true, false, Rule::NoWrite)
        } else if access.writes
            && permissions.clean
            && !dirty_managed
            && self.applies(blame, level, Rule::NotDirty)
        {
            denied(self, true, true, Rule::NotDirty)
        } else {
            Ok(())
        }
    }

    /// The value that hardware management of the access flag and of dirty state gives a leaf, after an
    /// access with this result. `written` is the leaf with dirty state set.
    ///
    /// Source: `AArch64.SettingAccessFlagPermitted`, `AArch64.SettingDirtyStatePermitted`.
    pub fn updated(
        &mut self,
        descriptor: u64,
        written: u64,
        ha: bool,
        dirty_managed: bool,
        access: &StageAccess,
        result: Result<(), Fault>,
    ) -> u64 {
        let mut new = descriptor;
        let is_at = access.kind == Kind::At;
        let failed = result.err().map(|fault| fault.kind);
        if ha
            && descriptor & AF == 0
            && (failed.is_none() || ask(&mut self.noted(), Choice::AfUpdateOnFault))
            && !(is_at && ask(&mut self.noted(), Choice::AtLeavesAccessFlag))
        {
            new |= AF;
        }
        let dirty_permitted = match failed {
            None => true,
            Some(kind) => kind == FaultKind::Alignment,
        };
        if dirty_managed
            && access.writes
            && !is_at
            && written != descriptor
            && dirty_permitted
            && (failed.is_none() || ask(&mut self.noted(), Choice::DirtyUpdateOnAlignmentFault))
        {
            new = new & !AP_READ_ONLY | written & AP_READ_ONLY;
        }
        new
    }
}

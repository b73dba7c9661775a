//! Permissions that come out otherwise.

use crate::access::Operation;
use crate::descriptor::{AP_READ_ONLY, DBM};
use crate::el::El;
use crate::errata::{Effect, Erratum, Instruction};

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "WXN-forgets-writable-clean",
        "WXN takes a clean leaf that hardware may make dirty for read-only",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            if is_writable_clean(leaf, params.ha && params.hd) && params.wxn {
                let never = if site.subject.el == El::El0 || !params.regime.has_unprivileged() {
                    leaf >> 54 & 1
                } else {
                    leaf >> 53 & 1
                };
                permissions.execute = never == 0;
            }
        }),
    ),
    Erratum::new(
        "privileged-fetch-of-what-EL0-may-write-once-dirty",
        "a clean leaf that EL0 may write once it is dirty is executed above EL0",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_for_el0 = leaf >> 6 & 1 != 0 && params.regime.has_unprivileged();
            if is_for_el0
                && site.subject.el != El::El0
                && is_writable_clean(leaf, params.ha && params.hd)
                && !params.wxn
            {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        }),
    ),
    Erratum::new(
        "privileged-fetch-of-what-EL0-may-write",
        "a leaf that EL0 may write is executed above EL0",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_for_el0 = leaf >> 6 & 0b11 == 0b01 && params.regime.has_unprivileged();
            if is_for_el0 && site.subject.el != El::El0 && !params.wxn {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        }),
    ),
    Erratum::new(
        "PAN-has-no-effect",
        "PSTATE.PAN has no effect",
        "AArch64.S1ApplyOutputPerms",
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            if site.subject.el != El::El0 && leaf >> 6 & 1 != 0 && !params.pie {
                permissions.read = true;
                permissions.write |= leaf & AP_READ_ONLY == 0;
            }
        }),
    ),
    Erratum::new(
        "PAN-applies-to-fetches",
        "PSTATE.PAN takes permissions away from fetches too, so that WXN finds nothing to write",
        "CreateAccDescIFetch",
        Effect::Stage1Permissions(|site, permissions, leaf, params| {
            let is_fetch = site.subject.instruction == Instruction::Access(Operation::Fetch);
            if is_fetch
                && site.subject.el != El::El0
                && leaf >> 54 & 1 == 0
                && params.epan
                && params.wxn
            {
                permissions.execute = leaf >> 53 & 1 == 0;
            }
        }),
    ),
    Erratum::new(
        "stage2-execute-never-of-EL1-is-that-of-EL0",
        "stage 2 takes XN of EL1 for that of EL0",
        "AArch64.S2DirectBasePermissions",
        Effect::Stage2Permissions(|_, permissions, leaf, params| {
            if !params.s2pie {
                permissions.execute = leaf >> 54 & 1 == 0;
            }
        }),
    ),
    Erratum::new(
        "stage2-write-implies-read",
        "stage 2 lets read what may be written",
        "AArch64.S2DirectBasePermissions",
        Effect::Stage2Permissions(|_, permissions, _, _| permissions.read |= permissions.write),
    ),
    Erratum::new(
        "stage2-execute-needs-read",
        "stage 2 executes only what may be read",
        "AArch64.S2DirectBasePermissions",
        Effect::Stage2Permissions(|_, permissions, _, _| permissions.execute &= permissions.read),
    ),
    Erratum::new(
        "stage1-execute-needs-read",
        "stage 1 executes only what may be read",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|_, permissions, _, _| permissions.execute &= permissions.read),
    ),
];

/// Would hardware make this clean leaf dirty on a write?
const fn is_writable_clean(leaf: u64, managed: bool) -> bool {
    managed && leaf & DBM != 0 && leaf & AP_READ_ONLY != 0
}

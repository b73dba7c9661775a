//! Permissions that come out otherwise.

use crate::access::Operation;
use crate::descriptor::{AP_READ_ONLY, DBM};
use crate::el::El;
use crate::errata::{Effect, Erratum, Instruction, Site};

/// AP[1] of a stage 1 leaf: EL0 too.
const AP_UNPRIVILEGED: u64 = 1 << 6;

fn is_privileged_fetch(site: &Site) -> bool {
    let is_fetch = site.subject.instruction == Instruction::Access(Operation::Fetch);
    is_fetch && site.subject.el != El::El0
}

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "fetches-take-writable-clean-for-read-only",
        "a fetch takes a clean leaf that hardware may make dirty for one that nobody can write",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|_, permissions, leaf| {
            let is_clean = leaf.descriptor & (DBM | AP_READ_ONLY) == DBM | AP_READ_ONLY;
            if is_clean && !leaf.params.pie {
                permissions.execute |= leaf.as_if(leaf.descriptor & !DBM, false).execute;
            }
        }),
    ),
    Erratum::new(
        "fetches-take-what-has-DBM-for-read-only",
        "a fetch takes a leaf that hardware may make dirty, or has made dirty, for one that nobody can write",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|_, permissions, leaf| {
            if leaf.descriptor & DBM != 0 && !leaf.params.pie {
                let clean = leaf.descriptor & !DBM | AP_READ_ONLY;
                permissions.execute |= leaf.as_if(clean, false).execute;
            }
        }),
    ),
    Erratum::new(
        "privileged-fetch-of-what-EL0-may-write",
        "what EL0 may write is executed above EL0",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|site, permissions, leaf| {
            let is_for_el0 = leaf.params.regime.has_unprivileged() && !leaf.params.nv1;
            if is_privileged_fetch(site) && is_for_el0 && !leaf.params.pie {
                permissions.execute |=
                    leaf.as_if(leaf.descriptor & !AP_UNPRIVILEGED, false).execute;
            }
        }),
    ),
    Erratum::new(
        "PAN-applies-to-fetches",
        "PSTATE.PAN takes permissions away from fetches too, so that WXN finds nothing to write",
        "CreateAccDescIFetch",
        Effect::Stage1Permissions(|site, permissions, leaf| {
            if is_privileged_fetch(site) && site.subject.pan {
                permissions.execute |= leaf.as_if(leaf.descriptor, true).execute;
            }
        }),
    ),
    Erratum::new(
        "stage2-write-implies-read",
        "stage 2 allows reads wherever it allows writes",
        "AArch64.S2DirectBasePermissions",
        Effect::Stage2Permissions(|_, permissions| permissions.read |= permissions.write),
    ),
    Erratum::new(
        "stage2-execute-needs-read",
        "stage 2 executes only what may be read",
        "AArch64.S2DirectBasePermissions",
        Effect::Stage2Permissions(|_, permissions| permissions.execute &= permissions.read),
    ),
    Erratum::new(
        "stage1-execute-needs-read",
        "stage 1 executes only what may be read",
        "AArch64.S1DirectBasePermissions",
        Effect::Stage1Permissions(|_, permissions, _| permissions.execute &= permissions.read),
    ),
];

//! What a leaf allows: direct permissions from its own bits, or indirect ones by an index into a register.
//!
//! Both models give the same [`Permissions`], which the checks of each stage are made on.

mod direct;
mod indirect;

use core::fmt;

use crate::access::StageAccess;
use crate::el::El;
use crate::params::{Stage1Params, Stage2Params};

/// What an access of one exception level may do, after everything that takes permissions away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Fetch instructions.
    pub execute: bool,
    /// With indirect permissions: is the leaf marked clean, so that a write needs dirty state management?
    pub clean: bool,
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |set, letter| if set { letter } else { '-' };
        write!(
            f,
            "{}{}{}{}",
            letter(self.read, 'r'),
            letter(self.write, 'w'),
            letter(self.execute, 'x'),
            if self.clean { " clean" } else { "" }
        )
    }
}

/// What table descriptors above a stage 1 leaf take away: `APTable`, `UXNTable` or `XNTable`, `PXNTable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableLimits {
    pub no_write: bool,
    pub no_unprivileged: bool,
    pub no_unprivileged_execute: bool,
    pub no_privileged_execute: bool,
}

impl TableLimits {
    /// With the limits of one more table descriptor. Indirect permissions and hierarchical permission
    /// disables switch them off (R_JHSVW, R_BVXDG).
    ///
    /// Source: `AArch64.S1NextWalkStateTable`, `AArch64.S1ApplyTablePerms`.
    pub fn and(self, descriptor: u64, params: &Stage1Params) -> Self {
        if params.hpd {
            return self;
        }
        let (no_unprivileged, no_unprivileged_execute, no_privileged_execute) = if params.nv1 {
            (false, false, descriptor & APTABLE_UXN != 0)
        } else if params.regime.has_unprivileged() {
            (
                descriptor & APTABLE_UNPRIVILEGED != 0,
                descriptor & APTABLE_UXN != 0,
                descriptor & APTABLE_PXN != 0,
            )
        } else {
            (false, false, descriptor & APTABLE_UXN != 0)
        };
        Self {
            no_write: self.no_write || descriptor & APTABLE_READ_ONLY != 0,
            no_unprivileged: self.no_unprivileged || no_unprivileged,
            no_unprivileged_execute: self.no_unprivileged_execute || no_unprivileged_execute,
            no_privileged_execute: self.no_privileged_execute || no_privileged_execute,
        }
    }
}

// A stage 1 table descriptor's upper attributes:
//
//   63      62 61    60        59
//  | NSTable | APTable | UXNTable | PXNTable |     (two privilege levels)
//  | NSTable | APTable | XNTable  |   RES0   |     (one; and with HCR_EL2.NV1, PXNTable at 60)
const APTABLE_READ_ONLY: u64 = 1 << 62;
const APTABLE_UNPRIVILEGED: u64 = 1 << 61;
const APTABLE_UXN: u64 = 1 << 60;
const APTABLE_PXN: u64 = 1 << 59;

/// A leaf's permission index, for the indirect models: bits 54, 53, 51 and 6.
fn permission_index(descriptor: u64) -> u32 {
    ((descriptor >> 53 & 0b11) << 2 | (descriptor >> 51 & 1) << 1 | descriptor >> 6 & 1) as u32
}

/// The 4-bit field of that index in a permission indirection register.
fn perm(register: u64, index: u32) -> u64 {
    register >> (4 * index) & 0xf
}

/// What stage 1 lets this access do.
///
/// Source: `AArch64.S1ComputePermissions`, `AArch64.S1ApplyOutputPerms`.
#[inline]
pub(crate) fn stage1(
    descriptor: u64,
    limits: TableLimits,
    params: &Stage1Params,
    access: &StageAccess,
) -> Permissions {
    if params.pie {
        indirect::stage1(descriptor, params, access)
    } else {
        direct::stage1(descriptor, limits, params, access)
    }
}

/// What stage 2 lets an access from this exception level do.
///
/// Source: `AArch64.S2ComputePermissions`, `AArch64.S2ApplyOutputPerms`.
#[inline]
pub(crate) fn stage2(descriptor: u64, params: &Stage2Params, access: &StageAccess) -> Permissions {
    if params.s2pie {
        indirect::stage2(descriptor, params, access)
    } else {
        direct::stage2(descriptor, params, access.el)
    }
}

/// One of a pair, by privilege.
const fn by_el(el: El, privileged: bool, unprivileged: bool) -> bool {
    if matches!(el, El::El0) { unprivileged } else { privileged }
}

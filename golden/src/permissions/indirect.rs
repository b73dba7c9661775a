//! Indirect permissions (FEAT_S1PIE, FEAT_S2PIE): a leaf holds an index, a register the permissions.
//!
//! ```text
//!  index = leaf bits 54:53, 51, 6        PIR_ELx, PIRE0_ELx, S2PIR_EL2: 16 fields of 4 bits
//!  leaf bit 7: nDirty at stage 1, Dirty at stage 2
//! ```

use super::{Permissions, by_el, perm, permission_index};
use crate::access::{Kind, StageAccess};
use crate::descriptor::{AP_READ_ONLY, S2AP_WRITE};
use crate::el::{El, Regime};
use crate::params::{Stage1Params, Stage2Params};

/// One of the 16 base permissions of stage 1.
#[derive(Clone, Copy)]
struct Base {
    read: bool,
    write: bool,
    execute: bool,
    /// May the guarded control stack be there? It counts as writable where it matters below.
    gcs: bool,
    /// WXN: executable only while not writable.
    wxn: bool,
}

impl Base {
    /// What a field of PIR or PIRE0 means, overlays being out of scope.
    ///
    /// ```text
    ///  0 ----  1 R---  2 --X-  3 R-X-  4 ----  5 RW--  6 RWX- (WXN)  7 RWX-
    ///  8 R---  9 R--G  A R-X-  B ----  C RW--  D ----  E RWX-        F ----
    /// ```
    const fn new(field: u64) -> Self {
        Self {
            read: field_in(field, &[1, 3, 5, 6, 7, 8, 9, 0xa, 0xc, 0xe]),
            write: field_in(field, &[5, 6, 7, 0xc, 0xe]),
            execute: field_in(field, &[2, 3, 6, 7, 0xa, 0xe]),
            gcs: field == 9,
            wxn: field == 6,
        }
    }
}

const fn field_in(field: u64, set: &[u64]) -> bool {
    let mut mask = 0_u64;
    let mut n = 0;
    while n < set.len() {
        mask |= 1 << set[n];
        n += 1;
    }
    mask >> field & 1 == 1
}

/// Source: `AArch64.S1IndirectBasePermissions`.
pub(super) fn stage1(descriptor: u64, params: &Stage1Params, access: &StageAccess) -> Permissions {
    let index = permission_index(descriptor);
    let mut privileged = Base::new(perm(params.pir, index));
    let mut unprivileged = Base::new(0);
    if params.regime.has_unprivileged() {
        let field = perm(params.pire0, index);
        unprivileged = Base::new(field);
        // What EL0 may write, no one above may execute: such a pair gives no one anything.
        if (privileged.execute || privileged.gcs) && (unprivileged.write || unprivileged.gcs) {
            privileged = Base::new(0);
            unprivileged = Base::new(0);
        }
        // PAN looks at the field, not at what is left of it.
        if access.pan && !(params.regime == Regime::El10 && params.nv1) && field != 0 {
            privileged.read = false;
            privileged.write = false;
        }
    }
    let base = if matches!(access.el, El::El0) { unprivileged } else { privileged };
    Permissions {
        read: base.read,
        write: base.write,
        execute: base.execute && !base.wxn,
        clean: descriptor & AP_READ_ONLY != 0,
    }
}

/// Source: `AArch64.S2IndirectBasePermissions`.
///
/// ```text
///  0 ----  1 ----  2 R MRO  3 R MRO  4 -W--  5 ----  6 R MRO  7 R MRO     MRO: only walks may write
///  8 R---  9 R u   A R p    B R pu   C RW    D RW u  E RW p   F RW pu     p, u: EL1, EL0 may execute
/// ```
pub(super) fn stage2(descriptor: u64, params: &Stage2Params, access: &StageAccess) -> Permissions {
    let field = perm(params.s2pir, permission_index(descriptor));
    let mostly_read_only = field_in(field, &[2, 3, 6, 7]);
    let write = match access.kind {
        Kind::Walk => mostly_read_only || field >= 0xc,
        _ => field == 4 || field >= 0xc,
    };
    Permissions {
        read: mostly_read_only || field >= 8,
        write,
        execute: field >= 8 && by_el(access.el, field & 0b10 != 0, field & 0b01 != 0),
        clean: descriptor & S2AP_WRITE == 0,
    }
}

//! Direct permissions: AP, UXN and PXN of a stage 1 leaf; S2AP and XN of a stage 2 leaf.
//!
//! ```text
//!  stage 1   54: UXN (XN)   53: PXN   51: DBM   7:6 AP[2:1]     AP[2]: read-only, AP[1]: EL0 too
//!  stage 2   54:53 XN[1:0]            51: DBM   7:6 S2AP[1:0]   S2AP[1]: write, S2AP[0]: read
//! ```

use super::{Permissions, TableLimits, by_el};
use crate::access::StageAccess;
use crate::descriptor::{AP_READ_ONLY, DBM, S2AP_WRITE};
use crate::el::{El, Regime};
use crate::params::{Stage1Params, Stage2Params};

const AP_UNPRIVILEGED: u64 = 1 << 6;
const S2AP_READ: u64 = 1 << 6;
const UXN: u64 = 1 << 54;
const PXN: u64 = 1 << 53;

/// Source: `AArch64.S1DirectBasePermissions`, `AArch64.S1ApplyOutputPerms`.
#[inline]
pub(super) fn stage1(
    descriptor: u64,
    limits: TableLimits,
    params: &Stage1Params,
    access: &StageAccess,
) -> Permissions {
    // With hardware management of dirty state, a writable leaf that is marked clean is writable.
    let read_only =
        descriptor & AP_READ_ONLY != 0 && !(params.ha && params.hd && descriptor & DBM != 0);
    let writable = !read_only && !limits.no_write;

    let all = if params.regime.has_unprivileged() {
        // With HCR_EL2.{NV, NV1} = {1, 1} bit 54 is PXN, there is no UXN, and AP[1] is treated as 0.
        let (unprivileged, uxn, pxn) = if params.nv1 {
            (false, false, descriptor & UXN != 0)
        } else {
            (descriptor & AP_UNPRIVILEGED != 0, descriptor & UXN != 0, descriptor & PXN != 0)
        };
        let unprivileged = unprivileged && !limits.no_unprivileged;
        let unprivileged_write = unprivileged && writable;
        let unprivileged_execute = !uxn && !limits.no_unprivileged_execute;
        // What EL0 may write, no one above may execute.
        let execute = !pxn && !limits.no_privileged_execute && !unprivileged_write;

        let never = access.pan
            && !(params.regime == Regime::El10 && params.nv1)
            && (unprivileged || params.epan && unprivileged_execute);
        Permissions {
            read: by_el(access.el, !never, unprivileged),
            write: by_el(access.el, writable && !never, unprivileged_write),
            execute: by_el(access.el, execute, unprivileged_execute),
            clean: false,
        }
    } else {
        let execute = descriptor & UXN == 0 && !limits.no_privileged_execute;
        Permissions { read: true, write: writable, execute, clean: false }
    };
    Permissions { execute: all.execute && !(params.wxn && all.write), ..all }
}

/// Source: `AArch64.S2DirectBasePermissions`, `AArch64.S2ApplyOutputPerms`.
#[inline]
pub(super) fn stage2(descriptor: u64, params: &Stage2Params, el: El) -> Permissions {
    let xn = descriptor & UXN != 0;
    // XN[1:0] with FEAT_XNX: 00 both, 01 EL0 only, 10 none, 11 EL1 only. Without it, XN[1] decides.
    let only_one = params.xnx && descriptor & PXN != 0;
    Permissions {
        read: descriptor & S2AP_READ != 0,
        write: descriptor & S2AP_WRITE != 0 || params.ha && params.hd && descriptor & DBM != 0,
        execute: by_el(el, xn == only_one, !xn),
        clean: false,
    }
}

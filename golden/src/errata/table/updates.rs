//! Hardware updates that are made or left out.

use crate::descriptor::{AF, AP_READ_ONLY, S2AP_WRITE};
use crate::errata::{Effect, Erratum, Instruction, LeafUpdate, Site};
use crate::fault::{FaultKind, Stage};

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "AT-sets-dirty-state",
        "an AT for a write sets dirty state",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(None, |site, update| {
            let is_write = matches!(site.subject.instruction, Instruction::At(at) if at.is_write());
            let is_due = is_write && update.hd && update.result.is_ok() && !site.s1_walk;
            with_dirty_state(update, is_due)
        }),
    ),
    Erratum::new(
        "stage1-access-flag-is-not-set",
        "stage 1 does not set the access flag",
        "AArch64.SettingAccessFlagPermitted",
        Effect::Update(Some(Stage::One), |_, update| update.new & !AF | update.old & AF),
    ),
    Erratum::new(
        "stage2-access-flag-is-not-set",
        "stage 2 does not set the access flag",
        "AArch64.SettingAccessFlagPermitted",
        Effect::Update(Some(Stage::Two), |_, update| update.new & !AF | update.old & AF),
    ),
    Erratum::new(
        "stage1-dirty-state-is-not-set",
        "stage 1 does not set dirty state",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(Some(Stage::One), |_, update| {
            update.new & !AP_READ_ONLY | update.old & AP_READ_ONLY
        }),
    ),
    Erratum::new(
        "stage2-dirty-state-is-not-set",
        "stage 2 does not set dirty state",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(Some(Stage::Two), |_, update| {
            update.new & !S2AP_WRITE | update.old & S2AP_WRITE
        }),
    ),
    Erratum::new(
        "stage1-dirty-state-set-by-reads",
        "stage 1 sets dirty state on a read",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(Some(Stage::One), |site, update| {
            let is_due = is_access(site) && update.hd && update.result.is_ok();
            with_dirty_state(update, is_due)
        }),
    ),
    Erratum::new(
        "stage2-dirty-state-set-by-reads",
        "stage 2 sets dirty state on a read",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(Some(Stage::Two), |site, update| {
            let is_due = is_access(site) && update.hd && update.result.is_ok();
            with_dirty_state(update, is_due)
        }),
    ),
    Erratum::new(
        "access-flag-not-set-with-dirty-state",
        "where dirty state is set, the access flag is not",
        "AArch64.SettingAccessFlagPermitted",
        Effect::Update(None, |_, update| {
            if (update.new ^ update.old) & AP_READ_ONLY != 0 {
                update.new & !AF | update.old & AF
            } else {
                update.new
            }
        }),
    ),
    Erratum::new(
        "dirty-state-set-in-spite-of-a-permission-fault",
        "dirty state is set by a write that has a Permission fault",
        "AArch64.SettingDirtyStatePermitted",
        Effect::Update(None, |site, update| {
            let is_denied = update
                .result
                .is_err_and(|fault| fault.kind == FaultKind::Permission && fault.write);
            with_dirty_state(update, is_access(site) && update.hd && is_denied)
        }),
    ),
];

/// Is the leaf that of an access itself?
fn is_access(site: &Site) -> bool {
    matches!(site.subject.instruction, Instruction::Access(_)) && !site.s1_walk
}

/// What the leaf becomes, with dirty state set where that is `due`.
const fn with_dirty_state(update: &LeafUpdate, due: bool) -> u64 {
    let LeafUpdate { new, written, .. } = *update;
    if due { new & !AP_READ_ONLY | written & AP_READ_ONLY } else { new }
}

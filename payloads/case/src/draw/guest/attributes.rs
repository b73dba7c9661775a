//! Permissions, memory types and other attributes of leaves at either stage.

use super::super::Rng;
use super::memory::{Memory, Stage2Memory};
use super::setup::Setup;
use crate::abilities::Abilities;
use crate::mapping::Attributes;
use crate::vtcr::hcr;

/// What a leaf is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The guest's code.
    Code,
    /// Tables of stage 1, and whether the guest needs them.
    Tables { spine: bool },
    /// Tags, and whether they are used through caches.
    Tags { is_cached: bool },
    /// Slots, mostly to be executed.
    Slots,
    /// Of stage 1: stage 2 says what becomes of it.
    Any,
    /// Memory that nobody but a probe may reach: Device, never executed.
    Quiet,
    /// Memory that nobody reaches: without its access flag.
    Unreached,
}

/// AP\[1\]: EL0 too.
const AP_EL0: u8 = 1;
/// AP\[2\].
const AP_READ_ONLY: u8 = 2;
/// PXN.
const PXN: u8 = 1;
/// UXN.
const UXN: u8 = 2;
/// S2AP.
const S2AP_READ: u8 = 1;
const S2AP_WRITE: u8 = 2;
/// XN\[1:0\] at stage 2: nobody executes, with FEAT_XNX or without.
const XN_ALL: u8 = 2;

/// Draws the attributes of a leaf of stage 1, and its memory type, which `suits` accepts.
pub(super) fn stage1_attributes(
    rng: &mut Rng,
    setup: &Setup,
    purpose: Purpose,
    suits: &dyn Fn(Memory) -> bool,
) -> (Attributes, Memory) {
    let updates = setup.stage1_updates;
    let (index, memory) = setup.mair.pick(rng, suits);
    let is_code = purpose == Purpose::Code;
    let is_read_only = is_code || rng.chance(250);
    let is_el0 = is_code || rng.chance(700);
    let executed = if purpose == Purpose::Slots { 850 } else { 400 };
    let xn = match purpose {
        Purpose::Code => 0,
        Purpose::Quiet => PXN | UXN,
        // What is executed from Device memory is left open.
        _ if memory == Memory::Device => PXN | UXN,
        _ => {
            let pxn = if rng.chance(executed) { 0 } else { PXN };
            pxn | if rng.chance(executed) { 0 } else { UXN }
        }
    };
    let lacks_flag = match purpose {
        Purpose::Code => false,
        Purpose::Unreached => true,
        _ => rng.chance(if updates.access { 450 } else { 60 }),
    };
    let mut flags = if rng.chance(400) { Attributes::NG } else { 0 };
    if updates.access && !is_code && rng.chance(450) {
        flags |= Attributes::DBM;
    }
    // NS is ignored in the Non-secure state.
    let ns = u8::from(rng.chance(100)) << 3;
    let attributes = Attributes {
        mem_attr: index | ns,
        ap: (u8::from(is_read_only) * AP_READ_ONLY) | (u8::from(is_el0) * AP_EL0),
        sh: rng.weighted([(5, 3), (2, 2), (2, 0)]),
        xn,
        af: u8::from(!lacks_flag),
        flags,
        software: rng.below(16) as u8,
        reserved: 0,
    };
    (attributes, memory)
}

/// Draws the attributes of a leaf of stage 2, and what it makes of memory types.
pub(super) fn stage2_attributes(
    rng: &mut Rng,
    setup: &Setup,
    abilities: &Abilities,
    purpose: Purpose,
) -> (Attributes, Stage2Memory) {
    let updates = setup.stage2_updates;
    let memory = stage2_memory(rng, setup, purpose);
    let all = S2AP_READ | S2AP_WRITE;
    let (ap, is_fixed) = match purpose {
        Purpose::Code => (rng.pick(&[all, S2AP_READ]).unwrap_or(all), true),
        // Whoever updates a table writes to it.
        Purpose::Tables { .. } if setup.stage1_updates.access => (all, true),
        Purpose::Tables { .. } => (rng.weighted([(3, all), (1, S2AP_READ)]), true),
        // A walk of stage 1 that is led astray must not read a device.
        Purpose::Quiet if setup.is_spoiled => (0, true),
        _ => (rng.weighted([(10, all), (4, S2AP_READ), (1, S2AP_WRITE), (1, 0)]), false),
    };
    let xn = match purpose {
        Purpose::Code => 0,
        Purpose::Slots if rng.chance(750) => 0,
        _ if memory.is_device() || purpose == Purpose::Quiet => XN_ALL,
        _ if abilities.xnx => rng.below(4) as u8,
        _ => rng.pick(&[0, XN_ALL]).unwrap_or(0),
    };
    let lacks_flag = match purpose {
        Purpose::Code | Purpose::Tables { spine: true } => false,
        Purpose::Tables { spine: false } => updates.access && rng.chance(400),
        Purpose::Unreached => true,
        _ => rng.chance(if updates.access { 450 } else { 60 }),
    };
    let mut flags = 0;
    if updates.access && !is_fixed && rng.chance(450) {
        flags |= Attributes::DBM;
    }
    if abilities.xs && rng.chance(300) {
        flags |= Attributes::FNXS;
    }
    let attributes = Attributes {
        mem_attr: memory.encode(rng, setup.fwb),
        ap,
        sh: rng.weighted([(5, 3), (2, 2), (2, 0)]),
        xn,
        af: u8::from(!lacks_flag),
        flags,
        software: rng.below(16) as u8,
        reserved: 0,
    };
    (attributes, memory)
}

fn stage2_memory(rng: &mut Rng, setup: &Setup, purpose: Purpose) -> Stage2Memory {
    let forced_or_same = [Stage2Memory::ForcedWriteBack, Stage2Memory::AsStage1];
    let write_back = match setup.fwb {
        true => rng.pick(&forced_or_same).unwrap_or(Stage2Memory::ForcedWriteBack),
        false => Stage2Memory::Combined(Memory::WriteBack),
    };
    let any = rng.pick(Stage2Memory::all(setup.fwb)).unwrap_or(write_back);
    match purpose {
        // Hardware updates only Write-Back memory in a way that is not left open.
        Purpose::Tables { .. } if setup.stage1_updates.access => write_back,
        Purpose::Code | Purpose::Tables { .. } | Purpose::Slots if any.is_device() => write_back,
        Purpose::Tags { is_cached: true } => write_back,
        // Stage 1 says it where stage 2 does not.
        Purpose::Tags { is_cached: false } if suits_uncached(rng, setup, any) => any,
        Purpose::Tags { is_cached: false } => {
            let memory = if rng.chance(500) { Memory::Device } else { Memory::NonCacheable };
            Stage2Memory::Combined(memory)
        }
        Purpose::Quiet => Stage2Memory::Combined(Memory::Device),
        _ => any,
    }
}

/// Whether what stage 2 says, or stage 1 then, makes memory uncached.
fn suits_uncached(rng: &mut Rng, setup: &Setup, memory: Stage2Memory) -> bool {
    let by_default = setup.registers.hcr_el2 & hcr::DC != 0;
    match memory {
        Stage2Memory::Combined(memory) if memory.is_uncached() => true,
        Stage2Memory::ForcedWriteBack => false,
        Stage2Memory::Combined(_) | Stage2Memory::AsStage1 => !by_default && rng.chance(600),
    }
}

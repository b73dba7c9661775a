//! Memory types, permissions, and other attributes of leaves of stage 1.

use arrayvec::ArrayVec;

use super::super::Rng;
use super::setup::Setup;
use crate::abilities::Abilities;
use crate::mapping::Attributes;

/// The bytes of `MAIR_EL2`.
#[derive(Clone, Debug)]
pub(super) struct Mair {
    /// Its value.
    pub value: u64,
    /// Which bytes are Normal memory.
    normal: ArrayVec<u8, 8>,
    /// Which are Device memory.
    device: ArrayVec<u8, 8>,
}

impl Mair {
    /// Eight memory types, at least one Normal and one Device.
    pub fn draw(rng: &mut Rng, abilities: &Abilities) -> Self {
        let mut mair = Self { value: 0, normal: ArrayVec::new(), device: ArrayVec::new() };
        let a_normal = rng.below(8);
        let a_device = (a_normal + rng.between(1, 7)) % 8;
        for index in 0..8 {
            let is_device = index == a_device || index != a_normal && rng.chance(350);
            let without_xs = abilities.xs && rng.chance(200);
            let byte = match (is_device, without_xs) {
                // Device: nGnRnE, nGnRE, nGRE, GRE; bit 0 is XS = 0.
                (true, _) => rng.below(4) << 2 | u64::from(without_xs),
                // Non-cacheable or Write-Through with XS = 0.
                (false, true) => rng.pick(&[0x40, 0xa0]).unwrap_or(0x40),
                (false, false) => rng.between(1, 15) << 4 | rng.between(1, 15),
            };
            mair.value |= byte << (8 * index);
            if is_device { &mut mair.device } else { &mut mair.normal }.push(index as u8);
        }
        mair
    }

    fn pick(&self, rng: &mut Rng, is_device: bool) -> u8 {
        let indices = if is_device { &self.device } else { &self.normal };
        rng.pick(indices).unwrap_or(0)
    }
}

/// What a leaf is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The executor's code.
    Code,
    /// The executor's data.
    Data,
    /// Normal memory within a stage, of which any use is made.
    Stage,
    /// Slots, mostly to be executed.
    Slots,
    /// Memory that nobody but a probe may reach: Device, never executed.
    Quiet,
    /// Memory that nobody reaches: without its access flag.
    Unreached,
}

/// AP\[1\]: RES1 with one range, with two for EL0.
const AP_EL0: u8 = 1;
/// AP\[2\].
const AP_READ_ONLY: u8 = 2;
/// PXN, with two ranges.
const PXN: u8 = 1;
/// UXN, or XN with one range.
const XN: u8 = 2;

/// Draws the attributes of a leaf, and whether it is Device memory.
pub(super) fn attributes(rng: &mut Rng, setup: &Setup, purpose: Purpose) -> (Attributes, bool) {
    let is_host = setup.shape.upper.is_some();
    let is_device = match purpose {
        Purpose::Code | Purpose::Slots => false,
        Purpose::Data | Purpose::Stage => rng.chance(250),
        Purpose::Quiet => true,
        Purpose::Unreached => rng.chance(500),
    };
    let must_write = purpose == Purpose::Data;
    let must_execute = purpose == Purpose::Code || purpose == Purpose::Slots && rng.chance(800);
    let is_read_only = !must_write && (must_execute && setup.wxn || rng.chance(400));
    // With one range AP[1] is RES1.
    let is_el0 = !is_host || (is_read_only || !must_execute) && rng.chance(250);
    let never = is_device || !must_execute && rng.chance(500);
    let xn = match (is_host, must_execute) {
        (false, true) => 0,
        (false, false) => u8::from(never) * XN,
        (true, true) => rng.pick(&[0, XN]).unwrap_or(0),
        (true, false) if is_device => PXN | XN,
        (true, false) => (u8::from(never) * PXN) | rng.pick(&[0, XN]).unwrap_or(0),
    };
    let lacks_flag = match purpose {
        Purpose::Code | Purpose::Data => false,
        Purpose::Stage | Purpose::Slots => rng.chance(if setup.updates { 400 } else { 100 }),
        Purpose::Quiet => rng.chance(100),
        Purpose::Unreached => true,
    };
    let mut flags = 0;
    if is_host && rng.chance(400) {
        flags |= Attributes::NG;
    }
    if setup.updates && purpose == Purpose::Stage && rng.chance(400) {
        flags |= Attributes::DBM;
    }
    // NS is ignored in the Non-secure state.
    let ns = u8::from(rng.chance(100)) << 3;
    let attributes = Attributes {
        mem_attr: setup.mair.pick(rng, is_device) | ns,
        ap: (u8::from(is_read_only) * AP_READ_ONLY) | (u8::from(is_el0) * AP_EL0),
        sh: rng.weighted([(5, 3), (2, 2), (2, 0)]),
        xn,
        af: u8::from(!lacks_flag),
        flags,
        software: rng.below(16) as u8,
        reserved: 0,
    };
    (attributes, is_device)
}

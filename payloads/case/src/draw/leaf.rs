//! Leaf descriptors: permissions, memory types and other attributes, by regime and by what a leaf is for.
//!
//! What code, data and tables need in order to be used is always granted; everything else is drawn from all that the
//! stage can say, so that most accesses succeed and every way to refuse one is met.

use super::memory_type::{Mair, MemoryType, Stage2Memory};
use super::{Rng, Space};
use crate::abilities::Abilities;
use crate::control::hcr;
use crate::mapping::Attributes;
use crate::registers::Registers;

/// What a leaf is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Code of whoever runs in the case.
    Code,
    /// The executor's data.
    Data,
    /// Tables of stage 1, and whether the guest needs them.
    Tables { spine: bool },
    /// Tags, and whether they are used through caches.
    Tags { is_cached: bool },
    /// Slots, mostly to be executed.
    Slots,
    /// Of stage 1: stage 2 says what becomes of it.
    Any,
    /// Device memory that may not be executed: no speculative access goes there.
    Quiet,
    /// AF = 0, and hardware does not set it: every access takes an Access flag fault.
    Unreached,
}

/// A translation regime with a stage 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Regime {
    /// EL2, with one range of addresses.
    El2,
    /// EL2&0, with two: HCR_EL2.E2H = 1.
    Host,
    /// EL1&0.
    El10,
}

/// What decides over leaves of stage 1.
#[derive(Clone, Debug)]
pub(super) struct Stage1 {
    pub regime: Regime,
    pub mair: Mair,
    /// SCTLR_EL2.WXN, where EL2 executes.
    pub wxn: bool,
    /// Hardware sets access flags.
    pub updates: bool,
}

/// What decides over leaves of stage 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stage2 {
    /// HCR_EL2.FWB.
    pub fwb: bool,
    /// HCR_EL2.DC: what stage 1 does not translate is cacheable.
    pub dc: bool,
    /// Hardware sets access flags of this stage.
    pub updates: bool,
    /// Hardware updates tables of stage 1, which this stage translates.
    pub updates_stage1: bool,
    /// Descriptors of stage 1 will be hostile.
    pub is_corrupted: bool,
    /// FEAT_XNX.
    pub xnx: bool,
    /// FEAT_XS.
    pub xs: bool,
}

/// AP\[1\]: RES1 with one range, with two for EL0.
const AP_EL0: u8 = 1;
/// AP\[2\].
const AP_READ_ONLY: u8 = 2;
/// PXN, with two ranges.
const PXN: u8 = 1;
/// UXN, or XN with one range.
const UXN: u8 = 2;
/// S2AP.
const S2AP_READ: u8 = 1;
const S2AP_WRITE: u8 = 2;
/// XN\[1:0\] at stage 2: nobody executes, with FEAT_XNX or without.
const XN_ALL: u8 = 2;

impl Stage1 {
    /// Draws the attributes of a leaf, and its memory type, which `suits` accepts.
    pub fn leaf(
        &self,
        rng: &mut Rng,
        purpose: Purpose,
        suits: &dyn Fn(MemoryType) -> bool,
    ) -> (Attributes, Stage2Memory) {
        let (index, memory) = self.mair.pick(rng, suits);
        let (is_guest, has_el0) = (self.regime == Regime::El10, self.regime != Regime::El2);
        // EL2 executes most slots whatever else they say.
        let is_slot = !is_guest && purpose == Purpose::Slots && rng.chance(800);
        let is_code = purpose == Purpose::Code || is_slot;
        let must_not_write = is_code && (is_guest || self.wxn);
        let is_read_only = purpose != Purpose::Data
            && (must_not_write || rng.chance(if is_guest { 250 } else { 400 }));
        let is_el0 = match self.regime {
            Regime::El2 => true,
            // What EL0 can write, EL2 does not execute.
            Regime::Host => (is_read_only || !is_code) && rng.chance(250),
            Regime::El10 => is_code || rng.chance(700),
        };
        let executed = match (is_guest, purpose) {
            (true, Purpose::Slots) => 850,
            (true, _) => 400,
            (false, _) => 500,
        };
        let xn = if is_code {
            if self.regime == Regime::Host && rng.chance(500) { UXN } else { 0 }
        } else if purpose == Purpose::Quiet || memory == MemoryType::Device {
            // What is executed from Device memory is left open.
            PXN | UXN
        } else {
            let pxn = if rng.chance(executed) { 0 } else { PXN };
            pxn | if rng.chance(executed) { 0 } else { UXN }
        };
        let lacks_flag = match purpose {
            Purpose::Code | Purpose::Data => false,
            Purpose::Unreached => true,
            _ if self.updates => rng.chance(450),
            _ => rng.chance(if is_guest { 60 } else { 100 }),
        };
        let mut flags = if has_el0 && rng.chance(400) { Attributes::NG } else { 0 };
        let is_needed = is_code || purpose == Purpose::Data;
        if self.updates && !is_needed && rng.chance(450) {
            flags |= Attributes::DBM;
        }
        // NS is ignored in the Non-secure state.
        let ns = u8::from(rng.chance(100)) << 3;
        let ap = (u8::from(is_read_only) * AP_READ_ONLY) | (u8::from(is_el0) * AP_EL0);
        // With one range PXN is RES0.
        let xn = if has_el0 { xn } else { xn & UXN };
        let (mem_attr, af) = (index | ns, u8::from(!lacks_flag));
        let attributes = Attributes { mem_attr, ap, xn, af, flags, ..any_fields(rng) };
        (attributes, Stage2Memory::Combined(memory))
    }
}

impl Stage2 {
    /// What these registers and abilities say.
    pub fn new(abilities: &Abilities, registers: &Registers, updates: bool) -> Self {
        Self {
            fwb: registers.hcr_el2 & hcr::FWB != 0,
            dc: registers.hcr_el2 & hcr::DC != 0,
            updates,
            updates_stage1: false,
            is_corrupted: false,
            xnx: abilities.xnx,
            xs: abilities.xs,
        }
    }

    /// Draws the attributes of a leaf that nobody depends on: such as a hypervisor might give, reserved encodings
    /// left out.
    pub fn any_leaf(&self, rng: &mut Rng, space: &Space) -> (Attributes, Stage2Memory) {
        // Device (four kinds), then outer and inner cacheability in {NC, WT, WB} each; with FWB, Normal NC and WB
        // and as stage 1 says.
        const COMBINED: [u8; 15] = [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 15, 15];
        const FORCED: [u8; 7] = [0, 1, 2, 3, 5, 6, 7];
        let mem_attr = if self.fwb { rng.one_of(&FORCED) } else { rng.one_of(&COMBINED) };
        let flags = self.flags(rng, true, 400);
        // Of those that restrict, half may be read.
        let [full, restricted] = space.restricted;
        let all = S2AP_READ | S2AP_WRITE;
        let ap = [(4 * full, all), (2 * restricted, 1), (restricted, 2), (restricted, 0)];
        let (ap, xn) = (rng.weighted(ap), rng.below(4) as u8);
        let af = u8::from(!rng.chance(if self.updates { 500 } else { 150 }));
        let attributes = Attributes { mem_attr, ap, xn, af, flags, ..any_fields(rng) };
        (attributes, Stage2Memory::Combined(MemoryType::Any))
    }

    /// Draws the attributes of a leaf for a guest, and what it makes of memory types.
    pub fn leaf(&self, rng: &mut Rng, purpose: Purpose) -> (Attributes, Stage2Memory) {
        let memory = self.memory(rng, purpose);
        let all = S2AP_READ | S2AP_WRITE;
        let (ap, is_fixed) = match purpose {
            Purpose::Code => (rng.one_of(&[all, S2AP_READ]), true),
            // Whoever updates a table writes to it.
            Purpose::Tables { .. } if self.updates_stage1 => (all, true),
            Purpose::Tables { .. } => (rng.weighted([(3, all), (1, S2AP_READ)]), true),
            // A walk of stage 1 that is led astray must not read a device.
            Purpose::Quiet if self.is_corrupted => (0, true),
            _ => (rng.weighted([(10, all), (4, S2AP_READ), (1, S2AP_WRITE), (1, 0)]), false),
        };
        let xn = match purpose {
            Purpose::Code => 0,
            Purpose::Slots if rng.chance(750) => 0,
            _ if memory.is_device() || purpose == Purpose::Quiet => XN_ALL,
            _ if self.xnx => rng.below(4) as u8,
            _ => rng.one_of(&[0, XN_ALL]),
        };
        let lacks_flag = match purpose {
            Purpose::Code | Purpose::Tables { spine: true } => false,
            Purpose::Tables { spine: false } => self.updates && rng.chance(400),
            Purpose::Unreached => true,
            _ => rng.chance(if self.updates { 450 } else { 60 }),
        };
        let flags = self.flags(rng, !is_fixed, 450);
        let (mem_attr, af) = (memory.encode(rng, self.fwb), u8::from(!lacks_flag));
        (Attributes { mem_attr, ap, xn, af, flags, ..any_fields(rng) }, memory)
    }

    fn memory(&self, rng: &mut Rng, purpose: Purpose) -> Stage2Memory {
        let write_back = match self.fwb {
            true => rng.one_of(&[Stage2Memory::ForcedWriteBack, Stage2Memory::AsStage1]),
            false => Stage2Memory::Combined(MemoryType::WriteBack),
        };
        let any = rng.one_of(&Stage2Memory::all(self.fwb));
        match purpose {
            // Hardware updates only Write-Back memory in a way that is not left open.
            Purpose::Tables { .. } if self.updates_stage1 => write_back,
            Purpose::Code | Purpose::Tables { .. } | Purpose::Slots if any.is_device() => {
                write_back
            }
            Purpose::Tags { is_cached: true } => write_back,
            // Stage 1 says it where stage 2 does not.
            Purpose::Tags { is_cached: false } if self.suits_uncached(rng, any) => any,
            Purpose::Tags { is_cached: false } => Stage2Memory::Combined(match rng.chance(500) {
                true => MemoryType::Device,
                false => MemoryType::NonCacheable,
            }),
            Purpose::Quiet => Stage2Memory::Combined(MemoryType::Device),
            _ => any,
        }
    }

    /// Whether what stage 2 says, or stage 1 then, makes memory uncached.
    fn suits_uncached(&self, rng: &mut Rng, memory: Stage2Memory) -> bool {
        match memory {
            Stage2Memory::Combined(memory) if memory.is_uncached() => true,
            Stage2Memory::ForcedWriteBack => false,
            Stage2Memory::Combined(_) | Stage2Memory::AsStage1 => !self.dc && rng.chance(600),
        }
    }

    /// FnXS, and where hardware may manage dirty state DBM, `dirty` times out of a thousand.
    fn flags(&self, rng: &mut Rng, may_be_dirty: bool, dirty: u64) -> u8 {
        let has_dbm = self.updates && may_be_dirty && rng.chance(dirty);
        let has_fnxs = self.xs && rng.chance(300);
        let fnxs = if has_fnxs { Attributes::FNXS } else { 0 };
        fnxs | if has_dbm { Attributes::DBM } else { 0 }
    }
}

/// The fields that say nothing about who may access what, drawn: SH, and those of software. The others are 0.
fn any_fields(rng: &mut Rng) -> Attributes {
    let (sh, software) = (rng.weighted([(5, 3), (2, 2), (2, 0)]), rng.below(16) as u8);
    Attributes { sh, software, ..Attributes::default() }
}
